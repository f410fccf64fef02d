#!/usr/bin/env python3
"""guards.py COUPLET ROOT: what a guard or an `if` excludes is never read, forward or backward,
wherever in the formula the read stands: keys that are
no index, rows that have too few candidates, empty means. Both evaluators."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command

couplet, root = sys.argv[1:3]
sys.path.insert(0, os.path.join(root, "tests", "golden"))
import npy

SPEC = """
fn plain(x[N, D], y : int[N]) = sum[i | y[i] >= 0] x[y[i], 0]
fn chosen(x[N, D], y : int[N]) = sum[i] (if y[i] >= 0 then x[y[i], 1] else 0)
fn inner(x[N, D], y : int[N]) = sum[i | y[i] >= 0] (sum[d] x[y[i], d]^2)^2
fn deep(x[N, D], y : int[N]) = sum[i | y[i] >= 0] sqrt(1 + logsumexp[d] (x[y[i], d] * (max[e] x[y[i], e])))
fn cosine(x[N, D], y : int[N]) = sum[i | y[i] >= 0] cos(x[i], x[y[i]])
fn shifted(x[N, D], y : int[N]) = sum[i | i < N - 1] (sum[d] x[i + 1, d] * x[i, d]) * real(y[i])
fn otherwise(x[N, D], y : int[N]) = sum[i, d] (x[y[i], d] else 0.5) ^ 2
fn few(x[N, D], y : int[N]) {
  let s[i < N] = if i > 1 and y[i] != 7 then (sum[r < 2] x[(topk[j, r | j < i] x[j, 0]), 1]) else 0
  return sum[i] s[i]
}
fn unguarded(x[N, D], y : int[N]) = sum[i] x[y[i], 0]
"""

check = command.Checks()
with tempfile.TemporaryDirectory() as folder:
    spec = folder + "/guards.cpl"
    with open(spec, "w") as file:
        file.write(SPEC)
    npy.write(folder + "/x.npy", [4, 3],
              [0.5, -1.0, 2.0, 1.5, 0.25, -0.75, -0.5, 0.125, 1.0, 0.75, -0.25, 0.5])
    npy.write(folder + "/y.npy", [4], [2, -1, -1000000, 0], "<i4")
    npy.write(folder + "/far.npy", [4], [2, -1, 100000, 0], "<i4")
    for name in [line.split("(")[0][3:] for line in SPEC.split("\n") if line.startswith("fn ")]:
        values = []
        for device in ["reference", "cpu"]:
            out = folder + "/out_" + device
            keys = folder + ("/far.npy" if name == "otherwise" else "/y.npy")
            done = command.run(couplet, "grad", spec, "--fn", name, "--in",
                               "x=" + folder + "/x.npy", "--in", "y=" + keys, "--device", device,
                               "--out", out)
            if name == "unguarded":
                check(done.returncode != 0 and "y[1] is -1" in done.stderr,
                      f"unguarded on {device} is a named error", done.stderr)
            elif check(done.returncode == 0, f"{name} on {device} runs", done.stderr):
                values.append([float(done.stdout.split()[-1]), *npy.read(out + "/grad_x.npy")[1]])
        if len(values) == 2:
            check(all(abs(a - b) < 1e-5 * (1 + abs(a)) for a, b in zip(*values)),
                  f"{name} is the same on both", values)
check.finish()
