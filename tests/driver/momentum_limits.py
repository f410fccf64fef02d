#!/usr/bin/env python3
"""momentum_limits.py COUPLET ROOT: an ema edge at rate 1 leaves its target as it started, at rate 0
it copies; after K/N pushes a queue holds the last K keys in order."""
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()


def parameters(arrays, net):
    """Those of a net that are trained: batch norm's running statistics are no business of an
    ema edge."""
    return {name[len(net):]: values for name, values in arrays.items()
            if name.startswith(net + ".") and "running" not in name}


with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/method.cpl", command.SMALL_SPEC)
    data = command.small_data(folder + "/data")

    def run(rate, steps):
        out = f"{folder}/rate{rate}_{steps}"
        done = command.run(couplet, "train", spec, "--data", data, "--out", out, "--max-steps",
                           steps, "--set", f"m={rate}", "--seed", 5)
        check(done.returncode == 0, f"{steps} steps at rate {rate}", done.stderr[-2000:])
        return command.arrays(out)

    one, three = run(1, 1), run(1, 3)
    check(parameters(one, "target") == parameters(three, "target"),
          "at rate 1 the target stays as it is")
    check(parameters(three, "target") != parameters(three, "online"), "while what it follows moves")
    copied = run(0, 3)
    check(len(parameters(copied, "target")) > 5 and parameters(copied, "target") ==
          parameters(copied, "online"), "at rate 0 it is a copy, to the bit")
    # 96 rows, pushed 32 at a time: three steps fill the queue, the fourth goes back to its
    # beginning.
    four = run(1, 4)
    check(three["Q.head"] == [0] and three["Q.fill"] == [96], "three pushes of 32 fill 96 rows",
          (three["Q.head"], three["Q.fill"]))
    check(four["Q"][32 * 8:] == three["Q"][32 * 8:] and four["Q"][:32 * 8] != three["Q"][:32 * 8],
          "the fourth replaces the oldest 32 and nothing else")
check.finish()
