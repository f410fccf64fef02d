#!/usr/bin/env python3
"""rates.py COUPLET ROOT: the learning rate and the length of the gradient in the log."""
import csv
import json
import math
import subprocess
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()

SPEC = """use nn, optim, losses, anneal
data train = data.fashion_mnist("train")
hyper peak = 0.1
""" + command.FLAT + """
net encoder = trunk: flat(6) >> head: nn.linear(4)
let z = encoder(train.image)
%s
loss losses.nt_xent(z, z, 0.5)
train { epochs 2, batch 16
  %s }
"""
STEPS = 8  # of two epochs of 64 images


def cosine(step, start=0.1):
    return start * (1 + math.cos(math.pi * step / STEPS)) / 2


def one_cycle(step, peak=0.01, rise=0.3):
    if step < rise * STEPS:
        return peak * (1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * step / (rise * STEPS))) / 2)
    return peak * (1 + math.cos(math.pi * (step - rise * STEPS) / ((1 - rise) * STEPS))) / 2


# The optimisers, and the columns that they give at a step, which is counted from 0.
CASES = {
    "constant": ("optimiser optim.sgd(lr = 0.25)", {"learning_rate": lambda k: 0.25}),
    "hyper": ("optimiser optim.sgd(lr = peak / 3)", {"learning_rate": lambda k: 0.1 / 3}),
    "warm-up": ("optimiser optim.sgd(lr = anneal.warmup_cosine(peak, 5))",
                {"learning_rate": lambda k: cosine(k) * min(1, (k + 1) / 5)}),
    "cycle": ("optimiser optim.adam(lr = anneal.one_cycle(0.01)) on rest",
              {"learning_rate": one_cycle}),
    "steps down": ("optimiser optim.sgd(lr = anneal.steps_down(1, factor = 0.5))",
                   {"learning_rate": lambda k: 0.5 ** ((k >= 4.8) + (k >= 6.4))}),
    "polynomial": ("optimiser optim.sgd(lr = anneal.polynomial(1, power = 3))",
                   {"learning_rate": lambda k: (1 - k / STEPS) ** 3}),
    "parts": ("optimiser optim.sgd(lr = anneal.linear(1, 0)) on encoder.head\n"
              "  optimiser optim.sgd(lr = 0.5) on rest",
              {"learning_rate": lambda k: 0.5, "learning_rate_encoder.head": lambda k: 1 - k / 8}),
    "phases": ("optimiser optim.sgd(lr = 0.5) while epoch < 1\n  optimiser optim.sgd(lr = 0.1)",
               {"learning_rate": lambda k: 0.5 if k < 4 else 0.1}),
}


def rows(out):
    with open(out + "/metrics.jsonl") as file:
        return [row for row in map(json.loads, file) if "loss" in row]


def train(name, before, optimisers, *more):
    out = f"{folder}/{name}".replace(" ", "_")
    spec = command.write(f"{out}.cpl", SPEC % (before, optimisers))
    done = command.run(couplet, "train", spec, "--data", data, "--out", out, "--seed", 3,
                       "--quiet", *more)
    check(done.returncode == 0, f"{name}: trains", done.stderr)
    return out


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", train=64, test=20)
    for name, (optimisers, wanted) in CASES.items():
        out = train(name, "", optimisers)
        found = rows(out)
        off = max((abs(row[key] - rate(k)) for key, rate in wanted.items()
                   for k, row in enumerate(found)), default=1)
        check(len(found) == STEPS and off < 1e-8, f"{name}: rates", f"off by {off}: {found}")
        extra = {key for row in found for key in row if "rate" in key} - set(wanted)
        check(not extra, f"{name}: and no other", extra)
        with open(out + "/metrics.csv") as file:
            table = list(csv.DictReader(file))
        firsts = [row["learning_rate"] for row in table if row["step"] == "1"]
        check(all(set(wanted) <= set(row) for row in table) and
              [float(x) for x in firsts] == [found[0]["learning_rate"]], "in metrics.csv, too")

    out = train("state", "state speed = 0.5\nupdate speed <- speed / 2",
                "optimiser optim.sgd(lr = speed)")
    check(not any("learning_rate" in row for row in rows(out)), "a rate of a state has no column")

    # The length of the gradient is what the parameters move by, over the rate.
    plain = "optimiser optim.sgd(lr = 0.5, momentum = 0)"
    one = train("one", "", plain, "--gradient-norm", "--max-steps", 1)
    before = command.arrays(one)
    two = train("two", "", plain, "--gradient-norm", "--max-steps", 2)
    after = command.arrays(two)
    moved = math.sqrt(sum((a - b) ** 2 for name in before if name.startswith("encoder")
                          for a, b in zip(before[name], after[name])))
    norm = rows(two)[1]["gradient_norm"]
    check(abs(norm - moved / 0.5) < 1e-4 * norm, "gradient_norm", f"{norm}, {moved / 0.5}")
    clipped = train("clipped", "", plain + ", clip 0.001", "--gradient-norm", "--max-steps", 1)
    check(abs(rows(clipped)[0]["gradient_norm"] / rows(two)[0]["gradient_norm"] - 1) < 1e-5,
          "ahead of clipping", f"{rows(clipped)}, {rows(two)}")
    without = train("without", "", plain, "--max-steps", 2)
    check(not any("gradient_norm" in row for row in rows(without)), "only where it is asked for")
    check(all(abs(a["loss"] - b["loss"]) < 1e-5 for a, b in zip(rows(two), rows(without))),
          "of the same training")
    done = command.run(couplet, "train", f"{folder}/two.cpl", "--data", data, "--out", two,
                       "--resume", "--quiet")
    check(done.returncode == 0 and len(rows(two)) == STEPS and
          all("gradient_norm" in row for row in rows(two)), "a run goes on with it", done.stderr)
    done = command.run(couplet, "train", f"{folder}/without.cpl", "--data", data, "--out", without,
                       "--resume", "--gradient-norm", "--quiet")
    check(done.returncode == 0 and "gradient_norm" in rows(without)[-1], "and begins with it",
          done.stderr)

    # a built program
    built = f"{folder}/program"
    spec = f"{folder}/warm-up.cpl"
    done = command.run(couplet, "build", spec, "-o", built)
    if check(done.returncode == 0, "a program is built", done.stderr):
        done = subprocess.run([built, "train", "--data", data, "--out", f"{folder}/made",
                               "--quiet"], capture_output=True, text=True)
        wanted = CASES["warm-up"][1]["learning_rate"]
        check(done.returncode == 0 and
              all(abs(row["learning_rate"] - wanted(k)) < 1e-8
                  for k, row in enumerate(rows(f"{folder}/made"))), "and logs its rate",
              done.stdout + done.stderr)
check.finish()
