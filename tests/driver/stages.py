#!/usr/bin/env python3
"""stages.py COUPLET ROOT: stages with a clock, a batch and an optimiser of their own; across their
border by --resume, and in a program."""
import subprocess
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()

SPEC = """
use optim, losses
data train = data.fashion_mnist("train")
data test  = data.fashion_mnist("test")
""" + command.FLAT + """net encoder = flat(6)
net classes = flat(10)
fn bright(x[C, H, W]) {
  draw u ~ uniform(0.5, 1.5)
  let y[c, i, j] = u * x[c, i, j]
  return y
}
state clock = 0, whole = 0, epochs = 0
stage pretrain { epochs 2, batch 40, optimiser optim.sgd(lr = 0.01, momentum = 0.9) }
stage tune {
  epochs 1.5, batch 24
  optimiser optim.sgd(lr = 0.002, momentum = 0.9)
  freeze encoder while step < 3
}
when pretrain {
  view a, b = bright(train.image)
  loss near: losses.nt_xent(encoder(a), encoder(b), 0.5)
}
when tune {
  view a = bright(train.image)
  let s = classes(a), h = encoder(a)
  loss losses.cross_entropy(s, train.label) + 0.01 * mean[i] norm(h[i])
}
update clock <- step
update whole <- steps
update epochs <- epoch
train { clip 5 }
eval { knn(k = 3, features = encoder, bank = train, query = test) }
"""
# 240 rows: 6 steps an epoch, 12 in all; then 10 an epoch, 15 in all.
with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", train=240, test=50)
    spec = command.write(folder + "/stages.cpl", SPEC)
    whole = command.run(couplet, "train", spec, "--data", data, "--out", folder + "/whole")
    if not check(whole.returncode == 0, "two stages", whole.stdout + whole.stderr):
        check.finish()
    rows = command.rows(folder + "/whole/metrics.jsonl")
    steps, epochs = [row for row in rows
                     if "loss" in row], [row for row in rows if "epoch_loss" in row]
    check([row["stage"] for row in steps] == ["pretrain"] * 12 + ["tune"] * 15,
          "each has its epochs of its batch", len(steps))
    check([row["step"] for row in steps] == list(range(1, 28))
          and abs(steps[12]["epoch"] - 0.1) < 1e-6,
          "the log counts all steps, and the epochs of the stage", steps[12])
    check([(row["stage"], row["epochs"]) for row in epochs] ==
          [("pretrain", 1), ("pretrain", 2), ("tune", 1)], "an epoch is its stage's", epochs)
    check("pretrain: epoch 2" in whole.stdout and "tune: epoch 1" in whole.stdout,
          "and is shown so", whole.stdout)
    check("near" in steps[0] and "near" not in steps[12], "a loss of a stage has its column there")
    after = {}
    for i, stop in enumerate((11, 12, 13, 15, 20, 0)):
        done = command.run(couplet, "train", spec, "--data", data, "--out", folder + "/parts",
                           *(["--max-steps", stop] if stop else []), *(["--resume"] if i else []))
        if not check(done.returncode == 0, f"to step {stop or 27}", done.stdout + done.stderr):
            check.finish()
        after[stop] = command.arrays(folder + "/parts")
    check(command.last_checkpoint(folder + "/parts") == command.last_checkpoint(folder + "/whole"),
          "in parts, across the border: the same checkpoint")
    check(command.rows(folder + "/parts/metrics.jsonl") == rows, "and the same log")
    clocks = [(after[stop]["clock"][0], after[stop]["whole"][0], after[stop]["epochs"][0])
              for stop in (11, 12, 13, 20)]
    check(clocks == [(10, 12, 1), (11, 12, 1), (0, 15, 0), (7, 15, 0)],
          "step, steps and epoch are the stage's", clocks)
    check(after[15]["encoder.K"] == after[12]["encoder.K"] != after[20]["encoder.K"],
          "what is frozen while step < 3 is so in its stage")
    check(after[12]["classes.K"] != after[13]["classes.K"]
          and after[11]["classes.K"] == after[12]["classes.K"], "each trains its own parts")
    first, second = "optimiser.pretrain.encoder.K.v", "optimiser.tune.encoder.K.v"
    check(any(after[12][first]) and not any(after[15][second]) and any(after[20][second])
          and after[20][first] == after[12][first], "an optimiser's memory is its stage's",
          sorted(after[20]))
    done = command.run(couplet, "eval", folder + "/whole")
    percents = [row["percent"] for row in rows if row.get("of") == "after training"]
    check(done.returncode == 0
          and [r["percent"] for r in command.rows(folder + "/whole/evaluations.jsonl")
               if r["of"] == "after training"] == percents, "eval of it", done.stderr)
    built = command.run(couplet, "build", spec, "--data", data, "-o", folder + "/program",
                        timeout=900)
    made = subprocess.run([folder + "/program", "--data", data, "--out", folder + "/made"],
                          capture_output=True, text=True, timeout=900)
    check(made.returncode == 0 and command.rows(folder + "/made/metrics.jsonl") == rows,
          "a program does the same", built.stderr + made.stdout + made.stderr)
    done = command.run(couplet, "train", spec, "--data", data, "--out", folder + "/epochs",
                       "--epochs", 3)
    check.refused("--epochs of a method with stages", done, "stages")
    other = command.write(folder + "/stages.cpl", SPEC.replace("epochs 1.5", "epochs 2"))
    done = command.run(couplet, "train", other, "--data", data, "--out", folder + "/parts",
                       "--resume")
    check.refused("a stage that is longer now", done, "E608", "stages")
    for what, old, new, word in (("a line that stages of two batches share", "when tune {\n",
                                  "view all = bright(train.image)\nwhen tune {\n",
                                  "belongs to every stage"),
                                 ("a stage without epochs", "epochs 2, batch 40", "batch 40",
                                  "how long"),
                                 ("epochs in train", "clip 5", "clip 5, epochs 3",
                                  "each stage says"),
                                 # What is made once for the whole run has no stage.
                                 ("the name of a stage in a start", "whole = 0",
                                  "whole = if tune then 1 else 2", "`tune` is no condition here"),
                                 ("in eval", "eval {",
                                  "eval {\n  report now = if tune then 1 else 2\n ",
                                  "`tune` is no condition here"),
                                 ("in a function that eval calls", "eval {",
                                  "fn now() = if tune then 1 else 2\n"
                                  "eval {\n  report now = now()\n ", "`tune` is no condition here"),
                                 ("in the configuration of a network", "flat(6)",
                                  "flat(if tune then 6 else 7)", "`tune` is no condition here")):
        done = command.run(couplet, "check",
                           command.write(folder + "/bad.cpl", SPEC.replace(old, new)), "--data",
                           data)
        check.refused(what, done, "E527", word)
    # Lines of all stages read the batch that all of them name; `train` need not repeat it.
    alike = SPEC.replace("batch 40", "batch 24").replace("when tune {\n",
                                                         "view all = bright(train.image)\nwhen "
                                                         "tune {\n")
    done = command.run(couplet, "check", command.write(folder + "/alike.cpl", alike), "--data",
                       data)
    check(done.returncode == 0 and "view   all : real[24, 1, 28, 28]" in done.stdout,
          "stages of one batch share a view", done.stdout + done.stderr)
    done = command.run(couplet, "train", folder + "/alike.cpl", "--data", data, "--out",
                       folder + "/alike", "--max-steps", 2)
    check(done.returncode == 0, "and train", done.stdout + done.stderr)
    done = command.run(couplet, "check",
                       command.write(folder + "/bad.cpl", SPEC.replace("epochs 2,", "epoch 2,")),
                       "--data", data)
    check.refused("a setting that a stage has not", done, "E507", "a stage has no setting `epoch`")
    check("how long" not in done.stderr, "which may be its length", done.stderr)
check.finish()
