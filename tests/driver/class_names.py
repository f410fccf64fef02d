#!/usr/bin/env python3
"""class_names.py COUPLET ROOT: the names of classes that a run was trained with go on to hold.

Data that is read for the run later, by --resume, eval and embed, of the command and of a built
program, has the numbers that its names had in training, or, where a name is new, is refused where
the method reads the number."""
import json
import os
import re
import struct
import sys
import tempfile

import command
from data_files import grey_png

couplet, root = sys.argv[1:3]
check = command.Checks()

# A head that tells classes by the two rows that are bright in each.
SPEC = """
use nn, optim, losses, measure
data train = data.images("train", size = 6)
data test  = data.images("test", size = 6)
net trunk = flatten >> nn.linear(8) >> relu
net head = nn.linear(3)
state guess : int[test] = 0
loss losses.cross_entropy(head(trunk(train.image)), train.label)
train { epochs 60, batch 6
  optimiser optim.adam(lr = 0.02) }
eval {
  knn(k = 1, features = trunk, bank = train, query = test)
  over test { update guess[test.index] <- measure.best(head(trunk(test.image))) }
  report accuracy = measure.accuracy(guess, test.all.label)
  report first = real(test.all.label[0])
}
"""
# The same pictures without a look at the labels in a step, which an evaluation alone has then.
BLIND = """
use nn, optim
data train = data.images("train", size = 6)
data test  = data.images("test", size = 6)
net trunk = flatten >> nn.linear(8) >> relu
let z = trunk(train.image)
loss mean[i] dot(z[i], z[i])
train { epochs 2, batch 6
  optimiser optim.sgd(lr = 0.01) }
eval { knn(k = 1, features = trunk, bank = train, query = test) }
"""
# And one whose features are made of the label.
TOLD = """
use nn, optim
data train = data.images("train", size = 6)
net trunk = flatten >> nn.linear(4)
fn told(x[N, D], y : int[N]) {
  let u[n, d] = x[n, d] + real(y[n])
  return u
}
let z = trunk(train.image)
loss mean[i] dot(z[i], z[i])
train { epochs 1, batch 6
  optimiser optim.sgd(lr = 0.01) }
eval { knn(k = 1, features = told(trunk(train.image), train.label), bank = train, query = train) }
"""
KINDS = {"bird": 0, "cat": 2, "dog": 4}


def pictures(folder, each, **classes):
    """So many pictures of each class, with two bright rows from this one on."""
    for name, first in classes.items():
        os.makedirs(f"{folder}/{name}")
        for i in range(each):
            with open(f"{folder}/{name}/{i}.png", "wb") as file:
                file.write(grey_png([[255 - i if r in (first, first + 1) else i] * 6
                                     for r in range(6)]))
    return folder


def rows(path):
    """The rows of a matrix in an .npy file of float32."""
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<H", data[8:10])[0]
    height, width = map(int, re.search(rb"\((\d+), (\d+),?\)", data[:10 + length]).groups())
    values = struct.unpack(f"<{height * width}f", data[10 + length:])
    return [values[i * width:(i + 1) * width] for i in range(height)]


with tempfile.TemporaryDirectory() as folder:
    env = {"COUPLET_CACHE": folder + "/cache"}

    def run(*arguments):
        return command.run(couplet, *arguments, env=env)

    def reports(out):
        with open(out + "/evaluations.jsonl") as file:
            rows = [json.loads(line) for line in file]
        return {row["evaluation"]: row["value"] for row in rows
                if row["of"] == "after training" and "value" in row}

    pictures(folder + "/train", 4, **KINDS)
    pictures(folder + "/test", 2, **KINDS)
    pictures(folder + "/some", 3, dog=4, bird=0)                     # cat is missing
    pictures(folder + "/other", 2, bird=0, cat=2, zebra=4)         # as many, one is new
    pictures(folder + "/named", 2, **KINDS)
    command.write(folder + "/named/names.txt", "dog\ncat\nbird\n")      # another order
    spec = command.write(folder + "/spec.cpl", SPEC)
    out = folder + "/run"
    done = run("train", spec, "--out", out)
    check(done.returncode == 0 and "accuracy" in done.stdout, "a head is trained", done.stderr)
    check(command.settings(out)["classes"]["train"] == {"label": ["bird", "cat", "dog"]},
          "the record names the classes", command.settings(out).get("classes"))
    check("classes:train" in command.metadata(out), "and so does the checkpoint")

    done = run("eval", out, "--data", f"test={folder}/some")
    found = reports(out)
    check(done.returncode == 0 and found["accuracy"] in (1, 100),
          "classes of which one is missing keep their numbers", f"{found} {done.stderr}")
    check("have the numbers that their names had in training" in done.stdout, "a line says so",
          done.stdout)
    check("100.00 %" in done.stdout.split("after training")[1], "neighbours tell them by name",
          done.stdout)

    done = run("eval", out, "--data", f"test={folder}/other")
    check.refused("a class that training did not have", done, "E802", "`zebra`", "`label`",
                  "`bird`, `cat`, `dog` (3)", "test.all.label")

    # ---- two sources of one spec that number a name differently
    text = SPEC.replace('data.images("test", size = 6)',
                        'data.images("test", size = 6, names = "names.txt")')
    turned = command.write(folder + "/turned.cpl", text)
    done = run("train", turned, "--data", f"train={folder}/train",
               "--data", f"test={folder}/named", "--out", folder + "/run2")
    check.refused("a name with two numbers", done, "`bird` is number 2 of `label`, and number 0",
                  "names = ")
    text = text.replace("over test", "over train").replace("test.", "train.")
    turned = command.write(folder + "/blindly.cpl", text.replace("[test]", "[train]"))
    done = run("train", turned, "--data", f"train={folder}/train",
               "--data", f"test={folder}/named", "--out", folder + "/run3")
    check(done.returncode == 0 and "100.00 %" in done.stdout.split("after training")[1],
          "neighbours are told by names, whatever their numbers", done.stderr + done.stdout)

    # ---- classes that the other source does not have
    places = ["--data", f"train={folder}/train", "--data", f"test={folder}/other"]
    done = run("train", spec, *places, "--out", folder + "/run4")
    check.refused("a number with two names", done, "number 2 of `label` is `zebra`", "`dog`",
                  "names = ")
    blind = BLIND.replace("knn(", "knn(k = 2, features = trunk, bank = train, query = test), knn(")
    blind = command.write(folder + "/strangers.cpl", blind)
    done = run("train", blind, *places, "--out", folder + "/run5")
    check(done.stdout.count("warning:") == 1 and "strangers.cpl:10:8: warning: 2 of the 6 samples "
          "of `test` have a `label` that no sample of `train` has, such as `zebra`" in done.stdout,
          "classes of the query that the bank lacks are told of once", done.stdout + done.stderr)
    chosen = BLIND.replace("size = 6)", "size = 6) where label < 2")
    chosen = command.write(folder + "/chosen.cpl", chosen)
    done = run("train", chosen, "--data", f"train={folder}/train", "--data",
               f"test={folder}/other", "--out", folder + "/run6")
    check.refused("rows chosen by numbers that mean two classes", done, "`zebra`", "`dog`")

    # ---- a packed file, and arrays with the names of classes
    packed = folder + "/packed"
    run("data", "pack", "--reader", "images", folder + "/some", "--set", "size=6", "-o", packed)
    done = run("eval", out, "--data", f"test={packed}/images.safetensors")
    found = reports(out)
    check(done.returncode == 0 and found["accuracy"] in (1, 100), "a packed file likewise",
          f"{found} {done.stderr}")
    run("data", "pack", "--reader", "images", folder + "/other", "--set", "size=6", "-o", packed)
    check.refused("a packed file with a new class",
                  run("eval", out, "--data", f"test={packed}/images.safetensors"), "`zebra`")

    # ---- going on, and starting
    run("train", spec, "--out", folder + "/half", "--max-steps", 3)
    done = run("train", spec, "--resume", "--change", "data", "--data", f"train={folder}/other",
               "--out", folder + "/half")
    check.refused("--resume with a new class", done, "`zebra`", "train.label")
    blind = command.write(folder + "/blind.cpl", BLIND)
    done = run("train", blind, "--out", folder + "/blind", "--max-steps", 2)
    done = run("train", blind, "--resume", "--change", "data", "--data", f"train={folder}/other",
               "--data", f"test={folder}/other", "--out", folder + "/blind")
    check(done.returncode == 0 and "`zebra`" in done.stdout and "numbered anew" in done.stdout,
          "a method that does not read the label goes on, with a note", done.stdout + done.stderr)
    done = run("train", blind, "--start", out, "--data", f"train={folder}/other",
               "--data", f"test={folder}/other", "--out", folder + "/started")
    check(done.returncode == 0 and "the classes of `train` are not those of" in done.stdout,
          "--start says that classes are others", done.stdout + done.stderr)

    # ---- new samples
    done = run("embed", out, "--data", folder + "/other", "-o", folder + "/e.npy")
    check(done.returncode == 0, "embedding that reads no label takes a new class", done.stderr)
    told = command.write(folder + "/told.cpl", TOLD)
    done = run("train", told, "--out", folder + "/told")
    check(done.returncode == 0, "features that are made of a label", done.stderr)
    done = run("embed", folder + "/told", "--data", folder + "/other", "-o", folder + "/e.npy")
    check.refused("embedding that reads it", done, "`zebra`", "`label`")
    both = [run("embed", folder + "/told", "--data", f"{folder}/{name}", "-o",
                f"{folder}/{name}.npy") for name in ("some", "test")]
    check(all(d.returncode == 0 for d in both), "with known names it is", both[0].stderr)
    some, test = (rows(f"{folder}/{name}.npy") for name in ("some", "test"))
    check(some[:2] + some[3:5] == test[:2] + test[4:], "with the numbers of training",
          f"{some} {test}")

    # ---- a program
    program = folder + "/program"
    done = run("build", spec, "-o", program, "--target", "x86-64-v3")
    check(done.returncode == 0, "a program is built", done.stderr)
    for arguments, words in (
            (["--data", f"test={folder}/some"], "have the numbers that their names had"),
            (["--data", f"test={folder}/other"], "`zebra`")):
        done = command.run(program, "eval", "--out", out, *arguments, env=env)
        check((done.returncode == 0) == ("numbers" in words) and words in done.stdout + done.stderr,
              f"the program: {words}", done.stdout + done.stderr)
check.finish()
