#!/usr/bin/env python3
"""qualities.py COUPLET ROOT: evaluations of retrieval, clusters, few examples and spread say what
their definitions say, computed here in plain Python; the same on two threads; and what makes no
sense is refused with its place."""
import csv
import json
import math
import random
import shutil
import sys
import tempfile

import command
from data_files import arrays

couplet = sys.argv[1]
check = command.Checks()
WIDTH, BANK, QUERIES, CLASSES = 5, 90, 40, 3
SPEC = """use optim
data train = data.arrays("train")
data test  = data.arrays("test")
param w[5] = normal(0, 1)
let y[i] = sum[d] train.x[i, d] * w[d]
loss mean[i] y[i]^2
train { epochs 1, batch 30, optimiser optim.sgd(lr = 0.01) }
"""
COMMON = "features = train.x, bank = train, query = test"


def sample(count, seed, spread, flips):
    """Rows around an axis for each class; so many labels of ten are those of the next class."""
    draw = random.Random(seed)
    rows, labels, truth = [], [], []
    for i in range(count):
        kind = i % CLASSES
        rows.append([draw.gauss(0, spread) + (d == kind) for d in range(WIDTH)])
        truth.append(kind)
        labels.append((kind + (draw.randrange(10) < flips)) % CLASSES)
    return rows, labels, truth


def put(folder, name, rows, labels):
    flat = [value for row in rows for value in row]
    arrays(f"{folder}/{name}", x=([len(rows), WIDTH], "<f8", flat),
           label=([len(rows)], "<i8", labels))


def unit(row):
    length = math.sqrt(sum(v * v for v in row))
    return [v / length for v in row]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def ranked(bank, row):
    return sorted(range(len(bank)), key=lambda j: (-dot(unit(row), unit(bank[j])), j))


def recall(bank, query, k):
    hits = [any(bank[1][j] == label for j in ranked(bank[0], row)[:k]) for row,
            label in zip(*query[:2])]
    return 100 * sum(hits) / len(hits)


def mean_precision(bank, query):
    total = 0
    for row, label in zip(*query[:2]):
        found, sum_of = 0, 0
        for place, j in enumerate(ranked(bank[0], row), 1):
            if bank[1][j] == label:
                found += 1
                sum_of += found / place
        total += sum_of / found
    return 100 * total / len(query[0])


def uniformity(rows, t):
    units = [unit(row) for row in rows]
    terms = [math.exp(-t * sum((a - b) ** 2 for a, b in zip(x, y)))
             for i, x in enumerate(units) for y in units[:i]]
    return math.log(sum(terms) / len(terms))


def alignment(rows, labels):
    units = [unit(row) for row in rows]
    terms = [sum((a - b) ** 2 for a, b in zip(units[i], units[j]))
             for i in range(len(rows)) for j in range(i) if labels[i] == labels[j]]
    return sum(terms) / len(terms)


def eigenvalues(a):
    """Of a symmetric matrix, by Jacobi's rotations."""
    n = len(a)
    for _ in range(60):
        for p in range(n):
            for q in range(p + 1, n):
                if abs(a[p][q]) < 1e-300:
                    continue
                angle = 0.5 * math.atan2(2 * a[p][q], a[q][q] - a[p][p])
                c, s = math.cos(angle), math.sin(angle)
                for k in range(n):
                    a[k][p], a[k][q] = c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]
                for k in range(n):
                    a[p][k], a[q][k] = c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]
    return [a[i][i] for i in range(n)]


def effective_rank(rows):
    products = [[sum(row[i] * row[j] for row in rows) for j in range(WIDTH)] for i in range(WIDTH)]
    sizes = [math.sqrt(max(v, 0)) for v in eigenvalues(products)]
    shares = [v / sum(sizes) for v in sizes]
    return math.exp(-sum(p * math.log(p) for p in shares if p > 0))


def agreement(members, labels):
    n = len(members)
    table = [[sum(m == g and l == c for m, l in zip(members, labels)) for c in range(CLASSES)]
             for g in range(CLASSES)]
    rows, columns = [sum(r) for r in table], [sum(c) for c in zip(*table)]
    shared = sum(t / n * math.log(t * n / (rows[g] * columns[c]))
                 for g, r in enumerate(table) for c, t in enumerate(r) if t)
    entropies = -sum(v / n * math.log(v / n) for v in rows + columns if v)
    pairs = lambda values: sum(v * (v - 1) / 2 for v in values)
    together, expected = pairs(sum(table, [])), pairs(rows) * pairs(columns) / pairs([n])
    ari = (together - expected) / ((pairs(rows) + pairs(columns)) / 2 - expected)
    best = max(sum(table[g][(g + s) % CLASSES if turn else (s - g) % CLASSES]
                   for g in range(CLASSES))
               for s in range(CLASSES) for turn in (True, False))
    return 200 * shared / entropies, 100 * ari, 100 * best / n


def by_class(bank, query, k, temperature):
    """The percent of each class of the query that neighbours vote for."""
    right = {}
    for row, label in zip(query[0], query[1]):
        votes = {}
        for j in ranked(bank[0], row)[:k]:
            weight = math.exp(dot(unit(row), unit(bank[0][j])) / temperature)
            votes[bank[1][j]] = votes.get(bank[1][j], 0) + weight
        best = min(votes, key=lambda c: (-votes[c], c))
        right.setdefault(label, []).append(best == label)
    return {c: 100 * sum(all_of) / len(all_of) for c, all_of in right.items()}


with tempfile.TemporaryDirectory() as folder:
    def measure(bank, query, *evaluations, threads=1):
        for name, rows in (("train", bank), ("test", query)):
            put(folder, name, *rows[:2])
        shutil.rmtree(folder + "/run", ignore_errors=True)
        spec = command.write(folder + "/spec.cpl",
                             SPEC + "eval {\n  " + ",\n  ".join(evaluations) + "\n}\n")
        done = command.run(couplet, "train", spec, "--out", folder + "/run", "--threads", threads)
        if done.returncode:
            return done
        with open(folder + "/run/metrics.jsonl", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        return {row["evaluation"]: row.get("percent", row.get("value"))
                for row in rows if row.get("of") == "raw values" and "evaluation" in row}

    bank, query = sample(BANK, 1, 0.5, 3), sample(QUERIES, 2, 0.5, 3)
    asked = [f"recall({COMMON})", f"recall(k = 3, {COMMON})", f"mean_precision({COMMON})",
             f"uniformity({COMMON})", f"uniformity(t = 0.5, {COMMON})",
             f"rank({COMMON})", f"alignment({COMMON})",
             f"linear({COMMON})", f"few_shot(ways = 3, shots = 2, {COMMON})"]
    found = measure(bank, query, *asked[:4], *asked[5:])
    expected = {"recall at 1": recall(bank, query, 1), "recall at 3": recall(bank, query, 3),
                "mean precision": mean_precision(bank, query),
                "uniformity": uniformity(query[0], 2), "alignment": alignment(*query[:2]),
                "effective rank": effective_rank(query[0])}
    for name, value in expected.items():
        close = isinstance(found, dict) and abs(found.get(name, 1e9) - value) < 2e-5
        check(close, f"{name} is {value:.6f}", found)
    chance = 100 / 3
    check(isinstance(found, dict) and chance + 5 < found.get("3-way 2-shot", 0) < 95,
          "few examples tell more than chance", found)
    check(measure(bank, query, *asked[:4], *asked[5:], threads=2) == found,
          "the same numbers on two threads")
    found = measure(bank, query, asked[4])
    check(abs(found.get("uniformity", 9) - uniformity(query[0], 0.5)) < 1e-5, "any factor t", found)

    bank, query = sample(BANK, 3, 0.05, 0), sample(QUERIES, 4, 0.05, 4)
    found = measure(bank, query, f"nmi({COMMON})", f"ari({COMMON})", f"cluster_accuracy({COMMON})",
                    f"nmi(clusters = 1, {COMMON})")
    names = ("NMI of clusters", "ARI of clusters", "accuracy of clusters")
    for name, value in zip(names, agreement(query[2], query[1])):
        check(isinstance(found, dict) and abs(found[name] - value) < 1e-4,
              f"{name} that are apart is {value:.4f}", found)
    check(found.get("NMI of clusters (1)") == 0, "one cluster says nothing", found)
    clean = sample(QUERIES, 5, 0.05, 0)
    found = measure(bank, clean, f"linear({COMMON})", f"linear(fraction = 0.01, {COMMON})",
                    f"linear(fraction = 0.1, {COMMON})", f"few_shot(ways = 2, {COMMON})",
                    f"recall({COMMON.replace('query = test', 'query = train')})")
    one = found.pop("linear probe, 1 % of labels", 0) if isinstance(found, dict) else 0
    check(found == {"linear probe": 100, "linear probe, 10 % of labels": 100, "2-way 1-shot": 100,
                    "recall at 1 (itself left out)": 100} and one > 80,
          "what is apart is told by few labels of each class", f"{found} {one}")

    # Class by class: the mean of the shares of classes that differ in size, and the rows of each.
    sizes = [0] * 6 + [1] * 11 + [2] * 23 + [5] * 2  # the bank has no class 5
    few = sample(len(sizes), 6, 0.4, 0)[0], sizes
    asked = [f"knn(k = 5, {COMMON})", f"knn(k = 5, by_class = true, {COMMON})",
             f"linear(by_class = true, {COMMON})", f"linear(by_class = false, {COMMON})"]
    bank = sample(BANK, 3, 0.4, 2)
    found = measure(bank, few, *asked)
    with open(folder + "/run/metrics.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    wanted = by_class(bank, few, 5, 0.07)
    by = "kNN (k = 5), mean of classes"
    shares = [(row["class"], row["percent"]) for row in rows
              if row.get("by") == by and row["of"] == "raw values"]
    check([name for name, _ in shares] == ["0", "1", "2", "5"] and
          all(abs(percent - wanted[int(name)]) < 1e-6 for name, percent in shares),
          "the percent of each class", f"{shares} {wanted}")
    mean = sum(wanted.values()) / 4
    whole = sum(wanted[c] * sizes.count(c) for c in wanted) / len(sizes)
    check(abs(found[by] - mean) < 1e-6 and abs(found["kNN (k = 5)"] - whole) < 1e-6,
          "their mean, beside the percent of all", f"{found} {mean} {whole}")
    linear = [row["percent"] for row in rows
              if row.get("by") == "linear probe, mean of classes" and row["of"] == "raw values"]
    whole = sum(p * sizes.count(c) for p, c in zip(linear, (0, 1, 2, 5))) / len(sizes)
    check(abs(whole - found["linear probe"]) < 1e-6 and linear[3] == 0,
          "a linear probe class by class", f"{linear} {found}")
    text = command.run(couplet, "eval", folder + "/run").stdout
    behind = text[text.index("after training"):]
    check(text.count("\n     ") == behind.count("\n     ") == 8 and
          f"{by}  {mean:.2f} %\n{'':18} 0 {wanted[0]:17.2f} %\n" in behind,
          "the classes are shown behind the training", text)
    check("by" not in json.dumps(sorted(found)) and "class" not in next(
        csv.reader(open(folder + "/run/metrics.csv", encoding="utf-8"))),
          "the log's other readers see evaluations alone", f"{sorted(found)}")

    lonely = [query[0], [7 if i == 0 else 1 for i in range(QUERIES)], query[2]]
    refused = (("k of 0", f"recall(k = 0, {COMMON})", "E508", "at least 1"),
               ("no labels", f"linear(fraction = 0, {COMMON})", "E508", "above 0"),
               ("more than all labels", f"linear(fraction = 1.5, {COMMON})", "E508", "at most 1"),
               ("one way", f"few_shot(ways = 1, {COMMON})", "E508", "at least 2"),
               ("a factor of 0", f"uniformity(t = 0, {COMMON})", "E508", "above 0"),
               ("a number for a word", f"knn(by_class = 1, {COMMON})", "E508", "true or false"),
               ("classes of what tells none", f"rank(by_class = true, {COMMON})", "E508", "rank"),
               ("a name", f"ranks({COMMON})", "E508", "did you mean `rank`?"),
               ("labels of what has none", f"rank(labels = train.label, {COMMON})", "E508", "rank"),
               ("more neighbours than rows", f"recall(k = 91, {COMMON})", "k of recall is 91"),
               ("more clusters than samples", f"ari(clusters = 41, {COMMON})", "41 clusters"))
    for what, evaluation, *words in refused:
        done = measure(bank, query, evaluation)
        check(not isinstance(done, dict) and done.returncode == 1 and "spec.cpl:9:" in done.stderr
              and
              all(word in done.stderr for word in words), f"{what}: refused at its place",
              getattr(done, "stderr", done))
    done = measure(bank, lonely, f"few_shot(ways = 2, {COMMON})")
    check(not isinstance(done, dict) and "ways of few_shot is 2, and 1 classes" in done.stderr,
          "too few classes: refused", getattr(done, "stderr", done))
check.finish()
