#!/usr/bin/env python3
"""long_sums.py COUPLET ROOT [--terms N] [--door NAME ..] [--only NAME ..]: sums of many terms are
within 1e-6 of the sum of their magnitudes, whatever is summed, and on every door.

Entries repeat, so that the right value is a sum over few, whatever the size; 0.1 is the worst of
constants, since each addition of it is rounded to the same side."""
import argparse
import array
import math
import re
import struct
import sys
import tempfile

import command

TOLERANCE = 1e-6
PERIOD = 16
WORST = 1.93945694  # of constants, by trying some hundred thousand

FORMULAS = """
fn flat(x[N]) = sum[i] x[i]
fn flat_mean(x[N]) = mean[i] x[i]
fn squares(x[N]) = sum[i] x[i]^2
fn dotted(x[N]) = dot(x, x)
fn length(x[N]) = norm(x)
fn variance(x[N]) = var[i] x[i]
fn unbiased(x[N]) = var_unbiased[i] x[i]
fn exponents(x[N]) = logsumexp[i] x[i]
fn pairs(x[N]) = mean[i, j] x[i] * x[j]
fn triples(x[N]) = mean[i, j, k] x[i] * x[j] * x[k]
fn nested(x[N]) = sum[i] sum[j] x[i] * x[j]
fn off_diagonal(x[N]) = sum[i, j | i != j] x[i] * x[j]
fn below(x[N]) = mean[i, j | i < j] x[i] * x[j]
fn counted(x[N]) = count[i, j | x[i] + x[j] < 1]
fn weights(x[N]) {
  let p[i] = softmax[i] x[i]
  return max[i] p[i]
}
fn columns(x[N, C]) {
  let m[c] = mean[n] x[n, c]
  return sum[c] m[c]
}
fn channels(x[N, H, C]) {
  let v[c] = var[n, h] x[n, h, c]
  return sum[c] v[c]
}
fn in_front(x[N, C, H]) {
  let m[c] = mean[n, h] x[n, c, h]
  return sum[c] (m[c] + (var[n, h] x[n, c, h]))
}
fn keyed(x[N], y : int[N]) {
  let s[k < 3] = sum[i | y[i] == k] x[i]
  return sum[k < 3] s[k]
}
fn keyed_rows(x[N, C], y : int[N]) {
  let s[k < 3, c] = sum[i | y[i] == k] x[i, c]
  return sum[k < 3, c] s[k, c]
}
fn product(x[N, C]) {
  let g[a, b] = mean[n] x[n, a] * x[n, b]
  return sum[a, b] g[a, b]
}
fn covariance(x[N, D]) {
  let m[a] = mean[n] x[n, a]
  let c[a, b] = mean[n] (x[n, a] - m[a]) * (x[n, b] - m[b])
  return sum[a, b | a != b] c[a, b]^2
}
fn triplets(x[N]) = mean[a, p, n | a != p] max(0, 1 + (x[a] - x[p])^2 - (x[a] - x[n])^2)
fn uniformity(u[N, D]) = log(mean[i, j | i < j] exp(-2 * sum[d] (u[i, d] - u[j, d])^2))
fn few_rows(x[M, K], w[N, K]) {
  let g[m, n] = sum[k] x[m, k] * w[n, k]
  return mean[m, n] g[m, n]
}
fn many_rows(x[M, K], w[K, N]) {
  let g[m, n] = sum[k] x[m, k] * w[k, n]
  return mean[m, n] g[m, n]
}
fn turned(x[K, M], w[K, N]) {
  let g[m, n] = sum[k] x[k, m] * w[k, n]
  return mean[m, n] g[m, n]
}
fn weighted(u[N, D], v[N, P]) {
  let w[i, p] = sum[j] exp(dot(u[i], u[j])) * v[j, p]
  return mean[i, p] w[i, p]
}
fn weighted_few(u[N, D], a[M, D], v[M, P]) {
  let w[i, p] = sum[j] exp(dot(u[i], a[j])) * v[j, p]
  return mean[i, p] w[i, p]
}
fn both_sides(u[N, D], v[M, D]) = mean[i, j] exp(dot(u[i], v[j]))
fn half(u[N, D]) = mean[i, j] exp(dot(u[i], u[j]))
fn similar(u[N, D]) = mean[i] (sum[j] dot(u[i], u[j])^2)
fn contrast(u[N, D]) = mean[i] (logsumexp[j] dot(u[i], u[j]) / 0.5)
"""


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def pattern(count, seed=1):
    """So many floats in (0, 1)."""
    state, out = seed, []
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2 ** 31
        out.append(f32((state + 1) / 2 ** 31))
    return out


def write_npy(path, shape, values, code="f"):
    descr = {"f": "<f4", "i": "<i4"}[code]
    header = repr({"descr": descr, "fortran_order": False, "shape": tuple(shape)})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        block = array.array(code, values)
        for _ in range(math.prod(shape) // len(values)):
            block.tofile(file)


def mean(values):
    return math.fsum(values) / len(values)


def var(values):
    m = mean(values)
    return mean([(v - m) ** 2 for v in values])


def log_sum(values):
    top = max(values)
    return top + math.log(math.fsum(math.exp(v - top) for v in values))


class Row:
    """A formula, what it is given (an array as its shape and the entries that repeat), its
    value and the sum of magnitudes that the error is compared with."""

    def __init__(self, name, inputs, value, scale=None, gradient=None, tolerance=TOLERANCE,
                 cpu_tolerance=None):
        self.name, self.inputs, self.value = name, inputs, value
        self.scale = abs(value) if scale is None else scale
        self.gradient, self.tolerance, self.cpu_tolerance = (gradient, tolerance,
                                                             cpu_tolerance or tolerance)


def rows_of(terms):
    """Every formula at about so many terms."""
    rows = []
    root, cube = PERIOD * (int(terms ** 0.5) // PERIOD), PERIOD * (int(terms ** (1 / 3)) // PERIOD)
    n = PERIOD * (terms // PERIOD)
    odd = n + 7  # no multiple of anything
    tenth, mixed = [f32(0.1)], pattern(PERIOD)
    for entries in (tenth, mixed) if terms > 1e7 else (tenth,):
        m, s = mean(entries), mean([v * v for v in entries])
        rows += [
            Row("flat", {"x": ((n,), entries)}, n * m),
            Row("flat_mean", {"x": ((n,), entries)}, m),
            Row("squares", {"x": ((n,), entries)}, n * s),
            Row("dotted", {"x": ((n,), entries)}, n * s),
            Row("length", {"x": ((n,), entries)}, math.sqrt(n * s)),
            Row("exponents", {"x": ((n,), entries)}, math.log(n / len(entries)) + log_sum(entries)),
            Row("weights", {"x": ((n,), entries)},
                math.exp(max(entries) - log_sum(entries)) * len(entries) / n),
            Row("pairs", {"x": ((root,), entries)}, m * m),
            Row("triples", {"x": ((cube,), entries)}, m ** 3),
            Row("nested", {"x": ((root,), entries)}, (root * m) ** 2),
            Row("off_diagonal", {"x": ((root,), entries)}, (root * m) ** 2 - root * s),
            Row("below", {"x": ((root,), entries)},
                ((root * m) ** 2 - root * s) / (root * (root - 1))),
            Row("columns", {"x": ((n // 2, 2), entries)},
                mean(entries[0::2] or entries) + mean(entries[1::2] or entries)),
            Row("columns", {"x": ((n // 16, 16), entries)}, 16 * m),
            Row("columns", {"x": ((n // 256, 256), entries)}, 256 * m),
            Row("keyed", {"x": ((n,), entries), "y": ((n,), [0])}, n * m),
            Row("keyed_rows", {"x": ((n // 16, 16), entries), "y": ((n // 16,), [2])}, n * m),
            Row("product", {"x": ((n // 16, 16), entries)},
                sum(a * b for a in (entries * 16)[:16] for b in (entries * 16)[:16])),
        ]
    rows.append(Row("flat", {"x": ((odd,), tenth)}, odd * tenth[0]))
    rows.append(Row("weights", {"x": ((n,), mixed)},
                    math.exp(max(mixed) - log_sum(mixed)) * PERIOD / n))
    rows.append(Row("columns", {"x": ((n // 16, 16), mixed)}, 16 * mean(mixed)))
    rows.append(Row("counted", {"x": ((root,), mixed)},
                    (root // PERIOD) ** 2 * sum(f32(a + b) < 1 for a in mixed for b in mixed)))
    v = var(mixed)
    rows += [
        Row("variance", {"x": ((n,), mixed)}, v),
        Row("unbiased", {"x": ((n,), mixed)}, v * n / (n - 1)),
        Row("variance", {"x": ((n,), [f32(100 + x) for x in mixed])},
            var([f32(100 + x) for x in mixed]), scale=1.0),
    ]
    even = [var(mixed[0::2]), var(mixed[1::2])]
    rows.append(Row("in_front", {"x": ((n // 128, 2, 64), mixed)}, 2 * (mean(mixed) + v)))
    rows.append(Row("in_front", {"x": ((64, 2, n // 128), mixed)}, 2 * (mean(mixed) + v)))
    rows.append(Row("channels", {"x": ((n // 128, 64, 2), mixed)}, sum(even)))
    rows.append(signed(n))
    rows.append(triplets(cube, mixed))
    rows.append(uniformity(root // PERIOD * PERIOD))
    return rows


def signed(n):
    """Of both signs: the error is that of the magnitudes."""
    entries = [v if i % 2 else -v for i, v in enumerate(pattern(PERIOD, 3))]
    return Row("flat", {"x": ((n,), entries)}, n * mean(entries),
               scale=n * mean([abs(v) for v in entries]))


def triplets(n, entries):
    times = n // len(entries)
    total = 0.0
    for a in entries:
        for p in entries:
            for c in entries:
                total += times ** 3 * max(0, 1 + (a - p) ** 2 - (a - c) ** 2)
    for a in entries:
        for c in entries:
            total -= times ** 2 * max(0, 1 - (a - c) ** 2)
    return Row("triplets", {"x": ((n,), entries)}, total / (n * n * (n - 1)))


def points_of(depth=4):
    """PERIOD of unit length."""
    points, flat = [], pattern(depth * PERIOD, 5)
    for i in range(PERIOD):
        row = [v - 0.5 for v in flat[i * depth:(i + 1) * depth]]
        size = math.sqrt(sum(v * v for v in row))
        points.append([f32(v / size) for v in row])
    return points


def uniformity(n):
    """Value and gradient, of points that repeat."""
    points, times = points_of(), n // PERIOD
    near = [[math.exp(-2 * sum((a - b) ** 2 for a, b in zip(p, q))) for q in points]
            for p in points]
    total = (times * times * math.fsum(map(math.fsum, near)) - n) / 2
    terms = [[4 * times * near[i][j] * (points[j][d] - points[i][d]) / total
              for j in range(PERIOD)] for i in range(PERIOD) for d in range(4)]
    gradient = [(math.fsum(t), math.fsum(map(abs, t))) for t in terms]
    # exponentials of distances are off by as much as sums may be, and of points that repeat all
    # alike
    return Row("uniformity", {"u": ((n, 4), [v for p in points for v in p])},
               math.log(total / (n * (n - 1) / 2)), scale=1.0, gradient=("u", gradient),
               tolerance=2e-6)


def similar(n):
    points, times = points_of(), n // PERIOD
    dots = [[sum(a * b for a, b in zip(p, q)) for q in points] for p in points]
    entries = {"u": ((n, 4), [v for p in points for v in p])}
    return [Row("similar", entries, times * math.fsum(d * d for row in dots for d in row) / PERIOD),
            Row("contrast", entries,
                mean([math.log(times) + log_sum([d / 0.5 for d in row]) for row in dots]))]


def along_k(rows, columns, k):
    """Few rows against many long ones, whose sums go along k."""
    tenth = f32(0.1)
    return Row("few_rows", {"x": ((rows, k), [tenth]), "w": ((columns, k), [1.0])}, k * tenth)


def in_blocks(rows, columns, k):
    """Many rows, whose sums are in register blocks."""
    tenth = f32(0.1)
    return Row("many_rows", {"x": ((rows, k), [tenth]), "w": ((k, columns), [1.0])}, k * tenth)


def turned(rows, columns, k):
    """Rows that are neighbours in memory are summed in shorter chunks; here the last block is
    not full, and repeats its last row."""
    tenth = f32(0.1)
    return Row("turned", {"x": ((k, rows), [tenth]), "w": ((k, columns), [1.0])}, k * tenth)


def weighted(n, term=0.1):
    """Weights that are all 1."""
    term = f32(term)
    return Row("weighted", {"u": ((n, 2), [0.0]), "v": ((n, 3), [term])}, n * term)


def weighted_few(rows, n, term=0.1):
    """The gradient for v sums along the rows, and the value along n in small blocks."""
    term = f32(term)
    # a device's leaves are the 64 columns of a tile, of which the worst of constants takes all
    return Row("weighted_few", {"u": ((rows, 2), [0.0]), "a": ((n, 2), [0.0]),
                                "v": ((n, 3), [term])}, n * term,
               tolerance=1.1e-6, cpu_tolerance=TOLERANCE)


def both_sides(n, term=0.1):
    """The gradient for u sums the rows of v, with weights that are all alike; blocks of both
    sides add to their results one after the other."""
    term = f32(term)
    return Row("both_sides", {"u": ((n, 2), [0.0]), "v": ((n, 2), [term])}, 1.0,
               gradient=("u", [(term / n, term / n)]))


def half(n, term=0.1):
    """The same where half of the pairs are made."""
    term = f32(term)
    value = math.exp(2 * term * term)
    return Row("half", {"u": ((n, 2), [term])}, value,
               gradient=("u", [(2 * value * term / n, 2 * value * term / n)]))


def deep_pairs(n, depth):
    """Products of pairs over many entries, made in tiles; log-sum-exp of equal ones is one of
    them and log(n)."""
    tenth = f32(0.1)
    product = depth * tenth * tenth
    return Row("contrast", {"u": ((n, depth), [tenth])}, math.log(n) + product / 0.5,
               scale=product / 0.5)


def special_rows():
    """Of the sizes that papers use."""
    mixed = pattern(64, 9)
    # of 8 rows of 8, repeated both ways
    columns = [[mixed[(n * 8 + a) % 64] for n in range(8)] for a in range(8)]
    centred = [[v - mean(c) for v in c] for c in columns]
    cov = [[mean([a * b for a, b in zip(p, q)]) for q in centred] for p in centred]
    times = 4096 // 8
    squares = times * times * sum(c * c for r in cov
                                  for c in r) - times * sum(cov[a][a] ** 2 for a in range(8))
    entries = [v for n in range(8) for v in [columns[a][n] for a in range(8)] * times]
    return similar(4096) + [uniformity(4096), uniformity(8192), triplets(256, pattern(PERIOD)),
                            Row("covariance", {"x": ((64, 4096), entries)}, squares),
                            along_k(8, 200, 16000), along_k(4, 100, 4096),
                            along_k(2, 50, 1600 + 16),
                            in_blocks(100, 70, 65), in_blocks(100, 70, 128),
                            in_blocks(60, 33, 500), in_blocks(100, 70, 1024),
                            in_blocks(60, 100, 3000), in_blocks(24, 16, 40000),
                            in_blocks(301, 500, 600), turned(301, 500, 600),
                            weighted(2048), weighted(8192), weighted_few(64, 16384),
                            weighted_few(600, 40000, WORST), both_sides(16384, WORST),
                            both_sides(20000, WORST), half(16384, 0.3), weighted(16384, WORST),
                            deep_pairs(300, 200), deep_pairs(300, 1024), deep_pairs(200, 1040)]


ONE_RESULT = ("pairs", "columns", "uniformity")  # whose bits are compared on one thread and on two

DOORS = {
    "cpu": ["--threads", "1"],
    "cpu on two threads": ["--threads", "2"],
    "no-fuse": ["--threads", "2", "--no-fuse"],
    "no-stream": ["--threads", "2", "--no-stream"],
    "opencl": ["--device", "opencl"],
    "reference": ["--device", "reference"],
}


def read_floats(path):
    with open(path, "rb") as file:
        data = file.read()
    values = array.array("f")
    values.frombytes(data[10 + struct.unpack_from("<H", data, 8)[0]:])
    return values


def run_row(couplet, folder, row, door):
    words = []
    for name, (shape, entries) in row.inputs.items():
        path = f"{folder}/{name}.npy"
        write_npy(path, shape, entries, "i" if isinstance(entries[0], int) else "f")
        words += ["--in", f"{name}={path}"]
    done = command.run(couplet, "grad", folder + "/sums.cpl", "--fn", row.name, *words, "--out",
                       folder + "/out", *DOORS[door])
    line = [x for x in done.stdout.split("\n") if x.startswith("value: ")]
    if done.returncode != 0 or not line:
        return None, done.stdout + done.stderr
    return float(line[0][7:]), ""


# The gradient of K is a sum over 80 images whose columns are the 28 x 28 entries of an image, in
# one kernel with K and its velocity.
COLUMNS_OF_TWO_AXES = """
use optim
data train = data.fashion_mnist("train")
""" + command.FLAT_NET + """loss mean[i, j] k[i, j]^2
train { epochs 1, batch 80, optimiser optim.sgd(lr = 0.001) }
"""


def check_totals(check, couplet, folder):
    """The worker's scratch has a total in double for each column of a tile, also where several
    axes have become the columns."""
    done = command.run(couplet, "check",
                       command.write(folder + "/columns.cpl", COLUMNS_OF_TWO_AXES),
                       "--print-after", "place")
    plan = re.search(r"plan train \{\narena \d+ bytes, scratch (\d+) bytes a worker\n(.*?)\n\}",
                     done.stdout, re.DOTALL)
    sums = re.search(r"sum \[8, 1, 28, 28\] over \[80\], and (\d) more",
                     plan.group(2)) if plan else None
    nodes = int(sums.group(1)) + 1 if sums else 0
    check(nodes > 0 and int(plan.group(1)) >= nodes * 28 * 28 * 8,
          "totals of columns that are two axes", done.stdout[:2000] + done.stderr)


def check_row(check, couplet, folder, row, door):
    sizes = ", ".join(
        f"{name}[{', '.join(map(str, shape))}] {entries[0]:.3g}{' ..' if len(entries) > 1 else ''}"
        for name, (shape, entries) in row.inputs.items())
    value, said = run_row(couplet, folder, row, door)
    error = math.inf if value is None else abs(value - row.value) / row.scale
    tolerance = row.tolerance if door in ("opencl", "reference") else row.cpu_tolerance
    check(error <= tolerance, f"{row.name}({sizes}) on {door}: {error:.1e}",
          f"{value} for {row.value} {said}")
    if row.gradient and value is not None:
        name, want = row.gradient
        got = read_floats(f"{folder}/out/grad_{name}.npy")
        worst = max(abs(g - want[i % len(want)][0]) / want[i % len(want)][1] for i,
                    g in enumerate(got))
        check(worst <= tolerance, f"the gradient of {row.name}({sizes}) on {door}: {worst:.1e}", "")
    return value


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("couplet")
    parser.add_argument("root")
    parser.add_argument("--terms", type=float, default=2e6)
    parser.add_argument("--door", action="append")
    parser.add_argument("--only", action="append")
    options = parser.parse_args()
    couplet, check = options.couplet, command.Checks()
    rows = rows_of(int(options.terms)) + special_rows()
    with tempfile.TemporaryDirectory() as folder:
        command.write(folder + "/sums.cpl", FORMULAS)
        for row in rows:
            if options.only and row.name not in options.only:
                continue
            doors = options.door or (["cpu", "cpu on two threads"] if row.name in ONE_RESULT
                                     else ["cpu on two threads"])
            bits = [check_row(check, couplet, folder, row, door) for door in doors]
            if not options.door:
                check(bits[0] == bits[-1], f"{row.name}: the same on two threads", f"{bits}")
        if not options.only and not options.door:
            check_totals(check, couplet, folder)
    check.finish()


main()
