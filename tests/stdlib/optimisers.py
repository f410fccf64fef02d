#!/usr/bin/env python3
"""optimisers.py COUPLET: six steps of every optimiser on a bowl of four numbers, against the
paper's formulas in plain Python, also where a parameter is frozen at first, where an optimiser goes
on from stage to stage, and where it follows another; and every schedule at its ends."""
import json
import math
import os
import struct
import sys
import tempfile

couplet = sys.argv[1]
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(root, "tests", "driver")]
import command

STEPS, K = 6, 4
SPEC = """use optim, anneal
data train = data.fashion_mnist("train", per_class = 6)
param p[4] = start()
fn start() {
  let y[k < 4] = 1 + k
  return y
}
loss (sum[k] (k + 1) * (p[k] - 2.5 * k)^2) + 0 * real(train.label[0])
%s
"""
TRAIN = "train { epochs 1, batch 10, optimiser %s }"
dot = lambda a, b: sum(x * y for x, y in zip(a, b))
norm = lambda a: math.sqrt(dot(a, a))
gradient = lambda p: [2 * (k + 1) * (p[k] - 2.5 * k) for k in range(K)]


def sgd(p, g, s, t, lr, momentum=0, decay=0, ahead=False):
    u = [x + decay * y for x, y in zip(g, p)]
    s["v"] = [momentum * v + x for v, x in zip(s["v"], u)]
    move = [x + momentum * v for x, v in zip(u, s["v"])] if ahead else s["v"]
    return [y - lr * m for y, m in zip(p, move)]


def moments(g, s, t, beta1, beta2, eps):
    s["m"] = [beta1 * m + (1 - beta1) * x for m, x in zip(s["m"], g)]
    s["v"] = [beta2 * v + (1 - beta2) * x * x for v, x in zip(s["v"], g)]
    return [(m / (1 - beta1 ** t)) / (math.sqrt(v / (1 - beta2 ** t)) + eps) for m,
            v in zip(s["m"], s["v"])]


def adam(p, g, s, t, lr, beta1=0.9, beta2=0.999, eps=1e-8, decay=0):
    return [y - lr * r for y,
            r in zip(p, moments([x + decay * y for x, y in zip(g, p)], s, t, beta1, beta2, eps))]


def adamw(p, g, s, t, lr, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.01):
    return [y * (1 - lr * decay) - lr * r for y, r in zip(p, moments(g, s, t, beta1, beta2, eps))]


def lars(p, g, s, t, lr, momentum=0.9, decay=1e-6, trust=0.001):
    u = [x + decay * y for x, y in zip(g, p)]
    rate = trust * norm(p) / norm(u)
    s["v"] = [momentum * v + rate * x for v, x in zip(s["v"], u)]
    return [y - lr * v for y, v in zip(p, s["v"])]


def lamb(p, g, s, t, lr, beta1=0.9, beta2=0.999, eps=1e-6, decay=0.01):
    r = [x + decay * y for x, y in zip(moments(g, s, t, beta1, beta2, eps), p)]
    return [y - lr * norm(p) / norm(r) * x for y, x in zip(p, r)]


def trained(training):
    with tempfile.TemporaryDirectory() as folder:
        command.write(f"{folder}/bowl.cpl", SPEC % training)
        done = command.run(couplet, "train", f"{folder}/bowl.cpl", "--out", f"{folder}/run")
        if done.returncode:
            return [math.nan] * K, done.stdout + done.stderr
        with open(f"{folder}/run/checkpoint.safetensors", "rb") as file:
            data = file.read()
        size = struct.unpack_from("<Q", data)[0]
        begin, end = json.loads(data[8:8 + size])["p"]["data_offsets"]
        return list(struct.unpack(f"<{K}f", data[8 + size + begin:8 + size + end])), ""


check = command.Checks()
for name, rule, given in [
        ("sgd", sgd, {"lr": 0.05, "momentum": 0.9, "decay": 0.01}), ("sgd", sgd, {"lr": 0.05}),
        ("nesterov", lambda *a, **k: sgd(*a, ahead=True, **k),
         {"lr": 0.02, "momentum": 0.8, "decay": 0.01}),
        ("adam", adam, {"lr": 0.1}),
                          ("adam", adam, {"lr": 0.1, "beta1": 0.5, "beta2": 0.9, "decay": 0.1}),
                          ("adamw", adamw, {"lr": 0.1, "decay": 0.2}),
        ("lars", lars, {"lr": 3, "trust": 0.02, "decay": 0.1}),
                          ("lamb", lamb, {"lr": 0.1, "decay": 0.05})]:
    p, states = [1.0 + k for k in range(K)], {"m": [0.0] * K, "v": [0.0] * K}
    for t in range(1, STEPS + 1):
        p = rule(p, gradient(p), states, t, **given)
    arguments = ", ".join(f"{key} = {value}" for key, value in given.items())
    found, said = trained(TRAIN % f"optim.{name}({arguments})")
    check(all(abs(a - b) < 2e-5 * max(1, abs(b)) for a, b in zip(found, p)),
          f"{name}({arguments})", said or f"{found}, expected {p}")

# The time t of a rule is the number of its own updates of the parameter.
FROZEN = TRAIN.replace(" }", ", freeze p while step < 2 }")
STAGES = "stage one { epochs 1 }\nstage two { epochs 0.5 }\ntrain { batch 10, optimiser %s }"
IN_TURN = TRAIN.replace("optimiser %s", "optimiser optim.sgd(lr = 0.01) while step < 2\n"
                        "optimiser %s while step >= 2")
for what, training, first, updates in (("frozen for two steps", FROZEN, 0, STEPS - 2),
                                       ("of two stages", STAGES, 0, STEPS + STEPS // 2),
                                       ("behind two steps of SGD", IN_TURN, 2, STEPS - 2)):
    for rule in adam, adamw, lamb:
        p, states = [1.0 + k for k in range(K)], {"m": [0.0] * K, "v": [0.0] * K}
        for t in range(first):
            p = [y - 0.01 * x for y, x in zip(p, gradient(p))]
        for t in range(1, updates + 1):
            p = rule(p, gradient(p), states, t, lr=0.1)
        found, said = trained(training % f"optim.{rule.__name__}(lr = 0.1)")
        check(all(abs(a - b) < 2e-5 * max(1, abs(b)) for a, b in zip(found, p)),
              f"{rule.__name__}, {what}", said or f"{found}, expected {p}")

# With plain SGD the bowl's step is known, so that each schedule's rates show in where p ends.
half = lambda x: (1 + math.cos(math.pi * x)) / 2
for schedule, rate in [
        ("cosine(0.04, 0.01)", lambda x: 0.01 + 0.03 * half(x)),
                       ("warmup_cosine(0.04, 3)",
                        lambda x: 0.04 * half(x) * min(1, (STEPS * x + 1) / 3)),
        ("linear(0.04, 0.01)", lambda x: 0.04 - 0.03 * x),
                       ("linear_then_flat(0.04, 0.01, part = 0.5)",
                        lambda x: 0.04 - 0.03 * min(1, 2 * x)),
        ("steps_down(0.04, first = 0.5, second = 0.8)",
         lambda x: 0.04 * (0.1 if x >= 0.5 else 1) * (0.1 if x >= 0.8 else 1)),
        ("polynomial(0.04)", lambda x: 0.04 * (1 - x) ** 2),
        ("one_cycle(0.04, rise = 0.5)", lambda x: 0.04 * (0.04 + 0.96 * (1 - half(2 * x)))
         if x < 0.5 else 0.04 * half((x - 0.5) / 0.5)),
        ("rise(3) * 0.04", lambda x: 0.04 * min(1, (STEPS * x + 1) / 3)),
        ("rise_at_once(3, low = 0.2) * 0.04", lambda x: 0.04 * (0.2 if STEPS * x < 3 else 1)),
        ("rise_cosine(3) * 0.04", lambda x: 0.04 * (1 - half(min(1, (STEPS * x + 1) / 3)))),
        ("rise_exp(3) * anneal.linear(0.04, 0.01)",
         lambda x: (0.04 - 0.03 * x) * math.exp(-5 * (1 - min(1, STEPS * x / 3)) ** 2))]:
    p = [1.0 + k for k in range(K)]
    for t in range(STEPS):
        p = [y - rate(t / STEPS) * x for y, x in zip(p, gradient(p))]
    found, said = trained(TRAIN % f"optim.sgd(lr = anneal.{schedule})")
    check(all(abs(a - b) < 2e-5 * max(1, abs(b)) for a, b in zip(found, p)), schedule,
          said or f"{found}, expected {p}")
check.finish()
