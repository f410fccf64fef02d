#!/usr/bin/env python3
"""example_steps.py COUPLET SPEC: a few steps of an example on a small part of the real data: exit
0, finite losses, a checkpoint."""
import math
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "driver"))
import command
import example_data

couplet, spec = sys.argv[1:3]
check = command.Checks()
with open(spec) as file:
    text = file.read()
check(example_data.code_lines(text) <= 50, "at most 50 lines of code",
      example_data.code_lines(text))
with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", train=8192)  # 1 % of it is more than a batch of 64
    out = folder + "/run"
    done = command.run(couplet, "train", spec, "--max-steps", 3, "--data", data, "--out", out,
                       "--seed", 1)
    if check(done.returncode == 0, "train --max-steps 3 exits 0", done.stderr[-2000:]):
        rows = command.losses(out)
        check(len(rows) > 0, "metrics.jsonl has losses")
        check(all(math.isfinite(loss) for _, loss in rows), "every loss is finite", rows)
        check(command.checkpoints(out), "a checkpoint is there")
check.finish()
