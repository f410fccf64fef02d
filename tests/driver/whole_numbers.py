#!/usr/bin/env python3
"""whole_numbers.py COUPLET ROOT: labels of 64 bits are compared exactly on every device, and
refused where more is done with them;
whole numbers that a formula makes, of others and of reals, are exact, or refused where 32 bits are
to hold them."""
import math
import os
import sys
import tempfile

import command

couplet, root = sys.argv[1], sys.argv[2]
sys.path.insert(0, os.path.join(root, "tests", "golden"))
import npy

check = command.Checks()
FORMULAS = """
fn equal(y : int[N], w : int[M], z[N]) = sum[i, j | y[i] == w[j]] z[i] * (j + 1)
fn below(y : int[N], w : int[M], z[N]) = sum[i, j | y[i] < w[j]] z[i] * (j + 1)
fn classes(y : int[N], z[N]) = sum[i, j | y[i] == y[j] and i != j] z[i] * z[j]
fn known(y : int[N], z[N]) = sum[i | y[i] >= 0 and y[i] != 7] z[i]
fn largest(y : int[N], z[N]) {
  let m = max[i] y[i]
  return sum[i | y[i] == m] z[i]
}
fn chosen(y : int[N], w : int[M], z[N]) {
  let c[i] = if z[i] > 2 then y[i] else w[0]
  return sum[i, j | c[i] == w[j]] z[i]
}
fn first(y : int[N], z[N]) {
  let at = argmin[i] y[i]
  return z[at] + 0 * z[0]
}
fn added(y : int[N], z[N]) = sum[i | y[i] + 1 == 3] z[i]
fn taken(y : int[N], z[N]) = sum[i] z[y[i]]
fn real(y : int[N], z[N]) = sum[i] z[i] * y[i]
fn total(y : int[N], z[N]) {
  let t = sum[i] y[i]
  return sum[i | y[i] == t] z[i]
}
fn computed(y : int[N], w : int[M], z[N]) = sum[i, j | y[i] == w[j] * 2] z[i]
"""
OVERFLOWS = """
fn product(y : int[N], z[N]) {
  let p[i] = y[i] * 100000
  return sum[i, j | p[i] == p[j]] z[i]
}
fn total(y : int[N], z[N]) {
  let t = sum[i] y[i]
  return sum[i | y[i] < t] z[i]
}
fn squares(y : int[N], z[N]) {
  let t[i] = sum[j | y[j] == y[i]] y[j] * y[j]
  return sum[i, j | t[i] == t[j]] z[i]
}
fn guarded(y : int[N], z[N]) {
  let p[i] = if abs(y[i]) < 1000 then y[i] * 1000000 else 0
  return sum[i | p[i] > 5] z[i]
}
fn counts(y : int[N], z[N]) {
  let c[i] = count[j | y[j] == y[i]]
  return sum[i | c[i] > 1] z[i]
}
fn largest(y : int[N], z[N]) {
  let m[i] = max(y[i], 3), t = max[i] y[i]
  return sum[i | m[i] == t] z[i]
}
"""
WRAPS = """
fn cubes(y : int[N], z[N]) = sum[i | y[i] * y[i] * y[i] > 0] z[i]
fn eighth(y : int[N], z[N]) {
  let p[i] = (y[i] * y[i] * 8 * y[i]) mod 7
  return sum[i | p[i] > 2] z[i]
}
fn guarded(y : int[N], z[N]) = sum[i | abs(y[i]) < 1000 and y[i] * y[i] * y[i] > 0] z[i]
fn chosen(y : int[N], z[N]) = sum[i] (if abs(y[i]) < 1000 then real(y[i] * y[i] * y[i]) else 1) * z[i]
fn total(y : int[N], z[N]) {
  let t = sum[i, j, k < 100] y[i] * y[j] * 4 * (k + 1)
  return sum[i | t == 0] z[i]
}
fn below(y : int[N], z[N]) = sum[i | (0 - y[i] * y[i] * y[i]) - y[i] < 5] z[i]
fn quotient(y : int[N], z[N]) = sum[i | i != 4 and (y[i] * 4294967296) div (i - 4) > 5] z[i]
fn zero(y : int[N], z[N]) = sum[i | y[i] div (i - 4) > 5] z[i]
fn remainder(y : int[N], z[N]) = sum[i] z[i] * real(5 mod (y[i] - 7))
fn divided(y : int[N], z[N]) = sum[i | i != 4 and y[i] div (i - 4) > 0] z[i]
"""
REALS = """
fn total(x[N], z[N]) = sum[i] z[i] * (sum[j] floor(x[j]))
fn same(x[N], z[N]) = sum[i, j | floor(x[i]) == round(x[j])] z[i]
fn kept(x[N], z[N]) {
  let c[i] = ceil(x[i])
  return sum[i | c[i] > 1] z[i]
}
fn read(x[N], z[N]) = sum[i] z[floor(x[i]) mod 6]
fn pairs(x[N], z[N]) {
  let s[i, j] = z[i] * z[j]
  return sum[i, j | j != i] (if floor(x[i]) == floor(x[j]) then s[i, j] else 0)
}
fn guarded(x[N], z[N]) = sum[i | abs(x[i]) < 1000] z[i] * floor(x[i])
fn chosen(x[N], z[N]) {
  let c[i] = if abs(x[i]) < 1000 then floor(x[i]) else 7
  return sum[i | c[i] > 1] z[i]
}
fn guarded_pairs(x[N], z[N]) = sum[i, j | abs(x[i]) < 1000 and abs(x[j]) < 1000 and floor(x[i]) == floor(x[j])] z[i] * z[j]
fn gathered(x[N], z[N]) = sum[i] (if abs(x[i]) < 1000 then z[floor(abs(x[i])) mod 6] else 0)
fn gathered_where(x[N], z[N]) = sum[i | abs(x[i]) < 1000] z[6 div (1 + floor(abs(x[i]))) mod 6] * z[i]
fn real_floor(x[N], z[N]) = sum[i | x[i] < 1000] z[i] * real(floor(x[i]))
fn untaken(x[N], z[N]) = sum[i] (if z[i] > 1000 then floor(1e38) mod 7 else 1) * z[i]
"""
PAIRS = """
fn sums(y : int[N], x[N, D], z[N]) {
  let t[i] = sum[j | dot(x[i], x[j]) > 0] (y[j] * 2)
  let u[j] = sum[i | dot(x[i], x[j]) > 0] y[i] * 3
  let v[i] = logsumexp[j] dot(x[i], x[j])
  return sum[i | t[i] == 8] z[i] * (v[i] - v[i] + 1) + sum[j | u[j] == 12] z[j]
}
fn wide_sums(y : int[N], x[N, D], z[N]) {
  let u[j] = sum[i | dot(x[i], x[j]) > 0] (y[i] + y[j])
  let v[i] = logsumexp[j] dot(x[i], x[j])
  return sum[j | u[j] >= 4] z[j] * v[j]
}
fn wide_best(y : int[N], x[N, D], z[N]) {
  let u[j] = max[i | dot(x[i], x[j]) > 0] y[i] * 1000
  let v[i] = logsumexp[j] dot(x[i], x[j])
  return sum[j | u[j] >= 4] z[j] * v[j]
}
fn wide_least(y : int[N], x[N, D], z[N]) {
  let u = min[i] y[i] * 1000, v = max[i] (0 - y[i] * y[i] - 3000000000)
  return sum[i | y[i] > u] z[i] + sum[i | y[i] > v] z[i]
}
"""
DEVICES = [(), ("--threads", 2), ("--no-fuse",), ("--no-stream",), ("--device", "reference")]
HAS_OPENCL = "opencl:" in command.run(couplet, "devices").stdout
z = [1.5, 2.25, 3.0, 4.125, 5.5, 6.0]
SETS = {
    "small": ("<i4", [3, 1, 3, 2, 7, -1]),
    "hashed": ("<i8", [2**40 + 7 * i for i in (0, 1, 2, 0, 1, 3)]),
    "above 2^53": ("<i8", [2**53 + 1, 2**53, 2**53 + 2, 2**53 + 1, 2**62, 2**62 + 1]),
    "negative": ("<i8", [-2**63, -2**63 + 1, -2**40, -2**63, 7, -1]),
    "mixed": ("<i8", [2**32 + 7, 7, -2**32 + 7, 2**31, 2**31 - 1, 7]),
    "unsigned": ("<u8", [2**64 - 1, 0, 2**63, 2**64 - 1, 2**63 - 1, 7]),
}

with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/f.cpl", FORMULAS)
    npy.write(folder + "/z.npy", (6,), z)

    def grad(function, device, arrays):
        given = [word for name in arrays for word in ("--in", f"{name}={folder}/{name}.npy")]
        return command.run(couplet, "grad", spec, "--fn", function, *device, *given)

    # Results beyond 32 bits are exact where they are not stored, and refused where they are.
    spec = command.write(folder + "/f.cpl", OVERFLOWS)
    for y in ([1, 2, 3, 2, 1, 7], [30000, 5, 7, 30000, 60000, 5],
              [2**31 - 1, 2**31 - 1, 5, 6, 7, 8], [-2**31, 4, 4, 5, -2**31, 9]):
        npy.write(folder + "/y.npy", (6,), y, "<i4")
        each, fits = range(6), lambda values: all(-2**31 <= v < 2**31 for v in values)
        squares = [sum(v * v for v in y if v == u) for u in y]
        rows = {
            "product": ([v * 100000 for v in y],
                        sum(z[i] for i in each for j in each if y[i] == y[j])),
            "total": ([sum(y)], sum(z[i] for i in each if y[i] < sum(y))),
            "squares": (squares, sum(z[i] for i in each for j in each if squares[i] == squares[j])),
            "guarded": ([0], sum(z[i] for i in each if abs(y[i]) < 1000 and y[i] * 1000000 > 5)),
            "counts": ([0], sum(z[i] for i in each if y.count(y[i]) > 1)),
            "largest": ([0], sum(z[i] for i in each if max(y[i], 3) == max(y))),
        }
        for function, (stored, value) in rows.items():
            wrong = []
            for device in DEVICES[::2] + [("--device", "opencl")] * (HAS_OPENCL and y[0] == 30000):
                done = grad(function, device, ("y", "z"))
                exact = done.returncode == 0 and abs(float(done.stdout.split()[1]) -
                                                     value) < 1e-5 * (1 + abs(value))
                refused = (done.returncode == 1 and "f.cpl:" in done.stderr
                           and "E801" in done.stderr and "a whole number is outside" in done.stderr)
                if not (exact or (refused and not fits(stored))):
                    wrong.append((device, done.stdout + done.stderr))
            check(not wrong,
                  f"{function} of {y[0]}, .. is {value}{'' if fits(stored) else ' or refused'}",
                  wrong)

    # Arithmetic and sums beyond 64 bits, and what is divided by 0, are refused, wherever they are
    # computed.
    spec = command.write(folder + "/f.cpl", WRAPS)
    for y in ([3, -2, 900, -900, 5, 7], [3, -2, 2000000000, -2**31, 5, 7]):
        npy.write(folder + "/y.npy", (6,), y, "<i4")
        each, small = range(6), max(map(abs, y)) < 1000
        rows = {
            "cubes": sum(z[i] for i in each if y[i] > 0),
            "eighth": sum(z[i] for i in each if 8 * y[i] ** 3 % 7 > 2),
            "guarded": sum(z[i] for i in each if 0 < y[i] < 1000),
            "chosen": sum(z[i] * (y[i] ** 3 if abs(y[i]) < 1000 else 1) for i in each),
            "total": sum(z) * (sum(y) == 0),
            "below": sum(z[i] for i in each if -y[i] ** 3 - y[i] < 5),
            "quotient": sum(z[i] for i in each if i != 4 and y[i] * 2**32 // (i - 4) > 5),
            "zero": None,
            "remainder": None,
            "divided": sum(z[i] for i in each if i != 4 and y[i] // (i - 4) > 0),
        }
        for function, value in rows.items():
            wrong, is_right = [], value is not None and (
                small or function in ("guarded", "chosen", "divided"))
            for device in DEVICES + [("--device", "opencl")] * HAS_OPENCL:
                done = grad(function, device, ("y", "z"))
                if is_right:
                    good = (done.returncode == 0 and abs(float(done.stdout.split()[1]) - value)
                            < 1e-6 * (1 + abs(value)))
                else:
                    divided = "is 0: a whole number is divided by it" in done.stderr
                    good = (done.returncode == 1 and "f.cpl:" in done.stderr
                            and "E801" in done.stderr
                            and ("computed in 64 bits" in done.stderr or function == "total"
                                 or (value is None and divided)))
                if not good: wrong.append((device, done.stdout + done.stderr))
            check(not wrong, f"{function} of {y[2]}, .. is {value if is_right else 'refused'}",
                  wrong)

    # A real that is no int stops the run where it would be one, and nowhere else.
    spec = command.write(folder + "/f.cpl", REALS)
    nan, inf, close = float("nan"), float("inf"), lambda a, b: abs(a - b) < 1e-5 * (1 + abs(b))
    for x1 in (2.5, nan, -inf, 2147483648.0, 3e38):
        x = [1.5, x1, 2.5, 3.5, 0.5, 1.25]
        npy.write(folder + "/x.npy", (6,), x, "<f4")
        small = [i for i in range(6) if abs(x[i]) < 1000]
        down = {i: math.floor(x[i]) for i in small}
        values = {
            "guarded": sum(z[i] * down[i] for i in small),
            "chosen": sum(z[i] for i in range(6) if down.get(i, 7) > 1),
            "guarded_pairs": sum(z[i] * z[j] for i in small for j in small if down[i] == down[j]),
            # Neither of both, nor their gradients, read where they are not asked to.
            "gathered": sum(z[math.floor(abs(x[i])) % 6] for i in small),
            "gathered_where": sum(z[6 // (1 + math.floor(abs(x[i]))) % 6] * z[i] for i in small),
            "real_floor": -inf if x1 == -inf else sum(z[i] * down[i] for i in small),
            "untaken": sum(z),
        }
        if len(small) == 6:
            values |= {
                "total": sum(z) * sum(down.values()),
                "same": sum(z[i] for i in small for j in small if down[i] == round(x[j])),
                "kept": sum(z[i] for i in small if math.ceil(x[i]) > 1),
                "read": sum(z[down[i]] for i in small),
                "pairs": sum(z[i] * z[j] for i in small for j in small if i != j
                             and down[i] == down[j]),
            }
        for function in ("total", "same", "kept", "read", "pairs", "guarded", "chosen",
                         "guarded_pairs", "gathered", "gathered_where", "real_floor", "untaken"):
            if values.get(function) == -inf: continue
            wrong = []
            for device in DEVICES + [("--device", "opencl")] * (HAS_OPENCL and math.isnan(x1)):
                done = grad(function, device, ("x", "z"))
                if function in values:
                    good = done.returncode == 0 and close(float(done.stdout.split()[1]),
                                                          values[function])
                else:
                    good = done.returncode == 1 and all(
                        word in done.stderr
                        for word in ("E801", "f.cpl:", "(x[1]) is ", "as an int"))
                if not good: wrong.append((device, done.stdout + done.stderr))
            check(not wrong, f"{function} of {x1} is {values.get(function, 'refused')}", wrong)

    # Sums of pairs that are not kept are exact where they fit, whatever they were in between, and
    # refused elsewhere.
    spec, count = command.write(folder + "/f.cpl", PAIRS), 1100
    y = [(2000000000 - i // 2) * (1 if i % 2 else -1) + (i < 4) for i in range(count)]
    npy.write(folder + "/y.npy", (count,), y, "<i4")
    npy.write(folder + "/x.npy", (count, 2), [1.0] * (2 * count))
    npy.write(folder + "/z.npy", (count,), [1.0] * count)
    for function, value in (("sums", 2 * count), ("wide_sums", None), ("wide_best", None),
                            ("wide_least", None)):
        wrong = []
        for device in DEVICES[:4] + [("--device", "opencl")] * HAS_OPENCL:
            done = grad(function, device, ("y", "x", "z"))
            refused = (done.returncode == 1 and "E801" in done.stderr
                       and "a whole number is outside" in done.stderr)
            if not (refused if value is None else done.returncode == 0
                    and close(float(done.stdout.split()[1]), value)):
                wrong.append((device, done.stdout + done.stderr))
        check(not wrong, f"{function} is {value or 'refused'}", wrong)

    npy.write(folder + "/z.npy", (6,), z)
    spec = command.write(folder + "/f.cpl", FORMULAS)
    for name, (descr, y) in SETS.items():
        # its kernels take seconds to compile
        devices = DEVICES + [("--device", "opencl")] * (HAS_OPENCL and name == "mixed")
        npy.write(folder + "/y.npy", (6,), y, descr)
        w = [y[0], y[2] + 1 if y[2] + 1 not in y else 5, y[4], 7]
        npy.write(folder + "/w.npy", (4,), w, descr)
        pairs = [(i, j) for i in range(6) for j in range(4)]
        right = {
            "equal": sum(z[i] * (j + 1) for i, j in pairs if y[i] == w[j]),
            "below": sum(z[i] * (j + 1) for i, j in pairs if y[i] < w[j]),
            "classes": sum(z[i] * z[j] for i in range(6) for j in range(6) if y[i] == y[j]
                           and i != j),
            "known": sum(z[i] for i in range(6) if y[i] >= 0 and y[i] != 7),
            "largest": sum(z[i] for i in range(6) if y[i] == max(y)),
            "chosen": sum(z[i] for i, j in pairs if (y[i] if z[i] > 2 else w[0]) == w[j]),
            "first": z[y.index(min(y))],
        }
        for function, value in right.items():
            arrays = ("y", "w", "z") if function in ("equal", "below", "chosen") else ("y", "z")
            wrong = []
            for device in devices:
                done = grad(function, device, arrays)
                if done.returncode or abs(float(done.stdout.split()[1]) -
                                          value) > 1e-5 * abs(value):
                    wrong.append((device, done.stdout + done.stderr))
            check(not wrong, f"{name}: {function} is {value} on all devices", wrong)
        if name == "small":
            continue
        at = next(i for i in range(6) if not -2**31 <= y[i] < 2**31)
        for function, how in (("added", "used in arithmetic"), ("taken", "used as an index"),
                              ("real", "used in arithmetic"), ("total", "added up"),
                              ("computed", "")):
            wrong = []
            for device in DEVICES[::2]:
                done = grad(function, device, ("y", "w", "z") if function == "computed"
                            else ("y", "z"))
                expected = (f"y[{at}] is {y[at]}; it is {how}", "y.npy", "f.cpl:")
                if done.returncode != 1 or any(word not in done.stderr for word in expected):
                    wrong.append((device, done.stdout + done.stderr))
            check(not wrong,
                  f"{name}: {function} is refused with the file, the entry and the formula", wrong)
check.finish()
