#!/usr/bin/env python3
"""large_logits.py COUPLET ROOT [DEVICE]: what a log-sum-exp of logits near 1e4 weighs and is
subtracted from. One
float32 of 1e4 has its last bit at 1e-3; values and gradients are within 1e-5 of the formula in
float64 all the same."""
import os
import random
import sys
import tempfile

import command

sys.path.insert(0, os.path.join(sys.argv[2], "tests", "golden"))
import npy

couplet = sys.argv[1]
device = sys.argv[3] if len(sys.argv) > 3 else "cpu"
check = command.Checks()
MOST = 1e-5  # of the largest entry
draw = random.Random(5)

# Of x[8, 40], near 1e4 with a deviation of 1; y is a label, a are plain numbers.
SMALL = {
    "cross_entropy": "mean[n] ((logsumexp[c] x[n, c]) - x[n, y[n]])",
    "turned": "mean[n] (-(logsumexp[c] x[n, c]) + x[n, y[n]])",
    "softmax": "{\n  let p[n, c] = softmax[c] x[n, c]\n  return sum[n, c] a[n, c] * p[n, c]\n}",
    "by_hand": "mean[n] -log(exp(x[n, y[n]]) / (sum[c] exp(x[n, c])))",
    "guarded": "mean[n] ((logsumexp[c | a[n, c] > 0.7] x[n, c] else 3)"
               " - (if any[c] (a[n, c] > 0.7) then x[n, y[n]] else 0))",
    "two_sums": "mean[n] (log(sum[c] exp(x[n, c]) + sum[c] a[n, c]^2 * exp(x[n, c] + 1)) - x[n, "
                "y[n]])",
    "nested": "sum[n] a[n, 0] * exp((logsumexp[c] x[n, c]) - logsumexp[m, c] x[m, c])",
    "of_logs": "sum[n] a[n, 0] * exp((logsumexp[c] x[n, c]) - (logsumexp[m] (logsumexp[c] x[m, "
               "c])))",
    "scaled": "sum[n, c] a[n, c] * exp(2 * x[n, c] - logsumexp[k] 2 * x[n, k])",
    "larger": "mean[n] max(0, (logsumexp[c] x[n, c]) - x[n, y[n]] - 1)",
}
# Of z[600, 8] and w[600, 8], pairs that are streamed.
PAIRS = {
    "total": "{\n  let all = logsumexp[i, j] dot(z[i], w[j])\n"
             "  return sum[i] a[i, 0] * exp(dot(z[i], w[i]) - all)\n}",
    "contrast": "mean[i] ((logsumexp[j] dot(z[i], w[j])) - dot(z[i], w[i]))",
    "both_ways": "mean[i] ((logsumexp[j] dot(z[i], w[j])) + (logsumexp[j] dot(z[j], w[i])) - 2 * "
                 "dot(z[i], w[i]))",
    "attention": "{\n  let s[i, j] = softmax[j] dot(z[i], w[j])\n"
                 "  let o[i, d] = sum[j] s[i, j] * a[j, d]\n  return mean[i, d] o[i, d]^2\n}",
}
# Of u[90000], one sum in two levels.
LONG = {"one_sum": "sum[k] v[k] * exp(u[k] - logsumexp[m] u[m])"}


def normal(count, mean, deviation):
    return [draw.gauss(mean, deviation) for _ in range(count)]


def near(count, width):
    """Rows whose products with one another are near 1e4, and exact in float32."""
    return [v for _ in range(count) for v in [100.0]
            + [round(4 * x) / 4 for x in normal(width - 1, 0, 0.6)]]


def write_arrays(folder):
    npy.write(f"{folder}/x.npy", (8, 40), normal(8 * 40, 1e4, 1))
    npy.write(f"{folder}/y.npy", (8,), [draw.randrange(40) for _ in range(8)], "<i4")
    npy.write(f"{folder}/a.npy", (8, 40), normal(8 * 40, 0, 1))
    npy.write(f"{folder}/z.npy", (600, 8), near(600, 8))
    npy.write(f"{folder}/w.npy", (600, 8), near(600, 8))
    npy.write(f"{folder}/b.npy", (600, 8), normal(600 * 8, 0, 1))
    npy.write(f"{folder}/u.npy", (90000,), normal(90000, 1e4, 1))
    npy.write(f"{folder}/v.npy", (90000,), normal(90000, 0, 1))


def results(folder, spec, name, arrays, door):
    """The value and the gradients, as lists; None where it does not run."""
    out = f"{folder}/out"
    inputs = [word for key, file in arrays.items()
              for word in ("--in", f"{key}={folder}/{file}.npy")]
    done = command.run(couplet, "grad", spec, "--fn", name, *inputs, *door, "--out", out)
    if not check(done.returncode == 0, f"{name} {' '.join(door)}: runs", done.stdout + done.stderr):
        return None
    value = [float(done.stdout.split("value:")[1].split()[0])]
    return [value] + [npy.read(f"{out}/grad_{key}.npy")[1] for key,
                      file in arrays.items() if file != "y"]


def compare(name, door, got, want):
    for what, (g, w) in enumerate(zip(got, want)):
        # by the constant column it is 100 times what weights lack to 1: rounding
        if len(w) == 600 * 8:
            g, w = ([v for k, v in enumerate(side) if k % 8] for side in (g, w))
        largest = max(abs(v) for v in w)
        worst = max(range(len(w)), key=lambda k: abs(g[k] - w[k]) if g[k] == g[k] else 1e300)
        off = abs(g[worst] - w[worst])
        check(off <= MOST * largest, f"{name} {' '.join(door)}: result {what}",
              f"entry {worst} is {g[worst]:.8g} instead of {w[worst]:.8g}; the largest is "
              f"{largest:.3g}")


def hold(folder, formulas, signature, arrays, doors):
    text = ""
    for name, formula in formulas.items():
        text += f"fn {name}({signature}) {formula if formula[0] == '{' else '= ' + formula}\n"
    spec = command.write(f"{folder}/f.cpl", text)
    for name in formulas:
        want = results(folder, spec, name, arrays, ["--device", "reference"])
        for door in doors:
            got = results(folder, spec, name, arrays, ["--device", device, *door])
            if want and got:
                compare(name, door, got, want)


with tempfile.TemporaryDirectory() as folder:
    write_arrays(folder)
    hold(folder, SMALL, "x[N, C], y : int[N], a[N, C]", {"x": "x", "y": "y", "a": "a"},
         [["--threads", "1"], ["--no-fuse"]] if device == "cpu" else [[]])
    hold(folder, PAIRS, "z[N, D], w[N, D], a[N, D]", {"z": "z", "w": "w", "a": "b"},
         [["--threads", "2"], ["--no-stream"]] if device == "cpu" else [[]])
    hold(folder, LONG, "u[K], v[K]", {"u": "u", "v": "v"}, [[]])
check.finish()
