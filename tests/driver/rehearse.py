#!/usr/bin/env python3
"""rehearse.py COUPLET ROOT: what is said of a run before it is made, `couplet train --dry-run` and
`couplet find`, which write nothing; and settings that `couplet compare --random` draws."""
import csv
import os
import re
import sys
import tempfile

import command

couplet = os.path.abspath(sys.argv[1])
check = command.Checks()

SPEC = (
    """
use augment, optim, losses
data train = data.fashion_mnist("train")
data test  = data.fashion_mnist("test")
hyper lr = 0.1 | lr > 0
hyper rows = 48
view a = augment.flip(train.image)
"""
    + command.FLAT
    + """
net f = flat(10)
let s = f(a)
queue Q[rows, 10] <- s init unit_normal
state seen = 0
every epoch { update seen <- seen + 1 }
loss losses.cross_entropy(s, train.label) + 0.001 * seen * mean[i, j] dot(s[i], Q[j])
train { epochs 3, batch 32, optimiser optim.sgd(lr = lr) }
eval { knn(k = 3, features = f, bank = train, query = test) }
"""
)


def listing():
    return sorted(os.path.join(base, name) for base, _, names in os.walk(folder) for name in names)


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", 512, 64)
    spec = command.write(folder + "/spec.cpl", SPEC)
    before = listing()
    os.chdir(folder)

    # The estimate, and that nothing is left.
    done = command.run(couplet, "train", spec, "--data", data, "--dry-run")
    check(done.returncode == 0 and "16 an epoch, 48 in all" in done.stdout, "a dry run", done.stdout
          + done.stderr)
    step = float(re.search(r"time +([0-9.e-]+) s a step", done.stdout)[1])
    whole = float(re.search(r"([0-9.e-]+) s in all", done.stdout)[1])
    check(abs(whole - 48 * step) < 0.02 * whole, "48 steps take 48 times as long", done.stdout)
    check("20 steps were tried" in done.stdout and "memory" in done.stdout, "what was tried",
          done.stdout)
    check(listing() == before and not os.path.exists("runs"), "it leaves nothing", listing())
    done = command.run(couplet, "train", spec, "--data", data, "--dry-run", "--out", "x")
    check.refused("a dry run with a folder", done, "--out", status=2)
    done = command.run(couplet, "train", spec, "--data", folder, "--dry-run")
    check.refused("a dry run without its data", done, "E")

    # A range test: a rate that is far too small, and one that is far too large, are told apart.
    picture = folder + "/lr.svg"
    done = command.run(couplet, "find", "lr", spec, "--data", data, "--range", "1e-4..1000",
                       "--steps", 120, "-o", picture)
    found = re.search(r"suggested: lr = ([0-9.e+-]+)", done.stdout)
    check(done.returncode == 0 and found and 1e-3 < float(found[1]) < 10, "a rate is found",
          done.stdout + done.stderr)
    rows = re.findall(r"^ +([0-9.e+-]+) +([0-9.e+-]+) +([0-9.e+-]+)$", done.stdout, re.MULTILINE)
    check(len(rows) == 15 and float(rows[0][0]) == 1e-4 and "lr         loss" in done.stdout,
          "with the losses", rows)
    check("far above that" in done.stdout or "not finite" in done.stdout, "and where it goes wrong",
          done.stdout)
    with open(picture) as file:
        check("<svg" in file.read(400), "and a picture")
    os.unlink(picture)
    again = command.run(couplet, "find", "lr", spec, "--data", data, "--range", "1e-4..1000",
                        "--steps", 120, "--threads", 1)
    check(again.stdout.split("\n")[1:] == done.stdout.split("\n")[1:], "twice the same",
          again.stdout + again.stderr)
    long = command.run(couplet, "find", "lr", spec, "--data", data, "--steps", 10, "--range",
                       "0.0001" + 80 * "0" + "..1000" + 160 * "0" + "e-160")
    check("with `lr` from 0.0001 to 1000;" in long.stdout, "of numbers with many digits",
          long.stdout + long.stderr)
    check(listing() == before, "it leaves nothing", listing())
    # Of a schedule the highest rate counts: a warm-up hides nothing.
    for schedule in ("lr * min(1, (step + 1) / 40)", "anneal.one_cycle(lr)"):
        text = SPEC.replace("lr = lr", "lr = " + schedule)
        text = text.replace("use augment", "use anneal, augment")
        warm = command.write(folder + "/warm.cpl", text)
        warm = command.run(couplet, "find", "lr", warm, "--data", data, "--range", "1e-4..1000",
                           "--steps", 120)
        same = re.findall(r"^ +([0-9.e+-]+) +([0-9.e+-]+) +([0-9.e+-]+)$", warm.stdout,
                          re.MULTILINE)
        off = max((abs(float(a[1]) / float(b[1]) - 1) for a, b in zip(same[:8], rows)), default=1)
        check(off < 0.01, f"the highest rate of {schedule}", (rows, same, warm.stderr))
        os.unlink(folder + "/warm.cpl")
    flat = command.run(couplet, "find", "lr", spec, "--data", data, "--range", "1e-9..1e-8")
    check("no value of `lr` is suggested" in flat.stdout, "nothing is found where nothing falls",
          flat.stdout)
    for arguments, words in ((["rate"], ["no hyper `rate`"]), (["rows"], ["whole number"]),
                             (["lr", "--range", "1..0.1"], ["--range"]),
                             (["lr", "--range", "0..1"], ["--range"]),
                             (["lr", "--steps", "3"], ["--steps"])):
        done = command.run(couplet, "find", arguments[0], spec, "--data", data, *arguments[1:])
        check(done.returncode in (1, 2) and all(word in done.stderr for word in words),
              f"refused: find {' '.join(arguments)}", done.stderr)

    # Draws of settings.
    def compare(out, *more):
        return command.run(couplet, "compare", spec, "--data", data, "--epochs", "0.1", "--out",
                           folder + "/" + out, *more)

    sets = ["--set", "lr=log:0.001..1", "--set", "rows=48..52"]
    done = compare("drawn", "--random", 3, *sets, "--seed", 4)
    check(done.returncode == 0, "compare --random", done.stdout + done.stderr)
    with open(folder + "/drawn/results.csv") as file:
        first = list(csv.reader(file))
    names = sorted(name for name in os.listdir(folder + "/drawn") if "lr=" in name)
    drawn = [re.search(r"lr=([0-9.e-]+)_rows=(\d+)_seed=4", name).groups() for name in names]
    check(len(set(drawn)) == 3 and all(0.001 <= float(lr) <= 1 and 48 <= int(rows) <= 52
                                       for lr, rows in drawn), "three draws in their ranges", drawn)
    done = compare("drawn", "--random", 4, *sets, "--seed", 4)
    more = sorted(name for name in os.listdir(folder + "/drawn") if "lr=" in name)
    check(done.returncode == 0 and set(names) < set(more) and len(more) == 4 and len(first) == 4,
          "a larger number adds one", more)
    done = compare("repeated", "--random", 5, "--set", "lr=0.1,0.10")
    check(done.returncode == 0 and "run 1 of 2:" in done.stdout + done.stderr,
          "a draw that is there already is not trained twice", done.stdout + done.stderr)
    for arguments, words in ((["--set", "lr=0.1..0.2"], ["--random"]),
                             (["--random", "2", "--set", "lr=0.2..0.1"], ["lower"]),
                             (["--random", "2"], ["--random", "--set"]),
                             (["--random", "2", "--set", "lr=log:0..1"], ["log:"]),
                             (["--random", "2", "--set", "lr=-1..-0.5"], ["lr > 0"])):
        done = compare("no", *arguments)
        check(done.returncode != 0 and all(word in done.stderr for word in words),
              f"refused: {' '.join(arguments)}", done.stderr)
check.finish()
