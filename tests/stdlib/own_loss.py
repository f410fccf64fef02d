#!/usr/bin/env python3
"""own_loss.py COUPLET ROOT: a loss that no library has, in ten lines of the language, against the same written out in plain Python, in float64."""
import math
import os
import random
import re
import sys
import tempfile

couplet, root = sys.argv[1:3]
sys.path[:0] = [os.path.join(root, "tests", "golden"), os.path.join(root, "tests", "driver")]
import command
import npy

N, D, K, PRIOR = 6, 5, 9, 0.1
random.seed(3)


def gauss(rows):
    return [[random.gauss(0, 1) for _ in range(D)] for _ in range(rows)]


def unit(row):
    length = math.sqrt(sum(x * x for x in row))
    return [x / length for x in row]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def own_loss(z, w, y, queue, tau):
    u, c = [unit(row) for row in z + w], y + y
    total = 0.0
    for i, row in enumerate(u):
        t = tau[c[i]]
        score = [math.exp(dot(row, other) / t) for other in u]
        hardest = sorted((math.exp(dot(row, key) / t) for key in queue), reverse=True)[:5]
        positives = [score[p] for p in range(2 * N) if p != i and c[p] == c[i]]
        negatives = [score[j] for j in range(2 * N) if c[j] != c[i]] + hardest
        hit = sum(positives) / len(positives)
        mass = max((sum(negatives) - len(negatives) * PRIOR * hit) / (1 - PRIOR), len(negatives) * math.exp(-1 / t))
        total += sum(-math.log(p / (p + mass)) for p in positives) / len(positives)
    return total / (2 * N)


z, w, queue = gauss(N), gauss(N), [unit(row) for row in gauss(K)]
y, tau = [0, 1, 2, 0, 1, 1], [0.1, 0.3, 0.5]
check = command.Checks()
spec = os.path.join(root, "tests/stdlib/own_loss.cpl")
with open(spec) as file:
    lines = [line for line in file if line.strip() and not line.startswith("#")]
check(len(lines) <= 10, f"{len(lines)} lines")
with tempfile.TemporaryDirectory() as folder:
    arguments = []
    for name, shape, values, kind in (("z", (N, D), sum(z, []), "<f8"), ("w", (N, D), sum(w, []), "<f8"), ("queue", (K, D), sum(queue, []), "<f8"),
                                      ("y", (N,), y, "<i4"), ("tau", (3,), tau, "<f8")):
        npy.write(f"{folder}/{name}.npy", shape, values, kind)
        arguments += ["--in", f"{name}={folder}/{name}.npy"]
    expected = own_loss(z, w, y, queue, tau)
    for device, tolerance in (("reference", 1e-12), ("cpu", 1e-5)):
        done = command.run(couplet, "grad", spec, "--fn", "own_loss", "--device", device, "--out", folder, *arguments)
        found = re.search(r"^value: (\S+)$", done.stdout, re.MULTILINE)
        check(found and abs(float(found.group(1)) - expected) <= tolerance * abs(expected), f"{device}: {done.stdout.strip()}", f"expected {expected!r} {done.stderr}")
        gradient = npy.read(f"{folder}/grad_z.npy")[1]
        for i, d in ((0, 0), (2, 3), (5, 4)):
            sides = []
            for h in (1e-6, -1e-6):
                moved = [list(row) for row in z]
                moved[i][d] += h
                sides.append(own_loss(moved, w, y, queue, tau))
            slope = (sides[0] - sides[1]) / 2e-6
            check(abs(gradient[i * D + d] - slope) <= 1e-5 * max(map(abs, gradient)), f"    gradient to z[{i}, {d}]: {gradient[i * D + d]:.8f}", f"expected {slope:.8f}")
check.finish()
