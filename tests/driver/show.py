#!/usr/bin/env python3
"""show.py COUPLET ROOT: `couplet show` draws samples and their views: the right rows, the right
values, each kind of field, the same picture for the same seed."""
import os
import struct
import sys
import tempfile
import zlib

import command
from data_files import arrays

couplet, root = sys.argv[1], sys.argv[2]
check = command.Checks()

SPEC = """
use nn, optim
data train = data.arrays("arrays")
view dark, light[2] = turn(train.image)
view later = train.image * real(step) / 100
view noise = shake(train.image)
let faint[n, c, h, w] = train.image[n, c, h, w] / 10
view computed = turn(faint)
net f = nn.linear(4)
let flat[n, i] = dark[n, 0, i, 0]
let z = f(flat)
loss mean[i] dot(z[i], z[i])
train { epochs 1, batch 4
  optimiser optim.sgd(lr = 0.1) }
fn turn(x[C, H, W]) { let y[c, h, w] = 1 - x[c, h, w]
  return y }
fn shake(x[C, H, W]) { draw u[C] ~ uniform(0, 1)
  let y[c, h, w] = x[c, h, w] * u[c]
  return y }
"""


def contents(path):
    """The bytes of a file; none where there is no file."""
    if not os.path.exists(path):
        return b""
    with open(path, "rb") as file:
        return file.read()


def decode(path):
    """The pixels of a PNG of eight bits a channel, as rows of (red, green, blue)."""
    with open(path, "rb") as file:
        data = file.read()
    place, packed, head = 8, b"", None
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place:place + 8])
        body = data[place + 8:place + 8 + length]
        if kind == b"IHDR":
            head = struct.unpack(">IIBBBBB", body)
        if kind == b"IDAT":
            packed += body
        place += 12 + length
    width, height, depth, colour = head[:4]
    step = {2: 3, 6: 4}[colour]
    assert depth == 8
    raw, rows, before = zlib.decompress(packed), [], bytes(width * step)
    for y in range(height):
        kind, line = raw[y * (width * step
                              + 1)], bytearray(raw[y * (width * step + 1)
                                                   + 1:(y + 1) * (width * step + 1)])
        for i in range(len(line)):
            left, up, corner = line[i - step] if i >= step else 0, before[i], before[
                i - step] if i >= step else 0
            if kind == 4:
                guess = left + up - corner
                nearest = min((abs(guess - left), 0, left), (abs(guess - up), 1, up),
                              (abs(guess - corner), 2, corner))[2]
            line[i] = (line[i] + (0, left, up, (left + up) // 2,
                                  nearest if kind == 4 else 0)[kind]) & 255
        rows.append([tuple(line[x * step:x * step + 3]) for x in range(width)])
        before = line
    return rows


def colours(path):
    """Every colour with how many pixels have it."""
    found = {}
    if not os.path.exists(path):
        return found
    for row in decode(path):
        for pixel in row:
            found[pixel] = found.get(pixel, 0) + 1
    return found


with tempfile.TemporaryDirectory() as folder:
    sheet = folder + "/sheet.png"

    def show(*args, out=sheet, **more):
        if os.path.exists(out):
            os.remove(out)
        return command.run(couplet, "show", *args, "-o", out, **more)

    # Six pictures, each of one colour that is in no text and no frame.
    colour_of = [(200, 40 + 10 * i, 250 - 3 * i) for i in range(6)]
    image = [c for colour in colour_of for c in colour for _ in range(4)]
    arrays(folder + "/arrays", image=((6, 3, 2, 2), "|u1", image),
           label=((6,), "<i4", [0, 1, 2, 0, 1, 2]))
    command.write(folder + "/spec.cpl", SPEC)

    done = show("--reader", "arrays", folder + "/arrays")
    if "not beside this program" in done.stderr:
        print("ok      no module for sheets here: the rest is left out")
        check.finish()
    found = colours(sheet)
    check(done.returncode == 0 and all(found.get(c) == 128 * 128 for c in colour_of),
          "every sample is drawn once, as large as small pictures are", done.stderr)
    show("--reader", "arrays", folder + "/arrays", "--rows", 2)
    two = [c for c in colour_of if c in colours(sheet)]
    show("--reader", "arrays", folder + "/arrays", "--rows", 2, "--seed", 3)
    other = [c for c in colour_of if c in colours(sheet)]
    check(len(two) == len(other) == 2 and two != other, "--rows samples, drawn by --seed",
          (two, other))

    # ---- views
    done = show(folder + "/spec.cpl", "--rows", 4)
    found = colours(sheet)
    shown = [c for c in colour_of if c in found]
    check(done.returncode == 0 and len(shown) == 4, "the samples of the views", done.stderr)
    turned = [found.get(tuple(255 - v for v in c), 0) for c in shown]
    check(turned == [3 * 128 * 128] * 4, "three views turned dark, of the same samples", turned)
    light = [sum(count for colour, count in found.items()
                 if all(abs(a - 255 + v / 10) < 1 for a, v in zip(colour, c))) for c in shown]
    check(all(count >= 128 * 128 for count in light), "and the view of a computed array", light)
    first = contents(sheet)
    show(folder + "/spec.cpl", "--rows", 4, "--threads", 1)
    check(contents(sheet) == first, "the same sheet on one thread")
    show(folder + "/spec.cpl", "--rows", 4, "--step", 50)
    half = [found.get(tuple(v // 2 for v in c), 0)
            + colours(sheet).get(tuple(round(v / 2) for v in c), 0) for c in shown]
    check(all(half), "a view sees the step that --step names", half)
    check(contents(sheet) != first, "and draws anew in it")

    # ---- kinds of fields: none fails, and each draws something
    wave = [((i * 37) % 200 - 100) / 100 for i in range(2 * 2000)]
    kinds = {"wave": ((2, 2000), "<f4", wave), "short": ((2, 300), "<f4", wave[:600]),
             "cloud": ((2, 50, 3), "<f4", wave[:300]), "channels": ((2, 2, 200), "<f4", wave[:800]),
             "row": ((2, 5), "<f4", [float("nan"), float("inf"), -1, 2, 3, 0, 0, 0, 0, 0]),
             "many": ((2, 40), "<f4", wave[:80]),
             "film": ((2, 9, 3, 4, 5), "|u1", [i % 256 for i in range(2 * 540)]),
             "frames": ((2, 3, 4, 5), "|u1", [i % 256 for i in range(120)]),
             "plane": ((2, 7, 9), "<f4", wave[:126]),
             "token": ((2, 12), "<i4", [5, 5, 5, 5, 1, 2, 3, -7, 0, 0, 0, 0] * 2),
             "number": ((2,), "<f4", [1.5, -2]), "grid": ((2, 3, 3), "<i4", list(range(18))),
             "deep": ((2, 2, 2, 3, 4, 4), "<f4", [i / 400 for i in range(384)]),
             "one": ((2, 1), "<f4", [1, 2]),
             "same": ((2, 100), "<f4", [0.5] * 200), "tall": ((2, 1, 600, 3), "|u1", [7] * 3600)}
    for name, array in kinds.items():
        arrays(f"{folder}/{name}", x=array)
        done = show("--reader", "arrays", f"{folder}/{name}", "--set", "missing=keep")
        check(done.returncode == 0 and contents(sheet).startswith(b"\x89PNG"),
              f"a field {name} of {array[0]} is drawn", done.stderr)

    # ---- other files, and what is refused
    done = show("--reader", "arrays", folder + "/wave", out=folder + "/sheet.svg")
    check(done.returncode == 0 and b"<svg" in contents(folder + "/sheet.svg"), "as .svg",
          done.stderr)
    done = show("--reader", "arrays", folder + "/wave", out=folder + "/sheet.pdf")
    check(done.returncode == 0 and contents(folder + "/sheet.pdf").startswith(b"%PDF"), "as .pdf",
          done.stderr)
    for words, out in ((".png, .svg or .pdf", folder + "/sheet.jpg"),
                       ("cannot be written", folder + "/nowhere/sheet.png")):
        done = show("--reader", "arrays", folder + "/wave", out=out)
        check(done.returncode in (1, 2) and words in done.stderr, f"refused: {words}", done.stderr)
    done = command.run(couplet, "show", "--reader", "arrays", folder + "/wave")
    check(done.returncode == 2 and "-o sheet.png" in done.stderr, "a sheet needs a name",
          done.stderr)

check.finish()
