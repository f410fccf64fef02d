#!/usr/bin/env python3
"""new_samples.py COUPLET: new samples go through a trained encoder though nobody labelled them.

They are read as those of the training were, by the claims and the settings of the spec, but need
no labels: no class folders, no list, no file of names, no second file, no column."""
import re
import struct
import sys
import tempfile

import command
from data_files import arrays, grey_png, npy, pictures

couplet = sys.argv[1]
check = command.Checks()

# The features are the field itself, so that what was read shows.
SPEC = """
use nn, optim
data train = {data}
net trunk = flatten
net head = nn.linear(2)
let z = head(trunk({field}))
loss mean[i] dot(z[i], z[i])
train {{ epochs 1, batch 2
  optimiser optim.sgd(lr = 0.01) }}
eval {{ {measure}(features = trunk({field}), bank = train, query = train) }}
"""
CODES = """
fn codes(t : int[N, T]) {
  let u[n, t0] = real(t[n, t0])
  return u
}
"""


def idx(kind, shape, data):
    head = bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return head + data


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


def rows(path):
    """The rows of a matrix in an .npy file of float32."""
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<H", data[8:10])[0]
    height, width = map(int, re.search(rb"\((\d+), (\d+),?\)", data[:10 + length]).groups())
    values = struct.unpack(f"<{height * width}f", data[10 + length:])
    return [list(values[i * width:(i + 1) * width]) for i in range(height)]


with tempfile.TemporaryDirectory() as folder:
    env = {"COUPLET_CACHE": folder + "/cache"}

    def train(name, data, field, measure="recall", more=""):
        spec = command.write(f"{folder}/{name}.cpl",
                             SPEC.format(data=data, field=field, measure=measure) + more)
        done = command.run(couplet, "train", spec, "--out", f"{folder}/run-{name}", env=env)
        check(done.returncode == 0, f"{name} are trained on", done.stderr)

    def embed(name, path, out="out.npy"):
        return command.run(couplet, "embed", f"{folder}/run-{name}", "--data", f"{folder}/{path}",
                           "-o", f"{folder}/{out}", env=env)

    def embedded(name, path, wanted, what):
        done = embed(name, path)
        found = rows(folder + "/out.npy") if done.returncode == 0 else done.stderr
        check(found == wanted, what, f"{found}\n{wanted}")

    # ---- arrays that a claim chooses among, and whose types it chooses
    wholes = ((4, 2), "<i8", [1, 2, 3, 4, 5, 6, 7, 200])
    arrays(folder + "/cells", x=wholes, label=((4,), "<i8", [0, 1, 0, 1]),
           other=((3,), "<f4", [0, 0, 0]))
    train("arrays", 'data.arrays("cells") { x : real[2], label : int }', "train.x")
    wanted = [[1, 2], [3, 4], [5, 6], [7, 200]]
    embedded("arrays", "cells", wanted, "ints are the reals that the spec claims")
    with open(folder + "/out.jsonl") as file:
        check('"label":1' in file.read(), "and their labels are told")
    arrays(folder + "/bare", x=((2, 2), "|u1", [1, 2, 7, 200]))
    embedded("arrays", "bare", [wanted[0], wanted[3]], "so are bytes without labels")
    write(folder + "/one.npy", npy(*wholes))
    train("one", 'data.arrays("one.npy") { cells : real[2] }', "train.cells", "rank")
    embedded("one", "one.npy", wanted, "a claim names the array of an .npy file")
    before = open(folder + "/one.npy", "rb").read()
    check.refused("features in place of their samples", embed("one", "one.npy", "one.npy"),
                  "another name")
    check(open(folder + "/one.npy", "rb").read() == before, "and the samples are there")

    # ---- pictures
    pictures(folder + "/photos", 4)
    command.write(folder + "/photos/names.txt", "dog\ncat\n")
    command.write(folder + "/photos/list.csv", "file,kind\ncat/001.png,1\ndog/000.png,0\n")
    for sub in ("/new", "/new/deep", "/new/empty"):
        command.run("mkdir", "-p", folder + sub)
    for i, name in enumerate(("a", "deep/b")):
        write(f"{folder}/new/{name}.png", grey_png([[51 * (i + 1)] * 6] * 6))
    for setting in ("names", "list"):
        kind = 'names = "names.txt"' if setting == "names" else 'list = "list.csv"'
        train(setting, f'data.images("photos", size = 2, {kind})', "train.image")
        embed(setting, "new")
        found = [[round(5 * v, 5) for v in row] for row in rows(folder + "/out.npy")]
        check(found == [[1] * 12, [2] * 12], f"pictures without {setting}, and without classes",
              found)

    # ---- IDX and lines
    write(folder + "/cells.idx", idx(0xc, (2, 2), struct.pack(">4i", 1, 2, 3, 4)))
    write(folder + "/kinds.idx", idx(8, (2,), b"\0\1"))
    command.run("mkdir", folder + "/elsewhere")
    write(folder + "/elsewhere/cells.idx", idx(0xc, (1, 2), struct.pack(">2i", 7, 8)))
    train("idx", 'data.idx("cells.idx", labels = "kinds.idx")', "codes(train.x)", more=CODES)
    embedded("idx", "elsewhere/cells.idx", [[7, 8]], "samples without the file of their labels")
    command.write(folder + "/said.txt", "good\tfine day\nbad\tbad day\n")
    command.write(folder + "/new.txt", "day fine\nnight\n")
    train("lines", 'data.lines("said.txt", tokens = 2, label = true)', "codes(train.token)",
          more=CODES)
    embedded("lines", "new.txt", [[2, 4], [1, 0]], "lines without labels")
    command.write(folder + "/half.txt", "day fine\ngood\tday\n")
    check.refused("lines of which some have one", embed("lines", "half.txt"), "line 1", "no tab")
check.finish()
