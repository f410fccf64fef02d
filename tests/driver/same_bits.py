#!/usr/bin/env python3
"""same_bits.py COUPLET ROOT: same seed, 1 and 2 threads, twice each: the same bytes in the checkpoint; another seed: other bytes."""
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()
with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/small.cpl", command.SMALL_SPEC)
    data = command.small_data(folder + "/data")

    def train(name, seed, threads):
        out = f"{folder}/{name}"
        done = command.run(couplet, "train", spec, "--data", data, "--out", out, "--seed", seed, "--threads", threads, "--max-steps", 6)
        check(done.returncode == 0, f"{name} exits 0", done.stderr[-2000:])
        return command.last_checkpoint(out)

    first = train("one_thread", 5, 1)
    check(first is not None, "there is a checkpoint")
    check(train("one_thread_again", 5, 1) == first, "one thread, again: the same bytes")
    check(train("two_threads", 5, 2) == first, "two threads: the same bytes")
    check(train("two_threads_again", 5, 2) == first, "two threads, again: the same bytes")
    check(train("another_seed", 6, 1) != first, "another seed: other bytes")
check.finish()
