#!/usr/bin/env python3
"""chains.py COUPLET ROOT: formulas that name the one before them twice. As trees they have 2^n
parts, as graphs n: the processor time that a command takes for 64 of them is compared with that for
32, and must not be more than four times as much."""
import math
import os
import re
import sys
import tempfile

import command

sys.path.insert(0, os.path.join(sys.argv[2], "tests", "golden"))
import npy

couplet = sys.argv[1]
check = command.Checks()

# seconds of processor time that a short command may take more than another, for no reason at all
STARTING = 0.2
HANGS = 120


def body(first, step, last, count):
    """A function's body: a0, then a1 to a<count>, each made of the one before it."""
    lets = [f"  let {first}"] + ["  let " + step.format(i=i, p=i - 1, m=i % 3)
                                 for i in range(1, count + 1)]
    return "{\n" + "\n".join(lets) + f"\n  return {last.format(n=count)}\n}}\n"


def calls(count):
    nested = "".join(f"fn g{i}(a) = g{i - 1}(a * a * 0.5 + 0.1)\n" for i in range(1, count))
    return "fn g0(a) = a * a * 0.5 + 0.1\n" + nested + f"fn f(x[N]) = mean[i] g{count - 1}(x[i])\n"


def index_calls(count):
    nested = "".join(f"fn g{i}(a : int) = g{i - 1}((a * a + a + 1) mod 5)\n"
                     for i in range(1, count))
    return ("fn g0(a : int) = (a * a + a) mod 5\n" + nested
            + f"fn f(x[N]) = sum[i < N] x[g{count - 1}(i)]^2\n")


LABELLED = "fn f(x[N], y : int[N]) "
PLAIN = "fn f(x[N]) "
KINDS = {
    "scalars": lambda n: PLAIN + body("a0 = mean[i] x[i]", "a{i} = a{p} * a{p} * 0.5 + 0.1",
                                      "a{n}", n),
    "two before": lambda n: PLAIN + body("a0 = mean[i] x[i]\n  let b = 1.0 * a0",
                                         "a{i} = 0.5 * a{p} + 0.3 * b * a{p}", "a{n}", n),
    "arrays": lambda n: PLAIN + body("a0[i] = x[i]", "a{i}[i] = a{p}[i] * a{p}[i] * 0.5 + 0.1",
                                     "mean[i] a{n}[i]", n),
    "calls": calls,
    "calls of indices": index_calls,
    "largest": lambda n: PLAIN + body("a0 = mean[i] x[i]", "a{i} = max(a{p} * 0.9, 0.1 - a{p})",
                                      "a{n}", n),
    "choices": lambda n: PLAIN + body("a0 = mean[i] x[i]",
                                      "a{i} = if a{p} < 0.3 then a{p} + 0.2 else a{p} * a{p}",
                                      "a{n}", n),
    "choices that may fault": lambda n: LABELLED + body(
        "a0[i] = x[y[i]]", "a{i}[i] = if a{p}[i] < 0.{m} then a{p}[i] + 0.2 else a{p}[i] * x[i]",
                                                        "mean[i] a{n}[i]", n),
    "exponentials": lambda n: PLAIN + body("a0 = mean[i] x[i]", "a{i} = a{p} * exp(-a{p}) + 0.1",
                                           "a{n}", n),
    "whole numbers": lambda n: LABELLED + body(
        "a0[i] = y[i]", "a{i}[i] = (a{p}[i] + a{p}[i]) mod 5 + 1", "mean[i] x[i] * real(a{n}[i])",
                                               n),
    "truth values": lambda n: LABELLED + body(
        "a0[i] = y[i] > 1", "a{i}[i] = (a{p}[i] and y[i] > {m}) or (not a{p}[i] and y[i] == {m})",
        "mean[i] (if a{n}[i] then x[i] else 0.5 * x[i])", n),
    "a log of exponentials": lambda n: PLAIN + body(
        "a0[i] = exp(x[i])", "a{i}[i] = 0.5 * a{p}[i] + 0.4 * a{p}[i] * exp(-x[i]^2)",
                                                    "mean[i] log(a{n}[i])", n),
    "quotients of exponentials": lambda n: PLAIN + body(
        "a0[i] = exp(x[i])", "a{i}[i] = a{p}[i] / (1 + a{p}[i])", "mean[i] a{n}[i]", n),
    "exponentials and those of neighbours": lambda n: PLAIN + body(
        "a0[i] = exp(x[i])", "a{i}[i] = 0.5 * a{p}[i] + 0.3 * a{p}[(i + 1) mod N]",
                                                                   "mean[i] log(a{n}[i])", n),
    "quotients of weighted sums": lambda n: PLAIN + body(
        "a0[i] = exp(x[i])", "a{i}[i] = (sum[j] a{p}[j] * x[j]) / (1 + a{p}[i])",
                                                         "mean[i] a{n}[i]", n),
    "complements of neighbours": lambda n: PLAIN + body(
        "a0[i] = sigmoid(x[i])", "a{i}[i] = 1 - a{p}[i] * a{p}[(i + 1) mod N] * a0[i]",
                                                        "mean[i] log(a{n}[i])", n),
    "shares of a row": lambda n: PLAIN + body(
        "a0[i] = exp(x[i])", "a{i}[i] = a{p}[i] / sum[j] a{p}[j]", "mean[i] log(a{n}[i])", n),
    "neighbours of a drawn factor": lambda n: PLAIN + body(
        "s0 = 1\n  draw s ~ log_uniform(0.75, 1.3)\n  let a0[i] = x[i] * s",
        "a{i}[i] = (a{p}[(i + 1) mod N] + a{p}[(i + N - 1) mod N]) / (1 + a0[i]^2 + a{p}[i]^2)",
                                                           "mean[i] a{n}[i]", n),
    "bounded exponents": lambda n: "fn f(x[N]) " + body(
        "a0 = cos(x, x)", "a{i} = a{p} * a{p} * 0.5 + 0.1", "log(1 + exp(a{n}))", n),
    "choices of exponentials": lambda n: PLAIN + body(
        "a0[i] = exp(x[i])", "a{i}[i] = if x[i] > 0.{m} then a{p}[i] else 0.5 * a{p}[i]",
                                                      "mean[i] log(a{n}[i])", n),
    # So near 1 that differences in float64 see nothing of the 2^64th power, nor does its slope.
    "products of lengths": lambda n: PLAIN + body(
        "a0[i] = sqrt(0.5 * exp(x[i] * 1e-30) + 0.5)", "a{i}[i] = a{p}[i] * a{p}[i]",
                                                  "mean[i] x[i] / a{n}[i]", n),
    "rounds of Sinkhorn": lambda n: PLAIN + body(
        "a0[i] = 1 + 0 * x[i]",
        "b{i}[j < N] = 1 / sum[i] exp(-abs(x[i] - x[j])) * a{p}[i]\n"
        "  let a{i}[i < N] = 1 / sum[j] exp(-abs(x[i] - x[j])) * b{i}[j]",
                                                 "mean[i] log(a{n}[i])", n),
    "logs of sigmoids": lambda n: PLAIN + body(
        "a0[i] = sigmoid(x[i])", "a{i}[i] = a{p}[i] * (1 - a{p}[i])", "mean[i] log(1 - a{n}[i])",
                                               n),
}

# Their kernels take LLVM seconds, however short the road to them is.
CHECKED_ALONE = {"rounds of Sinkhorn"}

METHOD = """
use nn, augment, optim
data train = data.fashion_mnist("train")
view g[2] = augment.simclr(train.image)
fn shaped(x[N, D]) {BODY}
net encoder = nn.convnet(width = 4) >> nn.linear(8)
let z = shaped(encoder(g[0])), w = encoder(g[1])
CHAIN
loss LOSS
train { epochs 1, batch 16, optimiser optim.sgd(lr = 0.01) }
"""


def method(count, in_net):
    """A method with the chain in what its network makes, or in its loss."""
    rows = body("a0[n, d] = x[n, d]", "a{i}[n, d] = a{p}[n, d] * a{p}[n, d] * 0.5 + 0.1", "a{n}",
                count)
    chain = ["let a0 = mean[i] dot(z[i], w[i])"]
    chain += [f"let a{i} = a{i - 1} * a{i - 1} * 0.5 + 0.1" for i in range(1, count + 1)]
    text = METHOD.replace("BODY", rows[1:-2] if in_net else " return x ")
    text = text.replace("CHAIN", "" if in_net else "\n".join(chain))
    return text.replace("LOSS", "mean[i] dot(z[i], w[i])" if in_net else f"a{count}")


# CLIP's learned temperature, exp(log_tau), behind layers of attention.
ATTENTION = """
use nn, augment, optim, losses
data train = data.fashion_mnist("train")
view a, b = augment.simclr(train.image)
fn tokens(x[N, C, H, W]) {
  let y[n, t < 16, d < 32] = x[n, 0, t, d mod 28]
  return y
}
net map(out)(x[N, T, C]) {
  param W[out, C] = normal(0, sqrt(1 / (3 * C))), b[out] = 0
  let y[n, t, o] = b[o] + sum[d] x[n, t, d] * W[o, d]
  return y
}
net norm_tokens(eps = 1e-6)(x[N, T, C]) {
  let m[n, t] = mean[d] x[n, t, d]
  let v[n, t] = var[d] x[n, t, d]
  let y[n, t, d] = (x[n, t, d] - m[n, t]) / sqrt(v[n, t] + eps)
  return y
}
net attention(heads)(x[N, T, C]) {
  net q = map(C)
  net k = map(C)
  net v = map(C)
  let Q = reshape(q(x), N, T, heads, C div heads), R = reshape(k(x), N, T, heads, C div heads), S = reshape(v(x), N, T, heads, C div heads)
  let s[n, h, t, u] = (sum[d] Q[n, t, h, d] * R[n, u, h, d]) / sqrt(C div heads)
  let p[n, h, t, u] = softmax[u] s[n, h, t, u]
  let y[n, t, h, d] = sum[u] p[n, h, t, u] * S[n, u, h, d]
  return reshape(y, N, T, C)
}
net layer(heads)(x[N, T, C]) {
  net n1 = norm_tokens()
  net at = attention(heads)
  net n2 = norm_tokens()
  net up = map(2 * C) >> relu >> map(C)
  let y = x + at(n1(x))
  return y + up(n2(y))
}
fn pooled(x[N, T, C]) {
  let y[n, d] = mean[t] x[n, t, d]
  return y
}
net see = tokens LAYERS >> pooled >> nn.linear(32)
param log_tau = -2.66
let tau = exp(log_tau)
let i = normalise(see(a)), k = stop(normalise(see(b)))
queue Q[64, 32] <- k
loss losses.queue_nce(i, k, Q, tau)
train { epochs 1, batch 16, optimiser optim.sgd(lr = 0.05, momentum = 0.9) }
"""


def compare(what, command_for, sizes=(32, 64), most=4):
    """Compares what a command takes of the processor for both sizes, where the larger one takes
    long. `command_for(n)` returns its arguments."""
    def timed(count):
        done, taken = command.measured(couplet, *command_for(count), timeout=HANGS)
        check(done.returncode == 0, f"{what}, {count} of them: goes through",
              done.stdout[-300:] + done.stderr[-300:])
        return taken
    few, many = sizes
    if timed(many) <= STARTING:  # within any bound, whatever the smaller size takes
        return
    shortest, longest, within = command.grows_within(timed, few, many,
                                                     lambda least: most * least + STARTING)
    check(within, f"{what}: near-linear", f"{shortest:.2f} s, then {longest:.2f} s")


with tempfile.TemporaryDirectory() as folder:
    npy.write(f"{folder}/x.npy", [8], [0.1 * i - 0.3 for i in range(8)])
    npy.write(f"{folder}/y.npy", [8], [i % 3 for i in range(8)], "<i4")
    arrays = ["--in", f"x={folder}/x.npy"], ["--in", f"x={folder}/x.npy", "--in",
                                             f"y={folder}/y.npy"]
    command.run(couplet, "grad", command.write(f"{folder}/first.cpl", KINDS["scalars"](2)), "--fn",
                "f", *arrays[0])
    for name, kind in KINDS.items():
        def spec(count):
            return command.write(f"{folder}/chain{count}.cpl", kind(count))
        labelled = kind(1).startswith(LABELLED)
        compare(f"{name}, check", lambda n: ["check", spec(n), "--memory", "--fn", "f", "--size",
                                             "N=8"])
        compare(f"{name}, gradcheck",
                lambda n: ["gradcheck", spec(n), "--fn", "f", "--size", "N=8"])
        if name not in CHECKED_ALONE:
            compare(f"{name}, grad", lambda n: ["grad", spec(n), "--fn", "f", *arrays[labelled]])
    # A softmax that is divided by its sum over and over stays what it is, and so does its slope.
    x = [0.1 * i - 0.3 for i in range(8)]
    log_total = math.log(sum(math.exp(value) for value in x))
    wanted = sum(value - log_total for value in x) / len(x)
    share = [math.exp(value - log_total) for value in x]
    for count in (5, 10, 16, 40):
        spec = command.write(f"{folder}/shares.cpl", KINDS["shares of a row"](count))
        done = command.run(couplet, "grad", spec, "--fn", "f", *arrays[0], "--out", folder)
        found = re.search(r"value: (\S+)", done.stdout)
        check(done.returncode == 0 and abs(float(found.group(1)) - wanted) < 1e-4,
              f"{count} shares of a row: value",
              f"{wanted}\n{done.stdout}{done.stderr}")
        slope = npy.read(f"{folder}/grad_x.npy")[1]
        off = max(abs(s - (1 / len(x) - p)) for s, p in zip(slope, share))
        check(off < 1e-6, f"{count} shares of a row: the slope is off by {off:.2g}")
    for name in ("scalars", "arrays", "choices"):
        def long(count):
            return command.write(f"{folder}/long{count}.cpl", KINDS[name](count))
        compare(f"many {name}", lambda n: ["check", long(n), "--memory", "--fn", "f", "--size",
                                           "N=8"], (250, 1000), 8)
    terms = PLAIN + "{{\n  let m = mean[i] x[i]\n  return {0}\n}}\n"
    def long_sum(count):
        sum_of = " + ".join(f"m * {i % 7 + 1}.5" for i in range(count))
        return command.write(f"{folder}/sum{count}.cpl", terms.format(sum_of))
    compare("a long sum", lambda n: ["grad", long_sum(n), "--fn", "f", *arrays[0]], (475, 1900), 8)
    def attention(count):
        return command.write(f"{folder}/attention{count}.cpl",
                             ATTENTION.replace("LAYERS", ">> layer(4)" * count))
    compare("layers of attention", lambda n: ["check", attention(n)], (2, 4))
    data = command.small_data(folder + "/data", train=32)
    for in_net in (False, True):
        def trained(count):
            spec = command.write(f"{folder}/method{count}.cpl", method(count, in_net))
            return ["train", spec, "--data", data, "--out", f"{folder}/run{in_net}{count}",
                    "--max-steps", 1]
        compare("a network" if in_net else "a loss", trained)

check.finish()
