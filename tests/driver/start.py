#!/usr/bin/env python3
"""start.py COUPLET ROOT: `couplet train SPEC --start RUN`: what is taken of another run and what is
not, what is said of it, and what is refused."""
import json
import struct
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
net flat(out)(x[N, C, H, W]) {
  param K[out, C, H, W] = normal(0, 0.1)
  state seen = 0
  update seen <- seen + 1
  let y[n, o] = sum[c, i, j] x[n, c, i, j] * K[o, c, i, j]
  return y
}
net linear(out)(x[N, D]) {
  param W[out, D] = normal(0, 0.1), b[out] = 0
  let y[n, o] = b[o] + sum[d] x[n, d] * W[o, d]
  return y
}
net encoder = flat(6)
net classes = linear(CLASSES)
view a = bright(train.image)
fn bright(x[C, H, W]) = 1 * x
let h = encoder(a)
queue Q[40, 6] <- stop(h)
loss losses.cross_entropy(classes(h), label_of(train.label)) + 0.001 * mean[i, j] dot(h[i], Q[j])
fn label_of(y : int[B]) {
  let v[i] = y[i] mod CLASSES
  return v
}
REST
train { epochs 1, batch 16, optimiser optim.sgd(lr = RATE, momentum = 0.9) }
eval { knn(k = 3, features = encoder, bank = train, query = test) }
"""
COPY = ("net target = copy encoder\nema target <- encoder rate 0.5 with state\nstate extra = 3\n"
        "let k = stop(target(a))\nloss 0.1 * mean[i] (sum[d] (h[i, d] - k[i, d])^2) + 0 * extra")


def spec_of(classes, rate, rest=""):
    return SPEC.replace("CLASSES", str(classes)).replace("RATE", str(rate)).replace("REST", rest)


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", train=96, test=40)

    def train(name, text, *arguments):
        command.write(f"{folder}/{name}.cpl", text)
        return command.run(couplet, "train", f"{folder}/{name}.cpl", "--data", data, "--out",
                           f"{folder}/{name}", *arguments)

    first = train("first", spec_of(10, 0.1))
    if not check(first.returncode == 0, "the first run", first.stdout + first.stderr):
        check.finish()
    learned = command.arrays(folder + "/first")
    for way, start in (("folder", folder + "/first"),
                       ("file", folder + "/first/checkpoint.safetensors")):
        done = train("tune_" + way, spec_of(4, 0, COPY), "--start", start, "--max-steps", 1,
                     "--seed", 3)
        check(done.returncode == 0, f"begins with the {way} of another run",
              done.stdout + done.stderr)
        tuned = command.arrays(folder + "/tune_" + way)
        check(tuned["encoder.K"] == learned["encoder.K"]
              and tuned["encoder.seen"][0] == learned["encoder.seen"][0] + 1,
              "parameters and states of a network are taken")
        check(tuned["target.K"] == learned["encoder.K"], "a copy starts as what it is copied from")
        check(any(tuned["classes.W"]) and len(tuned["classes.W"]) == 24,
              "a head of other classes starts anew")
        check(not any(tuned["optimiser.encoder.K.v"])
              or tuned["optimiser.encoder.K.v"] != learned["optimiser.encoder.K.v"],
              "the optimiser's memory is its own")
        check(tuned["Q.fill"] == [16], "and so is the queue", tuned["Q.fill"])
        lines = ("encoder: from " + start, "target: from", "classes: starts as the spec says",
                 "extra: starts as the spec says",
                 "classes.W: not taken, it is real[10, 6] there and real[4, 6] here")
        check(all(line in done.stdout for line in lines), "and lines say so", done.stdout)
    check(command.settings(folder + "/tune_folder")["start"] == folder + "/first"
          and "start" not in command.settings(folder + "/first"), "the record names it")

    # A run of its own: it goes on without the file, and its start is measured as it was.
    whole = train("whole", spec_of(4, 0.1, COPY), "--start", folder + "/first")
    train("parts", spec_of(4, 0.1, COPY), "--start", folder + "/first", "--max-steps", 3)
    parts = train("parts", spec_of(4, 0.1, COPY), "--resume")
    check(whole.returncode == 0 and parts.returncode == 0
          and command.last_checkpoint(folder + "/whole") and
          command.checkpoints(folder + "/whole") == command.checkpoints(folder + "/parts"),
          "stopped and gone on with: the same bytes", whole.stderr + parts.stderr)
    rows = command.rows(folder + "/whole/metrics.jsonl")
    check(command.rows(folder + "/parts/metrics.jsonl") == rows,
          "and the same log, its start measured late")
    of_first = [row["percent"] for row in command.rows(folder + "/first/metrics.jsonl")
                if row.get("of") == "after training"]
    check([row["percent"] for row in rows if row.get("of") == "before training"] == of_first,
          "`before training` is where the other run ended", (rows[:3], of_first))
    done = command.run(couplet, "eval", folder + "/whole")
    again = [row["percent"] for row in command.rows(folder + "/whole/evaluations.jsonl")
             if row["of"] == "before training"]
    check(done.returncode == 0 and again == of_first, "and eval says the same",
          done.stdout + done.stderr)
    check(command.settings(folder + "/parts")["start"] == folder + "/first",
          "the record keeps the name")
    built = command.run(couplet, "build", f"{folder}/whole.cpl", "--data", data, "-o",
                        folder + "/program", timeout=900)
    made = subprocess.run([folder + "/program", "--data", data, "--out", folder + "/made",
                           "--start", folder + "/first"], capture_output=True, text=True,
                          timeout=900)
    check(made.returncode == 0 and command.checkpoints(folder + "/made") ==
          command.checkpoints(folder + "/whole"), "a program begins so, too",
          built.stderr + made.stdout + made.stderr)

    # What is refused, before anything is written.
    tune = spec_of(4, 0.1)
    with open(folder + "/first/checkpoint.safetensors", "rb") as file:
        whole_file = file.read()
    length = struct.unpack("<Q", whole_file[:8])[0]
    header = json.loads(whole_file[8:8 + length])
    begin = 8 + length + header["encoder.K"]["data_offsets"][0]
    broken = {"cut": whole_file[:-5], "text": b"a text, and no tensors", "empty": b"",
              "nan": whole_file[:begin] + struct.pack("<f", float("nan")) + whole_file[begin + 4:]}
    for name, content in broken.items():
        with open(f"{folder}/{name}.safetensors", "wb") as file:
            file.write(content)
        done = train("bad_" + name, tune, "--start", f"{folder}/{name}.safetensors")
        check.refused(f"a file that is {name}", done, "E608", f"{name}.safetensors")
    check.refused("a run that is not there",
                  train("bad_none", tune, "--start", folder + "/nobody"), "nobody")
    other = spec_of(4, 0.1).replace("encoder", "backbone").replace("classes", "head")
    check.refused("a run of which nothing fits",
                  train("bad_other", other, "--start", folder + "/first"), "E608", "backbone.K",
                  "encoder.K")
    check.refused("--start with --resume",
                  train("parts", spec_of(4, 0.1, COPY), "--resume", "--start", folder + "/first"),
                  "E603", "--start begins a new run", status=2)
    done = train("bad_other", other)
    check(done.returncode == 0, "the folder of a refused start is free", done.stdout + done.stderr)
check.finish()
