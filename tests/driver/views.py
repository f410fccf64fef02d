#!/usr/bin/env python3
"""views.py COUPLET ROOT: views of ints, of computed arrays and of other views, and recipes whose
draws two arrays share."""
import sys
import os
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command

couplet, root = sys.argv[1:3]

SPEC = """
use nn, optim, data
data train = data.fashion_mnist("train")
fn cut(x[C, H, W]) {
  draw u ~ uniform(0, 1), v ~ uniform(0, 1)
  let y[c, i < 20, j < 20] = x[c, i + floor(8 * u), j + floor(8 * v)]
  return y
}
fn mirror(x[C, H, W]) {
  draw f ~ bernoulli(0.5)
  let y[c, i, j] = if f then x[c, i, W - 1 - j] else x[c, i, j]
  return y
}
fn same(x[C, H, W]) = 1 * x
fn bump(y : int) = y + 1
fn noisy(x[D]) {
  draw e[D] ~ normal(0, 1)
  let y[d] = x[d] + e[d]
  return y
}
fn pair(x[C, H, W], y : int) {
  let z[c, i, j] = x[c, i, j] + real(y)
  return z
}

view x, m = mirror(cut(train.image, train.image))
view a, b = cut(train.image)
view n = bump(train.label)
view both = pair(train.image, train.label)
view g[3] = cut(train.image)
let zero[i, d < 6] = 0 * train.image[i, 0, 0, d]
view r, s = noisy(zero)
view again, twice = mirror(a, b)
view third = same(g[2])
view all3 = first(g)
fn first(v[N, C, H, W]) = v[0]

net layer = nn.linear(2)
let flat[i, d < 20] = x[i, 0, 3, d]
let out = layer(flat)

state shared = 0, apart = 0, bumped = 0, joined = 0, spread = 0, between = 0, along = 0, front = 0, mirrored = 0
update shared <- sum[i, c, j, k] abs(x[i, c, j, k] - m[i, c, j, k])
update apart <- sum[i, c, j, k] abs(a[i, c, j, k] - b[i, c, j, k])
update bumped <- real(sum[i] abs(n[i] - train.label[i] - 1))
update joined <- sum[i, c, j, k] abs(both[i, c, j, k] - train.image[i, c, j, k] - real(train.label[i]))
update spread <- var[i] r[i, 0]
update between <- mean[i, d] abs(r[i, d] - s[i, d])
update along <- sum[i, c, j, k] abs(third[i, c, j, k] - g[2, i, c, j, k])
update front <- sum[i, c, j, k] abs(all3[i, c, j, k] - g[0, i, c, j, k])
update mirrored <- sum[i] (if flipped(again[i], a[i]) == flipped(twice[i], b[i]) then 0 else 1)
fn flipped(y[C, H, W], x[C, H, W]) = sum[c, i, j] abs(y[c, i, j] - x[c, i, j]) > 0.001
loss mean[i, k] out[i, k]^2
train { epochs 1, batch 64, optimiser optim.sgd(lr = 0.01) }
"""

# What each state is to hold, at least and at most.
WANTED = {"shared": (0, 0), "apart": (1000, 1e9), "bumped": (0, 0), "joined": (0, 0.1),
          "spread": (0.4, 2), "between": (0.5, 2), "along": (0, 0), "front": (0, 0),
          "mirrored": (0, 3)}

check = command.Checks()
with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", 256, 64)
    spec = command.write(folder + "/v.cpl", SPEC)
    found = []
    for threads in ("1", "2"):
        out = f"{folder}/run{threads}"
        done = command.run(couplet, "train", spec, "--data", data, "--out", out, "--max-steps",
                           "1", "--threads", threads, "--quiet")
        check(done.returncode == 0, f"it trains on {threads}", done.stderr)
        found.append(command.arrays(out) if done.returncode == 0 else {})
    check(found[0] == found[1], "the same bits on two threads")
    for name, (low, high) in WANTED.items():
        value = float(found[0].get(name, [-1])[0]) if found[0] else -1
        check(low <= value <= high, f"{name} is {value}, in {low} .. {high}")
check.finish()
