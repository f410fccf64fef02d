#!/usr/bin/env python3
"""larger.py COUPLET [--limit MiB]: a training step on data four times larger than the memory that the process may have, beside the same step in memory.

Makes a file of that size in the current folder (or in $TMPDIR), trains on it in turns within a control group and outside, and prints the time of a step in both: the
difference between a long and a short run, so that what happens before the first step does not count. Needs the right to make control groups (root)."""
import argparse
import json
import os
import statistics
import struct
import subprocess
import tempfile
import time

SPEC = """
use nn, augment, optim, losses
data train = data.arrays("larger.safetensors")
view a, b = augment.simclr(train.image)
net f = trunk: nn.convnet(width = 8) >> head: nn.mlp_bn(16, 8)
loss losses.nt_xent(f(a), f(b), 0.5)
train { epochs 100, batch 64
  optimiser optim.sgd(lr = 0.1) }
"""
ROW = 3 * 96 * 96
SHORT, LONG, TURNS = 10, 70, 3


def make_data(path, size):
    """Pictures of noise, [rows, 3, 96, 96] bytes."""
    rows = size // ROW
    head = json.dumps({"image": {"dtype": "U8", "shape": [rows, 3, 96, 96], "data_offsets": [0, rows * ROW]}}).encode()
    head += b" " * (-(len(head) + 8) % 64)
    noise = os.urandom(1 << 20)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        left = rows * ROW
        while left > 0:
            left -= file.write(noise[:min(left, len(noise))])


def make_group(limit):
    """A control group of either version with this much memory: its folder."""
    for parent, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = f"{parent}/couplet_larger_{os.getpid()}"
        try:
            os.mkdir(group)
        except OSError:
            continue
        try:
            with open(f"{group}/{file}", "w") as setting:
                setting.write(str(limit))
            return group
        except OSError:
            os.rmdir(group)
    raise SystemExit("no control group for memory can be made here: it takes root, and the controller `memory`")


def forget(path):
    """What the system keeps of the file in memory goes, so that each run begins alike."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds(couplet, folder, steps, group):
    def enter():
        if group:
            with open(f"{group}/cgroup.procs", "w") as processes:
                processes.write(str(os.getpid()))

    run = tempfile.mkdtemp(dir=folder)
    start = time.monotonic()
    subprocess.run([couplet, "train", folder + "/larger.cpl", "--max-steps", str(steps), "--out", run + "/run", "--quiet"], check=True, preexec_fn=enter)
    return time.monotonic() - start


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("couplet")
    arguments.add_argument("--limit", type=int, default=400, help="MiB")
    given = arguments.parse_args()
    couplet, limit = os.path.abspath(given.couplet), given.limit << 20
    group = make_group(limit)
    try:
        with tempfile.TemporaryDirectory() as folder:
            data = folder + "/larger.safetensors"
            make_data(data, 4 * limit)
            with open(folder + "/larger.cpl", "w") as file:
                file.write(SPEC)
            seconds(couplet, folder, 1, None)  # compiles
            found = {"in memory": [], "within the limit": []}
            for _ in range(TURNS):
                for name, where in (("in memory", None), ("within the limit", group)):
                    forget(data)
                    short = seconds(couplet, folder, SHORT, where)
                    long = seconds(couplet, folder, LONG, where)
                    found[name].append((long - short) / (LONG - SHORT))
                    print(json.dumps({"step": name, "ms": round(1e3 * found[name][-1], 2)}), flush=True)
            memory, limited = (statistics.median(times) for times in found.values())
            print(json.dumps({"data_mb": 4 * limit >> 20, "limit_mb": limit >> 20, "in_memory_ms": round(1e3 * memory, 2), "limited_ms": round(1e3 * limited, 2),
                              "ratio": round(limited / memory, 3)}))
    finally:
        os.rmdir(group)


main()
