#!/usr/bin/python3
"""views.py COUPLET ROOT [--size n] [--rounds n] [--step]: the time of a view by BYOL's recipe (both
of its halves, 32 views), on one core, beside torchvision (on
PIL's images and on tensors), kornia and albumentations, those of them that are installed. They take
turns: a run of ours, then of each, and again. A row is a line of
JSON: the median of milliseconds a view, and theirs divided by ours. --step: which part of a
training step with ResNet-18 the views take (tests/bench/views.cpl)."""
import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "golden"))
import npy  # noqa: E402

BATCH = 16
FUNCTIONS = """use augment
fn views(q : int[N, C, H, W], v[N, C, H, W], w[N, C, H, W]) {
  let x[n, c, i, j] = q[n, c, i, j] / 255
  let a[n, c, i, j] = augment.byol(x[n])[c, i, j], b[n, c, i, j] = augment.byol_second(x[n])[c, i, j]
  return sum[n, c, i, j] (v[n, c, i, j] * a[n, c, i, j] + w[n, c, i, j] * b[n, c, i, j])
}
"""


def smooth_image(size, seed):
    """Bytes of a made-up photograph, row by row, three channels together."""
    random.seed(seed)
    waves = [(random.uniform(0, 8), random.uniform(0, 8), random.uniform(0, 6),
              random.randrange(20, 90)) for _ in range(3)]
    return [[[int(128 + h * ((a * i / size + b * j / size + p) % 2 - 1)) for a, b, p, h in waves]
             for j in range(size)] for i in range(size)]


# ---- ours ----

def prepare(folder, images, size):
    flat = [image[i][j][c] for image in images for c in range(3) for i in range(size)
            for j in range(size)]
    npy.write(f"{folder}/q.npy", (BATCH, 3, size, size), flat, "<i4")
    npy.write(f"{folder}/w.npy", (BATCH, 3, size, size), [1.0] * len(flat))
    with open(f"{folder}/views.cpl", "w") as file:
        file.write(FUNCTIONS)


def ours(couplet, folder):
    """Milliseconds a view: the gradients by v and w are the views, so each is stored."""
    command = [couplet, "grad", f"{folder}/views.cpl", "--fn", "views", "--in",
               f"q={folder}/q.npy", "--in", f"v={folder}/w.npy", "--in", f"w={folder}/w.npy",
               "--bench", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    row = json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
    return row["ms"] / (2 * BATCH)


# ---- theirs: (first view, second view) of one image ----

def torchvision_on(kind, images):
    import torch
    import torchvision.transforms as T
    from PIL import Image

    class Blur:
        """The authors' blur of PIL's images."""
        def __call__(self, image):
            from PIL import ImageFilter
            return image.filter(ImageFilter.GaussianBlur(radius=random.uniform(0.1, 2)))

    torch.set_num_threads(1)
    size = len(images[0])
    blur = Blur() if kind == "pil" else T.GaussianBlur(size // 10 // 2 * 2 + 1, (0.1, 2))
    head = [T.RandomResizedCrop(size), T.RandomHorizontalFlip(),
            T.RandomApply([T.ColorJitter(0.4, 0.4, 0.2, 0.1)], 0.8), T.RandomGrayscale(0.2)]
    tail = [T.ToTensor()] if kind == "pil" else [T.ConvertImageDtype(torch.float32)]
    first = T.Compose(head + [T.RandomApply([blur], 1.0)] + tail)
    second = T.Compose(head + [T.RandomApply([blur], 0.1), T.RandomSolarize(128, 0.2)] + tail)
    bytes_of = [bytes(v for row in image for pixel in row for v in pixel) for image in images]
    pictures = [Image.frombytes("RGB", (size, size), data) for data in bytes_of]
    if kind == "tensor":
        pictures = [T.PILToTensor()(picture) for picture in pictures]
    return lambda: [(first(picture), second(picture)) for picture in pictures]


def kornia_on(images):
    import kornia.augmentation as K
    import torch
    torch.set_num_threads(1)
    size = len(images[0])
    width = size // 10 // 2 * 2 + 1
    head = lambda: [K.RandomResizedCrop((size, size), (0.08, 1)), K.RandomHorizontalFlip(),
                    K.ColorJitter(0.4, 0.4, 0.2, 0.1, p=0.8), K.RandomGrayscale(p=0.2)]
    first = torch.nn.Sequential(*head(), K.RandomGaussianBlur((width, width), (0.1, 2), p=1.0))
    second = torch.nn.Sequential(*head(), K.RandomGaussianBlur((width, width), (0.1, 2), p=0.1),
                                 K.RandomSolarize(0.0, 0.0, p=0.2))
    batch = torch.tensor(images).permute(0, 3, 1, 2).float() / 255
    return lambda: (first(batch), second(batch))


def albumentations_on(images):
    import albumentations as A
    import cv2
    import numpy
    cv2.setNumThreads(1)
    size = len(images[0])
    head = [A.RandomResizedCrop(size, size, (0.08, 1)), A.HorizontalFlip(),
            A.ColorJitter(0.4, 0.4, 0.2, 0.1, p=0.8), A.ToGray(p=0.2)]
    limit = dict(blur_limit=(size // 10 // 2 * 2 + 1,) * 2, sigma_limit=(0.1, 2))
    first = A.Compose(head + [A.GaussianBlur(**limit, p=1.0), A.ToFloat(255)])
    second = A.Compose(head + [A.GaussianBlur(**limit, p=0.1), A.Solarize(128, p=0.2),
                               A.ToFloat(255)])
    arrays = [numpy.array(image, numpy.uint8) for image in images]
    return lambda: [(first(image=array)["image"], second(image=array)["image"]) for array in arrays]


PEERS = {"torchvision_pil": lambda images: torchvision_on("pil", images),
         "torchvision_tensor": lambda images: torchvision_on("tensor", images), "kornia": kornia_on,
         "albumentations": albumentations_on}


def median_of(run, seconds):
    times = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        begin = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times) / (2 * BATCH)


# ---- the part of a step ----

def part_of_step(couplet):
    done = subprocess.run([couplet, "profile", os.path.join(HERE, "views.cpl"), "--steps", "3"],
                          capture_output=True, text=True, check=True)
    rows = re.findall(r"^ *([\d.]+) +[\d.]+ .* (\S+(?: whole step)?) *$", done.stdout, re.MULTILINE)
    views = sum(float(ms) for ms, source in rows if source.startswith("stdlib/augment/"))
    whole = float(re.search(r"^ *([\d.]+) .*the whole step", done.stdout, re.MULTILINE).group(1))
    return {"row": "step", "views_ms": round(views, 1), "rest_ms": round(whole - views, 1),
            "views_of_rest": round(views / (whole - views), 4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("couplet")
    parser.add_argument("root")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of each turn of the others")
    parser.add_argument("--step", action="store_true")
    given = parser.parse_args()
    os.environ.update({name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                              "MKL_NUM_THREADS")})
    images = [smooth_image(given.size, seed) for seed in range(BATCH)]
    runs = {}
    for name, make in PEERS.items():
        try:
            runs[name] = make(images)
            runs[name]()
        except ImportError as error:
            print(json.dumps({"row": name, "left_out": str(error)}))
            runs.pop(name, None)
    times = {name: [] for name in ["couplet", *runs]}
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder, images, given.size)
        for _ in range(given.rounds):
            times["couplet"].append(ours(given.couplet, folder))
            for name, run in runs.items():
                times[name].append(median_of(run, given.seconds))
    our = statistics.median(times["couplet"])
    for name, values in times.items():
        print(json.dumps({"row": name, "size": given.size,
                          "ms_a_view": round(statistics.median(values), 3),
                          "theirs_by_ours": round(statistics.median(values) / our, 2)}))
    if given.step:
        print(json.dumps(part_of_step(given.couplet)))


if __name__ == "__main__":
    main()
