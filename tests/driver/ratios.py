#!/usr/bin/env python3
"""ratios.py COUPLET ROOT [DEVICE]: quotients of two values that vanish together, such as
(1 - exp(-x)) / x. Value and slope at each point are within 5e-6 of those in 60 digits: each formula
f is run as sum[i] w[i] * f(x[i]), whose gradient by w is f and by x its slope."""
import decimal
import os
import struct
import sys
import tempfile

import command

sys.path.insert(0, os.path.join(sys.argv[2], "tests", "golden"))
import npy

couplet, device = sys.argv[1], sys.argv[3] if len(sys.argv) > 3 else "cpu"
check = command.Checks()
Number = decimal.Decimal
decimal.getcontext().prec = 60
POINTS = [s * x for x in (3e-12, 3e-8, 3e-4, 0.01, 0.1, 0.13, 0.24, 0.26, 0.49, 0.51, 0.9)
          for s in (1, -1)]
LOW = [-1e4, -120.0, -95.0, -80.0, -20.0, -16.0, 0.5, 20.0]
MOST = 5e-6


def sine(x):
    term = total = x
    for k in range(1, 60):
        term *= -x * x / (2 * k * (2 * k + 1))
        total += term
    return total


def tangent(x):
    return ((2 * x).exp() - 1) / ((2 * x).exp() + 1)


def log_softplus(x):
    return (1 + x.exp()).ln().ln() if x > -60 else x


# the formula of t, what it is, and where it is tried
FORMULAS = {
    "decay": ("(1 - exp(-t)) / t", lambda x: (1 - (-x).exp()) / x, POINTS),
    "growth": ("(exp(t) - 1) / t", lambda x: (x.exp() - 1) / x, POINTS),
    "scaled": ("(1 - exp(-2 * t / 3)) / (5 * t)",
               lambda x: (1 - (-2 * x / 3).exp()) / (5 * x), POINTS),
    "log": ("log(1 + t) / t", lambda x: (1 + x).ln() / x, POINTS),
    "log1p": ("log1p(-t) / t", lambda x: (1 - x).ln() / x, POINTS),
    "sine": ("sin(t) / t", lambda x: sine(x) / x, POINTS),
    "tangent": ("tanh(t) / t", lambda x: tangent(x) / x, POINTS),
    "cosine": ("(1 - cos(t)) / t^2", lambda x: 2 * (sine(x / 2) / x) ** 2, POINTS),
    "log of a log": ("log(log(1 + exp(t)))", log_softplus, LOW),
}


def single(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def slope(f, x):
    step = Number("1e-20") * abs(x)
    return (f(x + step) - f(x - step)) / (2 * step)


def compare(what, got, want):
    largest = max(map(abs, want))
    for g, w, x in zip(got, want, points):
        off = abs(g - w) if g == g else 1e300
        check(off <= MOST * max(abs(w), 1e-3 * largest), f"{what} at {x:g}: {g:.8g}, {w:.8g}")


with tempfile.TemporaryDirectory() as folder:
    for name, (formula, f, points) in FORMULAS.items():
        points = [single(x) for x in points]
        npy.write(f"{folder}/x.npy", [len(points)], points)
        npy.write(f"{folder}/w.npy", [len(points)], [1.0] * len(points))
        text = f"fn g(t) = {formula}\nfn f(x[N], w[N]) = sum[i] w[i] * g(x[i])\n"
        done = command.run(couplet, "grad", command.write(f"{folder}/f.cpl", text), "--fn", "f",
                           "--in", f"x={folder}/x.npy", "--in", f"w={folder}/w.npy",
                           "--device", device, "--out", folder)
        if not check(done.returncode == 0, f"{name}: runs", done.stdout + done.stderr): continue
        compare(f"{name}, value", npy.read(f"{folder}/grad_w.npy")[1],
                [float(f(Number(x))) for x in points])
        compare(f"{name}, slope", npy.read(f"{folder}/grad_x.npy")[1],
                [float(slope(f, Number(x))) for x in points])
    # At 0 the formula says nothing.
    npy.write(f"{folder}/x.npy", [1], [0.0])
    text = "fn f(x[N]) = sum[i] (1 - exp(-x[i])) / x[i]\n"
    done = command.run(couplet, "grad", command.write(f"{folder}/f.cpl", text), "--fn", "f",
                       "--in", f"x={folder}/x.npy", "--device", device)
    check.refused("0 / 0", done, "E803", "f.cpl:1:")
check.finish()
