"""Kinds of data for prepare.py whose samples have several fields, or whose files are no text: what
prepare.py calls with a folder to fill.

    speech      prompts of asterisk-core-sounds-*-wav: speech/LANGUAGE, for each of en, es, fr,
    it and ru whose package is there
    letters     the letters of r-cran-mlbench, 20,000 with 16 measures each: table.csv
    bands       pixels of r-cran-mlbench's satellite scene with their neighbours: bands.npz with
    x, four bands of 3 x 3 pixels, and label, the kind of land
    climate     squares of sea of ferret-datasets: train.npz and test.npz with month, four
    fields of 4 x 4 cells in each of twelve months, place and label, the ocean
    textlines   words of wamerican as pictures, in the faces of fonts-dejavu-core: train.npz and
    test.npz with image, word (codes 1 to 26, then 0), label, the word's length
    characters  the characters of unicode-data in six faces of fonts-dejavu-core: train.npz and
    test.npz with face, word (codes of the name), number (measures) and label, the script
    glyphs      its letters, a face a row, each at a place of its own: train.npz and test.npz
    with image, label, the character, and face, its number
    catch       moves of a game, made by examples/applications/catch.py: replay.npz with image
    and next, two pictures each, action, reward and done

Pictures are drawn by python3-pil; the rest needs Python alone."""
import array
import bz2
import collections
import csv
import glob
import gzip
import hashlib
import lzma
import math
import os
import re
import struct
import subprocess
import sys
import zipfile

FACES = ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif",
         "DejaVuSerif-Bold"]
LANGUAGES = ["en", "es", "fr", "it", "ru"]


def needs(path, package):
    found = sorted(glob.glob(path))
    if not found:
        sys.exit(f"{path} is not there: Debian's package {package} brings it")
    return found[0]


def share(name):
    """A number from 0 to 1, the same on every machine."""
    return int(hashlib.md5(name.encode()).hexdigest()[:8], 16) / 2 ** 32


def write(path, **fields):
    """An .npz file of arrays: (type of an entry, shape of a sample, entries of all samples)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, (descr, shape, values) in fields.items():
            size = math.prod(shape)
            header = repr({"descr": descr, "fortran_order": False,
                           "shape": (len(values) // size, *shape)})
            header += " " * (-(len(header) + 11) % 64) + "\n"
            archive.writestr(name + ".npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
                             + header.encode() + bytes(memoryview(values).cast("B")))


def speech(folder):
    for language in LANGUAGES:
        sounds = sorted(glob.glob(f"/usr/share/asterisk/sounds/{language}_*"))
        os.makedirs(os.path.join(folder, "speech", language), exist_ok=True)
        for at in sounds[:1]:
            for path in sorted(glob.glob(f"{at}/**/*.wav", recursive=True)):
                name = os.path.relpath(path, at).replace("/", "-")
                if os.path.getsize(path) > 8000 and "silence" not in name: # half a second
                    os.symlink(path, os.path.join(folder, "speech", language, name))
        if not sounds:
            os.rmdir(os.path.join(folder, "speech", language))
    needs("/usr/share/asterisk/sounds/en_*", "asterisk-core-sounds-en-wav")


# ---- tables of R ---------------------------------------------------------------------------------

class Saved:
    """A file that R saved, "XDR version 2 or 3": a list of columns. Only what the tables of
    mlbench have."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        for opened in (gzip.decompress, bz2.decompress, lzma.decompress):
            try:
                data = opened(data)
                break
            except (OSError, lzma.LZMAError):
                pass
        assert data[:7] in (b"RDX2\nX\n", b"RDX3\nX\n"), path
        self.data, self.at, self.names = data, 7, []
        version = self.ints(3)[0]
        if version == 3:
            self.take(self.ints(1)[0])
        self.table = self.value()

    def take(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def ints(self, count):
        return struct.unpack(f">{count}i", self.take(4 * count))

    def value(self):
        flags, = self.ints(1)
        kind, marked, tagged = flags & 255, flags & 512, flags & 1024
        if kind == 254: # nothing
            return None
        if kind == 255: # a name that was met
            return self.names[(flags >> 8) - 1]
        if kind == 1: # a name
            self.names.append(self.value())
            return self.names[-1]
        if kind == 9: # a text; -1: none
            count, = self.ints(1)
            return self.take(count).decode("latin1") if count >= 0 else None
        if kind == 2: # pairs: a name and a value, then the rest
            pairs = {}
            while kind == 2:
                if marked:
                    self.value()
                name = self.value() if tagged else ""
                pairs[name] = self.value()
                flags, = self.ints(1)
                kind, marked, tagged = flags & 255, flags & 512, flags & 1024
            return pairs
        count, = self.ints(1)
        if kind in (10, 13):
            values = list(self.ints(count))
        elif kind == 14:
            values = list(struct.unpack(f">{count}d", self.take(8 * count)))
        elif kind in (16, 19):
            values = [self.value() for _ in range(count)]
        else:
            raise ValueError(f"a value of kind {kind}")
        about = self.value() if marked else {}
        if "levels" in about: # a factor
            return [about["levels"][v - 1] for v in values]
        return dict(zip(about["names"], values)) if kind == 19 and "names" in about else values


def mlbench(name):
    saved = Saved(needs(f"/usr/lib/R/site-library/mlbench/data/{name}.rda", "r-cran-mlbench"))
    return saved.table[name]


def letters(folder):
    columns = mlbench("LetterRecognition")
    with open(os.path.join(folder, "table.csv"), "w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["label"] + [name for name in columns if name != "lettr"])
        for row in zip(columns["lettr"],
                       *[values for name, values in columns.items() if name != "lettr"]):
            rows.writerow([row[0]] + [int(v) for v in row[1:]])


def bands(folder):
    columns = mlbench("Satellite")
    kinds = sorted(set(columns["classes"]))
    x, label = array.array("B"), array.array("i", [kinds.index(kind)
                                                   for kind in columns["classes"]])
    for row in range(len(label)): # the columns are pixel by pixel, band by band
        x.extend(int(columns[f"x.{4 * pixel + band + 1}"][row]) for band in range(4)
                 for pixel in range(9))
    write(os.path.join(folder, "bands.npz"), x=("|u1", (4, 3, 3), x), label=("<i4", (), label))


# ---- the climate of the sea ----------------------------------------------------------------------

def netcdf(path, wanted):
    """Variables of a file of netCDF's classic format, as (shape, numbers); those along the
    record dimension lie record by record."""
    with open(path, "rb") as file:
        data = file.read()
    at, sizes, types = 4, {}, {1: ("b", 1), 2: ("c", 1), 3: ("h", 2), 4: ("i", 4), 5: ("f", 4),
                               6: ("d", 8)}

    def number():
        nonlocal at
        at += 4
        return struct.unpack_from(">I", data, at - 4)[0]

    def text():
        nonlocal at
        count = number()
        at += (count + 3) // 4 * 4
        return data[at - (count + 3) // 4 * 4:][:count].decode("latin1")

    def attributes():
        nonlocal at
        number()
        for _ in range(number()):
            text()
            size = types[number()][1]
            size *= number()
            at += (size + 3) // 4 * 4

    assert data[:4] == b"CDF\x01", path
    records, _ = number(), number()
    dimensions = [(text(), number()) for _ in range(number())]
    attributes()
    number()
    found, step = {}, 0
    for _ in range(number()):
        name, axes = text(), [dimensions[number()][1] for _ in range(number())]
        attributes()
        kind, size, start = number(), number(), number()
        step += size if axes and axes[0] == 0 else 0
        found[name] = axes, types[kind][0], start
    for name in wanted:
        axes, code, start = found[name]
        count = math.prod(axes[1:])
        places = [start + step * r
                  for r in range(records)] if axes[0] == 0 else [start + count *
                                                                 struct.calcsize(code) * r
                                                                 for r in range(axes[0])]
        sizes[name] = [struct.unpack_from(f">{count}{code}", data, place) for place in places]
    return sizes


def ocean(latitude, longitude):
    """The ocean of a place, by meridians; 0 to 4: North and South Atlantic, North and South
    Pacific, Indian."""
    if 20 <= longitude < 100 and latitude < 25 or 100 <= longitude < 145 and latitude < -10:
        return 4
    atlantic = longitude >= 290 or longitude < 20 or longitude >= 262 and latitude > 18
    return (0 if atlantic else 2) + (latitude < 0)


def climate(folder):
    fields = ["SST", "AIRT", "SPEH", "WSPD"] # temperatures of sea and air, humidity, wind
    found = netcdf(needs("/usr/share/ferret-vis/data/coads_climatology.cdf", "ferret-datasets"),
                   fields)
    valid = [[v for month in found[name] for v in month if abs(v) < 1e10] for name in fields]
    mean = [sum(v) / len(v) for v in valid]
    deviation = [math.sqrt(sum((x - m) ** 2 for x in v) / len(v)) for v, m in zip(valid, mean)]
    parts = {name: (array.array("f"), array.array("f"), array.array("i"))
             for name in ("train", "test")}
    for i in range(0, 87, 2):
        for j in range(0, 180, 2): # cells of 2 degrees, from 89 S and 21 E
            cells = [(i + a) * 180 + (j + b) % 180 for a in range(4)
                     for b in range(4)] if i + 4 <= 90 else []
            values = [[found[name][month][c] for c in cells] for month in range(12)
                      for name in fields]
            if not cells or any(abs(v) > 1e10 for row in values for v in row):
                continue # some land, or never measured
            latitude, longitude = -89 + 2 * (i + 1.5), (21 + 2 * (j + 1.5)) % 360
            block = f"{i // 10} {j // 10}"
            if i % 10 > 6 or j % 10 > 6:
                continue # reaches into the next block, which may be of the other part
            month, place, label = parts["test" if share(block) < 0.3 else "train"]
            for number, row in enumerate(values):
                month.extend((v - mean[number % 4]) / deviation[number % 4] for v in row)
            place.extend([latitude / 90, math.sin(math.radians(longitude)),
                          math.cos(math.radians(longitude))])
            label.append(ocean(latitude, longitude))
    for name, (month, place, label) in parts.items():
        write(os.path.join(folder, name + ".npz"), month=("<f4", (12, 4, 4, 4), month),
              place=("<f4", (3,), place), label=("<i4", (), label))


# ---- characters and words, drawn -----------------------------------------------------------------

def drawn(make):
    """`make` under a Python that has PIL: this one, or the one that Debian's python3-pil is for."""
    def run(folder):
        try:
            import PIL.ImageFont
        except ImportError:
            if sys.executable == "/usr/bin/python3" or os.environ.get("PREPARE_DRAWN"):
                sys.exit("PIL is not there: Debian's package python3-pil brings it")
            subprocess.run(["/usr/bin/python3", os.path.abspath(__file__), make.__name__, folder],
                           check=True, env={**os.environ, "PREPARE_DRAWN": "1"})
            return
        make(folder)
    return run


def font(name, size):
    from PIL import ImageFont
    return ImageFont.truetype(needs(f"/usr/share/fonts/truetype/dejavu/{name}.ttf",
                                    "fonts-dejavu-core"), size)


def picture(text, face, width, height, left, top):
    from PIL import Image, ImageDraw
    image = Image.new("L", (width, height))
    ImageDraw.Draw(image).text((left, top), text, fill=255, font=face)
    return image.tobytes()


def textlines(folder):
    with open(needs("/usr/share/dict/american-english", "wamerican"), encoding="utf-8") as file:
        words = [w for w in file.read().split() if re.fullmatch("[a-z]{3,8}", w)]
    words = [w for w in words if share("kept" + w) < 0.4]
    fonts = [[font(face, size) for size in (18, 20, 22)] for face in FACES]
    parts = {name: (bytearray(), array.array("i"), array.array("i")) for name in ("train", "test")}
    for word in words:
        image, codes, label = parts["test" if share(word) < 0.2 else "train"]
        face = fonts[int(6 * share("face" + word))][int(3 * share("size" + word))]
        wide = face.getlength(word)
        if wide > 92:
            continue
        image += picture(word, face, 96, 32, 2 + (92 - wide) * share("left" + word),
                         7 * share("top" + word))
        codes.extend([ord(c) - 96 for c in word] + [0] * (8 - len(word)))
        label.append(len(word) - 3)
    for name, (image, codes, label) in parts.items():
        write(os.path.join(folder, name + ".npz"), image=("|u1", (1, 32, 96), image),
              word=("<i4", (8,), codes), label=("<i4", (), label))


SCRIPTS = ["Latin", "Greek", "Cyrillic", "Armenian", "Georgian", "Common"]


def known_characters():
    """(character, name, category, script, its picture in each face), of those that all faces
    have."""
    missing, side = "\U0010fffe", 32
    faces = [font(face, 22) for face in FACES]
    gone = [(face.getbbox(missing, anchor="ls"), picture(missing, face, side, side, 5, 3))
            for face in faces]
    scripts = {}
    with open(needs("/usr/share/unicode/Scripts.txt", "unicode-data"), encoding="utf-8") as file:
        for line in file:
            found = re.match(r"([0-9A-F]+)(?:\.\.([0-9A-F]+))? *; (\w+)", line)
            if found:
                scripts.update(dict.fromkeys(range(int(found[1], 16),
                                                   int(found[2] or found[1], 16) + 1), found[3]))
    with open("/usr/share/unicode/UnicodeData.txt", encoding="utf-8") as file:
        for line in file:
            code, name, category = line.split(";")[:3]
            code = int(code, 16)
            if code > 0xffff or name.startswith("<") or category[0] not in "LNSP" or scripts.get(
                code) not in SCRIPTS:
                continue
            pictures = []
            for face, (box_of_none, none) in zip(faces, gone):
                box = face.getbbox(chr(code), anchor="ls")
                if box == box_of_none and picture(chr(code), face, side, side, 5, 3) == none:
                    break
                image = picture(chr(code), face, side, side, (side - (box[0] + box[2])) / 2, 3)
                if not any(image):
                    break
                pictures.append(image)
            if len(pictures) == len(faces):
                yield chr(code), name, category, scripts[code], pictures


def parted(rows):
    """Rows of characters, by their names: {"train": .., "test": ..}."""
    found = {"train": [], "test": []}
    for row in rows:
        found["test" if share(row[1]) < 0.25 else "train"].append(row)
    return found


def measures(image, category):
    """Of a picture of 32 x 32: its ink, the middle and the spread of the ink along both axes;
    whether it is an upper-case letter, a lower-case one, a number."""
    ink = sum(image)
    sums = [[sum(image[32 * i:32 * i + 32]) for i in range(32)],
            [sum(image[j::32]) for j in range(32)]]
    middle = [sum(v * i for i, v in enumerate(line)) / ink for line in sums]
    spread = [math.sqrt(sum(v * (i - m) ** 2 for i, v in enumerate(line)) / ink) for line,
              m in zip(sums, middle)]
    return [ink / 255 / 100, *[m / 16 - 1 for m in middle], *[s / 8 for s in spread],
            category == "Lu", category == "Ll", category[0] == "N"]


def characters(folder, length=8):
    """Codes of words: 0 behind the end, 1 for a word that fewer than two names of train.npz
    have, 2 is free for a mask, then by how often a word occurs."""
    parts = parted(known_characters())
    words = lambda name: re.findall("[A-Z]+|[0-9]+", name)[:length]
    counts = collections.Counter(word for row in parts["train"] for word in words(row[1]))
    codes = {word: 3 + rank for rank, (word, count) in enumerate(counts.most_common(509))
             if count > 1}
    with open(os.path.join(folder, "words.txt"), "w", encoding="utf-8") as file:
        file.writelines(f"{code} {word}\n" for word, code in codes.items())
    for part, rows in parts.items():
        word, number, label = array.array("i"), array.array("f"), array.array("i")
        for _, name, category, script, pictures in rows:
            spelt = [codes.get(w, 1) for w in words(name)]
            word.extend(spelt + [0] * (length - len(spelt)))
            number.extend(measures(pictures[0], category))
            label.append(SCRIPTS.index(script))
        face = b"".join(image for row in rows for image in row[4])
        write(os.path.join(folder, part + ".npz"), face=("|u1", (6, 1, 32, 32), face),
              word=("<i4", (length,), word), number=("<f4", (8,), number), label=("<i4", (), label))


def moved(image, down, right, side=32):
    """The picture moved by whole pixels; what leaves it is gone."""
    empty = bytes(side * abs(down))
    image = empty + image[:side * (side - down)] if down > 0 else image[side * -down:] + empty
    rows = [image[i:i + side] for i in range(0, side * side, side)]
    return b"".join(bytes(right) + row[:side - right] if right > 0
                    else row[-right:] + bytes(-right) for row in rows)


def glyphs(folder):
    place = lambda *key: int(9 * share(repr(key))) - 4
    for part, rows in parted(row for row in known_characters() if row[2][0] == "L").items():
        label = array.array("i", [i for i in range(len(rows)) for _ in FACES])
        face = array.array("i", [k for _ in rows for k in range(len(FACES))])
        image = b"".join(moved(image, place(row[1], k, "down"), place(row[1], k, "right"))
                         for row in rows for k, image in enumerate(row[4]))
        write(os.path.join(folder, part + ".npz"), image=("|u1", (1, 32, 32), image),
              label=("<i4", (), label), face=("<i4", (), face))


def catch(folder, count=4000):
    """Moves of a player of Catch that guesses."""
    import importlib.util
    import random
    parts = importlib.util.spec_from_file_location("catch",
                                                   os.path.join(
                                                       os.path.dirname(os.path.abspath(__file__)),
                                                       "..", "applications", "catch.py"))
    game = importlib.util.module_from_spec(parts)
    parts.loader.exec_module(game)
    seen, after, action, reward, done = zip(*game.transitions(count, random.Random(1)))
    picture = ("|u1", (2, game.PIXELS, game.PIXELS))
    write(os.path.join(folder, "replay.npz"), image=(*picture, b"".join(seen)),
          next=(*picture, b"".join(after)), action=("<i4", (), array.array("i", action)),
          reward=("<f4", (), array.array("f", reward)), done=("<f4", (), array.array("f", done)))


KINDS = {"speech": speech, "letters": letters, "bands": bands, "climate": climate,
         "textlines": drawn(textlines), "characters": drawn(characters), "glyphs": drawn(glyphs),
         "catch": catch}
if __name__ == "__main__":
    KINDS[sys.argv[1]](sys.argv[2])
