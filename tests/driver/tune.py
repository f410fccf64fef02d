#!/usr/bin/env python3
"""tune.py COUPLET ROOT: couplet tune keeps choices that what is compiled afterwards uses: the same
loss to rounding, the same bits for any number of threads. A damaged file counts as none."""
import os
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()


def place(spec):
    """The plan of the step, with the tiles of each kernel."""
    return command.run(couplet, "check", spec, "--print-after", "place").stdout


def losses(folder, spec, name, threads):
    done = command.run(couplet, "train", spec, "--data", folder + "/data", "--max-steps", 3,
                       "--threads", threads, "--out", f"{folder}/{name}", "--quiet")
    check(done.returncode == 0, f"{name} trains", done.stderr)
    return [loss for _, loss in command.losses(f"{folder}/{name}")]


with tempfile.TemporaryDirectory() as folder:
    os.environ["COUPLET_CACHE"] = folder + "/cache"
    command.small_data(folder + "/data", 256, 64)
    spec = command.write(folder + "/small.cpl", command.SMALL_SPEC)
    before, plan = losses(folder, spec, "before", 2), place(spec)

    done = command.run(couplet, "tune", spec, "--steps", 1, "--threads", 2)
    check(done.returncode == 0, "the spec is tuned", done.stderr)
    lines = done.stdout.splitlines()
    check(len(lines) > 3 and "contractions measured" in lines[-1] and "by the model" in lines[0],
          "a line for each contraction, and the sum of them", done.stdout)
    files = [name for name in os.listdir(folder + "/cache") if name.startswith("tuned-")]
    check(len(files) == 1, "one file beside the objects", str(os.listdir(folder + "/cache")))
    path = f"{folder}/cache/{files[0]}"
    with open(path) as file:
        head, *rows = file.read().splitlines()
    check(len(rows) == len(lines) - 1, "and a line of it for each", "\n".join(rows))

    # Choices that no model would make: they are used, whatever was measured.
    with open(path, "w") as file:
        file.write(head + "\n")
        for row in rows:
            key, block_rows, vectors, *_ = row.split()
            file.write(f"{key} {block_rows} {vectors} 3 {block_rows} 1 5\n")
    check(place(spec) != plan, "the plan is another one with them")
    one, two = losses(folder, spec, "one", 1), losses(folder, spec, "two", 2)
    check(one == two, "the same bits on one thread and on two", f"{one} {two}")
    check(len(one) == len(before) and all(abs(a - b) < 1e-4 * abs(b) for a, b in zip(one, before)),
          "the same losses to rounding", f"{one} {before}")

    with open(path, "a") as file:
        file.write("not a line of it\n")
    check(place(spec) == plan, "a damaged file counts as none")
    done = command.run(couplet, "tune", folder + "/none.cpl")
    check(done.returncode != 0 and "none.cpl" in done.stderr, "a missing spec is named",
          done.stderr)
check.finish()
