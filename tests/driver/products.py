#!/usr/bin/env python3
"""products.py COUPLET ROOT [DEVICE]: `prod` and its slope are right to 1e-6, with zeros among the
terms, under guards, and where parts of the product are beyond what a float holds."""
import math
import os
import random
import sys
import tempfile
from fractions import Fraction

import command

couplet, root = sys.argv[1:3]
sys.path.insert(0, os.path.join(root, "tests", "golden"))
import npy

DOORS = [["--threads", "1"], ["--threads", "2"], ["--device", "reference"]]
if len(sys.argv) > 3:
    DOORS = [["--device", sys.argv[3]]]
check = command.Checks()

def groups_of(name, rows, columns):
    """The formula is a sum of products: for each product, the entries that are its factors."""
    places = [(i, d) for i in range(rows) for d in range(columns)]
    return {
        "rows": [[p for p in places if p[0] == i] for i in range(rows)],
        "whole": [places],
        "guarded": [[(i, d) for d in range(columns) if d != i] for i in range(rows)],
        "columns": [[p for p in places if p[1] == d] for d in range(columns)],
        "by_key": [[(i, d) for i, d in places if (i + d) % 3 == c] for c in range(3)],
        "of_others": [[(j, d) for j in range(rows) if j != i] for i, d in places],
    }[name]


FORMULAS = {
    "rows": "sum[i] prod[d] x[i, d]",
    "whole": "prod[i, d] x[i, d]",
    "guarded": "sum[i] prod[d | d != i] x[i, d]",
    "columns": "sum[d] prod[i] x[i, d]",
    "by_key": "sum[c < 3] prod[i, d | (i + d) mod 3 == c] x[i, d]",
    "of_others": "sum[d, i < N] prod[j | j != i] x[j, d]",
}


def exact(x, groups):
    """The value and the gradient, and of each the sum of its magnitudes."""
    value, size, slope = Fraction(0), Fraction(0), {}
    for group in groups:
        factors = [Fraction(x[i][d]) for i, d in group]
        before = [Fraction(1)]
        for factor in factors:
            before.append(before[-1] * factor)
        value, size = value + before[-1], size + abs(before[-1])
        behind = Fraction(1)
        for at in reversed(range(len(group))):
            part = before[at] * behind
            total, magnitude = slope.get(group[at], (0, 0))
            slope[group[at]] = total + part, magnitude + abs(part)
            behind *= factors[at]
    return value, size, slope


def is_near(got, want, size):
    """Within 1e-6 of the magnitudes, or of the least float."""
    return abs(Fraction(got) - want) <= Fraction(1, 10 ** 6) * size + Fraction(2) ** -148


def inputs():
    r = random.Random(5)
    plain = [[r.gauss(0, 1) for _ in range(7)] for _ in range(4)]
    zeros = [row[:] for row in plain]
    zeros[0][2] = zeros[1][1] = zeros[1][5] = 0.0
    wide = [[1e-30 * (d < 6) + 1e30 * (d >= 6) for d in range(12)] for _ in range(3)]
    if len(sys.argv) > 3:
        return {"zeros": zeros, "wide": wide}
    return {"plain": plain, "zeros": zeros, "wide": wide,
            "long": [[r.uniform(0.5, 1.9) for _ in range(300)] for _ in range(2)],
            "one": [[-2.5]], "tiny": [[1e-40, -3e20, 2e20]]}


with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/p.cpl", "".join(
        f"fn {name}(x[N, D]) = {text}\n" for name, text in FORMULAS.items())
        + "fn likelihood(x[N, D]) = sum[i] log(prod[d] sigmoid(x[i, d]))\n"
        + "fn none(x[N, D]) = sum[i] x[i, 0] * (prod[d | d > 100] x[i, d])\n"
        + "fn whole_numbers(y : int[N, D]) = prod[i, d] y[i, d]\n")

    def run(name, path, door, array="x"):
        return command.run(couplet, "grad", spec, "--fn", name, "--in", f"{array}={path}",
                           *door, "--out", folder + "/out")

    for kind, x in inputs().items():
        path, rows, columns = f"{folder}/{kind}.npy", len(x), len(x[0])
        npy.write(path, (rows, columns), npy.flatten(x))
        x32 = npy.read(path)[1]
        x32 = [x32[i * columns:(i + 1) * columns] for i in range(rows)]
        for name in FORMULAS:
            value, size, slope = exact(x32, groups_of(name, rows, columns))
            for door in DOORS:
                done = run(name, path, door)
                what = f"{name} of {kind} on {door[-1]}"
                most = max(abs(v) for v, _ in [(value, 0), *slope.values()])
                if most > 2 ** 127 and "reference" not in door:
                    check.refused(what, done, "E803", "p.cpl:")
                    continue
                said = [w for w in done.stdout.split("\n") if w.startswith("value:")]
                if not check(done.returncode == 0 and len(said) == 1, what, done.stderr):
                    continue
                got = float(said[0].split()[1])
                check(is_near(got, value, size), f"{what}: {got}", f"{float(value)}")
                if most > 2 ** 127:
                    continue  # the file is of floats
                gradient = npy.read(folder + "/out/grad_x.npy")[1]
                wrong = [(i, d) for i in range(rows) for d in range(columns)
                         if not is_near(gradient[i * columns + d], *slope.get((i, d), (0, 0)))]
                check(not wrong, f"{what}: its slope", f"{wrong[:5]} {gradient[:8]}")
    npy.write(folder + "/nan.npy", (2, 2), [1.0, math.nan, 0.0, 2.0])
    npy.write(folder + "/endless.npy", (1, 3), [math.inf, 2.0, -1.0])
    npy.write(folder + "/whole.npy", (2, 2), [3, -5, 7, 11], "<i4")
    for door in DOORS:
        for bad in ("nan", "endless"):
            done = run("rows", f"{folder}/{bad}.npy", door)
            check.refused(f"a factor that is {bad} on {door[-1]}", done, "E803", "p.cpl:")
        done = run("none", folder + "/zeros.npy", door)
        first = sum(npy.read(folder + "/zeros.npy")[1][0::7])
        check(abs(float(done.stdout.split()[1]) - first) < 1e-5, f"no factor on {door[-1]}",
              done.stdout + done.stderr)
        done = run("likelihood", folder + "/zeros.npy", door)
        want = sum(-math.log1p(math.exp(-v)) for v in npy.read(folder + "/zeros.npy")[1])
        check(abs(float(done.stdout.split()[1]) - want) < 1e-5, f"its log on {door[-1]}",
              done.stdout + done.stderr)
        done = run("whole_numbers", folder + "/whole.npy", door, "y")
        check("value: -1155" in done.stdout, f"of whole numbers on {door[-1]}",
              done.stdout + done.stderr)
check.finish()
