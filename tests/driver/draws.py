#!/usr/bin/env python3
"""draws.py COUPLET ROOT: a function that draws and is called for each element of an array has draws
of its own for each element, whatever calls lie between, on every device alike."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command

couplet, root = sys.argv[1:3]
sys.path.insert(0, os.path.join(root, "tests", "golden"))
import npy

SPEC = """\
fn shake(x[D]) {
  draw u ~ uniform(0, 1)
  let y[d] = x[d] + u
  return y
}
fn noisy(x) {
  draw u ~ uniform(0, 1)
  return x + u
}
fn constant(k) = noisy(0 * k)
fn outer(x) = x + noisy(0)
fn order(x[D]) {
  draw p ~ permutation(D)
  let y[d] = x[p[d]]
  return y
}
fn rows(z[N, D]) {
  let y[n, d] = shake(z[n])[d] - z[n, d]
  return var[n] y[n, 0]
}
fn within(z[N, D]) {
  let y[n, d] = shake(z[n])[d] - z[n, d]
  return 1 + sum[n, d] abs(y[n, d] - y[n, 0])
}
fn elements(z[N, D]) {
  let y = noisy(z) - z
  return var[n, d] y[n, d]
}
fn reduced(z[N, D]) = var[n, d] noisy(0 * z[n, d])
fn nested(z[N, D]) = var[n, d] constant(z[n, d])
fn through(z[N, D]) = var[n, d] outer(0 * z[n, d])
fn orders(z[N, D]) {
  let y[n, d] = order(z[0] + 0 * z[n])[d]
  return sum[d] (var[n] y[n, d])
}
"""

check = command.Checks()
with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/d.cpl", SPEC)
    npy.write(folder + "/z.npy", [40, 5], [float(i % 7) + i / 8 for i in range(200)])
    ranges = {"rows": (0.04, 0.13), "within": (1, 1 + 1e-3), "elements": (0.06, 0.11),
              "reduced": (0.06, 0.11), "nested": (0.06, 0.11), "through": (0.06, 0.11),
              "orders": (0.5, 1e6)}
    for name, (low, high) in ranges.items():
        values = []
        for device in ["cpu", "cpu --no-fuse", "reference"]:
            done = command.run(couplet, "grad", spec, "--fn", name, "--in", f"z={folder}/z.npy",
                               "--device", *device.split())
            value = float(done.stdout.split()[1]) if done.returncode == 0 else float("nan")
            values.append(value)
            check(low <= value <= high, f"{name} on {device}: {value} lies in {low} .. {high}",
                  done.stderr)
        check(max(values) - min(values) <= 1e-4 * max(values), f"{name}: one value everywhere",
              values)
check.finish()
