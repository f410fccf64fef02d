#!/usr/bin/env python3
"""measure.py COUPLET ROOT: stdlib/measure.cpl against plain Python: definitions over sets, pairs
and permutations, not the formulas of the library."""
import itertools
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

random.seed(5)
N, D, C, G = 23, 4, 5, 4
label = [random.randrange(C) for _ in range(N)]
guess = [y if random.random() < 0.6 else random.randrange(C) for y in label]
member = [(3 * y + 1) % G if random.random() < 0.7 else random.randrange(G) for y in label]
many = [random.randrange(7) for _ in label]  # more clusters than classes
scores = [[random.randrange(4) / 2 for _ in range(C)] for _ in range(N)]  # with ties
x, y = ([[random.gauss(0, 1) for _ in range(D)] for _ in range(N)] for _ in range(2))
a, b = ([random.gauss(2, 1) for _ in range(N)] for _ in range(2))


def share(truths):
    truths = list(truths)
    return sum(truths) / len(truths)


def sets(of, count):
    return [{i for i, v in enumerate(of) if v == g} for g in range(count)]


def best_naming(of, clusters):
    groups, classes = sets(of, clusters), sets(label, C)
    classes += [set()] * max(0, clusters - C)
    return max(sum(len(g & classes[c]) for g, c in zip(groups, to))
               for to in itertools.permutations(range(len(classes)), clusters)) / N


def entropy(groups):
    return -sum(len(g) / N * math.log(len(g) / N) for g in groups if g)


def nmi(of, clusters, labels=None):
    groups, classes = sets(of, clusters), sets(labels or label, C)
    joint = [g & c for g in groups for c in classes]
    of_both = entropy(groups) + entropy(classes)
    return 2 * (of_both - entropy(joint)) / of_both


def adjusted_rand(of):
    pairs = list(itertools.combinations(range(N), 2))
    one, two = [of[i] == of[j] for i, j in pairs], [label[i] == label[j] for i, j in pairs]
    both, expected, most = sum(p and q for p,
                               q in zip(one, two)), sum(one) * sum(two) / len(pairs), (
                                   sum(one) + sum(two)) / 2
    return (both - expected) / (most - expected)


def cosine(u, v):
    return sum(p * q for p, q in zip(u, v)) / math.hypot(*u) / math.hypot(*v)


def nearest(row, table, k, but=None):
    return sorted((j for j in range(len(table)) if j != but),
                  key=lambda j: -cosine(row, table[j]))[:k]


def ious(of, to):
    found = [(g & c, g | c) for g, c in zip(sets(of, C), sets(to, C))]
    return [len(inner) / len(outer) for inner, outer in found if outer]


def dices(of, to, first):
    found = list(zip(sets(of, C), sets(to, C)))[first:]
    return [2 * len(g & c) / (len(g) + len(c)) for g, c in found if g or c]


def mean(values):
    return sum(values) / len(values)


sizes = [150.0, 100.0, 20.0, 19.0, 3.0]
weight, square = [random.random() for _ in range(N)], [[random.random() for _ in range(C)]
                                                       for _ in range(C)]
order = [sorted(range(C), key=lambda c: (-row[c], c)) for row in scores]
table = [[float(len(g & c)) for c in sets(label, C)] for g in sets(guess, C)]
# two pictures of 11 pixels
two = {"guess": [guess[:11], guess[11:22]], "label": [label[:11], label[11:22]]}
rare = [0] * (N - 1) + [1]  # classes 2 .. 4 occur nowhere
ROWS = [
    ("best", {"scores": scores, "weight": weight},
     sum(w * row[0] for w, row in zip(weight, order))),
    ("measure.accuracy", {"guess": guess, "label": label},
     share(g == c for g, c in zip(guess, label))),
    *(("measure.top_accuracy", {"scores": scores, "label": label, "k": k},
       share(c in row[:k] for c, row in zip(label, order))) for k in (1, 2, 5)),
    *(("measure.group_accuracy", {"guess": guess, "label": label, "sizes": sizes, **limits},
       share(g == c for g, c in zip(guess, label) if c in classes))
      for limits, classes in (({}, range(5)), ({"above": 100}, [0]),
                              ({"above": 19, "up_to": 100}, [1, 2]), ({"up_to": 19}, [3, 4]))),
    ("measure.group_accuracy", {"guess": guess, "label": label, "sizes": sizes, "above": 1000}, 0),
    ("class_sizes", {"label": label, "weight": weight[:C]},
     sum(w * label.count(c) for c, w in enumerate(weight[:C]))),
    ("measure.mean_recall", {"guess": guess, "label": label, "classes": C},
     mean([share(guess[i] == c for i in group) for c, group in enumerate(sets(label, C))
           if group])),
    ("measure.mean_recall", {"guess": guess, "label": rare, "classes": C},
     mean([share(guess[i] == c for i in group) for c, group in enumerate(sets(rare, C)) if group])),
    ("confusions", {"guess": guess, "label": label, "weight": square},
     sum(square[g][c] for g, c in zip(guess, label))),
    *(("measure.cluster_accuracy", {"member": of, "label": label, "clusters": k, "classes": C},
       best_naming(of, k)) for of, k in ((member, G), (guess, C), (many, 7))),
    ("measure.purity", {"member": member, "label": label, "clusters": G, "classes": C},
     sum(max(len(g & c) for c in sets(label, C)) for g in sets(member, G)) / N),
    *(("measure.nmi", {"member": of, "label": label, "clusters": k, "classes": C}, nmi(of, k))
      for of, k in ((member, G), (many, 7), (label, C))),
    ("measure.nmi", {"member": [0] * N, "label": label, "clusters": 1, "classes": C}, 0),
    ("measure.nmi", {"member": [0] * N, "label": [0] * N, "clusters": 1, "classes": C}, 1),
    *(("measure.adjusted_rand", {"member": of, "label": label, "clusters": k, "classes": C},
       adjusted_rand(of)) for of, k in ((member, G), (many, 7), (label, C))),
    ("measure.adjusted_rand", {"member": [0] * N, "label": [0] * N, "clusters": 1, "classes": C},
     1),
    *(("measure.recall_at", {"query": x, "bank": y, "query_label": label, "bank_label": guess,
                             "k": k},
       share(any(guess[j] == c for j in nearest(row, y, k)) for row, c in zip(x, label)))
      for k in (1, 3)),
    *(("measure.recall_within", {"x": x, "label": label, "k": k},
       share(any(label[j] == label[i] for j in nearest(x[i], x, k, i)) for i in range(N)))
      for k in (1, 2)),
    *(("measure.recall_of_pairs", {"a": x, "b": y, "k": k},
       share(i in nearest(x[i], y, k) for i in range(N))) for k in (1, 5, 10)),
    ("measure.recall_of_pairs", {"a": [[1.0, 0.0]] * N, "b": [[1.0, 0.0]] * N, "k": 5}, 0),
    ("measure.mean_iou_of", {"t": table}, mean(ious(guess, label))),
    ("measure.mean_iou", {**two, "classes": C}, mean(ious(guess[:22], label[:22]))),
    ("measure.mean_iou", {"guess": [rare], "label": [[0] * N], "classes": C},
     mean(ious(rare, [0] * N))),
    ("measure.dice_of", {"t": table}, mean(dices(guess, label, 1))),
    ("with_background", {"t": table}, mean(dices(guess, label, 0))),
    ("measure.dice", {**two, "classes": C}, mean(dices(guess[:22], label[:22], 1))),
    ("measure.dice", {"guess": [[0] * N], "label": [[0] * N], "classes": C}, 0),
    ("measure.mean_error", {"x": a, "y": b}, mean([abs(p - q) for p, q in zip(a, b)])),
    ("measure.root_mean_square_error", {"x": a, "y": b},
     math.sqrt(mean([(p - q) ** 2 for p, q in zip(a, b)]))),
    ("measure.explained", {"x": a, "y": b},
     1 - sum((q - p) ** 2 for p, q in zip(a, b)) / sum((q - mean(b)) ** 2 for q in b)),
]

check = command.Checks()
with tempfile.TemporaryDirectory() as folder:
    for name, given, wanted in ROWS:
        options = []
        for key, value in given.items():
            if isinstance(value, list):
                flat = npy.flatten(value)
                shape = [len(value)] if len(flat) == len(value) and not isinstance(
                    value[0], list) else [len(value), len(value[0])]
                npy.write(f"{folder}/{key}.npy", shape, flat,
                          "<i4" if isinstance(flat[0], int) else "<f4")
                options += ["--in", f"{key}={folder}/{key}.npy"]
            else:
                options += ["--set", f"{key}={value}"]
        done = command.run(couplet, "grad", f"{root}/tests/stdlib/measure.cpl", "--fn", name,
                           *options)
        found = re.search(r"^value\D*?(-?[\d.]+(?:e[-+]?\d+)?)$", done.stdout, re.M)
        value = float(found.group(1)) if found else math.nan
        check(abs(value - wanted) < 2e-6 * max(1, abs(wanted)), f"{name}: {value:.7g}",
              f"wanted {wanted}\n{done.stdout}{done.stderr}")
check.finish()
