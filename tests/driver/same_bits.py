#!/usr/bin/env python3
"""same_bits.py COUPLET ROOT: same seed, 1 and 2 threads, twice each: the same bytes in the
checkpoint; another seed: other bytes."""
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()
with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data")

    def train(name, seed, threads, spec="small", steps=6):
        out = f"{folder}/{name}_{spec}"
        done = command.run(couplet, "train", f"{folder}/{spec}.cpl", "--data", data, "--out", out,
                           "--seed", seed, "--threads", threads, "--max-steps", steps)
        check(done.returncode == 0, f"{name} of {spec} exits 0", done.stderr[-2000:])
        return command.last_checkpoint(out)

    command.write(folder + "/small.cpl", command.SMALL_SPEC)
    command.write(folder + "/rich.cpl", command.RICH_SPEC)
    first = train("one_thread", 5, 1)
    check(first is not None, "there is a checkpoint")
    check(train("one_thread_again", 5, 1) == first, "one thread, again: the same bytes")
    check(train("two_threads", 5, 2) == first, "two threads: the same bytes")
    check(train("two_threads_again", 5, 2) == first, "two threads, again: the same bytes")
    check(train("another_seed", 6, 1) != first, "another seed: other bytes")
    # Through a change of phase at step 16, and through the start of an epoch.
    check(train("one_thread", 5, 1, "rich", 18) == train("two_threads", 5, 2, "rich", 18),
          "phases, banks and parts: the same bytes on two threads")
check.finish()
