#!/usr/bin/env python3
"""prepare.py KIND FOLDER: real data of a kind, from a Debian package, in the form in which users
have theirs. It needs Python alone, and says which package is missing.

    pictures   icons of tango-icon-theme: PNG of 16 to 48 pixels with transparency, in
    train/KIND and test/KIND
    tree       the same icons, with a folder in each kind's folder for icons whose names begin
    with the same word: train/actions/go/..
    arrays     letters of wordnet-base's definitions: train.npz and test.npz with x, 2000 reals
    a row, and label
    table      the characters of unicode-data: table.csv with columns of numbers and of words,
    some of them empty
    lines      definitions of wordnet-base, a line each, with the kind of word in front:
    train.txt and test.txt
    clips      parts of two videos of opencv-doc, read by ffmpeg, through 30 windows: train.npz
    and test.npz, which has later parts through windows that are moved
    activities frames of those videos, a course of five scenes a sample, with the scene of each
    frame: train.npz and test.npz
    volumes    axial slices of mricron-data's brain: the left half in train.npz, the right one,
    mirrored, in test.npz, with a kind of tissue for each pixel
    furniture  models and pictures of sweethome3d-furniture, in shapes/train/KIND and
    pictures/train/KIND, and in test likewise

and the kinds of records.py beside it: speech, letters, bands, climate, textlines, characters,
glyphs, catch."""
import array
import csv
import fractions
import glob
import gzip
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib

import records

# lexicographer files of WordNet's nouns
WORDS = {5: "animal", 6: "artifact", 13: "food", 15: "place", 18: "person", 20: "plant"}
WIDTH = 2000


def needs(path, package):
    if not os.path.exists(path):
        sys.exit(f"{path} is not there: Debian's package {package} brings it")
    return path


def is_test(name):
    """One of five, the same ones on every machine."""
    return zlib.crc32(name.encode()) % 5 == 0


def pictures(folder, place_of=lambda kind, name: kind):
    icons = needs("/usr/share/icons/Tango", "tango-icon-theme")
    for kind in ("actions", "apps", "devices", "mimetypes", "places", "status"):
        for path in sorted(glob.glob(f"{icons}/*x*/{kind}/*.png")):
            if os.path.islink(path):
                continue # another name of a picture that is there
            name = os.path.basename(path)
            # all sizes of an icon on one side
            place = os.path.join(folder, "test" if is_test(name) else "train", place_of(kind, name))
            os.makedirs(place, exist_ok=True)
            size = path.split("/")[-3]
            shutil.copyfile(path, os.path.join(place, f"{size}-{name}"))


def tree(folder):
    pictures(folder, lambda kind, name: os.path.join(kind, re.split("[-_.]", name)[0]))


def definitions():
    """(kind, first word, definition) of nouns."""
    with open(needs("/usr/share/wordnet/data.noun", "wordnet-base"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("  "):
                continue # the licence
            data, gloss = line.split("|", 1)
            fields = data.split()
            if int(fields[1]) in WORDS:
                yield WORDS[int(fields[1])], fields[4].replace("_", " "), gloss.split(";")[
                    0].strip()


def write_npy(archive, name, descr, shape, data):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    archive.writestr(name + ".npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
                     + header.encode() + bytes(data))


def counts(text):
    """How often each run of three letters occurs, in one of WIDTH columns each, as logarithms."""
    found = [0] * WIDTH
    text = f" {re.sub('[^a-z]+', ' ', text.lower())} "
    for i in range(len(text) - 2):
        found[zlib.crc32(text[i:i + 3].encode()) % WIDTH] += 1
    return array.array("f", [math.log1p(n) for n in found])


def arrays(folder):
    kinds, most = sorted(WORDS.values()), 600
    x, label, taken = {"train": array.array("f"),
                       "test": array.array("f")}, {"train": array.array("i"),
                                                   "test": array.array("i")}, {}
    for kind, word, text in definitions():
        taken[kind] = taken.get(kind, 0) + 1
        if taken[kind] <= most:
            part = "test" if is_test(word) else "train"
            x[part] += counts(text)
            label[part].append(kinds.index(kind))
    for part in x:
        with zipfile.ZipFile(os.path.join(folder, part + ".npz"), "w") as archive:
            write_npy(archive, "x", "<f4", (len(label[part]), WIDTH), x[part])
            write_npy(archive, "label", "<i4", (len(label[part]),), label[part])


def lines(folder):
    with open(os.path.join(folder, "train.txt"), "w",
              encoding="utf-8") as train, open(os.path.join(folder, "test.txt"), "w",
                                               encoding="utf-8") as test:
        for kind, word, text in definitions():
            print(f"{kind}\t{text}", file=test if is_test(word) else train)


def ranges(name):
    """The value of each character in a file of Unicode like `0041..005A ; Latin # L&`."""
    found = {}
    with open(f"/usr/share/unicode/{name}.txt", encoding="utf-8") as file:
        for line in file:
            line = line.split("#")[0].strip()
            if ";" in line:
                place, value = (part.strip() for part in line.split(";")[:2])
                first, _, last = place.partition("..")
                if not last: # ranges of whole scripts of ideographs would be the table
                    found[int(first, 16)] = value
                elif int(last, 16) - int(first, 16) < 1000:
                    found.update(dict.fromkeys(range(int(first, 16), int(last, 16) + 1), value))
    return found


def table(folder):
    scripts, breaks = ranges("Scripts"), ranges("LineBreak")
    data = needs("/usr/share/unicode/UnicodeData.txt", "unicode-data")
    with open(data, encoding="utf-8") as file, \
            open(os.path.join(folder, "table.csv"), "w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["label", "code", "words", "letters", "class", "direction", "parts",
                       "script", "break", "upper", "number"])
        for line in file:
            code, name, category, combining, direction, parts, _, _, number, _, _, upper = (
                line.rstrip("\n").split(";")[:12])
            if name.startswith("<"):
                continue
            code = int(code, 16)
            pieces = [p for p in parts.split() if not p.startswith("<")]
            rows.writerow([category[0], code, name.count(" ") + 1, len(name), combining, direction,
                           len(pieces), scripts.get(code, ""), breaks.get(code, ""),
                           "yes" if upper else "no", float(fractions.Fraction(number)) if number
                           else ""])


def movie(name, width, height, columns, rows, size):
    """The frames of a video's upper left width x height pixels, brought to columns x rows
    squares of `size` pixels: for each the bytes of red, of green and of blue."""
    place = needs("/usr/share/doc/opencv-doc/examples/data/" + name, "opencv-doc")
    done = subprocess.run([needs("/usr/bin/ffmpeg", "ffmpeg"), "-v", "error", "-i", place, "-vf",
                           f"crop={width}:{height}:0:0,"
                           f"scale={columns * size}:{rows * size}:flags=area",
                           "-vsync", "0", "-f", "rawvideo", "-pix_fmt", "gbrp", "-"], check=True,
                          stdout=subprocess.PIPE)
    plane = columns * rows * size * size
    frames = (done.stdout[i:i + 3 * plane] for i in range(0, len(done.stdout), 3 * plane))
    # they come as green, blue and red
    return [(f[2 * plane:], f[:plane], f[plane:2 * plane]) for f in frames]


def window(frames, width, left, top, size):
    """A square part of each frame."""
    return [b"".join(plane[(top + i) * width + left:][:size] for plane in frame
                     for i in range(size)) for frame in frames]


def change(frames):
    """The mean difference of bytes between the first, the middle and the last frame."""
    return sum(abs(a - b) for f, g in ((0, len(frames) // 2), (len(frames) // 2, -1)) for a,
               b in zip(frames[f], frames[g])) / (2 * len(frames[0]))


def clips(folder, size=32, length=16, most=480):
    """A row is 16 frames of a window of a video, `place` says which window: for training those
    of the first two thirds of the video that move most, for testing parts of the last third
    through windows that are moved by a quarter of their side."""
    train, test, places = [], [], []
    for name, width, height, columns, rows in (("vtest.avi", 768, 512, 6, 4),
                                               ("Megamind.avi", 720, 480, 3, 2)):
        video = movie(name, width, height, columns, rows, size)
        places += [(video, columns, rows, size * column, size * row) for row in range(rows)
                   for column in range(columns)]
    for n, (video, columns, rows, left, top) in enumerate(places):
        moved = size // 4 # towards the middle
        frames = window(video, columns * size, left, top, size)
        later = window(video, columns * size,
                       left + (moved if left < size * columns // 2 else -moved),
                       top + (moved if top < size * rows // 2 else -moved), size)
        last = 2 * len(frames) // 3
        train += [(change(frames[t:t + length]), n, frames[t:t + length])
                  for t in range(0, last - length + 1, length)]
        test += [(change(later[t:t + length]), n, later[t:t + length])
                 for t in range(last, len(frames) - length + 1, length)]
    for name, parts in (("train", sorted(train, key=lambda part: -part[0])[:most]),
                        ("test", sorted(test, key=lambda part: -part[0])[:most // 2])):
        with zipfile.ZipFile(os.path.join(folder, name + ".npz"), "w",
                             zipfile.ZIP_DEFLATED) as archive:
            write_npy(archive, "clip", "|u1", (len(parts), length, 3, size, size),
                      b"".join(b"".join(part[2]) for part in parts))
            write_npy(archive, "place", "<i4", (len(parts),),
                      array.array("i", [part[1] for part in parts]))


def activities(folder, size=24, length=40, samples=120):
    """Five scenes follow each other in one order, for as long as a hash of the sample and the
    scene says; the first 600 frames are for training."""
    street, film = movie("vtest.avi", 768, 512, 6, 4,
                         size), window(movie("Megamind.avi", 720, 480, 3, 2, size // 2),
                                       3 * size // 2, size // 4, 0, size)
    scenes = [window(street, 6 * size, 2 * size, size, size), film[30:108],
              window(street, 6 * size, 4 * size, size // 2, size), film[216:],
              window(street, 6 * size, 0, 2 * size, size)]
    draw = lambda *key: zlib.crc32(repr(key).encode()) / 2 ** 32
    for name, count, test in (("train", samples, False), ("test", samples // 4, True)):
        frames, action = [], array.array("i")
        for n in range(count):
            weights = [0.2 + 1.6 * draw(name, n, k) for k in range(len(scenes))]
            ends = [round(length * sum(weights[:k + 1]) / sum(weights)) for k in range(len(scenes))]
            for k, scene in enumerate(scenes):
                own = scene[3 * len(scene) // 4:] if test else scene[:3 * len(scene) // 4]
                count = ends[k] - (ends[k - 1] if k else 0)
                start = int(draw(name, n, k, "start") * (len(own) - count + 1))
                frames += own[start:start + count]
                action.extend([k] * count)
        with zipfile.ZipFile(os.path.join(folder, name + ".npz"), "w",
                             zipfile.ZIP_DEFLATED) as archive:
            write_npy(archive, "frames", "|u1", (len(frames) // length, length, 3, size, size),
                      b"".join(frames))
            write_npy(archive, "action", "<i4", (len(frames) // length, length), action)


def nifti(name):
    """Size and numbers of a volume of bytes or of floats (NIfTI-1)."""
    with gzip.open(needs(f"/usr/share/mricron/templates/{name}.nii.gz", "mricron-data")) as file:
        data = file.read()
    kind, start = struct.unpack_from("<h", data, 70)[0], int(struct.unpack_from("<f", data, 108)[0])
    return struct.unpack_from("<3h", data,
                              42), data[start:] if kind == 2 else array.array("f", data[start:])


# The regions of AAL by their numbers, up to and with each: frontal, limbic, occipital, parietal,
# deep nuclei, temporal, cerebellum. 0 is none of them.
TISSUES = ((28, 1), (42, 2), (56, 3), (70, 4), (78, 5), (90, 6), (116, 7))


def halves(volume, labels, right):
    """The axial slices of half a brain that are not empty, from below, as 96 rows of 48 pixels
    from the front: (pixels, tissues) each. The right half is mirrored."""
    (nx, ny, nz), data = volume
    xs = [(2 * i + 1) * (nx // 2) // 96 for i in range(48)]
    xs = [nx - 1 - x for x in xs] if right else xs
    kind = bytes(next((kind for last, kind in TISSUES if 0 < n <= last), 0) for n in range(256))
    places = [((ny - 1 - (2 * j + 1) * ny // 192) * nx) + x for j in range(96) for x in xs]
    found = sorted(v for v in data[::101] if v)
    top = int(found[99 * len(found) // 100]) # a few vessels are far brighter
    for z in range(nz):
        plane = data[z * nx * ny:(z + 1) * nx * ny]
        # float volumes have whole numbers
        pixels = bytes(min(255, 255 * int(plane[p]) // top) for p in places)
        if any(pixels):
            tissue = labels[z * nx * ny:(z + 1) * nx * ny] if labels else bytes(nx * ny)
            yield pixels, bytes(kind[tissue[p]] for p in places)


def volumes(folder):
    """A row is a slice: its volume (0 a human brain, 1 and 2 the halves of a macaque's, without
    tissues) and the quarter of the volume's height that it is in."""
    human, aal, macaque = nifti("ch2bet"), nifti("aal")[1], nifti("inia19-t1-brain")
    for name, parts in (("train", ((human, aal, False), (macaque, None, False),
                                   (macaque, None, True))), ("test", ((human, aal, True),))):
        pixels, tissues, volume, quarter = [], [], array.array("i"), array.array("i")
        for n, part in enumerate(parts):
            slices = list(halves(*part))
            pixels += [s[0] for s in slices]
            tissues += [s[1] for s in slices]
            volume.extend([n] * len(slices))
            quarter.extend(4 * i // len(slices) for i in range(len(slices)))
        with zipfile.ZipFile(os.path.join(folder, name + ".npz"), "w",
                             zipfile.ZIP_DEFLATED) as archive:
            write_npy(archive, "slice", "|u1", (len(pixels), 1, 96, 48), b"".join(pixels))
            write_npy(archive, "tissue", "<i4", (len(pixels), 96, 48),
                      array.array("i", list(b"".join(tissues))))
            write_npy(archive, "volume", "<i4", (len(pixels),), volume)
            write_npy(archive, "quarter", "<i4", (len(pixels),), quarter)


def furniture(folder):
    for path in sorted(glob.glob(needs("/usr/share/sweethome3d/furniture", "sweethome3d-furniture")
                                 + "/*.sh3f")):
        with zipfile.ZipFile(path) as archive:
            text = archive.read("PluginFurnitureCatalog.properties").decode("latin-1")
            catalogue = dict(line.split("=", 1) for line in text.splitlines() if "#" in line
                             and "=" in line and not line.startswith("#"))
            for number in (key[6:] for key in catalogue if key.startswith("model#")):
                name = os.path.basename(path)[:-5] + "-" + number
                kind = re.sub("[^a-z]+", "-", catalogue["category#" + number].strip().lower())
                part = "test" if is_test(name) else "train"
                for what, ending in (("model", ".obj"), ("icon", ".png")):
                    place = os.path.join(folder, "shapes" if what == "model" else "pictures", part,
                                         kind)
                    os.makedirs(place, exist_ok=True)
                    with open(os.path.join(place, name + ending), "wb") as file:
                        file.write(archive.read(catalogue[what + "#" + number].strip().lstrip("/")))


KINDS = {"pictures": pictures, "tree": tree, "arrays": arrays, "table": table, "lines": lines,
         "clips": clips, "activities": activities, "volumes": volumes, "furniture": furniture}
KINDS.update(records.KINDS)
if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in KINDS:
        sys.exit(__doc__)
    os.makedirs(sys.argv[2], exist_ok=True)
    KINDS[sys.argv[1]](sys.argv[2])
