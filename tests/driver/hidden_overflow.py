#!/usr/bin/env python3
"""hidden_overflow.py COUPLET ROOT [DEVICE]: what overflows float32 below a root or a power is right
or
an error with its line, also where a function around it would hide the infinity."""
import os
import sys
import tempfile

import command

sys.path.insert(0, os.path.join(sys.argv[2], "tests", "golden"))
import npy

couplet, device = sys.argv[1], sys.argv[3] if len(sys.argv) > 3 else "cpu"
check = command.Checks()
# Of x and y, each 1e25; the value, or None for an error. All are ordinary numbers in float64.
FORMULAS = {
    "hidden product": ("tanh(sqrt(x[i] * y[i]) / 1e25)", 0.761594),
    "cosine by hand": ("x[i] * y[i] / sqrt((sum[k] x[k]^2) * (sum[k] y[k]^2))", None),
    "length of three": ("x[i] / (sum[k] abs(x[k])^3)^(1/3)", 1),
    "exponent that is set": ("x[i] / (sum[k] abs(x[k])^p)^(1/p)", 1),
    "negative power": ("x[i] * (x[i] * y[i])^(-0.5)", 1),
    "divisor": ("x[i] / (x[i] * x[i] + y[i] * y[i])", None),
    "inverse": ("x[i] * (sum[k] y[k]^2)^(-1)", None),
    "root of a square": ("tanh(sqrt(x[i]^2) / 1e25)", 0.761594),
    "length of two": ("x[i] / sqrt(x[i]^2 + y[i]^2)", 0.707107),
    "log of a product": ("x[i] / 1e25 * (log(prod[k < 8] x[i]) / log(1e25))", 8),
    "root of a product": ("(prod[k < 4] y[i])^0.25 / 1e25", 1),
    "square and more": ("x[i] / sqrt(1 + x[i]^2)", None),
}
with tempfile.TemporaryDirectory() as folder:
    for name in "xy":
        npy.write(f"{folder}/{name}.npy", [1], [1e25])
    for name, (formula, right) in FORMULAS.items():
        path = command.write(folder + "/f.cpl", f"fn f(x[N], y[N], p) = sum[i] {formula}\n")
        done = command.run(couplet, "grad", path, "--fn", "f", "--in", f"x={folder}/x.npy",
                           "--in", f"y={folder}/y.npy", "--set", "p=3", "--device", device)
        if right is None:
            check.refused(name, done, "E803", "f.cpl:1:")
        else:
            value = float(done.stdout.split("value:")[1].split()[0])
            check(done.returncode == 0 and abs(value - right) < 1e-5, f"{name}: {value:.6f}",
                  done.stderr)
check.finish()
