#!/usr/bin/env python3
"""by_key.py COUPLET ROOT: reductions by key take N D steps, not K N D: the gradient of 100000 reads
of a table of 100000 rows, and sums, counts and
maxima of 100000 rows by 5000 classes. As sweeps, each would take minutes."""
import os
import subprocess
import sys
import tempfile

couplet, root = sys.argv[1:3]
sys.path.insert(0, os.path.join(root, "tests", "golden"))
import npy

ROWS, CLASSES, DIM = 100000, 5000, 8
SPEC = """
fn embedding(table[K, D], y : int[N]) = sum[i, d] real(1 + i mod 7) * table[y[i], d]
fn by_class(x[N, D], c : int[N], w[C]) {
  let s[k < C, d] = sum[i | c[i] == k] x[i, d]
  let n[k < C] = count[i | c[i] == k]
  let m[k < C] = (max[i | c[i] == k] x[i, 0] else 0)
  return sum[k] w[k] * ((sum[d] s[k, d]) + n[k] + m[k])
}
"""


def grad(folder, function, **arrays):
    command = [couplet, "grad", folder + "/spec.cpl", "--fn", function, "--out", folder + "/out"]
    for name in arrays:
        command += ["--in", f"{name}={folder}/{arrays[name]}.npy"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        sys.exit(f"{function}: {done.stderr}")
    return float(done.stdout.split()[-1])


def same(found, expected, what, tolerance=1e-5):
    worst = max(abs(a - b) / (1 + abs(b)) for a, b in zip(found, expected))
    print(f"{'ok     ' if worst < tolerance else 'FAILED '} {what}: worst relative difference "
          f"{worst:.1e}")
    return worst < tolerance


with tempfile.TemporaryDirectory() as folder:
    with open(folder + "/spec.cpl", "w") as file:
        file.write(SPEC)
    # a third of all reads are of one row
    y = [i * 7919 % ROWS if i % 3 else 5 for i in range(ROWS)]
    c = [i * 31 % CLASSES for i in range(ROWS)]
    table = [(i * 37 % 101) / 64 - 0.5 for i in range(ROWS * DIM)]
    weights = [(k % 13) / 8 for k in range(CLASSES)]
    npy.write(folder + "/table.npy", [ROWS, DIM], table)
    npy.write(folder + "/y.npy", [ROWS], y, "<i4")
    npy.write(folder + "/c.npy", [ROWS], c, "<i4")
    npy.write(folder + "/w.npy", [CLASSES], weights)
    good = True

    value = grad(folder, "embedding", table="table", y="y")
    expected = [0.0] * ROWS
    for i in range(ROWS):
        expected[y[i]] += 1 + i % 7
    total = sum((1 + i % 7) * sum(table[y[i] * DIM:y[i] * DIM + DIM]) for i in range(ROWS))
    # one sum of 800000 terms of both signs in float32
    good &= same([value], [total], "value of 100000 reads", 1e-3)
    found = npy.read(folder + "/out/grad_table.npy")[1]
    good &= same(found, [expected[i // DIM] for i in range(ROWS * DIM)], "gradient of 100000 reads")

    grad(folder, "by_class", x="table", c="c", w="w")
    sums, best = [0.0] * CLASSES, [-1e9] * CLASSES
    for i in range(ROWS):
        sums[c[i]] += 1 + sum(table[i * DIM:i * DIM + DIM])
        best[c[i]] = max(best[c[i]], table[i * DIM])
    good &= same(npy.read(folder + "/out/grad_w.npy")[1], [s + b for s, b in zip(sums, best)],
                 "sums, counts and maxima by class")
    sys.exit(0 if good else 1)
