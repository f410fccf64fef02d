#!/usr/bin/env python3
"""epochs.py COUPLET ROOT: `every epoch` sweeps the data, clusters what it finds and updates, before
an epoch's first step; read from the checkpoints."""
import math
import sys
import tempfile
from collections import Counter

import command

couplet = sys.argv[1]
check = command.Checks()
SPEC = """
use nn, augment, optim
data train = data.fashion_mnist("train")
view a = augment.flip(train.image)
net encoder = nn.convnet(width = 4) >> nn.linear(8)
let z = normalise(encoder(a))

bank M[train, 8]
bank P[train, 784]
state centres[8, 8] = 0, member : int[train] = 0, coarse[3, 8] = 0, up : int[8] = 0
state size[8] = 0, twice[8] = 0, labels = 0, rounds = 0, seldom = 0
every 2 epochs { update seldom <- seldom + 1 }

every epoch {
  update rounds <- rounds + 1
  over train {
    view x = augment.flip(train.image, chance = 1)
    update M[train.index] <- normalise(encoder(train.image))
    update P[train.index] <- flatten_channel(x)
  }
  update centres, member <- kmeans(M, 8, spherical = true)
  update coarse, up <- kmeans(centres, 3, iterations = 5, start = "sample")
  let n[c < 8] = real(count[r | member[r] == c])
  update size <- n
  update twice <- doubled(size)
  update labels <- sum[r] real(train.all.label[r])
}
fn doubled(x[N]) = 2 * x
fn flatten_channel(x[N, C, H, W]) {
  let y[n, p < 784] = x[n, 0, p div 28, p mod 28]
  return y
}

loss mean[i] (logsumexp[c] 5 * dot(z[i], centres[c]) - 5 * dot(z[i], centres[member[train.index[i]]]))
train { epochs 3, batch 256, optimiser optim.sgd(lr = 0.1) }
"""


def norm(x):
    return math.sqrt(sum(v * v for v in x))


with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/epochs.cpl", SPEC)
    # 1,100 images: two sweeps of 500, and a third that reaches back.
    data = command.small_data(folder + "/data", train=1100)
    after = {}
    for step in (1, 2, 3, 4, 5, 9):
        done = command.run(couplet, "train", spec, "--data", data, "--out", folder + "/run",
                           "--max-steps", step, *(["--resume"] if step > 1 else []))
        if not check(done.returncode == 0, f"step {step} exits 0", done.stderr[-2000:]):
            check.finish()
        after[step] = command.arrays(folder + "/run")
    first = after[1]
    rows = [first["M"][8 * i : 8 * i + 8] for i in range(1100)]
    check(all(abs(norm(row) - 1) < 1e-5 for row in rows), "every row of the bank is swept")
    images = command.images(data, 1100)
    flipped = all(abs(first["P"][784 * i + 28 * r + c] - images[i][28 * r + 27 - c] / 255) < 1e-6
                  for i in (0, 499, 500, 999, 1000, 1099) for r in (3, 14) for c in range(28))
    check(flipped, "each sample's view goes to its own row")
    sizes = Counter(first["member"])
    check(sum(sizes.values()) == 1100 and len(sizes) == 8,
          "each sample has a cluster, no cluster is empty", sizes)
    check(first["size"] == [float(sizes[c]) for c in range(8)],
          "a let after k-means sees its members")
    check(first["twice"] == [2 * x for x in first["size"]],
          "an update sees what the one before it left")
    check(first["labels"] == [float(sum(command.labels(data, 1100)))],
          "train.all is the whole table")
    check(all(abs(norm(first["centres"][8 * c : 8 * c + 8]) - 1) < 1e-5 for c in range(8)),
          "spherical centres have length 1")
    for c in range(8):
        mine = [row for row, m in zip(rows, first["member"]) if m == c]
        mean = [sum(x) / len(mine) for x in zip(*mine)]
        mean = [x / norm(mean) for x in mean]
        check(all(abs(x - y) < 1e-4 for x, y in zip(mean, first["centres"][8 * c : 8 * c + 8])),
              f"centre {c} is the mean of its members")
    check(set(first["up"]) == {0, 1, 2}, "centres are clustered in turn", first["up"])
    check([after[s]["rounds"] for s in range(1, 6)] == [[1.0]] * 4 + [[2.0]],
          "once an epoch, before its first step", [after[s]["rounds"] for s in range(1, 6)])
    check([after[s]["seldom"] for s in (1, 5, 9)] == [[1.0], [1.0], [2.0]],
          "every second epoch, the first among them")
    check(after[4]["M"] == first["M"] and after[5]["M"] != first["M"],
          "and with the parameters of that moment")
check.finish()
