#!/usr/bin/env python3
"""affinities.py COUPLET ROOT [DEVICE]: distances of two softmaxes that are close, sqrt(1 - sum
sqrt(p q)) and -log(sum sqrt(p q)). The value and the gradients are within 1e-5 of the formula in
float64 where logits lie 1e-4 apart: 1 less the sum is 7e-10 there, and float32 keeps 6e-8."""
import os
import random
import struct
import sys
import tempfile

import command

sys.path.insert(0, os.path.join(sys.argv[2], "tests", "golden"))
import npy

couplet = sys.argv[1]
device = sys.argv[3] if len(sys.argv) > 3 else "cpu"
check = command.Checks()
draw = random.Random(5)
MOST = 1e-5  # of the largest entry
ROWS, ENTRIES = 3, 16

ROWS_OF = "let p[n, i] = softmax[i] x[n, i], q[n, i] = softmax[i] y[n, i]"
GUARDED = ("let p[n, i] = softmax[i | i > 2] x[n, i], "
           "q[n, i] = softmax[i | i > 2] y[n, i]")
BY_HAND = ("let p[n, i] = exp(x[n, i]) / sum[j] exp(x[n, j]), "
           "q[n, i] = exp(y[n, i]) / sum[j] exp(y[n, j])")
FORMULAS = {
    "hellinger": (ROWS_OF, "mean[n] sqrt(1 - sum[i] sqrt(p[n, i] * q[n, i]))"),
    "of_roots": (ROWS_OF, "mean[n] sqrt(1 - sum[i] sqrt(q[n, i]) * sqrt(p[n, i]))"),
    "of_powers": (ROWS_OF, "mean[n] (1 - sum[i] (p[n, i] * q[n, i])^0.5)^0.5"),
    "by_name": (ROWS_OF + "\n  let b[n] = sum[i] sqrt(p[n, i] * q[n, i])",
                "mean[n] 1e6 * (1 - b[n])"),
    "by_hand": (BY_HAND, "mean[n] sqrt(1 - sum[i] sqrt(p[n, i] * q[n, i]))"),
    "of_some": (GUARDED, "mean[n] sqrt(1 - sum[i | i > 2] sqrt(p[n, i] * q[n, i]))"),
    "bhattacharyya": (ROWS_OF, "mean[n] -log(sum[i] sqrt(p[n, i] * q[n, i]))"),
}


def results(folder, spec, name, door):
    """The value and both gradients; None where it does not run."""
    arrays = [word for key in "xy" for word in ("--in", f"{key}={folder}/{key}.npy")]
    done = command.run(couplet, "grad", spec, "--fn", name, *arrays, *door, "--out", folder)
    if not check(done.returncode == 0, f"{name} {' '.join(door)}: runs", done.stdout + done.stderr):
        return None
    value = [float(done.stdout.split("value:")[1].split()[0])]
    return value, *(npy.read(f"{folder}/grad_{key}.npy")[1] for key in "xy")


def compare(name, got, want):
    for what, g, w in zip(("value", "slope by x", "slope by y"), got, want):
        largest = max(map(abs, w))
        off = max(abs(a - b) if a == a else 1e300 for a, b in zip(g, w))
        check(off <= MOST * largest, f"{name}: {what} is off by {off:.3g} of {largest:.3g}")


def single(value):
    return struct.unpack("f", struct.pack("f", value))[0]


with tempfile.TemporaryDirectory() as folder:
    text = "".join(f"fn {name}(x[N, K], y[N, K]) {{\n  {lets}\n  return {formula}\n}}\n"
                   for name, (lets, formula) in FORMULAS.items())
    spec = command.write(f"{folder}/f.cpl", text)
    x = [single(draw.gauss(0, 1)) for _ in range(ROWS * ENTRIES)]
    for apart in (1e-4, 0.01, 1.0):
        y = [single(v + apart * draw.gauss(0, 1)) for v in x]
        npy.write(f"{folder}/x.npy", (ROWS, ENTRIES), x)
        npy.write(f"{folder}/y.npy", (ROWS, ENTRIES), y)
        for name in FORMULAS:
            want = results(folder, spec, name, ["--device", "reference"])
            got = results(folder, spec, name, ["--device", device])
            if want and got: compare(f"{name}, {apart:g} apart", got, want)
    # A mask takes other entries out of either row: what one row alone has counts whole.
    x, y = [0.0] * ENTRIES, [0.0] * ENTRIES
    x[1], y[2], x[3], y[3] = (float("-inf"),) * 4
    for key, row in (("x", x), ("y", y)):
        npy.write(f"{folder}/{key}.npy", (ROWS, ENTRIES), row * ROWS)
    got = results(folder, spec, "hellinger", ["--device", device])
    want = (1 - (ENTRIES - 3) / (ENTRIES - 2)) ** 0.5
    check(got and abs(got[0][0] - want) < 1e-6 and all(g == g for row in got[1:] for g in row),
          "masks of two rows", f"{got}, {want}")
check.finish()
