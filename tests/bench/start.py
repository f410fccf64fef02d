#!/usr/bin/env python3
"""start.py COUPLET [FILES]: how long a run on a packed folder of pictures takes to its first batch.

Makes FILES pictures (15,000 when it is not given) in ten class folders, as links of one, packs
them, and starts the same short run five times. Prints medians: `data`, what `couplet train` says
that opening the data took, and `first_step`, from the start of the program to the first step's
row in metrics.jsonl, which holds the compiler (from its cache) and the step itself too."""
import json
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib

SPEC = """
use nn, augment, optim, losses
data train = data.images("train", size = 32)
view a, b = augment.simclr(train.image)
net f = trunk: nn.convnet(width = 8) >> head: nn.mlp_bn(16, 8)
loss losses.nt_xent(f(a), f(b), 0.5)
train { epochs 1, batch 64
  optimiser optim.sgd(lr = 0.1) }
"""


def png(side):
    """A picture of one colour."""
    def chunk(name, data):
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    rows = b"".join(b"\0" + b"\x40\x80\xc0" * side for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) +
            chunk(b"IEND", b""))


def make(folder, files):
    with open(folder + "/one.png", "wb") as file:
        file.write(png(32))
    for kind in range(10):
        os.makedirs(f"{folder}/train/{kind}")
    for i in range(files):
        os.link(folder + "/one.png", f"{folder}/train/{i % 10}/{i:07}.png")
    with open(folder + "/start.cpl", "w", encoding="ascii") as file:
        file.write(SPEC)


def start(couplet, folder, run):
    """Seconds that the data took, and to the first step."""
    begin = time.monotonic()
    process = subprocess.Popen(
        [couplet, "train", folder + "/start.cpl", "--max-steps", "1", "--out", run],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    metrics = run + "/metrics.jsonl"
    while process.poll() is None and not (os.path.exists(metrics) and os.path.getsize(metrics)):
        time.sleep(0.0005)
    first = time.monotonic() - begin
    said, _ = process.communicate()
    return float(re.search(r"data in ([\d.]+) s", said).group(1)), first


def main():
    couplet, files = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 15000
    with tempfile.TemporaryDirectory() as folder:
        make(folder, files)
        os.environ["COUPLET_CACHE"] = folder + "/cache"
        rounds = [start(couplet, folder, f"{folder}/run{i}") for i in range(6)][1:]
        data, first = (statistics.median(times) for times in zip(*rounds))
        print(json.dumps({"files": files, "data_s": round(data, 3),
                          "first_step_s": round(first, 3)}))


main()
