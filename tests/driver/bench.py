#!/usr/bin/env python3
"""bench.py COUPLET ROOT: couplet bench prints rows of JSON whose ratios fit the peak measured in
the same run."""
import json
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()
with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/small.cpl", command.SMALL_SPEC)
    done = command.run(couplet, "bench", spec, "--steps", 3, "--threads", 1)
    check(done.returncode == 0, "the step of a spec is timed without data", done.stderr)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    check(len(rows) == 2 and rows[0]["name"] == "this machine" and rows[1]["pass"] == "step",
          "the machine comes first, then the step", done.stdout)
    check(rows[0]["fork_us"] > 0, "what a fork costs is measured", done.stdout)
    peak, step = rows[0]["gflops"], rows[1]
    rounding = 0.05 * step["of_peak"] + 0.0005 * peak + 0.05  # of the last digit of each
    check(abs(step["of_peak"] * peak - step["gflops"]) < 1.01 * rounding,
          "the ratio is that of the two figures", done.stdout)
    check(abs(step["views_per_second"] * step["ms"] / 1000 - 64) < 1, "64 views a step",
          done.stdout)
    done = command.run(couplet, "bench", folder + "/none.cpl")
    check(done.returncode != 0 and "none.cpl" in done.stderr, "a missing file is named",
          done.stderr)
check.finish()
