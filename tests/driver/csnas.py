#!/usr/bin/env python3
"""csnas.py COUPLET ROOT DATA: the search beside examples/augmentation/csnas.cpl: what it chooses on
losses that are known, and three rounds of it on pictures."""
import importlib.util
import os
import random
import re
import sys

import command

couplet, root, data = sys.argv[1:4]
check = command.Checks()
program = f"{root}/examples/augmentation/csnas_search.py"
parts = importlib.util.spec_from_file_location("csnas_search", program)
csnas = importlib.util.module_from_spec(parts)
parts.loader.exec_module(csnas)

wanted = (2, 0, 1, 3)
known = lambda cell: sum(a != b for a, b in zip(cell, wanted)) + 0.01 * cell[0]
ranks = {True: [], False: []}
for seed in range(40):
    for first in (6, 30):  # 30: all of them at random
        ranks[first == 30].append(min(loss for loss, _ in csnas.search(known, 30, first, seed)))
mean = lambda values: sum(values) / len(values)
check(mean(ranks[False]) < mean(ranks[True]) - 0.3, "chosen cells are better than random ones",
      f"{mean(ranks[False])}, {mean(ranks[True])}")
tries = list(csnas.search(known, 300, 6, 1))
check(len(tries) == 256 and len({cell for _, cell in tries}) == 256,
      "each cell is tried once, and then it ends", len(tries))
check(tries == list(csnas.search(known, 300, 6, 1)), "one seed, one search")
check(csnas.choose([], 6, random.Random(1)) == csnas.choose([], 6, random.Random(1)),
      "the first cell goes by the seed")

small = ["--set", "batch=16", "--set", "width=4", "--epochs", "0.2", "--threads", "2"]
done = command.run(sys.executable, program, couplet, "--rounds", 3, "--first", 2, "--data", data,
                   *small)
lines = re.findall(r"^ +\d  loss (\d\.\d{4})  (\w+ \w+ \w+ \w+)$", done.stdout, re.MULTILINE)
best = re.search(r"^best loss (\d\.\d{4}): --set op1=\d --set op2=\d --set op3=\d --set op4=\d$",
                 done.stdout, re.MULTILINE)
check(done.returncode == 0 and len(lines) == 3 and len({cell for _, cell in lines}) == 3,
      "three rounds try three cells", done.stdout + done.stderr)
check(best and best[1] == min(loss for loss, _ in lines), "the best one is named", done.stdout)
done = command.run(sys.executable, program, couplet, "--rounds", 1, "--data", data + "/nowhere",
                   *small)
check(done.returncode != 0 and "E112" in done.stderr, "what couplet says against it is shown",
      done.stdout + done.stderr)
check.finish()
