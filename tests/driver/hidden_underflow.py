#!/usr/bin/env python3
"""hidden_underflow.py COUPLET ROOT [DEVICE]: products that vanish in float32 below a root, a power,
a log or in a quotient, where what is made of them is an ordinary number: value and gradient are
right, or the run ends with the line. The right values come from the same formula in double
precision (Python's floats), slopes from differences."""
import math
import os
import struct
import sys
import tempfile

import command

sys.path.insert(0, os.path.join(sys.argv[2], "tests", "golden"))
import npy

couplet, device = sys.argv[1], sys.argv[3] if len(sys.argv) > 3 else "cpu"
check = command.Checks()
LEAST = 1.5e-45  # the smallest float32, which is what a smaller value is rounded to
ENTRIES = [(1.0, 0.75), (0.5, 1.75), (1.25, 1.5), (1.875, 0.625)]


def rounded(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def total(f):
    return lambda x, y: sum(f(a, b) for a, b in zip(x, y))


def below(f, power):
    return lambda x, y: f(x, y) ** power


def below_log(f):
    return lambda x, y: math.log(sum(f(a, b) * 1e44 for a, b in zip(x, y))) - 44 * math.log(10)


# Of x and y, whose entries are ENTRIES times a scale: the formula, what it is, and at which scales
# it is right. At the other scale it is refused.
BOTH = (1e-22, 1e-30)
FORMULAS = {
    "cubes": ("(sum[i] abs(x[i])^3)^(1/3)", below(total(lambda a, b: a**3), 1 / 3), BOTH),
    "differences": ("(sum[i] abs(x[i] - y[i])^3)^(1/3)",
                    below(total(lambda a, b: abs(a - b)**3), 1 / 3), BOTH),
    "fourth powers": ("(mean[i] x[i]^4)^0.25", below(total(lambda a, b: a**4 / 4), 0.25), (1e-22,)),
    "product": ("sum[i] sqrt(x[i] * y[i])", total(lambda a, b: math.sqrt(a * b)), BOTH),
    "by name": ("{ let p[i] = x[i] * y[i]\n let r[i] = sqrt(p[i])\n return sum[i] r[i] }",
                total(lambda a, b: math.sqrt(a * b)), BOTH),
    "power": ("sum[i] (x[i] * y[i])^0.3", total(lambda a, b: (a * b)**0.3), BOTH),
    "power of a sum": ("(sum[i] x[i] * y[i])^0.7", below(total(lambda a, b: a * b), 0.7), BOTH),
    "dot": ("sqrt(dot(x, y))", below(total(lambda a, b: a * b), 0.5), BOTH),
    "sum of two": ("sum[i] sqrt(x[i] * y[i] + y[i]^2)",
                   total(lambda a, b: math.sqrt(a * b + b * b)), BOTH),
    "two sums": ("sqrt((sum[i] x[i]^2) + 2 * (mean[i] y[i]^2))",
                 below(total(lambda a, b: a * a + b * b / 2), 0.5), BOTH),
    "quotient": ("sum[i] sqrt(x[i] * x[i] / y[i])", total(lambda a, b: math.sqrt(a * a / b)), BOTH),
    "largest": ("sqrt(max[i] x[i] * y[i])",
                lambda x, y: max(math.sqrt(a * b) for a, b in zip(x, y)), BOTH),
    "geometric mean": ("(prod[i] x[i])^0.25",
                       lambda x, y: math.exp(sum(map(math.log, x)) / 4), BOTH),
    "all pairs": ("mean[i, j] sqrt(x[i] * y[j])",
                  lambda x, y: sum(math.sqrt(a * b) for a in x for b in y) / 16, BOTH),
    "lengths": ("1e20 * norm(x) * norm(y)",
                lambda x, y: math.hypot(*x) * math.hypot(*y) * 1e20, (1e-22,)),
    "log of products": ("mean[i] log(x[i] * y[i])",
                        total(lambda a, b: (math.log(a) + math.log(b)) / 4), BOTH),
    "log of a sum": ("log(sum[i] x[i] * y[i])",
                     below_log(lambda a, b: a * b), BOTH),
    "root of an exponential": ("1e30 * (sum[i] sqrt(exp(-120 + x[i] * 1e22)))",
                               total(lambda a, b: 1e30 * math.exp(-60 + a * 5e21)), (1e-22,)),
    "log beside 1": ("1e20 * (sum[i] (log(1 + x[i]) - log(1 - 2 * x[i])))",
                     total(lambda a, b: 1e20 * (math.log1p(a) - math.log1p(-2 * a))), BOTH),
    "root beside 1": ("1e20 * (sum[i] (sqrt(1 + x[i]) - 1))",
                      total(lambda a, b: 1e20 * a / (math.sqrt(1 + a) + 1)), BOTH),
    "square beside 1": ("{ let s[i] = 1 + x[i]\n return 1e20 * (sum[i] (1 - s[i]^2)) }",
                        total(lambda a, b: -1e20 * a * (2 + a)), BOTH),
    "cosine beside 1": ("1e14 * (sum[i] (1 - cos(1e15 * x[i])))",
                        total(lambda a, b: 2e14 * math.sin(5e14 * a)**2), (1e-22,)),
    "divisor": ("sum[i] x[i] / (x[i] * y[i])", None, ()),
    "dividend": ("sum[i] x[i] * x[i] / y[i]", None, ()),
    "mean of squares": ("(sum[i] x[i]^2) / (sum[i] y[i])", None, ()),
    "cosine by hand": ("dot(x, y) / (norm(x) * norm(y))", None, ()),
    "two degrees": ("sum[i] sqrt(x[i] * y[i] + 1e-10 * x[i] * x[i] * x[i])", None, ()),
}


def slope(f, x, y, i):
    step = x[i] * 1e-5
    more, less = list(x), list(x)
    more[i], less[i] = x[i] + step, x[i] - step
    return (f(more, y) - f(less, y)) / (2 * step)


# A quadratic form of ordinary size, whose inner sums are negative.
FORM = """fn f(x[N], y[N]) {
  let m[i < N, k < N] = if i == k then 1.0 else -2.0
  let a[i] = sum[k] x[k] * m[i, k] * y[0], b[i] = sum[k] y[k] * m[i, k] * x[0]
  return sqrt(3 * dot(a, b))
}
"""


with tempfile.TemporaryDirectory() as folder:
    npy.write(f"{folder}/x.npy", [2], [1.0, 1.0])
    npy.write(f"{folder}/y.npy", [2], [1.0, 2.0])
    path = command.write(folder + "/form.cpl", FORM)
    done = command.run(couplet, "grad", path, "--fn", "f", "--in", f"x={folder}/x.npy", "--in",
                       f"y={folder}/y.npy", "--device", device)
    check(done.returncode == 0 and "value: 3" in done.stdout, "a form with negative sums",
          done.stdout + done.stderr)
    for scale in BOTH:
        x, y = ([rounded(e[k] * scale) for e in ENTRIES] for k in range(2))
        npy.write(f"{folder}/x.npy", [4], x)
        npy.write(f"{folder}/y.npy", [4], y)
        for name, (formula, f, where) in FORMULAS.items():
            if scale not in where and scale != BOTH[1]: continue
            body = formula if formula.startswith("{") else f"= {formula}"
            path = command.write(folder + "/f.cpl", f"fn f(x[N], y[N]) {body}\n")
            done = command.run(couplet, "grad", path, "--fn", "f", "--in", f"x={folder}/x.npy",
                               "--in", f"y={folder}/y.npy", "--device", device, "--out", folder)
            name = f"{name} at {scale:g}"
            if scale not in where:
                if f is None: check.refused(name, done, "E803", "too small for float32")
                continue
            value = float(done.stdout.split("value:")[1].split()[0])
            right = f(x, y)
            check(done.returncode == 0 and abs(value - right) <= 4e-6 * abs(right) + LEAST,
                  f"{name}: {value:g}, {right:g}", done.stderr)
            got = npy.read(f"{folder}/grad_x.npy")[1]
            for i in range(4):
                right = slope(f, x, y, i)
                check(abs(got[i] - right) <= 1e-5 * max(abs(right), abs(slope(f, x, y, 3))),
                      f"{name}: slope {got[i]:g}, {right:g}")
    # A factor that is 0 makes a product that is 0 in earnest.
    npy.write(f"{folder}/x.npy", [4], [0.0, 1e-25, 0.0, 1.0])
    npy.write(f"{folder}/y.npy", [4], [1e-25, 0.0, 0.0, 1.0])
    sums = "(sum[i] sqrt(x[i] * y[i])) + (sum[i | i < 3] x[i] * y[i])^0.3"
    path = command.write(folder + "/f.cpl", f"fn f(x[N], y[N]) = {sums}\n")
    done = command.run(couplet, "grad", path, "--fn", "f", "--in", f"x={folder}/x.npy", "--in",
                       f"y={folder}/y.npy", "--device", device)
    check(done.returncode == 0 and "value: 1" in done.stdout, "products that are 0 in earnest",
          done.stdout + done.stderr)
check.finish()
