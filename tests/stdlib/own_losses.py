#!/usr/bin/env python3
"""own_losses.py COUPLET ROOT: losses that no library has, in ten lines of the language each,
against the same written out in plain Python, in float64."""
import copy
import math
import os
import random
import re
import sys
import tempfile
from math import exp, log

couplet, root = sys.argv[1:3]
sys.path[:0] = [os.path.join(root, "tests", "golden"), os.path.join(root, "tests", "driver")]
import command
import npy

N, D, E, K, C, H, W = 6, 5, 4, 9, 3, 2, 3
random.seed(3)


# ---- small things --------------------------------------------------------------------------------

def gauss(*shape):
    return [gauss(*shape[1:]) for _ in range(shape[0])] if shape else random.gauss(0, 1)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def unit(row):
    length = math.sqrt(dot(row, row))
    return [x / length for x in row]


def units(rows):
    return [unit(row) for row in rows]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


# ---- the losses ----------------------------------------------------------------------------------

def own_loss(z, w, y, queue, tau, prior=0.1):
    u, c = units(z + w), y + y
    total = 0.0
    for i, row in enumerate(u):
        t = tau[c[i]]
        score = [exp(dot(row, other) / t) for other in u]
        hardest = sorted((exp(dot(row, key) / t) for key in queue), reverse=True)[:5]
        positives = [score[p] for p in range(len(u)) if p != i and c[p] == c[i]]
        negatives = [score[j] for j in range(len(u)) if c[j] != c[i]] + hardest
        mass = max((sum(negatives) - len(negatives) * prior * mean(positives)) / (1 - prior),
                   len(negatives) * exp(-1 / t))
        total += mean(-log(p / (p + mass)) for p in positives)
    return total / len(u)


def codes(scores, eps, rounds):
    """Columns scaled to N / K, then rows to 1."""
    q = [[exp(s / eps) for s in row] for row in scores]
    for _ in range(rounds):
        sums = [sum(column) for column in zip(*q)]
        q = [[x / s * len(q) / len(sums) for x, s in zip(row, sums)] for row in q]
        q = [[x / sum(row) for x in row] for row in q]
    return q


def cluster_weighted(z, w, C, fixed=None, tau=0.3, eps=0.5):
    def code(z, w):
        return codes([[dot(a, c) for c in units(C)] for a in units(z + w)], eps, 3)

    u, q, total = units(z + w), code(*(fixed or (z, w))), 0.0
    for i, row in enumerate(u):
        pos = (i + len(z)) % len(u)
        others = [j for j in range(len(u)) if j not in (i, pos)]
        weight = [1 - dot(q[i], q[j]) for j in others]
        mass = sum(x * exp(dot(row, u[j]) / tau) for x,
                   j in zip(weight, others)) * len(others) / sum(weight)
        hit = exp(dot(row, u[pos]) / tau)
        total -= log(hit / (hit + mass))
    return total / len(u)


def ranked_margin(z, y, queue, label, margin=0.2):
    total = 0.0
    for row, own in zip(units(z), y):
        distance = [math.dist(row, other) for other in units(queue)]
        farthest = max((d for d, c in zip(distance, label) if c == own), default=0)
        nearest = sorted(d for d, c in zip(distance, label) if c != own)
        total += sum(max(0, farthest + margin / (r + 1) - nearest[r]) for r in range(3))
    return total / len(z)


def pixels(f, g, at, to, near=0.7):
    total = []
    for n in range(len(f)):
        places = [(h, w) for h in range(H) for w in range(W)]
        x, y = ({p: unit([channel[p[0]][p[1]] for channel in image]) for p in places}
                for image in (f[n], g[n]))
        for p in places:
            close = [q for q in places if math.dist(at[n][p[0]][p[1]], to[n][q[0]][q[1]]) < near]
            total.append(-mean(dot(x[p], y[q]) for q in close) if close else 0)
    return mean(total)


def smoothed_pairs(a, b, wa, wb, scale=1.5, smooth=0.1):
    u, v = units([[dot(row, w) for w in wa]
                  for row in a]), units([[dot(row, w) for w in wb] for row in b])
    s = [[exp(scale) * dot(x, y) for y in v] for x in u]
    total = 0.0
    for side in (s, [list(column) for column in zip(*s)]):
        for i, row in enumerate(side):
            norm = log(sum(map(exp, row)))
            total -= sum(((1 - smooth) * (i == j) + smooth / len(row)) * (x - norm) for j,
                         x in enumerate(row))
    return total / (2 * len(s))


def drifting_prototypes(z, y, centre, fixed=None, tau=0.2, rounds=3):
    u, m = units(z), centre
    still = units(fixed[0] if fixed else z)
    members = [[row for row, c in zip(still, y) if c == k] for k in range(len(centre))]
    for _ in range(rounds):
        pull = [[mean(column) for column in zip(*rows)] if rows else [0] * D for rows in members]
        m = [[0.8 * a + 0.2 * b for a, b in zip(row, other)] for row, other in zip(m, pull)]
    share = [(len(rows) + 1) / (len(y) + len(centre)) for rows in members]
    logits = [[dot(row, unit(c)) / tau - log(p) for c, p in zip(m, share)] for row in u]
    return mean(log(sum(map(exp, row))) - row[c] for row, c in zip(logits, y))


# ---- against the language ------------------------------------------------------------------------

labels, z, w, queue = [0, 1, 2, 0, 1, 1], gauss(N, D), gauss(N, D), gauss(K, D)
# Function, its arrays, the one whose gradient is looked at, and whether a part of it is stopped.
CASES = [
    (own_loss, {"z": z, "w": w, "y": labels, "queue": units(queue), "tau": [0.1, 0.3, 0.5]}, "z",
     False),
    (cluster_weighted, {"z": z, "w": w, "C": gauss(C, D)}, "z", True),
    (ranked_margin, {"z": z, "y": labels, "queue": queue, "label": [0, 1, 2, 0, 1, 2, 2, 0, 1]},
     "z", False),
    (pixels, {"f": gauss(2, C, H, W), "g": gauss(2, C, H, W), "at": gauss(2, H, W, 2),
              "to": gauss(2, H, W, 2)}, "f", False),
    (smoothed_pairs, {"a": gauss(N, D), "b": gauss(N, E), "wa": gauss(K, D), "wb": gauss(K, E)},
     "wa", False),
    (drifting_prototypes, {"z": z, "y": labels, "centre": gauss(C, D)}, "z", True),
]


def slope(function, arrays, name, at, stops):
    """Along one entry; what is stopped stays."""
    sides, fixed = [], {"fixed": (arrays["z"], arrays.get("w"))} if stops else {}
    for h in (1e-6, -1e-6):
        moved = copy.deepcopy(arrays[name])
        place = moved
        for i in at[:-1]:
            place = place[i]
        place[at[-1]] += h
        sides.append(function(**{**arrays, name: moved}, **fixed))
    return (sides[0] - sides[1]) / 2e-6


def lines_of(text, name):
    body = re.search(rf"^fn {name}\(.*?^}}$", text, re.MULTILINE | re.DOTALL).group(0)
    return [line for line in body.splitlines() if line.strip()]


check = command.Checks()
spec = os.path.join(root, "tests/stdlib/own_losses.cpl")
with open(spec) as file:
    text = file.read()
check(re.findall(r"^fn (\w+)", text, re.MULTILINE) == [case[0].__name__ for case in CASES],
      "every function of own_losses.cpl is tried")
for function, arrays, name, stops in CASES:
    lines = len(lines_of(text, function.__name__))
    check(lines <= 11, f"{function.__name__}: {lines - 1} lines and a brace")
    expected, shape = function(**arrays), npy.shape_of(arrays[name])
    with tempfile.TemporaryDirectory() as folder:
        given = npy.arguments(folder, arrays)
        for device, tolerance in (("reference", 1e-12), ("cpu", 1e-5)):
            done = command.run(couplet, "grad", spec, "--fn", function.__name__, "--device",
                               device, "--out", folder, *given)
            found = re.search(r"^value: (\S+)$", done.stdout, re.MULTILINE)
            check(found and abs(float(found.group(1)) - expected) <= tolerance *
                  max(1, abs(expected)), f"    {device}: {done.stdout.strip()}",
                  f"expected {expected!r} {done.stderr}")
            gradient = npy.read(f"{folder}/grad_{name}.npy")[1]
            for number in range(0, len(gradient), max(1, len(gradient) // 5)):
                at, rest = [], number
                for extent in reversed(shape):
                    at.insert(0, rest % extent)
                    rest //= extent
                wanted = slope(function, arrays, name, at, stops)
                check(abs(gradient[number] - wanted) <= 1e-5 * max(map(abs, gradient)),
                      f"        gradient to {name}{at}: {gradient[number]:.8f}",
                      f"expected {wanted:.8f}")
check.finish()
