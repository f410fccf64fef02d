#!/usr/bin/env python3
"""run_faults.py COUPLET ROOT: what stops a run is said at the user's line: an optimiser that makes a NaN, a run that diverged, a label outside, in `train` and in a built program. What is known
before the run, a batch of one sample or a reduction without a term, is refused before it."""
import os
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
GROWS = HEAD + "loss losses.nt_xent(z, w, 0.5)\ntrain { epochs 1, batch 8, optimiser optim.sgd(lr = 1e30) }\n"
LABEL = HEAD + "loss mean[i] -z[i, train.label[i]]\ntrain { epochs 1, batch 32, optimiser optim.sgd(lr = 0.1) }\n"
ONE = HEAD + "loss losses.dcl(z, w, 0.5)\ntrain { epochs 1, batch 1, optimiser optim.sgd(lr = 0.1) }\n"
NONE = HEAD + "loss mean[i] (max[j | j < 1 and j != i] dot(z[i], w[j]))\ntrain { epochs 1, batch 8, optimiser optim.sgd(lr = 0.1) }\n"

check = command.Checks()


def says(what, done, *sentences):
    text = done.stdout + done.stderr
    check(done.returncode == 1 and all(sentence in text for sentence in sentences), what, text)


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", train=64, test=8)
    for device in ["--threads=1", "--threads=2"]:
        done = command.run(couplet, "train", command.write(folder + "/own.cpl", OWN), "--data", data, "--out", f"{folder}/own{device}", device)
        says(f"a NaN of the optimiser, {device}", done, "own.cpl:8:24: error[E803]: in step 0: ", "log(-", " is nan", "and ends in e.", "    8 |   update p <- p - lr * log(g)")
    done = command.run(couplet, "train", command.write(folder + "/grows.cpl", GROWS), "--data", data, "--out", folder + "/grows")
    says("a run that diverged", done, "grows.cpl:", "error[E803]: in step 1: ", "the run has diverged: the steps before have made entries of `e.", "A lower rate")
    done = command.run(couplet, "train", command.write(folder + "/label.cpl", LABEL), "--data", data, "--out", folder + "/label", "--diagnostics", "json")
    says("a label outside, as JSON", done, '"line": 6, "column": 15', '"code": "E801"', "and axis 2 of `", " has 0 to 3", '"suggestion": "a guard')
    done = command.run(couplet, "check", command.write(folder + "/one.cpl", ONE))
    says("a batch of one", done, "one.cpl:7:25: error[E524]: a batch of 1 has no negatives")
    done = command.run(couplet, "check", command.write(folder + "/none.cpl", NONE))
    says("a reduction that never has a term", done, "none.cpl:6:15: error[E413]: no `j` fulfils the guard here for i = 0")
    built = command.run(couplet, "build", folder + "/label.cpl", "-o", folder + "/label_program")
    if check(built.returncode == 0, "a program is built", built.stderr):
        done = subprocess.run([folder + "/label_program", "train", "--data", data, "--out", folder + "/built"], capture_output=True, text=True, timeout=900)
        says("a label outside, in a built program", done, "label.cpl:6:15: error[E801]: in step 0: train.label[", "and axis 2 of `", "has 0 to 3", "= help: a guard")
check.finish()
