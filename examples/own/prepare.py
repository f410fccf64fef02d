#!/usr/bin/env python3
"""prepare.py KIND FOLDER: real data of a kind, from a Debian package, in the form in which users have theirs. It needs Python alone, and says which package is missing.

    pictures   icons of tango-icon-theme: PNG of 16 to 48 pixels with transparency, in train/KIND and test/KIND
    arrays     letters of wordnet-base's definitions: train.npz and test.npz with x, 2000 reals a row, and label
    table      the characters of unicode-data: table.csv with columns of numbers and of words, some of them empty
    lines      definitions of wordnet-base, a line each, with the kind of word in front: train.txt and test.txt"""
import array
import csv
import fractions
import glob
import math
import os
import re
import shutil
import struct
import sys
import zipfile
import zlib

WORDS = {5: "animal", 6: "artifact", 13: "food", 15: "place", 18: "person", 20: "plant"} # lexicographer files of WordNet's nouns
WIDTH = 2000


def needs(path, package):
    if not os.path.exists(path):
        sys.exit(f"{path} is not there: Debian's package {package} brings it")
    return path


def is_test(name):
    """One of five, the same ones on every machine."""
    return zlib.crc32(name.encode()) % 5 == 0


def pictures(folder):
    icons = needs("/usr/share/icons/Tango", "tango-icon-theme")
    for kind in ("actions", "apps", "devices", "mimetypes", "places", "status"):
        for path in sorted(glob.glob(f"{icons}/*x*/{kind}/*.png")):
            if os.path.islink(path):
                continue # another name of a picture that is there
            name = os.path.basename(path)
            place = os.path.join(folder, "test" if is_test(name) else "train", kind) # all sizes of an icon on one side
            os.makedirs(place, exist_ok=True)
            size = path.split("/")[-3]
            shutil.copyfile(path, os.path.join(place, f"{size}-{name}"))


def definitions():
    """(kind, first word, definition) of nouns."""
    with open(needs("/usr/share/wordnet/data.noun", "wordnet-base"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("  "):
                continue # the licence
            data, gloss = line.split("|", 1)
            fields = data.split()
            if int(fields[1]) in WORDS:
                yield WORDS[int(fields[1])], fields[4].replace("_", " "), gloss.split(";")[0].strip()


def write_npy(archive, name, descr, shape, data):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    archive.writestr(name + ".npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data.tobytes())


def counts(text):
    """How often each run of three letters occurs, in one of WIDTH columns each, as logarithms."""
    found = [0] * WIDTH
    text = f" {re.sub('[^a-z]+', ' ', text.lower())} "
    for i in range(len(text) - 2):
        found[zlib.crc32(text[i:i + 3].encode()) % WIDTH] += 1
    return array.array("f", [math.log1p(n) for n in found])


def arrays(folder):
    kinds, most = sorted(WORDS.values()), 600
    x, label, taken = {"train": array.array("f"), "test": array.array("f")}, {"train": array.array("i"), "test": array.array("i")}, {}
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
    with open(os.path.join(folder, "train.txt"), "w", encoding="utf-8") as train, open(os.path.join(folder, "test.txt"), "w", encoding="utf-8") as test:
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
    with open(needs("/usr/share/unicode/UnicodeData.txt", "unicode-data"), encoding="utf-8") as file, \
            open(os.path.join(folder, "table.csv"), "w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["label", "code", "words", "letters", "class", "direction", "parts", "script", "break", "upper", "number"])
        for line in file:
            code, name, category, combining, direction, parts, _, _, number, _, _, upper = line.rstrip("\n").split(";")[:12]
            if name.startswith("<"):
                continue
            code = int(code, 16)
            pieces = [p for p in parts.split() if not p.startswith("<")]
            rows.writerow([category[0], code, name.count(" ") + 1, len(name), combining, direction, len(pieces), scripts.get(code, ""), breaks.get(code, ""),
                           "yes" if upper else "no", float(fractions.Fraction(number)) if number else ""])


KINDS = {"pictures": pictures, "arrays": arrays, "table": table, "lines": lines}
if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in KINDS:
        sys.exit(__doc__)
    os.makedirs(sys.argv[2], exist_ok=True)
    KINDS[sys.argv[1]](sys.argv[2])
