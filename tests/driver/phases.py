#!/usr/bin/env python3
"""phases.py COUPLET ROOT: losses with names in the log, optimisers that hold for a part of the run,
networks copied at a change of phase; runs that go on, and a program."""
import math
import subprocess
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()

HEAD = """
use optim
data train = data.fashion_mnist("train")
data test  = data.fashion_mnist("test")
""" + command.FLAT + """net f = flat(3)
view a = bright(train.image)
fn bright(x[C, H, W]) = 1 * x
"""
# Two players, a sum that is 0, and a loss of the second epoch alone.
NAMED = HEAD + """
net g = flat(3)
let z = f(a), w = g(a)
let apart = mean[i] (sum[k] (z[i, k] - w[i, k])^2)
loss apart trains f
loss -apart trains g
when epoch >= 1 { loss length: 0.01 * mean[i] norm(z[i]) }
train { epochs 2, batch 32, optimiser optim.sgd(lr = 0.001) }
"""
CHANGING = HEAD + """
net old = copy f
net late = copy f
let z = f(a)
state far = 0
when step < 5 {
  loss mean[i] norm(z[i])
  ema old <- f rate 0
} else {
  let y = stop(old(a))
  loss mean[i] (sum[k] (z[i, k] - 2 * y[i, k])^2)
}
ema late <- f rate 0.5
train {
  epochs 1, batch 32
  optimiser optim.sgd(lr = 0.01, momentum = 0.9) on f while step < 5
  optimiser optim.sgd(lr = 0.001, momentum = 0.9) while step >= 5
}
eval {
  over test {
    let u = late(test.image), v = f(test.image)
    update far <- far + (sum[i] norm(u[i] - v[i]))
  }
  report far = far
}
"""


def close(x, y):
    return math.isclose(x, y, rel_tol=1e-5, abs_tol=1e-6)


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", train=320, test=100)
    spec = command.write(folder + "/named.cpl", NAMED)
    done = command.run(couplet, "train", spec, "--data", data, "--out", folder + "/named")
    if not check(done.returncode == 0, "two players", done.stdout + done.stderr):
        check.finish()
    rows = command.rows(folder + "/named/metrics.jsonl")
    steps, epochs = [row for row in rows
                     if "loss" in row], [row for row in rows if "epoch_loss" in row]
    check(all(row["loss_f"] > 0 and row["loss_f"] == -row["loss_g"] for row in steps),
          "each has a column, though the sum is 0", steps[:2])
    check(all("length" in row for row in steps[10:])
          and not any("length" in row for row in steps[:10]), "a loss of a phase has one there")
    check(all(close(row["loss"], row["loss_f"] + row["loss_g"] + row.get("length", 0))
              for row in steps), "`loss` is the sum", steps[-1])
    means = all(close(row[f"epoch_{key}"], sum(s[key] for s in steps[10 * e:10 * e + 10]) / 10)
                for e, row in enumerate(epochs) for key in ("loss_f", "loss_g"))
    check(means and "epoch_length" in epochs[1] and "epoch_length" not in epochs[0],
          "the epoch has their means", epochs)
    check("loss_f " in done.stdout and "length " in done.stdout, "and shows them", done.stdout)
    for i, stop in enumerate((4, 13, 0)):
        part = command.run(couplet, "train", spec, "--data", data, "--out", folder + "/parts",
                           *(["--max-steps", stop] if stop else []), *(["--resume"] if i else []))
    check(part.returncode == 0 and command.rows(folder + "/parts/metrics.jsonl") == rows,
          "stopped in both epochs: the same log", part.stderr)
    check(command.last_checkpoint(folder + "/parts") == command.last_checkpoint(folder + "/named"),
          "and the same checkpoint")

    spec = command.write(folder + "/changing.cpl", CHANGING)
    after = {}
    for i, stop in enumerate((4, 5, 6, 10)):
        done = command.run(couplet, "train", spec, "--data", data, "--out", folder + "/changing",
                           "--max-steps", stop, *(["--resume"] if i else []))
        if not check(done.returncode == 0, f"to step {stop}", done.stdout + done.stderr):
            check.finish()
        after[stop] = command.arrays(folder + "/changing")
    check(after[5]["old.K"] == after[5]["f.K"] != after[4]["f.K"],
          "an edge of rate 0 copies, ahead of the copy's first use")
    check(after[10]["old.K"] == after[5]["f.K"] != after[10]["f.K"],
          "and the copy stays as it is behind its phase")
    first, second = "optimiser.1.f.K.v", "optimiser.2.f.K.v"
    check(any(after[5][first]) and not any(after[5][second]),
          "a rule that does not hold yet has moved nothing")
    check(after[6][first] == after[5][first] and any(after[6][second]),
          "the second rule starts from its own state, and the first one's stays")
    moved = all(abs(p - 0.001 * v - q) < 1e-6 for p, v,
                q in zip(after[5]["f.K"], after[6][second], after[6]["f.K"]))
    check(moved, "with its own rate")
    halfway = all(abs(0.5 * x + 0.5 * y - z) < 1e-6 for x, y,
                  z in zip(after[5]["late.K"], after[6]["f.K"], after[6]["late.K"]))
    check(halfway and after[4]["late.K"] != after[4]["f.K"],
          "a network that only `eval` applies is moved in both phases")
    check("after training   far" in done.stdout
          or command.run(couplet, "train", spec, "--data", data, "--out", folder + "/changing",
                         "--resume").returncode == 0, "and reported")
    built = command.run(couplet, "build", spec, "--data", data, "-o", folder + "/program",
                        timeout=900)
    made = subprocess.run([folder + "/program", "--data", data, "--out", folder + "/made"],
                          capture_output=True, text=True, timeout=900)
    check(made.returncode == 0 and command.rows(folder + "/made/metrics.jsonl") ==
          command.rows(folder + "/changing/metrics.jsonl"), "a program does the same",
          built.stderr + made.stdout + made.stderr)
check.finish()
