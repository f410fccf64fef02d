#!/usr/bin/env python3
"""starts.py COUPLET ROOT: first values of parameters and states that are made of hypers and of lets
of them, against Python, with other values of the hypers, and in a program."""
import math
import statistics
import subprocess
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()

LONG = 2000  # lets in a chain, each of which names the one before it twice
SPEC = """
use optim
data train = data.fashion_mnist("train")
hyper s = 0.5
hyper wide = true
""" + command.FLAT + """net f = flat(4)
fn drawn(n : int, spread) {
  draw d[n] ~ normal(0, spread)
  return d
}
net scaled(factor)(x[N, D]) {
  let half = factor / 2
  param W[D] = half
  let y[n, d] = W[d] * x[n, d]
  return y
}
net g = scaled(s)
let twice = 2 * s
let grown = exp(twice) * twice + twice
let chosen = if wide then twice else -s
let ramp[i < 5] = twice * real(i) - chosen
let total = sum[i] ramp[i]
let c0 = s + 1
""" + "".join(f"let c{i} = (c{i - 1} + c{i - 1}) / 2\n" for i in range(1, LONG)) + f"""
param of_let[64] = normal(0, twice), of_formula[64] = normal(0, 2 * s)
param of_call[64] = drawn(64, twice)
param of_array[5] = ramp
state one = grown, two = chosen, three = total, four = c{LONG - 1}
""" + """let z = g(f(train.image))
loss (mean[n, k] z[n, k]^2) + 0 * (sum[i] (of_let[i] + of_formula[i] + of_call[i])) +
  0 * (sum[i] of_array[i]) + 0 * (one + two + three + four)
train { epochs 1, batch 32, optimiser optim.sgd(lr = 0) }
"""


def holds(what, folder, s, wide):
    """The states and parameters of a run are what Python makes of its hypers."""
    arrays = command.arrays(folder)
    twice = 2 * s
    chosen = twice if wide else -s
    ramp = [twice * i - chosen for i in range(5)]
    wanted = {"one": [math.exp(twice) * twice + twice], "two": [chosen], "three": [sum(ramp)],
              "four": [s + 1], "of_array": ramp, "g.W": [s / 2] * 4}
    for name, values in wanted.items():
        found = arrays[name]
        check(len(found) == len(values) and
              all(math.isclose(a, b, rel_tol=4e-6) for a, b in zip(found, values)),
              f"{what}: {name}", f"{list(found)} {values}")
    for name in "of_let", "of_formula", "of_call":
        deviation = math.sqrt(statistics.mean(x * x for x in arrays[name]))
        check(0.6 < deviation / twice < 1.4, f"{what}: the deviation of {name}", deviation)


REFUSED = (
    ("the number of steps", "state late = real(steps)", "steps"),
    ("the epoch, in a let", "let u = s * real(epoch)\nstate late = u", "u"),
    ("a mean of the batch, in a let of a let",
     "let m = mean[n, i, j] train.image[n, 0, i, j], v = m + s\nstate late = v", "v"),
    ("a draw, in a let", "draw e ~ normal(0, s)\nlet u = e + s\nstate late = u", "u"),
    ("a draw of a function, in a let", "let u = drawn(3, s)\nstate late = u[1]", "u"),
    ("what a network makes, in a let", "let u = sum[n, k] z[n, k]\nstate late = u", "u"),
    ("another state, in a let", "let u = one + 1\nstate late = u", "u"),
)
with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", train=64, test=32)
    spec = command.write(folder + "/starts.cpl", SPEC)
    for at, (s, wide) in enumerate(((0.5, True), (3, True), (0.25, False))):
        out = f"{folder}/run{at}"
        done = command.run(couplet, "train", spec, "--data", data, "--out", out, "--set", f"s={s}",
                           "--set", f"wide={'true' if wide else 'false'}")
        if check(done.returncode == 0, f"s = {s}, wide = {wide}", done.stdout + done.stderr):
            holds(f"s = {s}, wide = {wide}", out, s, wide)
    # In a program g.factor is a number; the hypers of the other starts are set when it begins.
    fixed = command.write(folder + "/fixed.cpl", SPEC.replace("net g = scaled(s)",
                                                              "net g = scaled(3)"))
    built = command.run(couplet, "build", fixed, "--data", data, "-o", folder + "/program")
    made = subprocess.run([folder + "/program", "--data", data, "--out", folder + "/made", "--set",
                           "s=3"], capture_output=True, text=True, timeout=900)
    if check(made.returncode == 0, "a program", built.stderr + made.stdout + made.stderr):
        holds("a program", folder + "/made", 3, True)
        check(command.arrays(folder + "/made")["of_let"] ==
              command.arrays(folder + "/run1")["of_let"], "and it draws what a run does")
    for what, lines, name in REFUSED:
        text = SPEC.replace("train { epochs", f"{lines}\nupdate late <- late\ntrain {{ epochs")
        done = command.run(couplet, "check", command.write(folder + "/bad.cpl", text), "--data",
                           data)
        check.refused(f"in a start: {what}", done, "E531", f"the start of `late` reads `{name}`")
check.finish()
