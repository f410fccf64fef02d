#!/usr/bin/env python3
"""larger.py COUPLET [--limit MiB] [--turns N] [--steps N]: a training step on data four times
larger than the memory that the process may have, beside the same step with the data in memory.

Makes two files of that size in the current folder (or in $TMPDIR), so that neither run reads what
the system keeps for the other, and trains on one within a control group and on the other outside.
The two runs go in turns, one stopped while the other makes its steps, so that both meet the same
other work of the machine. Of the thread that makes the steps the kernel tells how long it computed
and how long it waited for a core; what is left of the wall time it waited for data. Prints a row
of JSON for each turn and the medians; exits with 1 where a step takes more than 1.05 of the one in
memory, other programs' share of the cores left out. Needs the right to make control groups."""
import argparse
import glob
import json
import os
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

SPEC = """
use nn, augment, optim, losses
data train = data.arrays("larger.safetensors")
view a, b = augment.simclr(train.image)
net f = trunk: nn.convnet(width = 8) >> head: nn.mlp_bn(16, 8)
loss losses.nt_xent(f(a), f(b), 0.5)
train { epochs 1000, batch 64
  optimiser optim.sgd(lr = 0.1) }
"""
ROW, MOST = 3 * 96 * 96, 1.05


def make_data(path, size):
    """Pictures of noise, [rows, 3, 96, 96] bytes."""
    rows = size // ROW
    image = {"dtype": "U8", "shape": [rows, 3, 96, 96], "data_offsets": [0, rows * ROW]}
    head = json.dumps({"image": image}).encode()
    head += b" " * (-(len(head) + 8) % 64)
    noise = os.urandom(1 << 20)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        left = rows * ROW
        while left > 0:
            left -= file.write(noise[:min(left, len(noise))])
        file.flush()
        os.fsync(file.fileno())


def make_group(limit):
    """A control group of either version with this much memory: its folder."""
    for parent, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                         ("/sys/fs/cgroup", "memory.max")):
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
    raise SystemExit("no control group for memory can be made here: "
                     "it takes root, and the controller `memory`")


def keep_in_memory(path, kept):
    """Reads the file, or has the system forget what it keeps of it."""
    with open(path, "rb") as file:
        if kept:
            while file.read(1 << 24):
                pass
        else:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Run:
    """A training run that is stopped between its turns."""

    def __init__(self, couplet, folder, group):
        def enter():
            if group:
                with open(f"{group}/cgroup.procs", "w") as processes:
                    processes.write(str(os.getpid()))

        self.metrics = folder + "/run/metrics.jsonl"
        self.process = subprocess.Popen(
            [couplet, "train", folder + "/larger.cpl", "--threads", "1", "--quiet",
             "--out", folder + "/run"], preexec_fn=enter)
        self.wait_for(2)
        self.process.send_signal(signal.SIGSTOP)

    def steps(self):
        try:
            with open(self.metrics, "rb") as file:
                return file.read().count(b"\n")
        except FileNotFoundError:
            return 0

    def clocks(self):
        """Nanoseconds that the thread of the steps, the busiest one, computed and was queued."""
        found = []
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as file:
                found.append(tuple(int(word) for word in file.read().split()[:2]))
        return max(found)

    def wait_for(self, steps):
        """The moment when so many steps are made, or more: their number and the clocks."""
        while (made := self.steps()) < steps:
            if self.process.poll() is not None:
                raise SystemExit(f"a run ended before its time, with {self.process.returncode}")
            time.sleep(0.001)
        computed, queued = self.clocks()
        return made, time.monotonic(), computed * 1e-9, queued * 1e-9

    def turn(self, steps):
        """Of one step, in ms: all of it, computing, and waiting for data."""
        self.process.send_signal(signal.SIGCONT)
        begin = self.wait_for(self.steps() + 1)
        end = self.wait_for(begin[0] + steps)
        self.process.send_signal(signal.SIGSTOP)
        made, wall, computed, queued = (b - a for a, b in zip(begin, end))
        each = 1e3 / made
        return {"wall_ms": each * wall, "computed_ms": each * computed,
                "waited_ms": each * max(0.0, wall - computed - queued)}

    def end(self):
        self.process.kill()
        self.process.wait()


def measure(runs, turns, steps):
    """By run: the turns of each."""
    found = {name: [] for name in runs}
    for _ in range(turns):
        for name, run in runs.items():
            found[name].append(run.turn(steps))
            row = {key: round(value, 2) for key, value in found[name][-1].items()}
            print(json.dumps({"data": name, **row}), flush=True)
    return found


def summary(found, what):
    """The medians of what of a step, in memory and within the limit, and of the turns' ratios."""
    memory, limited = ([sum(turn[key] for key in what) for turn in found[name]]
                       for name in ("in memory", "within the limit"))
    ratio = statistics.median(b / a for a, b in zip(memory, limited))
    return [round(statistics.median(memory), 2), round(statistics.median(limited), 2),
            round(ratio, 4)]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("couplet")
    arguments.add_argument("--limit", type=int, default=400, help="MiB")
    arguments.add_argument("--turns", type=int, default=12)
    arguments.add_argument("--steps", type=int, default=40, help="of a turn")
    given = arguments.parse_args()
    couplet, limit = os.path.abspath(given.couplet), given.limit << 20
    group = make_group(limit)
    runs = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, where in (("in memory", None), ("within the limit", group)):
                place = f"{folder}/{name.split()[0]}"
                os.mkdir(place)
                make_data(place + "/larger.safetensors", 4 * limit)
                keep_in_memory(place + "/larger.safetensors", where is None)
                with open(place + "/larger.cpl", "w", encoding="ascii") as file:
                    file.write(SPEC)
                runs[name] = Run(couplet, place, where)
            found = measure(runs, given.turns, given.steps)
            for run in runs.values():
                run.end()
            alone = summary(found, ["computed_ms", "waited_ms"])
            print(json.dumps({
                "data_mb": 4 * limit >> 20, "limit_mb": limit >> 20,
                "columns": ["in memory", "within the limit", "ratio"],
                "wall_ms": summary(found, ["wall_ms"]),
                "computed_ms": summary(found, ["computed_ms"]),
                "waited_ms": summary(found, ["waited_ms"])[:2],
                "computed_and_waited_ms": alone}))
            return alone[2] > MOST
    finally:
        for run in runs.values():
            run.end()
        os.rmdir(group)


sys.exit(main())
