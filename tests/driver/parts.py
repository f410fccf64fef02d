#!/usr/bin/env python3
"""parts.py COUPLET ROOT: phases, losses and optimisers for parts, schedules on any scalar, and an
average that moves before the forward pass."""
import math
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()
SPEC = """
use nn, augment, optim, anneal, losses
data train = data.fashion_mnist("train")
hyper weight = 1
view a = augment.flip(train.image)
net encoder = trunk: nn.convnet(width = 2) >> head: nn.linear(4)
net early = copy encoder
ema early <- encoder rate anneal.linear(0.5, 0.9) with state before forward
net probe = nn.linear(10)
net still = nn.linear(3)
param free[4] = 1
let h = encoder.trunk(a)
let e = early(a)

loss mean[i, d] encoder.head(h)[i, d] + mean[i, d] stop(e[i, d]) * free[d]
loss weight * losses.cross_entropy(probe(h), train.label) trains probe
loss anneal.linear(1, 0) * mean[i, d] still(h)[i, d] trains still

state mark = 0, ramp = 0, late = 0
update ramp <- anneal.linear(0, 16)
when step >= 2 { update mark <- 2 } else { update mark <- 1 }
when epoch < 1 and not step >= 3 { update late <- 0 } else { update late <- 1 }

train {
  epochs 2, batch 128
  optimiser optim.sgd(lr = 0.1, momentum = 0.9) on encoder, probe
  optimiser optim.sgd(lr = 0) on still
  optimiser optim.sgd(lr = 0.5) on rest
  freeze free while step < 1
}
"""


# A rate for each array from its norm (You et al., LARS, 2017); the biases have a rule of their own.
LARS = """
use nn, augment, optim
data train = data.fashion_mnist("train")
net flat()(x[N, C, H, W]) { return flatten(x) }
net e = flat() >> body: nn.mlp_bn(8, 6) >> head: nn.linear(4)
param scale = 2
optimiser lars(lr, trust = 0.5)(p, g) {
  let n = norm(p), m = sqrt(dot(g, g))
  update p <- p - lr * (if n > 0 and m > 0 then trust * n / m else 1) * g
}
let z = e(train.image)
loss scale * mean[i, d] (z[i, d] + 0.5 * z[i, 0])^2
train {
  epochs 1, batch 128
  RULES
}
"""


def close(a, b, tolerance=1e-5):
    return len(a) == len(b) and all(math.isclose(x, y, rel_tol=tolerance, abs_tol=tolerance) for x,
                                    y in zip(a, b))


with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/parts.cpl", SPEC)
    data = command.small_data(folder + "/data")

    def after(steps, out, *more):
        done = command.run(couplet, "train", spec, "--data", data, "--out", f"{folder}/{out}",
                           "--max-steps", steps, *more)
        if not check(done.returncode == 0, f"{out}: step {steps} exits 0", done.stderr[-2000:]):
            check.finish()
        return command.arrays(f"{folder}/{out}")

    steps = [after(1, "run")] + [after(n, "run", "--resume") for n in range(2, 6)]
    check([s["mark"] for s in steps] == [[1.0]] * 2 + [[2.0]] * 3, "a phase begins at its step",
          [s["mark"] for s in steps])
    check([s["late"] for s in steps] == [[0.0]] * 3 + [[1.0]] * 2,
          "and where `and`, `not`, epochs and steps say", [s["late"] for s in steps])
    check([s["ramp"][0] for s in steps] == [0, 2, 4, 6, 8],
          "a schedule is a scalar like any other", [s["ramp"] for s in steps])
    check(steps[0]["free"] == [1.0] * 4 and steps[1]["free"] != [1.0] * 4, "frozen for one step")
    check(steps[0]["still.W"] == steps[4]["still.W"], "an optimiser of rate 0 for one part")
    check("optimiser.still.W.v" in steps[0] and any(steps[0]["optimiser.still.W.v"]),
          "which has a gradient all the same")
    for name in ("trunk.conv3_1.K", "head.W", "trunk.batch_norm2d_1.running_mean"):
        for n in range(1, 5):
            rate = 0.5 + 0.4 * n / 8
            want = [rate * x + (1 - rate) * y for x,
                    y in zip(steps[n - 1]["early." + name], steps[n - 1]["encoder." + name])]
            # moved, and then renewed by its own application in the step
            if name.endswith("running_mean"):
                check(not close(steps[n]["early." + name], steps[n - 1]["early." + name], 1e-9),
                      f"early: {name} moves in step {n + 1}")
            else:
                check(close(steps[n]["early." + name], want),
                      f"early: {name} follows what the encoder was before step {n + 1}")
    light, heavy = after(3, "light", "--set", "weight=0"), after(3, "heavy", "--set", "weight=50")
    check(all(close(light[n], heavy[n], 1e-6) for n in light if n.startswith("encoder.")),
          "a loss that trains the probe leaves the encoder alone")
    check(not close(light["probe.W"], heavy["probe.W"], 1e-3), "and trains the probe")

    def first_step(name, *rules):
        spec = command.write(f"{folder}/{name}.cpl", LARS.replace("RULES", "\n  ".join(rules)))
        done = command.run(couplet, "train", spec, "--data", data, "--out", f"{folder}/{name}",
                           "--max-steps", 1)
        check(done.returncode == 0, f"{name}: a step exits 0", done.stderr[-2000:])
        return command.arrays(f"{folder}/{name}")

    start = first_step("start", "optimiser optim.sgd(lr = 0)")
    plain = first_step("plain", "optimiser optim.sgd(lr = 1)")
    lars = first_step("lars", "optimiser optim.sgd(lr = 0) on biases", "optimiser lars(lr = 1)")
    frozen = first_step("frozen", "optimiser lars(lr = 1)", "freeze e.head.b, e.body.linear_1")
    parameters = [n for n in start if n.startswith("e.") and "running" not in n] + ["scale"]
    check(len(parameters) == 9, "weights, biases, gain, shift and a number", parameters)
    for name in parameters:
        gradient = [x - y for x, y in zip(start[name], plain[name])]
        rate = 0.5 * math.hypot(*start[name]) / (math.hypot(*gradient) or 1) or 1
        want = [x - rate * g for x, g in zip(start[name], gradient)]
        is_matrix = name.rsplit(".", 1)[-1] == "W"
        check(close(lars[name], want if is_matrix else start[name], 1e-4),
              f"lars: {name} has its rate, biases have theirs")
        still = name == "e.head.b" or name.startswith("e.body.linear_1.")
        check(close(frozen[name], start[name] if still else want, 1e-4), f"frozen: {name}")
check.finish()
