#!/usr/bin/env python3
"""ranks_memory.py COUPLET [--pairs 32768] [--width 128] [--ranks 4] [--steps 1]

The resident memory that a contrast takes on each rank beside the network: a step of NT-Xent over so
many pairs, and one of the same network with a loss of next to nothing. Both are built programs, so
that no compiler is in the process. A row of JSON for each, with the largest resident memory of any
rank in MiB, as the kernel keeps it (the VmHWM of /proc), and a row with their difference and with
that of their plans."""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

tests = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [tests + "/driver", tests + "/golden"]
import mpirun
import npy

SPEC = """use nn, optim, losses
data train = data.arrays("train")
fn noisy(x[D]) {{
  draw e[D] ~ normal(0, 0.1)
  let y[d < D] = x[d] + e[d]
  return y
}}
view a, b = noisy(train.x)
net encoder = nn.linear({width})
let za = encoder(a), zb = encoder(b)
loss {loss}
train {{ epochs 1, batch {pairs}, optimiser optim.sgd(lr = 0.01) }}
"""
LOSSES = {"NT-Xent": "losses.nt_xent(za, zb, tau = 0.2)",
          "next to nothing": "mean[i, k] za[i, k] * zb[i, k]"}
FEATURES = 32


def largest(processes):
    """The most of VmHWM that any of these has had so far, in MiB."""
    most = 0
    for process in processes:
        try:
            with open(f"/proc/{process}/status") as file:
                most = max(most, int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) / 1024)
        except (OSError, TypeError):
            pass
    return most


def measure(couplet, folder, loss, o):
    spec, program = folder + "/spec.cpl", folder + "/program"
    with open(spec, "w") as file:
        file.write(SPEC.format(width=o.width, pairs=o.pairs, loss=LOSSES[loss]))
    told = subprocess.run([couplet, "check", spec, "--data", folder, "--ranks", str(o.ranks)],
                          capture_output=True, text=True)
    made = subprocess.run([couplet, "build", spec, "-o", program, "--data", folder, "--shards",
                           "8"], capture_output=True, text=True)
    if told.returncode or made.returncode:
        sys.exit(told.stdout + told.stderr + made.stdout + made.stderr)
    library = mpirun.libraries(couplet)[0]
    beside = os.path.join(os.path.dirname(os.path.abspath(couplet)), "runtime")
    began, most = time.monotonic(), 0
    run = mpirun.start(library, folder + "/told", (o.ranks, [
        program, "--data", folder, "--out", folder + "/run", "--max-steps", str(o.steps),
        "--threads", "1"]), env={"COUPLET_MODULES": beside})
    while run.poll() is None:
        most = max(most, largest(mpirun.ranks(run).values()))
        time.sleep(0.02)
    with open(folder + "/told.txt") as said, open(folder + "/told.err") as errors:
        if run.returncode:
            sys.exit(said.read() + errors.read())
    plan = float(re.search(r"a rank needs ([\d.]+) MB", told.stdout)[1])
    print(json.dumps({"loss": loss, "pairs": o.pairs, "ranks": o.ranks, "resident_mib":
                      round(most, 1), "plan_mib": round(plan * 1e6 / 2**20, 1),
                      "seconds": round(time.monotonic() - began, 1)}), flush=True)
    return most, plan * 1e6 / 2**20


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("couplet")
    parser.add_argument("--pairs", type=int, default=32768)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--ranks", type=int, default=4)
    parser.add_argument("--steps", type=int, default=1)
    o = parser.parse_args()
    found = []
    for loss in LOSSES:
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(folder + "/train")
            draw = random.Random(3).gauss
            npy.write(folder + "/train/x.npy", (o.pairs, FEATURES),
                      [draw(0, 1) for _ in range(o.pairs * FEATURES)])
            found.append(measure(o.couplet, folder, loss, o))
    print(json.dumps({"beside_the_network_mib": round(found[0][0] - found[1][0], 1),
                      "of_the_plans_mib": round(found[0][1] - found[1][1], 1)}))


if __name__ == "__main__":
    main()
