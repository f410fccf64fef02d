#!/usr/bin/env python3
"""collapse.py COUPLET ROOT: the first named rows are watched at every epoch's end, of one view or
of a family, with a name or without; rows that agree are a warning."""
import re
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()
SPEC = """
use nn, augment, optim
data train = data.fashion_mnist("train")
view g[2] = augment.simclr(train.image)
net encoder = nn.convnet(width = 4) >> nn.linear(8)
fn near_one(x[N, D]) {
  let y[i, d] = 1 + 1e-4 * x[i, d]
  return y
}
fn squares(x[N, D]) = mean[i, d] x[i, d]^2
%s
train { epochs 1, batch 32, optimiser optim.sgd(lr = 0.01) }
"""
BODIES = {
    "one view": "let z = encoder(g[0]), w = encoder(g[1])\nloss mean[i, d] (z[i, d] - w[i, d])^2",
    "a family of views": "let z[v] = encoder(g[v])\nloss mean[v, i, d] z[v, i, d]^2",
    "rows that agree": "let z = near_one(encoder(g[0]))\nloss mean[i, d] z[i, d]^2",
    "rows without a name": "loss squares(encoder(g[0]))",
    "no rows": "net wide = nn.conv3(8)\nloss mean[i, c, y, x] (wide(g[0]))[i, c, y, x]^2",
}

with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", train=64)
    for name, body in BODIES.items():
        spec = command.write(f"{folder}/method.cpl", SPEC % body)
        done = command.run(couplet, "train", spec, "--data", data, "--out", f"{folder}/{name}",
                           "--threads", 1)
        if not check(done.returncode == 0, f"{name}: trains", done.stdout + done.stderr):
            continue
        found = re.search(r"embedding deviation (\S+) ", done.stdout)
        warned = "the embedding has collapsed" in done.stdout
        if name == "no rows":
            check(not found and not warned and re.search(r"^epoch 1 ", done.stdout, re.M),
                  "no rows: nothing is said of an embedding", done.stdout)
            continue
        deviation = float(found.group(1)) if found else -1
        spread = name != "rows that agree"
        check(deviation > 0.1 if spread else 0 <= deviation < 0.1,
              f"{name}: deviation {deviation}", done.stdout)
        check(warned != spread, f"{name}: {'no ' if spread else 'a '}warning", done.stdout)
check.finish()
