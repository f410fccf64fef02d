#!/usr/bin/env python3
"""loading.py READ_TABLE MODULES [KIND ..]: pictures a second that data.images makes, beside PIL, in
turns.

Photographs (Debian's mate-backgrounds, or those of the folder that PHOTOGRAPHS names) are cut into
pictures of the size of ImageNet's, and written as JPEG, PNG and WebP.
Both sides decode, keep the middle square and resize it, on as many processes or threads as there
are cores. PIL is timed as most programs use it, and, for JPEG,
with `draft`, which decodes at a reduced scale. Needs PIL (Debian's python3-pil, or pillow of
PyPI)."""
import glob
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

from PIL import Image

PICTURES, ROUNDS, CORES = 160, 7, os.cpu_count()


def middle(path, size, draft):
    """One picture, as torchvision's loader with Resize and CenterCrop makes it."""
    image = Image.open(path)
    if draft:
        image.draft("RGB", (2 * size, 2 * size))
    image = image.convert("RGB")
    width, height = image.size
    side = min(width, height)
    x, y = (width - side) / 2, (height - side) / 2
    return image.resize((size, size), Image.BILINEAR, box=(x, y, x + side, y + side)).tobytes()


def all_of(job):
    paths, size, draft = job
    for path in paths:
        middle(path, size, draft)


def by_pil(pool, paths, size, draft):
    start = time.perf_counter()
    pool.map(all_of, [(paths[i::4 * CORES], size, draft) for i in range(4 * CORES)], 1)
    return time.perf_counter() - start


def by_couplet(folder, size):
    out = subprocess.run([sys.argv[1], "images", folder, f"size={size}", "--time", str(CORES)],
                         capture_output=True, text=True, check=True,
                         env={**os.environ, "COUPLET_MODULES": sys.argv[2]}).stdout
    word, seconds, rows, bad = out.strip().split("\n")[-1].split("\t")
    assert word == "seconds" and bad == "0", out
    return float(seconds)


def make(root, photographs):
    """Pictures of one kind a folder."""
    draw = random.Random(1)
    kinds = {"jpeg": ("JPEG", ".jpg", {"quality": 90}),
             "progressive": ("JPEG", ".jpg", {"quality": 90, "progressive": True}),
             "png": ("PNG", ".png", {}),
             "webp": ("WEBP", ".webp", {"quality": 85, "method": 2}),
             "large": ("JPEG", ".jpg", {"quality": 92}), "small": ("JPEG", ".jpg", {"quality": 95})}
    sources = [Image.open(path).convert("RGB") for path in photographs[:12]]
    kinds = {name: kind for name, kind in kinds.items() if name in sys.argv[3:] or not sys.argv[3:]}
    for name, (kind, ending, options) in kinds.items():
        os.makedirs(os.path.join(root, name))
        for i in range({"large": 24, "small": 3000}.get(name, PICTURES)):
            source = draw.choice(sources)
            width, height = {"large": (2000, 1500),
                             "small": (32, 32)}.get(name) or draw.choice(
                                 [(500, 375), (375, 500), (500, 333), (640, 480)])
            width, height = min(width, source.width), min(height, source.height)
            wide = draw.uniform(1, min(source.width / width, source.height / height))
            x, y = draw.uniform(0, source.width - wide *
                                width), draw.uniform(0, source.height - wide * height)
            source.resize((width, height), Image.BICUBIC,
                          box=(x, y, x + wide * width, y + wide * height)).save(
                os.path.join(root, name, f"{i:04d}{ending}"), kind, **options)
    return list(kinds)


def main():
    folder = os.environ.get("PHOTOGRAPHS", "/usr/share/backgrounds/mate")
    photographs = sorted(glob.glob(os.path.join(folder, "**", "*.jp*g"), recursive=True))
    if not photographs:
        sys.exit("There are no photographs; install Debian's mate-backgrounds, or name a folder.")
    root = tempfile.mkdtemp(prefix="couplet-loading-")
    with multiprocessing.Pool(CORES) as pool:
        kinds = make(root, photographs)
        print(f"PIL {Image.__version__}, {CORES} cores, pictures a second, fastest of {ROUNDS} "
              f"turns")
        print(f"{'':20} {'couplet':>9} {'PIL':>9} {'draft':>9}   ratios")
        for kind in kinds:
            folder = os.path.join(root, kind)
            paths = sorted(glob.glob(os.path.join(folder, "*")))
            for size in (32,) if kind == "small" else (64, 224):
                times = [[], [], []]
                for _ in range(ROUNDS):
                    times[0].append(by_couplet(folder, size))
                    times[1].append(by_pil(pool, paths, size, False))
                    times[2].append(by_pil(pool, paths, size, True))
                rates = [len(paths) / min(t) for t in times]
                print(f"{kind + ' to ' + str(size):20} {rates[0]:9.0f} {rates[1]:9.0f} "
                      f"{rates[2]:9.0f}   {rates[0] / rates[1]:.2f} {rates[0] / rates[2]:.2f}",
                      flush=True)
    shutil.rmtree(root)


main()
