"""Data that is no picture, from the command line: fields of reals, chosen rows, weighed batches and
episodes; runs that go on, programs, embeddings.

Usage: tables.py COUPLET ROOT [opencl]"""
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

import command

couplet, root = sys.argv[1:3]
on_opencl = sys.argv[3:] == ["opencl"]
check = command.Checks()

WIDTH, ROWS = 12, 300

# Five kinds of rows, 100 to 104; batches of `train` go by a state that `every epoch` changes, those
# of `pairs` are episodes.
SPEC = """
use nn, optim, losses, columns
data train = data.idx("cells.idx", labels = "kind.idx", weights = w) where label != 103
data pairs = data.idx("cells.idx", labels = "kind.idx", classes = 3, from = 101, episodes(ways = 2, each = 6))
data bank  = data.idx("cells.idx", labels = "kind.idx", part = 0.0 .. 0.7)
data query = data.idx("cells.idx", labels = "kind.idx", part = 0.7 .. 1.0)
state w[train] = 1
every epoch {
  over train {
    let v[i] = if train.label[i] == 101 then 2 else 0.5
    update w[train.index] <- v
  }
}
view a, b = columns.noise(train.x, 0.5)
view c, d = columns.noise(pairs.x, 0.5)
net encoder = trunk: nn.mlp(16, 8) >> head: nn.mlp(8, 8)
loss losses.nt_xent(encoder(a), encoder(b), tau = 0.5) + losses.nt_xent(encoder(c), encoder(d), tau = 0.5)
update w[train.index] <- 1.5 * w_of(train.label)
fn w_of(y : int[B]) {
  let v[i] = if y[i] == 102 then 1 else 0.3
  return v
}
train { epochs 3, batch 32, optimiser optim.sgd(lr = 0.1, momentum = 0.9) }
eval {
  knn(k = 3, features = encoder.trunk, bank = bank, query = query)
  linear(features = encoder.trunk, of = bank.x, labels = bank.label, bank = bank, query = query)
}
"""


def idx(path, code, shape, form, values):
    with open(path, "wb") as file:
        file.write(bytes((0, 0, code, len(shape))) + struct.pack(f">{len(shape)}I", *shape)
                   + struct.pack(f">{len(values)}{form}", *values))


def make_data(folder, seed=1, width=WIDTH, rows=ROWS):
    os.makedirs(folder, exist_ok=True)
    random.seed(7)
    centres = [[random.gauss(0, 1) for _ in range(width)] for _ in range(5)]
    random.seed(seed)
    kinds = [random.randrange(5) for _ in range(rows)]
    cells = [centre + random.gauss(0, 0.7) for kind in kinds for centre in centres[kind]]
    idx(folder + "/cells.idx", 0x0D, (rows, width), "f", cells)
    idx(folder + "/kind.idx", 0x0C, (rows,), "i", [100 + kind for kind in kinds])
    return kinds


def arrays(path):
    """The arrays of a checkpoint: name -> (shape, values)."""
    with open(path, "rb") as file:
        content = file.read()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + length])
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        form = {"F32": "f", "I32": "i"}[entry["dtype"]]
        found[name] = (entry["shape"],
                       struct.unpack(f"<{(end - begin) // 4}{form}",
                                     content[8 + length + begin:8 + length + end]))
    return found


def close(a, b, tolerance):
    return len(a) == len(b) and all(abs(x - y) <= tolerance * max(1, abs(x)) for x, y in zip(a, b))


def losses(out):
    return [loss for _, loss in command.losses(out)]


def trains(folder, spec, kinds):
    whole = folder + "/whole"
    done = command.run(couplet, "train", spec, "--out", whole)
    check(done.returncode == 0 and "raw values" in done.stdout and "after training" in done.stdout,
          "it trains and evaluates fields of reals", done.stdout + done.stderr)
    data = command.settings(whole)["data"]
    left = sum(kind != 3 for kind in kinds)
    check(data["train"]["rows"] == ROWS and data["train"]["used"] == left,
          "`where` leaves what it says", data["train"])
    check(data["bank"]["used"] + data["query"]["used"] == ROWS
          and 60 < data["query"]["used"] < 120, "two parts are the whole", data)
    check(data["train"]["fields"] == {"x": f"real[{WIDTH}]", "label": "int"}
          and data["train"]["place"] == os.path.realpath(folder + "/cells.idx"),
          "the record says fields and place", data["train"])
    check(data["train"]["settings"] == {"labels": "kind.idx"}
          and data["pairs"]["selection"]["episodes"] == {"ways": 2, "each": 6},
          "and settings and choice", data)
    check(data["train"]["selection"] == {"where": [["label", "!=", 103]], "weights": "w"},
          "and weights", data["train"])
    kept = arrays(whole + "/checkpoint.safetensors")
    shape, weights = kept["weights:train"]
    check(shape == [left] and set(weights) == {2.0, 0.5} and weights != kept["w"][1],
          "the checkpoint has the weights that the epoch began with", (shape, set(weights)))

    # Stopped in the middle of an epoch, after the state has changed, and gone on with on another
    # number of threads.
    parts = folder + "/parts"
    for more in (("--max-steps", 4, "--threads", 1),
                 ("--resume", "--max-steps", 11, "--threads", 2), ("--resume", "--threads", 1)):
        done = command.run(couplet, "train", spec, "--out", parts, *more)
        check(done.returncode == 0, f"a part of the run: {more}", done.stderr)
    check(command.last_checkpoint(parts) == command.last_checkpoint(whole),
          "a run in parts ends with the same bytes")
    return whole


def goes_on(folder, spec, whole):
    """Where the data lies, and what it is."""
    moved = folder + "/moved"
    shutil.copytree(folder + "/data", moved)
    copy = folder + "/copy"
    shutil.copytree(whole, copy)
    places = [argument for name in ("train", "pairs", "bank", "query")
              for argument in ("--data", f"{name}={moved}/cells.idx")]
    done = command.run(couplet, "eval", copy, *places)
    check(done.returncode == 0 and "note: data.train.place" in done.stdout,
          "--data NAME=PATH places each source", done.stdout + done.stderr)
    done = command.run(couplet, "eval", copy, "--data", moved)
    check(done.returncode == 0, "--data FOLDER places all of them", done.stdout + done.stderr)
    check.refused("a place of no source", command.run(couplet, "eval", copy, "--data", "trian=x"),
                  "trian=x", "train", status=1)
    make_data(moved, seed=2)
    check.refused("other data for a run that goes on",
                  command.run(couplet, "train", spec, "--out", copy, "--resume", "--data", moved),
                  "data.train.hash was", "--change data")
    make_data(moved, width=WIDTH + 1)
    done = command.run(couplet, "train",
                       command.write(moved + "/claimed.cpl",
                                     SPEC.replace('"kind.idx", weights = w)',
                                                  '"kind.idx", weights = w) { x : real[12] }')),
                       "--out", folder + "/none")
    check.refused("another shape than the spec claims", done, "claimed.cpl:3", "real[13]",
                  "real[12]")
    make_data(moved, rows=20)
    check.refused("a batch larger than the data",
                  command.run(couplet, "train", spec, "--out", folder + "/none", "--data", moved),
                  "32", "samples")


def programs(folder, spec, whole):
    program = folder + "/cells"
    done = command.run(couplet, "build", spec, "-o", program, "--target", "x86-64-v2")
    if not check(done.returncode == 0, "it is built", done.stderr):
        return
    elsewhere = folder + "/elsewhere"
    os.makedirs(elsewhere)
    done = subprocess.run([program, "--data", folder, "--out", folder + "/built", "--quiet"],
                          cwd=elsewhere, capture_output=True, text=True)
    check(done.returncode == 0 and close(losses(folder + "/built"), losses(whole), 1e-3),
          "the program makes the same steps", done.stderr)
    check.refused("a program far from its data",
                  subprocess.run([program, "--out", folder + "/far"], cwd=elsewhere,
                                 capture_output=True, text=True), "cells.idx")
    new = folder + "/new"
    make_data(new, seed=5, rows=33)
    done = command.run(program, "embed", "--weights", whole + "/checkpoint.safetensors", "--data",
                       new + "/cells.idx", "--out", folder + "/program.npy")
    check(done.returncode == 0 and done.stdout.startswith("33 samples, 8 features each"),
          "the program embeds new samples", done.stdout + done.stderr)
    done = command.run(couplet, "embed", whole, "--data", new + "/cells.idx", "-o",
                       folder + "/couplet.npy")
    check(done.returncode == 0 and done.stdout.startswith("33 samples, 8 features each"),
          "couplet embed does", done.stdout + done.stderr)
    with open(folder + "/program.npy", "rb") as one, open(folder + "/couplet.npy", "rb") as other:
        pair = [struct.unpack(f"<{33 * 8}f", file.read()[-4 * 33 * 8:]) for file in (one, other)]
        check(close(*pair, 1e-3), "both the same", pair)
    done = command.run(couplet, "embed", whole, "-o", folder + "/own.npy")
    check(done.returncode == 0 and done.stdout.startswith(f"{ROWS} samples"),
          "couplet embed of the run's own data", done.stdout + done.stderr)
    make_data(new, width=9, rows=5)
    check.refused("samples of another shape",
                  command.run(couplet, "embed", whole, "--data", new + "/cells.idx", "-o",
                              folder + "/not.npy"), f"real[9], and real[{WIDTH}] is expected")
    check.refused("embed without a place for features", command.run(couplet, "embed", whole),
                  "-o FILE.npy", status=2)
    check.refused("two kinds of samples",
                  command.run(couplet, "embed", whole, "--data", new, "--samples", "x.npy", "-o",
                              folder + "/not.npy"), "both were given", status=2)
    check(not os.path.exists(folder + "/not.npy"), "nothing is written of what is refused")


with tempfile.TemporaryDirectory() as folder:
    kinds = make_data(folder + "/data")
    for name in ("cells.idx", "kind.idx"):
        shutil.copy(f"{folder}/data/{name}", f"{folder}/{name}")
    spec = command.write(folder + "/cells.cpl", SPEC)
    if on_opencl:
        # Layers of one kind: what is tried here is where the rows of a batch come from, and a
        # device builds each kernel anew.
        small = SPEC.replace("trunk: nn.mlp(16, 8) >> head: nn.mlp(8, 8)",
                             "trunk: nn.linear(8) >> head: nn.linear(8)")
        small = small.replace(
            "losses.nt_xent(encoder(a), encoder(b), tau = 0.5) + losses.nt_xent(encoder(c), "
            "encoder(d), tau = 0.5)",
            "apart(encoder(a), encoder(b)) + apart(encoder(c), encoder(d))").replace(
                "lr = 0.1, momentum = 0.9", "lr = 0.001")
        spec = command.write(spec, small
                             + "fn apart(z[N, D], w[N, D]) = mean[i, j] (dot(z[i], w[j]) - (if i "
                               "== j then 1 else 0))^2\n")
        done = command.run(couplet, "train", spec, "--out", folder + "/host", "--quiet")
        other = command.run(couplet, "train", spec, "--out", folder + "/device", "--quiet",
                            "--device", "opencl")
        check(done.returncode == other.returncode == 0, "it trains on a device",
              done.stderr + other.stderr)
        check(close(losses(folder + "/host"), losses(folder + "/device"), 1e-3),
              "with the host's batches", (losses(folder + "/host"), losses(folder + "/device")))
    else:
        whole = trains(folder, spec, kinds)
        goes_on(folder, spec, whole)
        programs(folder, spec, whole)
check.finish()
