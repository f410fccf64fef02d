#!/usr/bin/env python3
"""centred.py COUPLET ROOT [DEVICE]: variances, deviations, covariances, norms of layers and what
else is taken from a mean, of values near 1e4 that lie 0.01 apart. In float32 such a mean is off by
a twentieth of a deviation; values and gradients are within 1e-5 of the formula in float64 all the
same."""
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
draw = random.Random(11)

# Of x[40, 12] and y[40, 12] near 1e4; k is a class, w are plain numbers, p are weights.
SMALL = {
    "variance": "mean[d] var[n] x[n, d]",
    "unbiased": "mean[d] var_unbiased[n] x[n, d]",
    "deviation": "mean[n] sqrt(var[d] x[n, d])",
    "of_all": "sqrt(var[n, d] x[n, d])",
    "by_hand": "{\n  let m[d] = mean[n] x[n, d]\n  return mean[n, d] (x[n, d] - m[d])^2\n}",
    "in_place": "mean[i, d] (x[i, d] - mean[n] x[n, d])^2",
    "of_sums": "{\n  let m[d] = (sum[n] x[n, d]) / 40\n"
               "  return mean[n, d] abs(m[d] - x[n, d])^3\n}",
    "from_the_mean": "sum[n, d] w[n, d] * ((mean[i] x[i, d]) - x[n, d])",
    "length": "{\n  let m[d] = mean[n] x[n, d]\n  let c[n, d] = x[n, d] - m[d]\n"
              "  return mean[n] norm(c[n])\n}",
    "covariance": "{\n  let a[d] = mean[n] x[n, d], b[d] = mean[n] y[n, d]\n"
                  "  let c[d, e] = mean[n] (x[n, d] - a[d]) * (y[n, e] - b[e])\n"
                  "  return sum[d, e] w[0, d] * w[1, e] * c[d, e]\n}",
    "correlation": "{\n  let a[d] = mean[n] x[n, d], b[d] = mean[n] y[n, d]\n"
                   "  let c[d] = mean[n] (x[n, d] - a[d]) * (y[n, d] - b[d])\n"
                   "  return sum[d] w[0, d] * c[d] / sqrt((var[n] x[n, d]) * (var[n] y[n, d]))\n}",
    "standard": "{\n  let m[d] = mean[n] x[n, d], s[d] = sqrt(var[n] x[n, d] + 1e-5)\n"
                "  return sum[n, d] w[n, d] * (x[n, d] - m[d]) / s[d]\n}",
    "held": "{\n  let m[d] = stop(mean[n] x[n, d])\n"
            "  return sum[n, d] w[n, d] * (x[n, d] - m[d])^2\n}",
    "of_some": "sum[d] (var[n | k[n] == 1] x[n, d])",
    "of_others": "{\n  let m[n < N, d] = mean[i | i != n] x[i, d]\n"
                 "  return sum[n, d] w[n, d] * (x[n, d] - m[n, d])\n}",
    "of_classes": "{\n  let m[c < 3, d] = mean[n | k[n] == c] x[n, d]\n"
                  "  return mean[n, d] (x[n, d] - m[k[n], d])^2\n}",
    "of_some_or_none": "{\n  let m[c < 5, d] = (mean[n | k[n] == c] x[n, d] else 1)\n"
                       "  return mean[n, d] (x[n, d] - m[k[n], d])^2\n}",
    "between": "{\n  let m[c < 3, d] = mean[n | k[n] == c] x[n, d]\n"
               "  return sum[a < 3, b < 3, d] w[a, d] * w[b, d] * (m[a, d] - m[b, d])^2\n}",
    "layer_norm": "{\n  let m[n] = mean[d] x[n, d], v[n] = var[d] x[n, d]\n"
                  "  let z[n, d] = (x[n, d] - m[n]) / sqrt(v[n] + 1e-5)\n"
                  "  return sum[n, d] w[n, d] * z[n, d]\n}",
    "groups": "{\n  let m[n, g < 3] = mean[e < 4] x[n, g * 4 + e]\n"
              "  return sum[n, d] w[n, d] * (x[n, d] - m[n, d div 4])\n}",
    "moments": "{\n  let m[d] = mean[n] x[n, d], s[d] = mean[n] x[n, d]^2\n"
               "  return sum[d] w[0, d] * (s[d] - m[d]^2)\n}",
    "moments_in_place": "mean[d] ((mean[n] x[n, d]^2) - (mean[n] x[n, d])^2)",
    "deviation_by_moments": "{\n  let m[d] = mean[n] x[n, d]\n"
                            "  return mean[d] sqrt((mean[n] x[n, d] * x[n, d]) - m[d] * m[d])\n}",
    "moments_of_some": "{\n  let m[d] = mean[n | k[n] == 1] x[n, d]\n"
                       "  let s[d] = mean[n | k[n] == 1] x[n, d]^2\n"
                       "  return mean[d] (s[d] - m[d]^2)\n}",
    "covariance_by_moments":
        "{\n  let a[d] = mean[n] x[n, d], b[d] = mean[n] y[n, d]\n"
        "  let c[d, e] = (mean[n] x[n, d] * y[n, e]) - a[d] * b[e]\n"
        "  return sum[d, e] w[0, d] * w[1, e] * c[d, e]\n}",
    "with_weights": "{\n  let m[d] = stop((sum[n] p[n] * x[n, d]) / sum[n] p[n])\n"
                    "  return sum[n, d] w[n, d] * (x[n, d] - m[d])\n}",
    "with_weights_of_each": "{\n  let v[n, d] = w[n, d]^2 + 0.1\n"
                            "  let m[n] = stop((sum[d] v[n, d] * x[n, d]) / sum[d] v[n, d])\n"
                            "  return mean[n, d] abs(x[n, d] - m[n])\n}",
    "variance_with_weights":
        "{\n  let t = sum[n] p[n]\n  let m[d] = (sum[n] x[n, d] * p[n]) / t\n"
        "  return sum[d] w[0, d] * ((sum[n] p[n] * (x[n, d] - m[d])^2) / t)\n}",
    "moments_with_weights":
        "{\n  let t = sum[n] p[n]\n  let m[d] = (sum[n] p[n] * x[n, d]) / t\n"
        "  return sum[d] w[0, d] * ((sum[n] p[n] * x[n, d]^2) / t - m[d]^2)\n}",
    "rows_and_columns":
        "{\n  let r[n] = mean[d] x[n, d], c[d] = mean[n] x[n, d], m = mean[n, d] x[n, d]\n"
        "  return sum[n, d] w[n, d] * abs(x[n, d] - r[n] - c[d] + m)\n}",
    "rows_and_columns_turned":
        "{\n  let r[n] = mean[d] x[n, d], c[d] = mean[n] x[n, d], m = mean[n, d] x[n, d]\n"
        "  return sum[n, d] w[n, d] * (m + x[n, d] - c[d] - r[n])^2\n}",
    "rows_and_columns_of_means":
        "{\n  let r[n] = mean[d] x[n, d], c[d] = mean[n] x[n, d], m = mean[n] r[n]\n"
        "  return sum[n, d] w[n, d] * (x[n, d] - (r[n] + c[d] - m))^2\n}",
    "barlow": "losses.barlow(x, y)",
    "hinge": "losses.variance_hinge(x)",
    "spread": "losses.covariance_penalty(x)",
}
# Of u[90000] and v[9000, 12], sums in two levels.
LONG = {
    "of_one": "sqrt(var[i] u[i])",
    "columns": "{\n  let m[d] = mean[n] v[n, d]\n"
               "  let c[n, d] = v[n, d] - m[d]\n"
               "  return sum[n, d] c[n, d] * abs(c[n, (d + 1) mod 12])\n}",
    "many": "mean[d] sqrt(var[n] v[n, d])",
}


def normal(count, mean, deviation):
    return [draw.gauss(mean, deviation) for _ in range(count)]


def write_arrays(folder):
    for name in "xy":
        npy.write(f"{folder}/{name}.npy", (40, 12), normal(40 * 12, 1e4, 0.01))
    npy.write(f"{folder}/w.npy", (40, 12), normal(40 * 12, 0, 1))
    npy.write(f"{folder}/k.npy", (40,), [n % 3 for n in range(40)], "<i4")
    npy.write(f"{folder}/u.npy", (90000,), normal(90000, 1e4, 0.01))
    npy.write(f"{folder}/v.npy", (9000, 12), normal(9000 * 12, 1e4, 0.01))
    npy.write(f"{folder}/p.npy", (40,), [0.1 + draw.random() for _ in range(40)])


def results(folder, spec, name, arrays, door):
    """The value and the gradients, by name; None where it does not run."""
    out = f"{folder}/out"
    inputs = [word for key in arrays for word in ("--in", f"{key}={folder}/{key}.npy")]
    done = command.run(couplet, "grad", spec, "--fn", name, *inputs, *door, "--out", out)
    if not check(done.returncode == 0, f"{name} {' '.join(door)}: runs", done.stdout + done.stderr):
        return None
    found = {"value": [float(done.stdout.split("value:")[1].split()[0])]}
    for key in arrays:
        path = f"{out}/grad_{key}.npy"
        if os.path.exists(path):
            found[key] = npy.read(path)[1]
            os.remove(path)
    return found


def compare(name, got, want):
    check(sorted(got) == sorted(want), f"{name}: gradients", f"{sorted(got)}, {sorted(want)}")
    for what in want:
        largest = max(abs(v) for v in want[what])
        off = max(abs(g - w) if g == g else 1e300 for g, w in zip(got[what], want[what]))
        check(off <= MOST * largest, f"{name}: {what} is off by {off:.3g} of {largest:.3g}")


def hold(folder, formulas, signature, arrays):
    text = "use losses\n"
    for name, formula in formulas.items():
        text += f"fn {name}_({signature}) {formula if formula[0] == '{' else '= ' + formula}\n"
    spec = command.write(f"{folder}/f.cpl", text)
    for name in formulas:
        want = results(folder, spec, name + "_", arrays, ["--device", "reference"])
        got = results(folder, spec, name + "_", arrays, ["--device", device, "--threads", "2"])
        if want and got: compare(name, got, want)


with tempfile.TemporaryDirectory() as folder:
    write_arrays(folder)
    hold(folder, SMALL, "x[N, D], y[N, D], w[N, D], k : int[N], p[N]", "xywkp")
    hold(folder, LONG, "u[K], v[N, D]", "uv")
check.finish()
