#!/usr/bin/env python3
"""streams.py COUPLET ROOT: losses over 4096 x 4096 pairs and more, with their gradients, in an
arena of 24 MiB; where the process may be bounded, in an address space
that does not hold one such array beside the compiler."""
import re
import resource
import subprocess
import sys
import tempfile

import command

couplet, root = sys.argv[1], sys.argv[2]
sys.path.insert(0, root + "/tests/golden")
import npy

check = command.Checks()
ROWS, DEPTH, BUDGET = 4096, 8, "24MiB"
ADDRESS_SPACE = 350 << 20
SPEC = root + "/tests/driver/streams.cpl"


def numbers(count, seed):
    return [(7919 * (i + 1) * seed % 10007) / 5003 - 1 for i in range(count)]


def functions():
    """Every function of the spec, with the names of its arrays."""
    for name, heads in re.findall(r"^fn (streams_\w+)\((.*?)\) [={]", open(SPEC).read(), re.M):
        yield name, re.findall(r"(\w+)(?: : int)?\[", heads)


def bounded():
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


def grad(folder, name, arrays, *options):
    command_line = [couplet, "grad", SPEC, "--fn", name, "--threads", "2", *options,
                    *(f"--in={array}={folder}/{array}.npy" for array in arrays)]
    return subprocess.run(command_line, capture_output=True, text=True, timeout=900,
                          preexec_fn=bounded if may_bound else None)


# The sanitizers want an address space of terabytes.
may_bound = b"__asan_init" not in open(couplet, "rb").read()
with tempfile.TemporaryDirectory() as folder:
    for array, rows, seed in (("z", ROWS, 3), ("w", ROWS, 5), ("bank", 2 * ROWS, 7)):
        npy.write(f"{folder}/{array}.npy", (rows, DEPTH), numbers(rows * DEPTH, seed))
    npy.write(f"{folder}/labels.npy", (ROWS,), [i * i % 10 for i in range(ROWS)], "<i4")
    count = 0
    for name, arrays in functions():
        done = grad(folder, name, arrays, "--memory", BUDGET)
        check(done.returncode == 0 and re.match(r"value: -?[\d.]+", done.stdout),
              f"{name} runs within {BUDGET}", done.stdout + done.stderr)
        done = grad(folder, name, arrays, "--memory", BUDGET, "--no-stream")
        check(done.returncode == 1 and "error[E523]" in done.stderr,
              f"{name} does not, with its pairs stored", done.stdout + done.stderr)
        count += 1
    check(count > 8, "there are functions to try", count)
    if may_bound:
        done = grad(folder, "streams_nt_xent", ["z", "w"], "--no-stream")
        check(done.returncode == 1 and "out of memory" in done.stderr,
              "the address space holds no array of pairs", done.stdout + done.stderr)
check.finish()
