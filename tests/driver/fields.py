#!/usr/bin/env python3
"""fields.py COUPLET ROOT: sources of any fields, from the data, from a claim, and from where --data
says; how rows are chosen and batches are drawn; and methods without data."""
import io
import os
import struct
import sys
import tempfile
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command

couplet, root = sys.argv[1:3]
ROWS = 120


def array(code, shape, values):
    header = f"{{'descr': '{code}', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}"
    header += " " * (63 - (len(header) + 10) % 64) + "\n"
    kind = {"<f4": "f", "<i4": "i", "|u1": "B"}[code]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack(
        f"<{len(values)}{kind}", *values)


def write_npz(path, **arrays):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for name, bytes_ in arrays.items():
            file.writestr(name + ".npy", bytes_)


def cells(path, rows=ROWS, width=6):
    write_npz(path, wave=array("<f4", [rows, width],
                               [float(i % 7) / 7 + i / 1000 for i in range(rows * width)]),
              kind=array("<i4", [rows], [i % 4 for i in range(rows)]),
              clip=array("|u1", [rows, 2, 1, 3, 3], [i * 37 % 256 for i in range(rows * 18)]))


HEAD = """
use nn, losses, optim, data
data train = data.arrays("cells.npz"OPTIONS)CLAIM
net encoder = nn.linear(4)
let z = encoder(train.wave)
"""
TAIL = """
loss mean[i, d] (z[i, d] - real(train.kind[i]))^2 + mean[i, t] train.clip[i, t, 0, 1, 1]
train { epochs 2, batch 8, optimiser optim.sgd(lr = 0.01) }
"""
EVAL = ("eval { knn(k = 3, features = encoder, of = train.wave, labels = train.kind, bank = "
        "train, query = train) }\n")

check = command.Checks()


def spec_of(path, options="", claim="", more="", tail=TAIL):
    return command.write(path, HEAD.replace("OPTIONS", options).replace("CLAIM", claim) + more
                         + tail)


def refused(words, *arguments):
    done = command.run(couplet, *arguments)
    check(done.returncode != 0 and all(word in done.stdout + done.stderr for word in words),
          " ".join(map(str, arguments[:1])) + ": " + " | ".join(words), done.stderr)


def checks(words, *arguments):
    done = command.run(couplet, "check", *arguments)
    check(done.returncode == 0 and all(word in done.stdout for word in words),
          "check says " + " | ".join(words), done.stdout + done.stderr)


with tempfile.TemporaryDirectory() as folder:
    cells(folder + "/here/cells.npz")
    cells(folder + "/there/cells.npz", rows=40)
    cells(folder + "/wide/cells.npz", width=9)
    spec = spec_of(folder + "/here/s.cpl", more="bank M[train, 4]\nupdate M[train.index] <- z\n",
                   tail=TAIL + EVAL)

    # Fields and rows are those of the data, which is beside the spec, or where --data says.
    checks(["wave real[6]", "kind int", "clip u8[2, 1, 3, 3]", "120 rows", "M : real[120, 4]"],
           spec)
    checks(["M : real[40, 4]"], spec, "--data", folder + "/there")
    checks(["M : real[40, 4]"], spec, "--data", f"train={folder}/there/cells.npz")
    checks(["M : real[120, 4]"], spec, "--data", folder + "/there", "--data",
           f"train={folder}/here/cells.npz")
    refused(["E603", "there is no data of this name"], "check", spec, "--data",
            f"tran={folder}/there/cells.npz")
    refused(["E112", "not there", "nowhere/cells.npz", "claim"], "check", spec, "--data",
            folder + "/nowhere")
    refused(["E106", "no field `wav`", "wave real[6]"], "check",
            command.write(folder + "/here/w.cpl",
                          open(spec).read().replace("train.wave)", "train.wav)")))

    # A claim serves where the data is not there, and is compared where it is.
    claim = " { wave : real[6], kind : int, clip : u8[2, 1, 3, 3] }"
    claimed = spec_of(folder + "/here/c.cpl", ", rows = 120", claim,
                      more="bank M[train, 4]\nupdate M[train.index] <- z\n")
    checks(["M : real[120, 4]"], claimed, "--data", folder + "/nowhere")
    checks(["M : real[120, 4]"], claimed)
    refused(["E607", "wave", "real[9]", "real[6]"], "check", claimed, "--data", folder + "/wide")
    refused(["40", "120"], "check", claimed, "--data", folder + "/there")
    refused(["E112", "rows = 10000"], "check",
            spec_of(folder + "/here/r.cpl", "", claim,
                    more="bank M[train, 4]\nupdate M[train.index] <- z\n"), "--data",
            folder + "/nowhere")
    refused(["nowhere"], "train", claimed, "--data", folder + "/nowhere", "--out", folder + "/run0")

    # Data that is the same wherever it lies needs no claim: fields, and the rows of a split; those
    # of one file of several are not known.
    preset = command.write(folder + "/preset.cpl",
                           'data train = data.cifar10("cifar")\ndata test = data.cifar10("cifar", '
                           'split = "test", per_class = 5)\n'
                           'data one = data.cifar10("cifar/data_batch_1.bin")\ndata fine = '
                           'data.cifar100("fine", split = "test")\n')
    checks(["train : image u8[3, 32, 32], label int, 50000 rows",
            "test : image u8[3, 32, 32], label int, 50 rows",
            "one : image u8[3, 32, 32], label int, rows unknown",
            "fine : image u8[3, 32, 32], coarse int, label int, 10000 rows"], preset, "--data",
           folder + "/nowhere")

    # Which rows are kept.
    for options, where, rows in (("", " where kind == 3 and index < 60", 15),
                                 (", by = kind, classes = 2, from = 1", "", 60),
                                 (", by = kind, per_class = 3", "", 12),
                                 ("", " where wave > 1", None),
                                 (", part = 0.0 .. 0.5", "", (40, 80))):
        path = spec_of(folder + "/here/k.cpl", options, where)
        done = command.run(couplet, "check", path)
        if rows is None:
            check(done.returncode == 1 and "E110" in done.stderr, "rows are kept by numbers",
                  done.stderr)
            continue
        line = next((line for line in done.stdout.splitlines() if line.startswith("data")),
                    "0 rows")
        count = int(line.split()[-2])
        low, high = rows if isinstance(rows, tuple) else (rows, rows)
        check(low <= count <= high, f"{options}{where}: {count} rows, in {low} .. {high}",
              done.stderr)
    halves = [spec_of(folder + f"/here/p{i}.cpl", f", part = {part}", more="state seen[120] = 0\n",
                      tail=TAIL) for i, part in enumerate(("0.0 .. 0.5", "0.5 .. 1.0"))]
    counts = [int(next(line for line in command.run(couplet, "check", path).stdout.splitlines()
                       if line.startswith("data")).split()[-2]) for path in halves]
    check(sum(counts) == ROWS, f"two halves make the whole: {counts}")

    # How batches are drawn: class by class in episodes; by weights those that have one.
    more = ("state kinds : int[8] = 0, rows : int[8] = 0\nupdate kinds <- train.kind\nupdate rows "
            "<- train.index\n")
    out = folder + "/run1"
    done = command.run(couplet, "train",
                       spec_of(folder + "/here/e.cpl", ", by = kind, episodes(ways = 2, each = 4)",
                               more=more), "--out", out, "--max-steps", "3", "--quiet")
    kinds = [int(k) for k in command.arrays(out)["kinds"]] if done.returncode == 0 else []
    check(len(kinds) == 8 and len(set(kinds[:4])) == 1 and len(set(kinds[4:])) == 1
          and kinds[0] != kinds[4], f"an episode is class by class: {kinds}", done.stderr)
    out = folder + "/run2"
    weighed = (more + "state w[train] = 1\nevery epoch {\n  let on[i < 120] = if i mod 10 == 3 "
                      "then 1.0 else 0.0\n  update w <- on\n}\n")
    done = command.run(couplet, "train",
                       spec_of(folder + "/here/g.cpl", ", batch = 8, weights = w", more=weighed),
                       "--out", out, "--max-steps", "2", "--quiet")
    rows = [int(r) for r in command.arrays(out)["rows"]] if done.returncode == 0 else []
    check(len(rows) == 8 and all(r % 10 == 3 for r in rows),
          f"rows are drawn by their weights: {rows}", done.stderr)

    # The whole way: training, evaluation of a field, gradients and times on made-up fields.
    out = folder + "/run3"
    done = command.run(couplet, "train", spec, "--out", out)
    check(done.returncode == 0 and "kNN (k = 3" in done.stdout,
          "it trains, and is evaluated on its field", done.stdout + done.stderr)
    done = command.run(couplet, "eval", out)
    check(done.returncode == 0 and "kNN (k = 3" in done.stdout,
          "a run is evaluated where its data was", done.stdout + done.stderr)
    for name, words in (("gradcheck", ["encoder"]), ("profile", ["the whole step"]),
                        ("describe", ["reads train.kind", "reads train.wave, train.clip"])):
        done = command.run(couplet, name, claimed, "--data", folder + "/nowhere")
        check(done.returncode == 0 and all(word in done.stdout for word in words),
              f"{name} without the data", done.stdout + done.stderr)

    # Names of any characters, of folders, specs and data: the run that was made is found and
    # evaluated again.
    odd = folder + "/a b \u00fc\nc # d"
    cells(odd + "/cells.npz")
    done = command.run(couplet, "train", spec_of(odd + "/e f.cpl", tail=TAIL + EVAL), "--out",
                       odd + "/run g", "--quiet")
    check(done.returncode == 0, "it trains in a folder whose name has spaces and a line feed",
          done.stdout + done.stderr)
    for arguments in (("eval", odd + "/run g"), ("embed", odd + "/run g", "-o", odd + "/h i.npy"),
                      ("embed", odd + "/run g", "--data", odd + "/cells.npz", "-o",
                       odd + "/h.npy")):
        done = command.run(couplet, *arguments)
        check(done.returncode == 0, f"and {arguments[0]} finds it", done.stdout + done.stderr)

    # Pictures with their channels last are told of, unless a claim says that they are meant so.
    last = """
use optim, nn
data train = data.arrays("last.npz") CLAIM
net encoder = flatten >> nn.linear(2)
let z = encoder(train.image)
loss mean[i] dot(z[i], z[i])
train { epochs 1, batch 4, optimiser optim.sgd(lr = 0.1) }
"""
    write_npz(folder + "/here/last.npz", image=array("|u1", [4, 8, 9, 3], [7] * 864))
    for claim, told in (("", 1), ("{ image : u8[8, 9, 3] }", 0)):
        source = command.write(folder + "/here/last.cpl", last.replace("CLAIM", claim))
        done = command.run(couplet, "train", source, "--out", f"{folder}/last{told}")
        warned = done.stdout.count("warning: `image` is u8[8, 9, 3], and pictures have their")
        check(done.returncode == 0 and warned == told, f"channels last, {claim or 'unclaimed'}",
              done.stdout + done.stderr)

    # Without data an epoch is so many steps.
    free = """
use optim
param W[4] = normal(0, 1)
draw x[32, 4] ~ normal(0, 1)
let p[n] = sum[d] x[n, d] * W[d]
loss mean[n] (p[n] - x[n, 0] + 2 * x[n, 3])^2
train { epochs 3, STEPS batch 32, optimiser optim.sgd(lr = 0.1) }
"""
    done = command.run(couplet, "train",
                       command.write(folder + "/f.cpl", free.replace("STEPS", "steps 40,")),
                       "--out", folder + "/run4")
    check(done.returncode == 0 and "120 steps" in done.stdout and "epoch 3" in done.stdout,
          "three epochs of 40 steps", done.stdout + done.stderr)
    refused(["E507", "steps 100"], "check",
            command.write(folder + "/f.cpl", free.replace("STEPS", "")))
    refused(["E507", "once through `train`"], "check",
            command.write(folder + "/here/f.cpl",
                          open(spec).read().replace("epochs 2,", "epochs 2, steps 3,")))
check.finish()
