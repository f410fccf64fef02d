#!/usr/bin/env python3
"""run_faults.py COUPLET ROOT: what stops a run is said at the user's line: an optimiser that makes
a NaN, a run that diverged, a label outside, in `train` and in a built program. What is known
before the run, a batch of one sample or a reduction without a term, is refused before it."""
import gzip
import os
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command

couplet, root = sys.argv[1:3]
HEAD = """use nn, augment, losses, optim
data train = data.fashion_mnist("train")
view a, b = augment.flip(train.image)
net e = nn.convnet(width = 2) >> nn.linear(4)
let z = e(a), w = e(b)
"""
OWN = HEAD + """loss losses.nt_xent(z, w, 0.5)
optimiser signed(lr)(p, g) {
  update p <- p - lr * log(g)
}
train { epochs 1, batch 8, optimiser signed(lr = 0.1) }
"""
GROWS = (HEAD + "loss losses.nt_xent(z, w, 0.5)\ntrain { epochs 1, batch 8, optimiser "
                "optim.sgd(lr = 1e30) }\n")
LABEL = (HEAD + "loss mean[i] -z[i, train.label[i]]\ntrain { epochs 1, batch 32, optimiser "
                "optim.sgd(lr = 0.1) }\n")
ONE = (HEAD + "loss losses.dcl(z, w, 0.5)\ntrain { epochs 1, batch 1, optimiser optim.sgd(lr = "
              "0.1) }\n")
STAGE = HEAD.replace("view a",
                     "stage s { epochs 1, batch 1, optimiser optim.sgd(lr = 0.1) }\nwhen s {\n"
                     "view a") + "loss losses.dcl(z, w, 0.5)\n}\n"
STAGE = STAGE.replace("net e = nn.convnet(width = 2) >> nn.linear(4)\n",
                      "").replace("stage s",
                                  "net e = nn.convnet(width = 2) >> nn.linear(4)\nstage s")
OWN_BATCH = ONE.replace('data.fashion_mnist("train")',
                        'data.fashion_mnist("train", batch = 1)').replace(", batch 1,",
                                                                          ", batch 8,")
ITSELF = ONE.replace("losses.dcl(z, w, 0.5)",
                     "mean[i] max(0, cos(z[i], w[(i + 1) mod 1]) - cos(z[i], w[i]))")
# One label is that of the data, of the rows that are chosen, or of each batch; compared in a
# function, a let or a queue.
LABELS = """use nn, augment, losses, optim
data train = data.fashion_mnist("train"%s)
view a, b = augment.flip(train.image)
net e = nn.convnet(width = 2) >> nn.linear(4)
let z = e(a), w = e(b)
%s
train { epochs 1, batch 2, optimiser optim.sgd(lr = 0.1) }
"""
SUPCON = "loss losses.sup_con(z, w, train.label)"
QUEUED = """queue Q[8] { feat[4] <- w, label <- train.label }
let far[i, j] = filled(Q, j) and Q.label[j] != train.label[i]
loss mean[i] (mean[j | far[i, j]] dot(z[i], Q.feat[j]) else 0) - mean[i] dot(z[i], w[i])"""
FIELDS = """let same[i, j < 2] = train.label[i] == j
loss mean[i, j] (if same[i, j] then 0 else dot(z[i], w[j]))"""
NONE = (HEAD + "loss mean[i] (max[j | j < 1 and j != i] dot(z[i], w[j]))\ntrain { epochs 1, batch "
               "8, optimiser optim.sgd(lr = 0.1) }\n")

check = command.Checks()


def says(what, done, *sentences):
    text = done.stdout + done.stderr
    check(done.returncode == 1 and all(sentence in text for sentence in sentences), what, text)


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", train=64, test=8)
    for device in ["--threads=1", "--threads=2"]:
        done = command.run(couplet, "train", command.write(folder + "/own.cpl", OWN), "--data",
                           data, "--out", f"{folder}/own{device}", device)
        says(f"a NaN of the optimiser, {device}", done, "own.cpl:8:24: error[E803]: in step 0: ",
             "log(-", " is nan", "and ends in e.", "    8 |   update p <- p - lr * log(g)")
    done = command.run(couplet, "train", command.write(folder + "/grows.cpl", GROWS), "--data",
                       data, "--out", folder + "/grows")
    says("a run that diverged", done, "grows.cpl:", "error[E803]: in step 1: ",
         "the run has diverged: the steps before have made entries of `e.", "A lower rate")
    done = command.run(couplet, "train", command.write(folder + "/label.cpl", LABEL), "--data",
                       data, "--out", folder + "/label", "--diagnostics", "json")
    says("a label outside, as JSON", done, '"line": 6, "column": 15', '"code": "E801"',
         "and axis 2 of `", " has 0 to 3", '"suggestion": "a guard')
    done = command.run(couplet, "check", command.write(folder + "/one.cpl", ONE))
    says("a batch of one", done, "one.cpl:7:25: error[E524]: a batch of 1 has no negatives")
    for what, text, sentence in [
        ("that of a stage", STAGE, ":4:27: error[E524]: a batch of 1 has no negatives"),
        ("that of a source", OWN_BATCH, ":2:50: error[E524]: a batch of 1 has no negatives"),
        ("a sample is compared with itself", ITSELF,
         ":7:25: error[E524]: a batch of 1 has no other sample"),
    ]:
        done = command.run(couplet, "check", command.write(folder + "/batch.cpl", text))
        says(f"a batch of one, {what}", done, "batch.cpl" + sentence)
    one, two = command.small_data(folder + "/one", train=64, test=8), data
    with gzip.open(one + "/train-labels-idx1-ubyte.gz", "wb") as file:
        file.write(struct.pack(">2I", 0x801, 64) + bytes([3]) * 64)
    for what, choice, place, body, line in [
        ("SupCon", "", one, SUPCON, 6),
        ("labels of a queue", "", one, QUEUED, 7),
        ("one of ten classes is chosen", ", classes = 1", two, SUPCON, 6),
        ("one of ten classes is kept", ") where (label == 1", two, SUPCON, 6),
        ("ten classes", "", two, SUPCON, 0),
        ("labels compared with numbers", "", one, FIELDS, 0),
    ]:
        spec = command.write(folder + "/labels.cpl", LABELS % (choice, body))
        for run in ["check"], ["train", "--max-steps", "1", "--out", folder + "/labels"]:
            shutil.rmtree(folder + "/labels", ignore_errors=True)
            done = command.run(couplet, *run, spec, "--data", place)
            warned = (f"labels.cpl:{line}:" in done.stderr
                      and "warning[W705]: all samples of `train` have one `label`" in done.stderr)
            check(done.returncode == 0 and warned == (line > 0), f"one class, {run[0]}: {what}",
                  done.stdout + done.stderr)
    # A program that was built where there are ten classes, or where nobody saw the data.
    spec = command.write(folder + "/labels.cpl", LABELS % ("", SUPCON))
    built = command.run(couplet, "build", spec, "--data", two, "-o", folder + "/labels_program")
    check(built.returncode == 0 and "W705" not in built.stderr, "SupCon is built on ten classes",
          built.stderr)
    for place, line in (one, 6), (two, 0):
        shutil.rmtree(folder + "/labels", ignore_errors=True)
        done = subprocess.run([folder + "/labels_program", "train", "--max-steps", "1", "--data",
                               place, "--out", folder + "/labels"], capture_output=True, text=True,
                              timeout=900)
        said = done.stdout + done.stderr
        warned = (f"labels.cpl:{line}:" in said
                  and "warning[W705]: all samples of `train` have one `label`" in said)
        check(done.returncode == 0 and warned == (line > 0),
              f"a built program on {'one class' if line else 'ten classes'}", said)
    done = command.run(couplet, "check", command.write(folder + "/none.cpl", NONE))
    says("a reduction that never has a term", done,
         "none.cpl:6:15: error[E413]: no `j` fulfils the guard here for i = 0")
    built = command.run(couplet, "build", folder + "/label.cpl", "-o", folder + "/label_program")
    if check(built.returncode == 0, "a program is built", built.stderr):
        done = subprocess.run([folder + "/label_program", "train", "--data", data, "--out",
                               folder + "/built"], capture_output=True, text=True, timeout=900)
        says("a label outside, in a built program", done,
             "label.cpl:6:15: error[E801]: in step 0: train.label[", "and axis 2 of `",
             "has 0 to 3", "= help: a guard")
check.finish()
