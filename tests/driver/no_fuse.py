#!/usr/bin/env python3
"""no_fuse.py COUPLET ROOT: with --no-fuse there are more kernels, and losses, their gradients and
steps of SimCLR are the same to rounding."""
import glob
import math
import os
import re
import sys
import tempfile

import command

couplet, root = sys.argv[1], sys.argv[2]
sys.path.insert(0, root + "/tests/golden")
import npy

ROWS, WIDTH = 24, 8
# their features
LOSSES = {"nt_xent": "zw", "dcl": "zw", "debiased": "zw", "sup_con": "zw", "triplet": "apn",
          "byol": "pzqy", "barlow": "zw", "vicreg": "zw"}
check = command.Checks()


def close(found, expected, most=2e-5):
    """Within `most` of the largest entry."""
    scale = max(map(abs, expected))
    return len(found) == len(expected) and all(abs(a - b) <= most * scale for a,
                                               b in zip(found, expected))


def gradients(folder, name, *options):
    given = {key: [[math.sin(1.3 * i + 2.1 * j + k) for j in range(WIDTH)] for i in range(ROWS)]
             for k, key in enumerate(LOSSES[name])}
    if name == "sup_con":
        given["labels"] = [i % 3 for i in range(ROWS)]
    out = f"{folder}/{name}{''.join(options)}"
    done = command.run(couplet, "grad", root + "/stdlib/losses", "--fn", name,
                       *npy.arguments(folder, given), "--out", out, *options)
    check(done.returncode == 0, f"grad of {name} {' '.join(options)} exits 0", done.stderr[-2000:])
    value = float(re.search(r"^value: (\S+)$", done.stdout, re.MULTILINE).group(1))
    return {"value": [value], **{os.path.basename(path): npy.read(path)[1]
                                 for path in glob.glob(out + "/grad_*.npy")}}


def losses(folder):
    for name in LOSSES:
        fused, alone = gradients(folder, name), gradients(folder, name, "--no-fuse")
        check(len(alone) == 1 + len(LOSSES[name]), f"{name}: a gradient for each array",
              list(alone))
        for key in fused:
            check(close(alone[key], fused[key]), f"{name}: {key} is the same to rounding")


def train(folder, data, *options):
    """The kernels that were compiled, and what is left after a few steps."""
    out = f"{folder}/run{''.join(options)}"
    done = command.run(couplet, "train", folder + "/small.cpl", "--data", data, "--out", out,
                       "--seed", 3, "--max-steps", 2, *options)
    check(done.returncode == 0, f"train {' '.join(options)} exits 0", done.stderr[-2000:])
    return int(re.search(r"\((\d+) kernels", done.stdout).group(1)), command.arrays(out)


def steps(folder):
    command.write(folder + "/small.cpl", command.SMALL_SPEC)
    data = command.small_data(folder + "/data")
    (fewer, fused), (more, alone) = train(folder, data), train(folder, data, "--no-fuse")
    check(more > fewer, "without fusion there are more kernels", f"{more} and {fewer}")
    check(fused.keys() == alone.keys(), "the same states")
    # Ahead of batch normalisation a bias has no slope, and what it gets is rounding.
    off = [key for key in fused if "head.linear_1.b" not in key
           and not close(alone[key], fused[key], 1e-3)]
    check(not off, "after two steps they are the same to rounding", off)
    check(any(alone[key] != fused[key] for key in fused),
          "and not to the bit, so that the option did something")


def graphs():
    fused, alone = (command.run(couplet, "check", root + "/examples/simclr.cpl", "--print-after",
                                "fuse", *options).stdout for options in ([], ["--no-fuse"]))
    check(0 < fused.count("\n%") < alone.count("\n%"), "check --print-after fuse shows more nodes")


with tempfile.TemporaryDirectory() as folder:
    losses(folder)
    steps(folder)
graphs()
check.finish()
