#!/usr/bin/env python3
"""faults.py COUPLET ROOT [DEVICE ..]: what stops a function is said by element: the array, the
axis, the value and the range of an index, the index of an empty reduction, the formula and the
numbers of
the first value that is not finite. The same text on every device, whatever kernel met it."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command

couplet, root = sys.argv[1:3]
devices = sys.argv[3:] or ["cpu", "cpu --no-fuse", "cpu --threads 2", "reference"]
sys.path.insert(0, os.path.join(root, "tests", "golden"))
import npy

SPEC = """\
use losses
fn pick(o[N, C], y : int[N]) = mean[i] o[i, y[i]]
fn shifted(o[N, C], y : int[N]) {
  let p[i] = o[i, y[i] + 1]
  return mean[i] exp(p[i])
}
fn made(z[N], y : int[N]) {
  let o[i, c < 4] = z[i] * c
  return mean[i] o[i, y[i]]
}
fn empty(z[N], l : int[N]) {
  let m[i] = mean[p | p != i and l[p] == l[i]] z[p]
  return sum[i] m[i]
}
fn few(z[N], l : int[N]) {
  let near[i, r < 2] = topk[j, r | j != i and l[j] == l[i]] z[j]
  return sum[i, r] z[near[i, r]] * z[i]
}
fn alone(x[N, D], l : int[N]) = mean[i] (logsumexp[j | l[j] == l[i] and j != i] cos(x[i], x[j]) / 0.1)
fn logs(z[N]) {
  let a[i] = z[i] - 3
  return sum[i] log(a[i])
}
fn slope(e[N]) = sum[i] 1e38 * e[i]^5
fn divided(z[N]) = sum[i] 1 / (z[i] - 1)
fn passed(bad[N]) = sum[i] 2 * bad[i]
fn masked(z[N]) {
  let r[i] = sqrt(z[i] - 2)
  return sum[i] (if z[i] > 2 then r[i] else 0) + sum[i] log(z[i] - 2)
}
fn singular(a[N, M, M], x[N, M]) {
  let s[n] = sum[m] solve(a[n], x[n])[m]
  return sum[n] s[n]
}
fn library(o[N, C], y : int[N]) = losses.cross_entropy(o, y)
fn paired(t[N, D], g : int[N]) = mean[i] (logsumexp[j | g[j] == g[i] and j != i] cos(t[i], t[j]) / 0.1)
fn mask_outside(t[N, D], h : int[N]) {
  let mask[i < N, j < N] = if i == j then 1.0 else 0.25
  let s[i, j] = dot(t[i], t[j])
  return sum[i] logsumexp[j] s[i, j] * mask[h[i], j]
}
fn left_out(t[N, D], h : int[N]) {
  let s[i < N, j < N] = if i > 2 then dot(t[i], t[j]) else 0
  return sum[i] (logsumexp[j] s[i, j]) - sum[i] s[i, h[i]]
}
fn negative(t[N, D]) {
  let s[i, j] = dot(t[i], t[j])
  return mean[i] logsumexp[j] log(s[i, j])
}
fn harmonic(e[N]) = 1 / (mean[i] 1 / e[i])
"""

# Function: its arrays, the place, what is said, and words that tell how to mend it.
CASES = {
    "pick": ("o y", "2:40", "E801", "y[1] is -1, and axis 2 of `o` has 0 to 3", "else 0"),
    "shifted": ("o y=y3", "4:14", "E801", "y[2] + 1 is 4, and axis 2 of `o` has 0 to 3", "else 0"),
    "made": ("z y", "9:18", "E801", "y[1] is -1, and axis 2 of `o` has 0 to 3", "else 0"),
    "empty": ("z l", "12:14", "E801", "no `p` fulfils the guard for i = 2", "else 0"),
    "few": ("z l", "16:24", "E801", "topk asks for 2 for i = 0, and there is 1 candidate",
            "fewer"),
    "alone": ("x l", "19:42", "E801", "no `j` fulfils the guard for i = 2", "else 0"),
    "logs": ("z", "22:17", "E803", "log(-2) is nan for i = 0", "above 0"),
    "slope": ("e", "24:25", "E803", "is inf for i = 0", "grad_e[0]"),
    "divided": ("z", "25:27", "E803", "1 / 0 is inf for i = 0", "divisor"),
    "passed": ("bad", "26:32", "E803", "bad[2] is nan", "bad.npy: bad[2] is nan"),
    "masked": ("z", "29:57", "E803", "log(-1) is nan for i = 0", "above 0"),
    "singular": ("a x=b", "32:21", "E801",
                 "solve meets a singular matrix for n = 1: its equations have no solution, or many",
                 "diagonal"),
    "paired": ("t g", "36:43", "E801", "no `j` fulfils the guard for i = 598", "else 0"),
    "mask_outside": ("t h", "40:40", "E801", "h[1] is -1, and axis 1 of `mask` has 0 to 599",
                     "else 0"),
    "left_out": ("t h", "44:49", "E801", "h[1] is -1, and axis 2 of `s` has 0 to 599", "else 0"),
    "negative": ("t", "48:31", "E803", "log(-1) is nan for i = 0, j = 1", "above 0"),
    "harmonic": ("e", "50:34", "E803", "1 / 0 is inf for i = 1", "divisor"),
    "library": ("o y", "35:35", "E801", "y[1] is -1, and axis 2 of `o` has 0 to 3", "else 0"),
}

check = command.Checks()
with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/f.cpl", SPEC)
    nan = float("nan")
    npy.write(folder + "/o.npy", [3, 4], [float(i) for i in range(12)])
    npy.write(folder + "/x.npy", [3, 2], [1.0, 2.0, -1.0, 0.5, 3.0, 1.0])
    npy.write(folder + "/z.npy", [3], [1.0, 2.0, 4.0])
    npy.write(folder + "/e.npy", [3], [1.0, 0.0, 0.5])
    npy.write(folder + "/bad.npy", [3], [1.0, 0.0, nan])
    npy.write(folder + "/a.npy", [2, 2, 2], [1.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 4.0])
    npy.write(folder + "/b.npy", [2, 2], [1.0, 2.0, 3.0, 4.0])
    npy.write(folder + "/y.npy", [3], [0, -1, 4], "<i4")
    npy.write(folder + "/y3.npy", [3], [0, 1, 3], "<i4")
    npy.write(folder + "/l.npy", [3], [0, 0, 1], "<i4")
    # Of this size an array of pairs is never stored.
    npy.write(folder + "/t.npy", [600, 2],
              [x for i in range(600) for x in ([1.0, 0.0] if i % 2 == 0 else [-1.0, 0.5])])
    npy.write(folder + "/h.npy", [600], [-1 if i == 1 else i for i in range(600)], "<i4")
    npy.write(folder + "/g.npy", [600], [i // 2 + (i == 599) for i in range(600)], "<i4")
    for name, (arrays, place, code, sentence, advice) in CASES.items():
        inputs = []
        for pair in arrays.split():
            parameter, _, file = pair.partition("=")
            inputs += ["--in", f"{parameter}={folder}/{file or parameter}.npy"]
        for device in devices:
            if name == "slope" and device == "reference":
                continue  # in float64 it is finite
            out = f"{folder}/{name}-{device.replace(' ', '')}"
            done = command.run(couplet, "grad", spec, "--fn", name, *inputs, "--device",
                               *device.split(), "--out", out)
            text = done.stdout + done.stderr
            check(done.returncode == 1, f"{name} on {device}: exit code 1", text)
            check(f"f.cpl:{place}: error[{code}]" in text and sentence in text,
                  f"{name} on {device}: {sentence}", text)
            check("remark" not in text, f"{name} on {device}: nothing of the compiler's own", text)
            check(advice in text, f"{name} on {device}: says how to mend it", text)
            check(not os.path.exists(out), f"{name} on {device}: no gradient is written", text)
    for name in ["empty", "few"]:
        done = command.run(couplet, "gradcheck", spec, "--fn", name, "--in", f"z={folder}/z.npy",
                           "--in", f"l={folder}/l.npy")
        check(done.returncode == 1 and CASES[name][3] in done.stdout + done.stderr,
              f"{name}: gradcheck says it, too", done.stdout + done.stderr)
check.finish()
