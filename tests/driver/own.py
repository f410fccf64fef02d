#!/usr/bin/env python3
"""own.py COUPLET ROOT: the examples for one's own pictures, arrays and tables train for a few steps
on real data of Debian packages, as examples/own/prepare.py lays it out."""
import os
import re
import sys
import tempfile

import command

couplet, root = sys.argv[1:3]
sys.path.insert(0, os.path.join(root, "examples/own"))
import prepare

check = command.Checks()
# with epochs of a few steps
SPECS = {"pictures": (["simclr", "byol", "vicreg"], 1), "arrays": (["arrays"], 0.05),
         "table": (["table"], 0.02)}

with tempfile.TemporaryDirectory() as folder:
    env = {"COUPLET_CACHE": f"{folder}/cache"}
    for kind, (specs, epochs) in SPECS.items():
        at = f"{folder}/{kind}"
        os.makedirs(at)
        prepare.KINDS[kind](at)
        for name in specs:
            spec = f"{root}/examples/own/{name}.cpl"
            done = command.run(couplet, "train", spec, "--data", at, "--epochs", epochs,
                               "--threads", 2, "--out", f"{folder}/run_{name}", env=env)
            results = re.findall(
                r"^(raw pixels|raw values|before training|after training) .* ([0-9.]+) %$",
                done.stdout, re.MULTILINE)
            check(done.returncode == 0 and len(results) == (9 if name == "table" else 6),
                  f"{name}: {results}", done.stdout + done.stderr)
            if name == "table":
                names = set(re.findall(r"kNN \(k = 10\), (.*?) +[0-9.]+ %", done.stdout))
                check(names ==
                      {"concat(numbers.trunk(train.number), words.trunk(train.word), axis = 2)",
                       "numbers.trunk", "words.trunk"},
                      "evaluations of one name say what they are of", done.stdout)
    # Without the data, the message says where it was looked for.
    gone = command.run(couplet, "check", f"{root}/examples/own/simclr.cpl", "--data",
                       f"{folder}/nowhere", env=env)
    check(gone.returncode == 1 and f"{folder}/nowhere/train" in gone.stderr
          and "claim" in gone.stderr, "data that is not there", gone.stderr)
check.finish()
