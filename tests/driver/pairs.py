#!/usr/bin/env python3
"""pairs.py COUPLET ROOT: check --memory names arrays of pairs and their fate."""
import re
import sys

import command

couplet, root = sys.argv[1], sys.argv[2]
check = command.Checks()

done = command.run(couplet, "check", root + "/examples/simclr.cpl", "--memory")
check(done.returncode == 0, "check --memory exits 0", done.stderr[-2000:])
check(re.search(r"simclr\.cpl:\d+: an array of 512 x 512 pairs is (made|stored)", done.stdout),
      "the similarity is named, with its fate", done.stdout)
check(re.search(r"a step needs [\d.]+ MiB for its arrays, and [\d.]+ MiB for each thread",
                done.stdout), "the peak is told", done.stdout)
check(re.search(r"the loss and its gradient need [\d.]+ MiB", done.stdout),
      "the peak of the loss is told", done.stdout)
check.finish()
