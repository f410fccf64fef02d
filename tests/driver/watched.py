#!/usr/bin/env python3
"""watched.py COUPLET ROOT [DEVICE]: `eval every ..` measures in training, changes no bit of
the run, and is made anew where a run was cut short."""
import os
import signal
import subprocess
import sys
import tempfile
import time

import command

couplet = sys.argv[1]
device = ["--device", sys.argv[3]] if len(sys.argv) > 3 else []
check = command.Checks()

# Eight epochs of four steps. The queue and the draws of the view are states that an evaluation must
# leave alone; `seen` is one that a report changes.
SPEC = (
    """
use augment, optim, losses
data train = data.fashion_mnist("train")
data test  = data.fashion_mnist("test")
view a = augment.flip(train.image)
"""
    + command.FLAT
    + """
net f = flat(10)
let s = f(a)
queue Q[48, 10] <- s init unit_normal
state seen = 0, guess : int[test] = 0
update seen <- seen + 1
loss losses.cross_entropy(s, train.label) + 0.01 * mean[i, j] dot(s[i], Q[j])
"""
)
ONE = """
train { epochs 8, batch 32, optimiser optim.sgd(lr = 0.1, momentum = 0.9) }
"""
PLAIN = """
eval { knn(k = 3, features = f, bank = train, query = test) }
"""
WATCHED = """
eval every 3 epochs { knn(k = 3, features = f, bank = train, query = test) }
eval every 5 steps {
  over test { update guess[test.index] <- index_of(f(test.image)) }
  update seen <- 2 * seen
  report twice = seen
  report right = mean[r] real(guess[r] == test.all.label[r])
}
eval every 4 epochs { report once = seen }
fn index_of(x[N, C]) {
  let best[n] = argmax[c] x[n, c]
  return best
}
"""
TWO = """
train { batch 32, optimiser optim.sgd(lr = 0.1) }
stage first { epochs 2 }
stage second { epochs 3, optimiser optim.sgd(lr = 0.01) }
"""


def go(spec, out, *more, status=0):
    done = command.run(couplet, "train", spec, "--data", data, "--out", out, "--seed", 5, *device,
                       *more)
    check(done.returncode == status, f"{os.path.basename(out)} {' '.join(map(str, more))}",
          done.stdout + done.stderr)
    return done


def rows(out):
    return command.rows(out + "/metrics.jsonl")


def measured(out, of="in training"):
    return [(row["step"], row["evaluation"]) for row in rows(out) if row.get("of") == of]


def cut_rows(out, step):
    """Leaves of the evaluations at a step the first row alone, as a kill may."""
    kept, found = [], False
    with open(out + "/metrics.jsonl") as file:
        for line in file:
            at = '"step":%d,"of":"in training"' % step in line
            if not (at and found):
                kept.append(line)
            found |= at
    command.write(out + "/metrics.jsonl", "".join(kept))
    return found


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", 128, 64)
    plain = command.write(folder + "/plain.cpl", SPEC + ONE + PLAIN)
    watched = command.write(folder + "/watched.cpl", SPEC + ONE + WATCHED)
    go(plain, folder + "/plain")
    done = go(watched, folder + "/whole")
    whole = command.last_checkpoint(folder + "/whole")
    check(command.arrays(folder + "/whole") == command.arrays(folder + "/plain"),
          "an evaluation changes no bit of the run")
    check(command.losses(folder + "/whole") == command.losses(folder + "/plain"),
          "nor a loss of a step")
    knn, expected = "kNN (k = 3)", []
    for step in range(1, 32):
        expected += [(step, knn)] * (step % 12 == 0)
        expected += [(step, name) for name in ("twice", "right") if step % 5 == 0]
        expected += [(step, "once")] * (step % 16 == 0)
    found = measured(folder + "/whole")
    check(sorted(found) == sorted(expected), "each is measured when it is due", found)
    check(measured(folder + "/whole", "after training") ==
          [(32, name) for name in (knn, "twice", "right", "once")],
          "and behind the last step after training alone")
    found = {(row["step"], row["evaluation"]): row["value"] for row in rows(folder + "/whole")
             if "value" in row}
    check(found[5, "twice"] == 10 and found[16, "once"] == 16 and found[32, "once"] == 32,
          "each block finds the states as the steps left them", found)
    check("after epoch 3" in done.stdout and "after step 5 " in done.stdout, "the lines say when",
          done.stdout)

    # Stopped where an evaluation is due, and elsewhere; cut within the rows of one.
    for stop in (5, 7, 12, 20):
        go(watched, folder + "/parts", "--max-steps", stop, *(["--resume"] if stop > 5 else []))
        check(stop % 5 or cut_rows(folder + "/parts", stop), f"rows of step {stop} are cut")
    go(watched, folder + "/parts", "--resume")
    check(rows(folder + "/parts") == rows(folder + "/whole"), "a resumed run says the same")
    check(command.last_checkpoint(folder + "/parts") == whole, "and ends with the same bytes")

    # A kill as soon as the first row is there, which is within an evaluation or behind it.
    for how in (signal.SIGTERM,) if device else (signal.SIGKILL, signal.SIGTERM):
        out = f"{folder}/{how.name}"
        process = subprocess.Popen([couplet, "train", watched, "--data", data, "--out", out,
                                    "--seed", "5", *device], stdout=subprocess.DEVNULL)
        log, deadline = out + "/metrics.jsonl", time.time() + 900
        while process.poll() is None and time.time() < deadline:
            if os.path.exists(log) and "in training" in open(log).read():
                break
        process.send_signal(how)
        process.wait(timeout=900)
        go(watched, out, "--resume")
        check(rows(out) == rows(folder + "/whole"), f"{how.name}: the resumed run says the same")
        check(command.last_checkpoint(out) == whole, f"{how.name}: and ends with the same bytes")

    # Epochs and steps are those of the stage; the last step of a stage belongs to it.
    if not device:
        stages = command.write(folder + "/stages.cpl",
                               SPEC + TWO + WATCHED.replace("5 steps", "3 steps")
                               .replace("3 epochs", "2 epochs").replace("4 epochs", "2 epochs"))
        go(stages, folder + "/stages")
        steps = [step for step, name in measured(folder + "/stages") if name == "twice"]
        check(steps == [3, 6, 11, 14, 17], "steps are counted in each stage", steps)
        go(stages, folder + "/halves", "--max-steps", 8)
        check(cut_rows(folder + "/halves", 8), "rows at the end of a stage are cut")
        go(stages, folder + "/halves", "--resume")
        check(rows(folder + "/halves") == rows(folder + "/stages"),
              "an evaluation at the end of a stage is made anew")

        program = folder + "/program"
        done = command.run(couplet, "build", watched, "--data", data, "-o", program)
        check(done.returncode == 0, "it is built", done.stderr)
        done = command.run(program, "--data", data, "--out", folder + "/built", "--seed", 5)
        check(done.returncode == 0 and rows(folder + "/built") == rows(folder + "/whole"),
              "a built program measures the same", done.stdout + done.stderr)
check.finish()
