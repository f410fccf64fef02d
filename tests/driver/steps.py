#!/usr/bin/env python3
"""steps.py COUPLET ROOT [opencl]: `every n steps` against its clock, beside `every epoch`, in
phases and stages, in a run that goes on or is interrupted, and in a built program."""
import json
import os
import sys
import tempfile

import command

couplet = sys.argv[1]
on_opencl = sys.argv[3:] == ["opencl"]
check = command.Checks()

SPEC = """
use optim
data train = data.fashion_mnist("train")
""" + command.FLAT_NET + """
state seen = 0, made = 0, total = 0, order = 1
loss mean[i, j] (k[i, j] - 1)^2 + 0 * made
update made <- made + 1
every 3 steps {
  update seen <- made
  report at = step, made = seen
  update order <- 2 * order
}
every epoch {
  report doubled = order
  update order <- order + 100
}
every 5 steps {
  over train { update total <- total + (sum[i] real(train.label[i] >= 0)) }
  report swept = total, length = steps
}
train { epochs 3, batch 16, optimiser optim.sgd(lr = 0.001) }
"""
ROWS, PER_EPOCH, STEPS = 64, 4, 12


def work():
    """(before, number, name, value) in order, as the statements say."""
    made, total, order, rows = 0, 0, 1, []
    for step in range(STEPS):
        if step % 3 == 0:
            rows += [("before_step", step + 1, "at", step), ("before_step", step + 1, "made", made)]
            order *= 2
        if step % PER_EPOCH == 0:
            rows.append(("before_epoch", step // PER_EPOCH + 1, "doubled", order))
            order += 100
        if step % 5 == 0:
            total += ROWS
            rows += [("before_step", step + 1, "swept", total)]
            rows += [("before_step", step + 1, "length", STEPS)]
        made += 1
    return rows


def told(out):
    found = []
    with open(f"{out}/metrics.jsonl") as file:
        for line in file:
            row = json.loads(line)
            for key in ("before_step", "before_epoch"):
                if key in row:
                    name = next(name for name in row if name not in ("step", key))
                    found.append((key, row[key], name, row[name]))
    return found


with tempfile.TemporaryDirectory() as folder:
    env = {"COUPLET_CACHE": f"{folder}/cache"}
    data = command.small_data(f"{folder}/data", train=ROWS, test=8)
    device = ["--device", "opencl"] if on_opencl else []

    def train(out, *options, text=SPEC, program=None):
        path = command.write(f"{folder}/steps.cpl", text)
        words = [program, "train"] if program else [couplet, "train", path]
        place = ["--data", data, "--out", f"{folder}/{out}"]
        return command.run(words[0], *words[1:], *place, *device, *options, env=env)

    done = train("one", "--threads", 1)
    found = told(f"{folder}/one")
    check(done.returncode == 0 and found == work(), "each in its time, in the order of the text",
          f"{done.stderr}\n{found}\n{work()}")
    check("before step 4" in done.stdout and "before epoch 2" in done.stdout, "both are shown")
    last = command.last_checkpoint(f"{folder}/one")

    if not on_opencl:
        # Whatever step a run ends at, what goes on ends with the same bytes and rows.
        for stop in (1, 3, 4, 5, 9):
            out = f"stop{stop}"
            train(out, "--threads", 2, "--max-steps", stop)
            done = train(out, "--resume")
            same = command.last_checkpoint(f"{folder}/{out}") == last
            good = done.returncode == 0 and same and told(f"{folder}/{out}") == work()
            check(good, f"a run that stopped at step {stop} goes on", told(f"{folder}/{out}"))
        done = command.run(couplet, "build", f"{folder}/steps.cpl", "--data", data,
                           "-o", f"{folder}/built", env=env)
        done = train("program", program=f"{folder}/built") if done.returncode == 0 else done
        same = command.last_checkpoint(f"{folder}/program") == last
        check(done.returncode == 0 and same, "a built program does the same", done.stderr)

        # Steps are those of a stage, and a phase has its own.
        head = SPEC[:SPEC.index("every 3")]
        staged = head.replace("loss", "net g = flat(2)\nloss") + """
when first { every 2 steps { report one = step } }
when second { every 3 steps { report two = step } }
loss mean[i, j] g(train.image)[i, j]^2
stage first { epochs 1, batch 16, optimiser optim.sgd(lr = 0.001) }
stage second { epochs 2, batch 16, optimiser optim.sgd(lr = 0.001) }
"""
        done = train("staged", text=staged)
        wanted = [("before_step", 1, "one", 0), ("before_step", 3, "one", 2)]
        wanted += [("before_step", 5 + step, "two", step) for step in (0, 3, 6)]
        found = told(f"{folder}/staged") if done.returncode == 0 else done.stderr
        check(found == wanted, "stages have steps of their own", found)
        phased = head + """
when step >= 5 { every 4 steps { report late = step } }
train { epochs 3, batch 16, optimiser optim.sgd(lr = 0.001) }
"""
        done = train("phased", text=phased)
        wanted = [("before_step", step + 1, "late", step) for step in (8,)]
        found = told(f"{folder}/phased") if done.returncode == 0 else done.stderr
        check(found == wanted, "a phase leaves out what stands in no step of it", found)
check.finish()
