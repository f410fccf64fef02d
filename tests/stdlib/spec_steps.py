#!/usr/bin/env python3
"""spec_steps.py COUPLET SPEC DATA: a spec of a folder of examples is checked without a warning, and
trains for twenty steps or more at a tiny size on real data of its kind:
exit 0, finite losses, a checkpoint, and results of its evaluations.

Its sizes are made small (example_data.py). On data of up to a thousand rows the run goes into its
second epoch, which is where the last stage of a spec with stages begins then; on more rows it ends
after twenty steps."""
import math
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "driver"))
import command
import example_data

STEPS, BATCH, ROWS = 20, 16, 1000
couplet, spec, data = sys.argv[1:4]
check = command.Checks()
with open(spec) as file:
    text = file.read()
name = "/".join(spec.split("/")[-3:])
check(example_data.code_lines(text) <= 60, "at most 60 lines of code",
      example_data.code_lines(text))
check(f"couplet train {name} --data {example_data.kind(spec)}" in example_data.heading(spec),
      f"the heading says how it is run: couplet train {name} --data KIND",
      example_data.heading(spec))
small = example_data.small_settings(text, BATCH)
done = command.run(couplet, "check", spec, "--data", data)
check(done.returncode == 0 and "warning" not in done.stdout + done.stderr,
      "check says nothing against it", done.stdout + done.stderr)
counts = {name: int(count) for name,
          count in re.findall(r"^data +(\w+) : .* (\d+) rows", done.stdout, re.MULTILINE)}
read = [name for view in re.findall(r"^ *view .*", text, re.MULTILINE)
        for name in re.findall(r"\b(\w+)\.", view) if name in counts]
# the source that the first view reads sets the epoch; without views, the first one
rows = counts[read[0]] if read else next(iter(counts.values()), ROWS)
# of the spec
batch = BATCH if f"--set=batch={BATCH}" in small else int(re.search(r"\bbatch (\d+)", text)[1])
epochs = max(1.2 if rows <= ROWS else 0, (STEPS + 0.5) * batch / rows)
# stages have epochs of their own, and `--epochs` is refused
staged = re.search(r"^stage\b", text, re.MULTILINE)
length = [] if staged else ["--epochs", epochs]
with tempfile.TemporaryDirectory() as folder:
    done = command.run(couplet, "train", spec, *length, "--data", data, "--out",
                       folder + "/run", "--seed", 1, "--threads", 2, *small)
    if check(done.returncode == 0, f"train {' '.join(map(str, length + small))} exits 0",
             done.stdout[-2000:] + done.stderr[-2000:]):
        rows = command.losses(folder + "/run")
        check(rows and rows[-1][0] >= STEPS, "twenty steps or more", rows)
        check(all(math.isfinite(loss) for _, loss in rows), "every loss is finite", rows)
        check(command.checkpoints(folder + "/run"), "a checkpoint is there")
        check("eval" not in text or re.search(r"^after training", done.stdout, re.MULTILINE),
              "the evaluations have results", done.stdout)
check.finish()
