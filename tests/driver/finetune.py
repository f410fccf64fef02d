#!/usr/bin/env python3
"""finetune.py COUPLET ROOT: `eval { finetune(..) }`: its result for a linear network, step by step
in Python; that it leaves no trace in the run; and what is refused."""
import json
import math
import os
import random
import subprocess
import sys
import tempfile

import command
from data_files import arrays

couplet = sys.argv[1]
check = command.Checks()

WIDTH, HIDDEN, CLASSES = 7, 5, 3
SPEC = """use nn, optim, losses
data train = data.arrays("train")
data test = data.arrays("test")
net encoder = trunk: layer(5) >> head: nn.linear(4)
net layer(out)(x[N, D]) {
  param K[out, D] = normal(0, 0.5)
  let y[n, o] = sum[d] x[n, d] * K[o, d]
  return y
}
let z = encoder(train.x)
loss losses.nt_xent(z, z, 0.5)
train { epochs 3, batch 32, optimiser optim.sgd(lr = 0.05) }
eval { linear(features = encoder.trunk, of = train.x, bank = train, query = test)
%s }
"""
TUNE = "  finetune(%sfeatures = encoder.trunk, of = train.x, bank = train, query = test)\n"
CONVOLUTION = """use nn, optim, losses, augment
data train = data.fashion_mnist("train")
data test = data.fashion_mnist("test")
view a, b = augment.simclr(train.image)
net encoder = trunk: (nn.convnet(width = 2) >> nn.dropout(0.1)) >> head: nn.linear(4)
net target = copy encoder
ema target <- encoder rate 0.9 with state before forward
loss losses.nt_xent(encoder(a), encoder(b), 0.5) + 0 * (mean[i, d] stop(target(a))[i, d])
train { epochs 1, batch 16, optimiser optim.sgd(lr = 0.05) }
eval every 2 steps { finetune(epochs = 2, fraction = 0.2, features = encoder.trunk, bank = train,
                              query = test) }
eval { finetune(epochs = 2, features = target.trunk, bank = train, query = test)
  knn(k = 3, features = encoder.trunk, bank = train, query = test) }
"""


def make(split, count, draw):
    labels = [i % CLASSES for i in range(count)]
    rows = [[draw.gauss(0.6 * math.cos(2 * c + d), 1) for d in range(WIDTH)] for c in labels]
    arrays(f"{folder}/{split}", x=((count, WIDTH), "<f4", sum(rows, [])),
           label=((count,), "<i4", labels))
    return rows, labels


def softmax(odds):
    top = max(odds)
    parts = [math.exp(x - top) for x in odds]
    return [x / sum(parts) for x in parts]


def forward(x, k, w, b):
    h = [sum(a * c for a, c in zip(x, row)) for row in k]
    return h, [bias + sum(a * c for a, c in zip(h, row)) for row, bias in zip(w, b)]


def tuned(kernel, train, test, steps, rate):
    """All 64 rows are in each step, so that their order does not count."""
    k = [kernel[i * WIDTH:(i + 1) * WIDTH] for i in range(HIDDEN)]
    w, b = [[0.0] * HIDDEN for _ in range(CLASSES)], [0.0] * CLASSES
    for step in range(steps):
        now = rate * (1 + math.cos(math.pi * step / steps)) / 2 / len(train[0])
        gk = [[0.0] * WIDTH for _ in range(HIDDEN)]
        gw, gb = [[0.0] * HIDDEN for _ in range(CLASSES)], [0.0] * CLASSES
        for x, label in zip(*train):
            h, odds = forward(x, k, w, b)
            slope = softmax(odds)
            slope[label] -= 1
            for c in range(CLASSES):
                gb[c] += slope[c]
                for o in range(HIDDEN):
                    gw[c][o] += slope[c] * h[o]
            for o in range(HIDDEN):
                back = sum(slope[c] * w[c][o] for c in range(CLASSES))
                for d in range(WIDTH):
                    gk[o][d] += back * x[d]
        k = [[a - now * g for a, g in zip(*rows)] for rows in zip(k, gk)]
        w = [[a - now * g for a, g in zip(*rows)] for rows in zip(w, gw)]
        b = [a - now * g for a, g in zip(b, gb)]
    odds = [forward(x, k, w, b)[1] for x in test[0]]
    right = sum(row.index(max(row)) == label for row, label in zip(odds, test[1]))
    return 100 * right / len(test[1])


def train(name, evaluations, *more):
    spec = command.write(f"{folder}/{name}.cpl", SPEC % evaluations)
    done = command.run(couplet, "train", spec, "--out", f"{folder}/{name}", "--seed", 2, *more)
    check(done.returncode == 0, f"{name}: trains", done.stderr)
    return done


def results(run, of="after training"):
    with open(f"{folder}/{run}/metrics.jsonl") as file:
        rows = [row for row in map(json.loads, file) if row.get("of") == of]
    return {row["evaluation"]: row["percent"] for row in rows}


with tempfile.TemporaryDirectory() as folder:
    draw = random.Random(4)
    bank, query = make("train", 64, draw), make("test", 240, draw)

    train("tuned", TUNE % "epochs = 15, rate = 2, " + TUNE % "fraction = 0.1, ")
    train("plain", "")
    found = results("tuned")
    kept = command.arrays(f"{folder}/tuned")
    wanted = tuned(kept["encoder.trunk.K"], bank, query, 15, 2)
    probe = found["linear probe"]
    check(abs(found["fine-tuning"] - wanted) < 0.5, "the percentage", f"{found}, {wanted}")
    check(abs(wanted - tuned(kept["encoder.trunk.K"], bank, query, 1, 2)) > 1,
          "which the steps make", wanted)
    check("fine-tuning, 10 % of labels" in found and found["linear probe"] == probe,
          "with a part of the labels", found)
    check(results("tuned", "raw values")["fine-tuning"] == results("tuned", "raw values")
          ["linear probe"], "beside a probe of the raw values")
    other = command.arrays(f"{folder}/plain")
    check(all(kept[name] == values for name, values in other.items()) and
          all(not any(kept[name]) for name in set(kept) - set(other)),
          "the run is what it is without", set(kept) ^ set(other))

    # the same again, on any number of threads, and by the checkpoint alone
    train("again", TUNE % "epochs = 15, rate = 2, " + TUNE % "fraction = 0.1, ", "--threads", 1)
    check(results("again") == found, "twice the same", results("again"))
    done = command.run(couplet, "eval", f"{folder}/tuned")
    line = f"after training   fine-tuning     {found['fine-tuning']:.2f} %"
    check(line in done.stdout, "couplet eval", done.stdout + done.stderr)

    # what leaves the run does so as from a run without it, though its data is not opened
    for run in ("tuned", "plain"):
        done = command.run(couplet, "embed", f"{folder}/{run}", "-o", f"{folder}/{run}.npy")
        check(done.returncode == 0, f"{run}: couplet embed", done.stderr)
        done = command.run(couplet, "export", f"{folder}/{run}", "--onnx", f"{folder}/{run}.onnx")
        check(done.returncode == 0, f"{run}: couplet export", done.stderr)
    made = [open(f"{folder}/{run}.npy", "rb").read() for run in ("tuned", "plain")
            if os.path.exists(f"{folder}/{run}.npy")]
    check(len(made) == 2 and made[0] == made[1], "and gives the same features")

    # the record of an older version, which counts no classes, goes on
    record = command.settings(f"{folder}/again")
    counts = record.pop("class_counts")["train"]
    check(counts == {"label": len(set(bank[1]))}, "the record counts classes", counts)
    command.write(f"{folder}/again/settings.json", json.dumps(record))
    done = command.run(couplet, "train", f"{folder}/again.cpl", "--resume", "--out",
                       f"{folder}/again")
    check(done.returncode == 0 and "given" not in done.stderr, "and without it goes on",
          done.stderr)

    # batch statistics, draws, an edge ahead of the forward pass, between the steps of training
    data = command.small_data(folder + "/data", train=80, test=40)
    spec = command.write(f"{folder}/net.cpl", CONVOLUTION)
    done = command.run(couplet, "train", spec, "--data", data, "--out", f"{folder}/net")
    check(done.returncode == 0, "a network with states", done.stderr)
    command.write(f"{folder}/bare.cpl", CONVOLUTION.split("eval")[0])
    done = command.run(couplet, "train", f"{folder}/bare.cpl", "--data", data, "--out",
                       f"{folder}/bare")
    net, bare = command.arrays(f"{folder}/net"), command.arrays(f"{folder}/bare")
    check(all(net[name] == values for name, values in bare.items()), "is what it is without")
    check(len(results("net", "in training")) >= 1, "in training", results("net", "in training"))

    # a built program
    done = command.run(couplet, "build", f"{folder}/tuned.cpl", "-o", f"{folder}/program")
    if check(done.returncode == 0, "a program is built", done.stderr):
        subprocess.run([f"{folder}/program", "train", "--out", f"{folder}/built", "--seed", "2",
                        "--data", f"train={folder}/train", "--data", f"test={folder}/test"],
                       cwd=folder, capture_output=True)
        check(results("built") == found, "and measures the same", results("built"))

    formula = "  finetune(features = encoder.trunk(train.x), bank = train, query = test)\n"
    numbers = TUNE % "labels = train.any, "
    arrays(f"{folder}/train", any=((64,), "<i4", [10 ** 8 * (i % 3 - 1) for i in range(64)]))
    arrays(f"{folder}/test", any=((240,), "<i4", [5] * 240))
    for what, text, word in (("a formula", formula, "one network that is given one field"),
                             ("any numbers", numbers, "tells classes"),
                             ("no epoch", TUNE % "epochs = 0, ", "from 1 to 1000000"),
                             ("no rate", TUNE % "rate = 0, ", "a number above 0"),
                             ("an option of another", TUNE % "decay = 0, ", "`decay`")):
        spec = command.write(f"{folder}/no.cpl", SPEC % text)
        check.refused(what, command.run(couplet, "check", spec), "E5", word)
check.finish()
