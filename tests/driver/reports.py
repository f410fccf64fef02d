#!/usr/bin/env python3
"""reports.py COUPLET ROOT [opencl]: `report` in `eval` and in `every epoch`, against what Python
makes of the checkpoint; in runs that go on, in a program, on a device."""
import json
import os
import subprocess
import sys
import tempfile

import command

couplet = sys.argv[1]
on_opencl = sys.argv[3:] == ["opencl"]
check = command.Checks()

TEST = 521  # a prime, and more than a sweep takes at a time
SPEC = """
use optim, losses
data train = data.fashion_mnist("train")
data test  = data.fashion_mnist("test")
net classify(out)(x[N, C, H, W]) {
  param K[out, C, H, W] = normal(0, 0.05), b[out] = 0
  let y[n, o] = b[o] + sum[c, i, j] x[n, c, i, j] * K[o, c, i, j]
  return y
}
net head = classify(10)
view a = bright(train.image)
fn bright(x[C, H, W]) = 1 * x
state guess : int[test] = 0, of_epoch : int[test] = 7, seen = 0, sum_of_labels = 0
loss losses.cross_entropy(head(a), train.label) + 0 * seen
every epoch {
  over test {
    let s = head(test.image)
    let best[i] = argmax[k] s[i, k]
    update of_epoch[test.index] <- best
  }
  let right[r] = real(of_epoch[r] == test.all.label[r])
  report held_out = mean[r] right[r]
}
train { epochs 3, batch 50, optimiser optim.sgd(lr = 0.05) }
eval {
  knn(k = 3, features = head, bank = train, query = test)
  over test {
    let s = head(test.image)
    let best[i] = argmax[k] s[i, k]
    update guess[test.index] <- best
  }
  over train {
    update seen <- seen + (sum[i] real(train.label[i] >= 0))
    update sum_of_labels <- sum_of_labels + (sum[i] real(train.label[i]))
  }
  let right[r] = real(guess[r] == test.all.label[r])
  report accuracy = mean[r] right[r], second = count[r | guess[r] == 1 and test.all.label[r] == 1]
  report seen = seen, sum_of_labels = sum_of_labels, at = step, of = steps, on = real(training)
}
"""
TRAIN = 1250  # batches of 50: 25 steps an epoch
if on_opencl:
    SPEC = SPEC.replace("epochs 3", "epochs 1")


def guesses(arrays, images):
    kernel = [arrays["head.K"][784 * o:784 * o + 784] for o in range(10)]
    found = []
    for image in images:
        scores = [arrays["head.b"][o] + sum(x * w for x, w in zip(image, kernel[o]) if x) / 255
                  for o in range(10)]
        found.append(scores.index(max(scores)))
    return found


def reported(rows, of):
    return {row["evaluation"]: row["value"] for row in rows if row.get("of") == of
            and "value" in row}


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", train=TRAIN, test=TEST)
    SPEC = SPEC.replace("of = steps", "whole = steps")
    spec = command.write(folder + "/reports.cpl", SPEC)
    device = ["--device", "opencl"] if on_opencl else []
    whole = command.run(couplet, "train", spec, "--data", data, "--out", folder + "/whole", *device)
    if not check(whole.returncode == 0, "a run with reports", whole.stdout + whole.stderr):
        check.finish()
    rows = command.rows(folder + "/whole/metrics.jsonl")
    arrays = command.arrays(folder + "/whole")
    images, labels = command.images(data, TEST, "t10k"), command.labels(data, TEST, "t10k")
    guessed = guesses(arrays, images)
    right = sum(g == y for g, y in zip(guessed, labels))
    after, before = reported(rows, "after training"), reported(rows, "before training")
    check(abs(after["accuracy"] * TEST - right) < 1e-3,
          "the accuracy of a head is that of the checkpoint's weights", (after, right / TEST))
    check(after["second"] == sum(g == 1 and y == 1 for g, y in zip(guessed, labels)),
          "a count is reported as a number", after)
    check(after["accuracy"] > before["accuracy"] + 0.2, "training shows in it", (before, after))
    check(after["seen"] == TRAIN and before["seen"] == TRAIN,
          "a sweep that adds up meets each sample once", (before, after))
    check(after["sum_of_labels"] == sum(command.labels(data, TRAIN)), "and its label is its own",
          after)
    steps = 25 if on_opencl else 75
    check((before["at"], after["at"], before["whole"], after["whole"], after["on"]) ==
          (0, steps, steps, steps, 0), "the clock, and evaluation mode", (before, after))
    check(not reported(rows, "raw pixels"), "raw values have no reports")
    check(set(arrays["guess"]) == {0} and arrays["seen"] == [0.0], "what `eval` changes is undone")
    check("after training   accuracy" in whole.stdout
          and "before training  second" in whole.stdout, "reports are shown", whole.stdout)
    epochs = [row for row in rows if "before_epoch" in row]
    check([(row["step"], row["before_epoch"]) for row in epochs] ==
          [(25 * e, e + 1) for e in range(steps // 25)], "a row for each epoch", epochs)
    check("before epoch 1   held_out" in whole.stdout, "and a line", whole.stdout)
    check(abs(epochs[0]["held_out"] - before["accuracy"]) < 1e-6,
          "before the first epoch, the same number", (epochs, before))

    evaluated = command.run(couplet, "eval", folder + "/whole", *device)
    check(evaluated.returncode == 0, "eval of the run", evaluated.stdout + evaluated.stderr)
    again = command.rows(folder + "/whole/evaluations.jsonl")
    check(reported(again, "after training") == after
          and reported(again, "before training") == before, "eval reports the same", again)

    if not on_opencl:
        # Stopped at an epoch's border, in an epoch, and by --max-steps of one more: the log is that
        # of the run in one go.
        for stops in ([25], [10, 50], [74]):
            out = f"{folder}/parts_{stops[0]}"
            for i, stop in enumerate([*stops, 0]):
                done = command.run(couplet, "train", spec, "--data", data, "--out", out,
                                   *(["--max-steps", stop] if stop else []),
                                   *(["--resume"] if i else []), "--threads", 1 + i % 2)
                check(done.returncode == 0, f"to step {stop or steps}", done.stdout + done.stderr)
            check(command.rows(out + "/metrics.jsonl") == rows,
                  f"a run stopped at {stops} has the log of a whole one")
            check(command.last_checkpoint(out) == command.last_checkpoint(folder + "/whole"),
                  "and its checkpoint")
        # Killed behind the rows of an epoch's beginning: they are written again, once.
        out = folder + "/cut"
        command.run(couplet, "train", spec, "--data", data, "--out", out, "--max-steps", 25)
        with open(out + "/metrics.jsonl", "a") as file:
            file.write(json.dumps({"step": 25, "before_epoch": 2, "held_out": 0.5}) + "\n")
        done = command.run(couplet, "train", spec, "--data", data, "--out", out, "--resume")
        check(done.returncode == 0 and command.rows(out + "/metrics.jsonl") == rows,
              "a kill between two epochs leaves no row twice", done.stderr)

        built = command.run(couplet, "build", spec, "--data", data, "-o", folder + "/program",
                            timeout=900)
        check(built.returncode == 0, "a program of it", built.stderr)
        made = subprocess.run([folder + "/program", "--data", data, "--out", folder + "/made"],
                              capture_output=True, text=True, timeout=900)
        check(made.returncode == 0 and command.rows(folder + "/made/metrics.jsonl") == rows,
              "the program reports the same", made.stdout + made.stderr)

        compared = command.run(couplet, "compare", spec, "--data", data, "--seeds", 2, "--out",
                               folder + "/compared", "--epochs", 0.04)
        check(compared.returncode == 0 and "accuracy" in compared.stdout,
              "compare has a column for it", compared.stdout + compared.stderr)
        with open(folder + "/compared/results.csv") as file:
            head, *lines = file.read().splitlines()
        check('"accuracy"' in head and len(lines) == 2
              and all(len(line.split(",")) == len(head.split(",")) for line in lines),
              "and so has its table", (head, lines))

        only = command.write(folder + "/only.cpl",
                             SPEC.replace(
                                 "  knn(k = 3, features = head, bank = train, query = test)\n", ""))
        done = command.run(couplet, "train", only, "--data", data, "--out", folder + "/only",
                           "--epochs", 1)
        check(done.returncode == 0 and "after training   accuracy" in done.stdout
              and "raw pixels" not in done.stdout, "reports alone", done.stdout + done.stderr)
        done = command.run(couplet, "train", only, "--data", data, "--out", folder + "/only",
                           "--resume", "--epochs", 1)
        check(done.returncode == 0 and "finished" in done.stdout,
              "and the run is finished with them", done.stdout + done.stderr)

        # A report that is no number at run time ends the run with its line; the states are what
        # they were.
        wrong = command.write(folder + "/wrong.cpl",
                              only and SPEC.replace("report accuracy = mean[r] right[r]",
                                                    "report accuracy = mean[r | guess[r] > 10] "
                                                    "right[r]"))
        done = command.run(couplet, "train", wrong, "--data", data, "--out", folder + "/wrong")
        check.refused("a mean of nothing in a report", done, "in `eval`", "wrong.cpl:3")
        # Rows that no number of equal batches covers.
        prime = command.write(folder + "/prime.cpl",
                              SPEC.replace("  over train {\n    update seen",
                                           "  over test {\n    update seen").replace(
                                               "train.label[i]", "test.label[i]")
                              .replace("cross_entropy(head(a), test.label[i])",
                                       "cross_entropy(head(a), train.label[i])"))
        done = command.run(couplet, "check", prime, "--data", data)
        check(done.returncode == 0, "521 rows are one batch", done.stderr)
        large = command.small_data(folder + "/large", train=TRAIN, test=5003)
        done = command.run(couplet, "check", prime, "--data", large)
        check.refused("5003 rows, a prime, come in no equal batches", done, "E522", "5003 rows",
                      "update s[test.index]")
check.finish()
