#!/usr/bin/env python3
"""saturating.py COUPLET ROOT [DEVICE]: logs of sigmoids, hyperbolic tangents, softmaxes and error
functions close to 0
and 1, and differences of them from 1, as papers print them. Value and slope at each point are
within 1e-6 of what the
mathematics says: each formula f is run as sum[i] w[i] * f(x[i]), whose gradient by w is f and by x
its slope."""
import math
import os
import re
import struct
import sys
import tempfile

import command

sys.path.insert(0, os.path.join(sys.argv[2], "tests", "golden"))
import npy

couplet = sys.argv[1]
device = sys.argv[3] if len(sys.argv) > 3 else "cpu"
check = command.Checks()
POINTS = [-500.0, -120.0, -95.0, -60.0, -30.0, -17.5, -9.0, -3.0, -1.0, -0.3, -0.01, 0.01, 0.3,
          1.0, 3.0, 9.0, 15.0, 17.5, 30.0,
          60.0, 95.0, 120.0, 500.0]
MOST = 1e-6
ROUNDING = 6e-8  # of an exponent: times its size, what the exponential is off by
TERMS = {"log_normal", "log_erfc", "of_product", "log_sech2", "log_sech2_product", "log_above",
         "log_below", "log_cosh", "both", "entropy", "rest_of_tanh"}
OF_TERMS = 1e-7  # the values of these are differences of terms of the size of 1
TINY = 1.2e-38  # below, float32 has fewer digits


def exp(x):
    return math.exp(x) if x < 700 else math.inf


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


def softplus(x):
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


def log1mexp(u):
    return math.log(-math.expm1(u)) if u > -0.7 else math.log1p(-math.exp(u))


def sech2(x):
    return 4 * sigmoid(2 * x) * sigmoid(-2 * x)


def erfcx(x):
    """exp(x^2) erfc(x)."""
    if x < 5:
        return exp(x * x) * math.erfc(x)
    fraction = x
    for k in range(400, 0, -1):
        fraction = x + (k / 2) / fraction
    return 1 / math.sqrt(math.pi) / fraction


def log_erfc(x):
    return math.log(math.erfc(x)) if x < 3 else math.log(erfcx(x)) - x * x


def always(x):
    return True


def above(least):
    return lambda x: x >= least


def between(low, high):
    return lambda x: low <= x <= high


# formula of t = x[i], value, slope, where
FORMULAS = {
    "log_sigmoid": ("log(sigmoid(t))", lambda x: -softplus(-x), lambda x: sigmoid(-x), always),
    "log_rest": ("log(1 - sigmoid(t))", lambda x: -softplus(x), lambda x: -sigmoid(x), always),
    "log1p_rest": ("log1p(-sigmoid(t))", lambda x: -softplus(x), lambda x: -sigmoid(x), always),
    "rest_turned": ("log(-sigmoid(t) + 1)", lambda x: -softplus(x), lambda x: -sigmoid(x), always),
    "by_hand": ("log(1 - 1 / (1 + exp(-t)))", lambda x: -softplus(x), lambda x: -sigmoid(x),
                always),
    "by_hand_other": ("log(1 - exp(t) / (1 + exp(t)))", lambda x: -softplus(x),
                      lambda x: -sigmoid(x), always),
    "of_product": ("log(sigmoid(t) * (1 - sigmoid(t)))",
                   lambda x: -abs(x) - 2 * math.log1p(math.exp(-abs(x))),
                   lambda x: -math.tanh(x / 2), always),
    "of_square": ("log((1 - sigmoid(t))^2)", lambda x: -2 * softplus(x), lambda x: -2 * sigmoid(x),
                  always),
    "of_ratio": ("log(sigmoid(t) / (1 - sigmoid(t)))", lambda x: x, lambda x: 1.0, always),
    "with_floor": ("log(1 - sigmoid(t) + 0.001)", lambda x: math.log(sigmoid(-x) + 0.001),
                   lambda x: -sigmoid(x) * sigmoid(-x) / (sigmoid(-x) + 0.001), always),
    "clamped": ("log(1 - max(0.001, min(sigmoid(t), 0.999)))",
                lambda x: math.log(min(max(sigmoid(-x), 0.001), 0.999)),
                lambda x: -sigmoid(x) if 0.001 < sigmoid(x) < 0.999 else 0.0, always),
    "of_softplus": ("log(1 - exp(-softplus(t)))", lambda x: -softplus(-x), lambda x: sigmoid(-x),
                    always),
    "log_softplus": ("log(softplus(t))", lambda x: math.log(softplus(x)) if x > -30
                     else x - exp(x) / 2,
                     lambda x: sigmoid(x) / softplus(x), between(-100, 600)),
    "log_tanh": ("log(tanh(t))", lambda x: log1mexp(-2 * x) - math.log1p(math.exp(-2 * x)),
                 lambda x: 2 * math.exp(-2 * x) * 2 / (1 - math.exp(-4 * x)), between(0.001, 40)),
    "log_sech2": ("log(1 - tanh(t)^2)", lambda x: math.log(4) - 2 * softplus(2 * x) + 2 * x
                  if x < 0 else math.log(4) - 2 * softplus(-2 * x) - 2 * x,
                  lambda x: -2 * math.tanh(x), always),
    "log_sech2_product": ("log(1 - tanh(t) * tanh(t))",
                          lambda x: math.log(4) - softplus(2 * x) - softplus(-2 * x),
                          lambda x: -2 * math.tanh(x), always),
    "log_above": ("log(1 + tanh(t))", lambda x: math.log(2) - softplus(-2 * x),
                  lambda x: 2 * sigmoid(-2 * x), always),
    "log_below": ("log(1 - tanh(t))", lambda x: math.log(2) - softplus(2 * x),
                  lambda x: -2 * sigmoid(2 * x), always),
    "half_above": ("log((1 + tanh(t)) / 2)", lambda x: -softplus(-2 * x),
                   lambda x: 2 * sigmoid(-2 * x), always),
    "rest_of_half": ("log(1 - 0.5 * (1 + tanh(t)))", lambda x: -softplus(2 * x),
                     lambda x: -2 * sigmoid(2 * x), always),
    "log_expm1": ("log(exp(t) - 1)", lambda x: x + log1mexp(-x), lambda x: -1 / math.expm1(-x),
                  above(0.001)),
    "log_rest_of_exp": ("log(1 - exp(-t))", lambda x: log1mexp(-x),
                        lambda x: math.exp(-x) / -math.expm1(-x), between(0.001, 80)),
    "log1p_rest_of_exp": ("log1p(-exp(-t))", lambda x: log1mexp(-x),
                          lambda x: math.exp(-x) / -math.expm1(-x), between(0.001, 80)),
    "log_sinh": ("log(exp(t) - exp(-t))", lambda x: x + log1mexp(-2 * x),
                 lambda x: 1 / math.tanh(x), above(0.001)),
    "log_cosh": ("log(exp(t) + exp(-t))", lambda x: abs(x) + math.log1p(math.exp(-2 * abs(x))),
                 math.tanh, always),
    "rest": ("(1 - sigmoid(t))", lambda x: sigmoid(-x), lambda x: -sigmoid(x) * sigmoid(-x),
             between(-80, 80)),
    "focal": ("-(1 - sigmoid(t))^2 * log(sigmoid(t))", lambda x: sigmoid(-x) ** 2 * softplus(-x),
              lambda x: -2 * sigmoid(-x) ** 2 * sigmoid(x) * softplus(-x) - sigmoid(-x) ** 3,
              between(-80, 27)),
    "rest_of_tanh": ("(1 - tanh(t)^2)", sech2, lambda x: -2 * math.tanh(x) * sech2(x),
                     between(-40, 40)),
    "rest_of_exp": ("(1 - exp(-t))", lambda x: -math.expm1(-x), lambda x: exp(-x),
                    between(-80, 80)),
    "exp_less": ("(exp(t) - 1)", math.expm1, exp, between(-80, 80)),
    "entropy": ("(-sigmoid(t) * log(sigmoid(t)) - (1 - sigmoid(t)) * log(1 - sigmoid(t)))",
                lambda x: sigmoid(x) * softplus(-x) + sigmoid(-x) * softplus(x),
                lambda x: -x * sigmoid(x) * sigmoid(-x),
                between(-80, 80)),
    "cross_entropy": ("(-0.3 * log(sigmoid(t)) - 0.7 * log(1 - sigmoid(t)))",
                      lambda x: 0.3 * softplus(-x) + 0.7 * softplus(x),
                      lambda x: -0.3 * sigmoid(-x) + 0.7 * sigmoid(x), always),
    "stopped": ("log(1 - sigmoid(t)) * stop(1 - sigmoid(t))", lambda x: -softplus(x) * sigmoid(-x),
                lambda x: -sigmoid(x) * sigmoid(-x), between(-80, 80)),
    "mixture": ("log(0.9 * sigmoid(t) + 0.1 * (1 - sigmoid(t)))",
                lambda x: math.log(0.9 * sigmoid(x) + 0.1 * sigmoid(-x)),
                lambda x: 0.8 * sigmoid(x) * sigmoid(-x) / (0.9 * sigmoid(x) + 0.1 * sigmoid(-x)),
                between(-80, 80)),
    "noise": ("log(1 - exp(t) / (exp(t) + 5))", lambda x: -softplus(x - math.log(5)),
              lambda x: -sigmoid(x - math.log(5)), always),
    "log_erfc": ("log(1 - erf(t))", lambda x: log_erfc(x),
                 lambda x: -2 / math.sqrt(math.pi) / erfcx(x), always),
    "log_normal": ("log(0.5 * (1 + erf(t * 0.5)))", lambda x: log_erfc(-x / 2) - math.log(2),
                   lambda x: 1 / math.sqrt(math.pi) / erfcx(-x / 2), always),
    "rest_of_erf": ("(1 - erf(t))", lambda x: math.erfc(x),
                    lambda x: -2 / math.sqrt(math.pi) * exp(-x * x), between(-9, 9)),
    "tanh": ("tanh(t)", math.tanh, sech2, between(-40, 40)),
    "sigmoid": ("sigmoid(t)", sigmoid, lambda x: sigmoid(x) * sigmoid(-x), between(-80, 80)),
    "erf": ("erf(t)", math.erf, lambda x: 2 / math.sqrt(math.pi) * exp(-x * x), between(-9, 9)),
    "hand_sigmoid": ("1 / (1 + exp(-t))", sigmoid, lambda x: sigmoid(x) * sigmoid(-x),
                     between(-80, 80)),
    "hand_softplus": ("log(1 + exp(t))", softplus, sigmoid, always),
    "both": ("log(1 - sigmoid(t) * sigmoid(t))", lambda x: -softplus(x) + math.log1p(sigmoid(x)),
             lambda x: -sigmoid(x) + sigmoid(x) * sigmoid(-x) / (1 + sigmoid(x)),
             between(-40, 500)),
}


def single(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def off(x, got, want, slack):
    if math.isnan(got):
        return math.inf
    beyond = max(abs(got - want) - slack - ROUNDING * abs(x * want), 0)
    return 0 if beyond <= TINY else beyond / max(abs(want), TINY)


def hold(name, what, points, got, want):
    slack = OF_TERMS if name in TERMS else 0
    worst = max((off(x, g, want(x), slack), x, g, want(x)) for x, g in zip(points, got))
    check(worst[0] <= MOST, f"{name}: {what}",
          "at x = %g: off by %.2g; %.9g instead of %.9g" % (worst[1], worst[0], worst[2], worst[3]))


def run(folder, name, text, value, slope, where, variant):
    points = [single(x) for x in POINTS if where(x)]
    npy.write(f"{folder}/x.npy", [len(points)], points)
    npy.write(f"{folder}/w.npy", [len(points)], [1.0] * len(points))
    spec = command.write(f"{folder}/f.cpl", text)
    done = command.run(couplet, "grad", spec, "--fn", "f", "--in", f"x={folder}/x.npy", "--in",
                       f"w={folder}/w.npy",
                       "--device", device, "--out", f"{folder}/out")
    if not check(done.returncode == 0, f"{name}, {variant}: runs", done.stdout + done.stderr):
        return
    hold(name, f"{variant}, value", points, npy.read(f"{folder}/out/grad_w.npy")[1], value)
    hold(name, f"{variant}, slope", points, npy.read(f"{folder}/out/grad_x.npy")[1], slope)


# Exponentials of scalars that are known when the program is compiled, or only when it runs: exp(1 /
# tau) is 1e434.
SCALARS = {
    "log(exp(1 / tau) + sum[i] exp(x[i] / tau))": 1000.0,
    "log(mean[i] exp(1 / tau) * exp((x[i] - 1) / tau)) * tau": 0.4 + 0.001 * math.log(1 / 8),
    "exp(1 / tau) / (exp(1 / tau) + sum[i] exp(x[i] / tau))": 1.0,
    "(sum[i] exp(x[i] / tau)) * exp(-1 / tau)": 0.0,
    "(sum[i] exp(x[i] / tau)) / exp(0.4 / tau)": 1.0,
    "exp(1 / tau) * exp((x[0] - 1) / tau) * exp(0.3 / tau)": 1.0,
}
NAMED = {"as a number": "fn f(x[N], tau) = %s\n",
         "by name": "fn f(x[N], tau) {\n  let big = exp(1 / tau)\n  return %s\n}\n"}


# log(1 - p) of a softmax's entries, whatever they are written with.
ROWS = [[5.0, 5.0, 5.0, 5.0], [20.0, 0.0, -3.0, 1.0], [100.0, 40.0, 39.5, -60.0],
        [0.1, -0.2, 0.3, 0.05], [-7.0, 9.0, 9.0, -1.0],
        [0.0, -400.0, -500.0, -450.0], [0.0, 0.0, 30.0, 60.0]]
LABELS = [0, 0, 0, 2, 1, 0, 3]
SOFTMAXES = {
    "reducer": "let p[i, c] = softmax[c] x[i, c]",
    "by hand": "let e[i, c] = exp(x[i, c])\n  let p[i, c] = e[i, c] / sum[k] e[i, k]",
    "by steps": "let e[i, c] = exp(x[i, c])\n  let total[i] = sum[k] e[i, k]\n  let p[i, c] = "
                "e[i, c] / total[i]",
    "log softmax": "let s[i, c] = x[i, c] - logsumexp[k] x[i, k]\n  let p[i, c] = exp(s[i, c])",
    "log of the sum": "let s[i, c] = x[i, c] - log(sum[k] exp(x[i, k]))\n  let p[i, c] = exp(s[i, "
                      "c])",
    "shifted": "let m[i] = max[k] x[i, k]\n  let e[i, c] = exp(x[i, c] - m[i])\n  let p[i, c] = "
               "e[i, c] / sum[k] e[i, k]",
    "guarded": "let p[i, c] = softmax[c | x[i, c] > -1e4] x[i, c]",
}
ENTRIES = {
    "all": ("sum[i, c] w[i, c] * log(1 - p[i, c])", lambda i, c: True),
    "log1p": ("sum[i, c] w[i, c] * log1p(-p[i, c])", lambda i, c: True),
    "one": ("sum[i] w[i, 0] * log(1 - p[i, 0])", lambda i, c: c == 0),
    "label": ("sum[i] w[i, y[i]] * log(1 - p[i, y[i]])", lambda i, c: c == LABELS[i]),
}

# 1 less a sum of entries, each by a weight; what is left of each entry.
SUMS = {
    "some": ("sum[i] w[i, 0] * log(1 - sum[c | c mod 2 == y[i] mod 2] p[i, c])", lambda i,
             c: float(c % 2 != LABELS[i] % 2)),
    "weighted": ("sum[i] w[i, 0] * log1p(-sum[c] (1 - 0.25 * c) * p[i, c])", lambda i, c: 0.25 * c),
    "both": ("sum[i] w[i, 0] * log(1 - sum[c | c != y[i]] 0.5 * p[i, c])", lambda i,
             c: 0.5 if c != LABELS[i] else 1.0),
}


def lse(values):
    most = max(values)
    return most + math.log(sum(math.exp(v - most) for v in values))


def rest_of_softmax(row, c):
    """log(1 - p[c]) and its slopes by the row."""
    others = row[:c] + row[c + 1:]
    total, rest = lse(row), lse(others)
    return rest - total, [(0 if k == c else math.exp(v - rest)) - math.exp(v - total) for k,
                          v in enumerate(row)]


def left_of_softmax(row, left):
    """log(sum[c] left[c] p[c]), its slopes by the row, and the size of what these are
    differences of."""
    total, terms = lse(row), [(v + math.log(k), at) for at,
                              (v, k) in enumerate(zip(row, left)) if k]
    rest = lse([v for v, _ in terms])
    shares = {at: math.exp(v - rest) for v, at in terms}
    entries = [math.exp(v - total) for v in row]
    return rest - total, [shares.get(c, 0) - p for c,
                          p in enumerate(entries)], [max(shares.get(c, 0), p) for c,
                                                     p in enumerate(entries)]


def run_rows(folder, softmax, lets, entry, formula, chosen=None, left=None):
    classes = len(ROWS[0])
    rows = [[single(v) for v in row] for row in ROWS]
    want_w, want_x, sizes = [], [], []
    for i, row in enumerate(rows):
        if left:
            logs, weights = [left_of_softmax(row, [left(i, c)
                                                   for c in range(classes)])] * classes, [1.0] + [
                                                       0.0] * (classes - 1)
        else:
            logs = [rest_of_softmax(row, c) for c in range(classes)]
            weights = [1.0 if chosen(i, c) else 0.0 for c in range(classes)]
        want_w += [logs[c][0] if weights[c] else 0.0 for c in range(classes)]
        want_x += [sum(weights[c] * logs[c][1][k] for c in range(classes)) for k in range(classes)]
        sizes += [max(sum(weights[c] * abs(logs[c][2 if left else 1][k]) for c in range(classes)),
                      1e-6) for k in range(classes)]
    shape = (len(rows), classes)
    npy.write(f"{folder}/x.npy", shape, [v for row in rows for v in row])
    npy.write(f"{folder}/w.npy", shape, [1.0] * len(want_w))
    npy.write(f"{folder}/y.npy", [len(LABELS)], LABELS, "<i4")
    text = "fn f(x[N, C], w[N, C], y : int[N]) {\n  %s\n  return %s\n}\n" % (lets, formula)
    done = command.run(couplet, "grad", command.write(f"{folder}/f.cpl", text), "--fn", "f",
                       "--in", f"x={folder}/x.npy",
                       "--in", f"w={folder}/w.npy", "--in", f"y={folder}/y.npy", "--device",
                       device, "--out", f"{folder}/out")
    what = f"softmax, {softmax}, {entry}"
    if not check(done.returncode == 0, f"{what}: runs", done.stdout + done.stderr):
        return
    got_w, got_x = npy.read(f"{folder}/out/grad_w.npy")[1], npy.read(f"{folder}/out/grad_x.npy")[1]
    worst = max(abs(g - want) / (max(abs(want), 1e-6) + 0.1 * max(map(abs, rows[k // classes])))
                if math.isfinite(g) else math.inf
                for k, (g, want) in enumerate(zip(got_w, want_w)))
    check(worst <= MOST, f"{what}: value", f"off by {worst:.2g}: {got_w}")
    worst = max(abs(g - want) / (size * (1 + 0.1 * max(map(abs, rows[k // classes]))))
                if math.isfinite(g) else math.inf
                for k, (g, want, size) in enumerate(zip(got_x, want_x, sizes)))
    check(worst <= MOST, f"{what}: slope", f"off by {worst:.2g}: {got_x}")


with tempfile.TemporaryDirectory() as folder:
    for name, (formula, value, slope, where) in FORMULAS.items():
        plain = "fn f(x[N], w[N]) = sum[i] w[i] * (%s)\n" % formula.replace("t)", "x[i])").replace(
            "t ", "x[i] ")
        run(folder, name, "fn g(t) = %s\nfn f(x[N], w[N]) = sum[i] w[i] * g(x[i])\n" % formula,
            value, slope, where, "in a function")
        if "sigmoid(t)" in formula and "stop" not in formula:
            named = formula.replace("sigmoid(t)", "p[i]")
            run(folder, name,
                "fn f(x[N], w[N]) {\n  let p[i] = sigmoid(x[i])\n"
                "  return sum[i] w[i] * (%s)\n}\n" % named, value, slope, where, "by name")
    npy.write(f"{folder}/s.npy", [8], [-0.3 + 0.1 * i for i in range(8)])
    for formula, want in SCALARS.items():
        for how, frame in NAMED.items():
            text = frame % (formula.replace("exp(1 / tau)", "big") if how == "by name" else formula)
            done = command.run(couplet, "grad", command.write(f"{folder}/s.cpl", text), "--fn",
                               "f", "--in", f"x={folder}/s.npy",
                               "--set", "tau=0.001", "--device", device)
            found = re.search(r"^value: (\S+)", done.stdout, re.MULTILINE)
            # exponents of 1000
            good = done.returncode == 0 and found and abs(float(found[1]) -
                                                          want) <= 2e-4 * max(want, 0.05)
            check(good, f"{formula}, {how}", done.stdout + done.stderr)
    for softmax, lets in SOFTMAXES.items():
        for entry, (formula, chosen) in ENTRIES.items():
            run_rows(folder, softmax, lets, entry, formula, chosen)
        for entry, (formula, left) in SUMS.items():
            run_rows(folder, softmax, lets, entry, formula, left=left)
check.finish()
