#!/usr/bin/env python3
"""cluster.py COUPLET ROOT: Sinkhorn-Knopp, k-means and nearest centres of stdlib/cluster.cpl,
against plain Python in float64 and against what holds of any input."""
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

N, D, K = 7, 3, 4
random.seed(8)


def gauss(*shape):
    return [gauss(*shape[1:]) for _ in range(shape[0])] if shape else random.gauss(0, 1)


def balanced(q, rounds):
    """Columns come to N / K, then rows to 1; without rounds the whole comes to N."""
    total = sum(map(sum, q))
    q = [[x * len(q) / total for x in row] for row in q]
    for _ in range(rounds):
        sums = [sum(column) for column in zip(*q)]
        q = [[x / s * len(q) / len(sums) for x, s in zip(row, sums)] for row in q]
        q = [[x / sum(row) for x in row] for row in q]
    return q


def weighted(weight, q):
    return sum(w * x for left, right in zip(weight, q) for w, x in zip(left, right))


def nearest(x, c):
    return [min(range(len(c)), key=lambda k: math.dist(row, c[k])) for row in x]


scores, weight, prior = gauss(N, K), gauss(N, K), [[random.random() for _ in range(K)]
                                                   for _ in range(N)]
x, centres = gauss(N, D), gauss(K, D)
centres[3] = centres[1] # a tie goes to the first
row_of_ones = [[float(n == 2)] * K for n in range(N)]
ROWS = []
for rounds in (0, 1, 3, 40):
    for eps in (0.05, 0.5):
        powers = [[math.exp(s / eps) for s in row] for row in scores]
        given = {"scores": scores, "weight": weight, "eps": eps, "rounds": rounds}
        ROWS.append(("sinkhorn", given, weighted(weight, balanced(powers, rounds))))
        products = [[a * b for a, b in zip(left, right)] for left, right in zip(powers, prior)]
        ROWS.append(("with_prior", {**given, "prior": prior},
                     weighted(weight, balanced(products, rounds))))
# Unnormalised scores: what all have in common must not cost digits. 3000 and a multiple of 1/1024
# is exact in float32.
steps = [[round(s * 1024) / 1024 for s in row] for row in scores]
raised = {"scores": [[3000 + s for s in row] for row in steps], "weight": weight, "eps": 0.05,
          "rounds": 3}
powers = [[math.exp(s / 0.05) for s in row] for row in steps]
products = [[a * b for a, b in zip(left, right)] for left, right in zip(powers, prior)]
ROWS += [
    ("sinkhorn", raised, weighted(weight, balanced(powers, 3))),
    ("with_prior", {**raised, "prior": prior}, weighted(weight, balanced(products, 3))),
    ("balance", {"scores": scores, "weight": weight, "rounds": 5},
     weighted(weight, balanced([[math.exp(s) for s in row] for row in scores], 5))),
    # exp(s / eps) overflows; a row still comes to 1
    ("sinkhorn", {"scores": scores, "weight": row_of_ones, "eps": 0.005, "rounds": 1}, 1.0),
    ("with_prior", {"scores": scores, "weight": row_of_ones,
                    "prior": [[float(k != n % K) for k in range(K)] for n in range(N)], "eps": 0.5,
                    "rounds": 3}, 1.0), # a prior of 0
    ("nearest", {"x": x, "c": centres, "weight": weight[0] + weight[1][:3]},
     sum(w * y for w, y in zip(weight[0] + weight[1][:3], nearest(x, centres)))),
]
ROWS += [(law, {"x": rows}, 0.0) for law in ("law_kmeans_rests", "law_spherical_rests",
                                             "law_starts_differ", "law_equal_rows")
         for rows in (x, gauss(12, 2), gauss(3, 5))]

check = command.Checks()
spec = os.path.join(root, "tests/stdlib/cluster.cpl")
for name, given, expected in ROWS:
    for device, tolerance in (("reference", 1e-10), ("cpu", 2e-5)):
        with tempfile.TemporaryDirectory() as folder:
            done = command.run(couplet, "grad", spec, "--fn", name, "--device", device,
                               *npy.arguments(folder, given))
        found = re.search(r"^value: (\S+)$", done.stdout, re.MULTILINE)
        value = float(found.group(1)) if found else math.nan
        check(abs(value - expected) <= tolerance * max(1, abs(expected)),
              f"{name}, {device}: {value:.10g}", f"expected {expected:.10g} {done.stderr}")
for name in ("sinkhorn", "with_prior", "balance"):
    done = command.run(couplet, "gradcheck", spec, "--fn", name, "--set",
                       "eps=0.5") if name != "balance" else command.run(couplet, "gradcheck", spec,
                                                                        "--fn", name)
    if name == "with_prior":
        with tempfile.TemporaryDirectory() as folder:
            done = command.run(couplet, "gradcheck", spec, "--fn", name,
                               *npy.arguments(folder, {"prior": prior, "eps": 0.5}))
    check(done.returncode == 0, f"the gradient of {name} goes through every round",
          done.stdout + done.stderr)
check.finish()
