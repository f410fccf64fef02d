#!/usr/bin/env python3
"""bench_opencl.py [--couplet build/release/couplet] [--device opencl[:n]] [--rows 1024,4096,16384,65536] [--steps n]

The benchmarks of an OpenCL device, as JSON lines: NT-Xent with its gradients at D = 128 for each number of rows, then a training step of SimCLR with the
convnet of examples/simclr.cpl and with ResNet-18. Everything runs on made-up arrays. What a line means is said in docs/benchmarks.md."""
import argparse
import array
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPTH = 128


def write_rows(path, rows, seed):
    """Normal deviates from a pool, in an order that does not repeat within a row."""
    random.seed(seed)
    pool = [random.gauss(0, 1) for _ in range(65537)]
    header = str({"descr": "<f4", "fortran_order": False, "shape": (rows, DEPTH)})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        array.array("f", (pool[i * 7919 % 65537] for i in range(rows * DEPTH))).tofile(file)


def run(*words):
    done = subprocess.run([str(w) for w in words], text=True, capture_output=True)
    sys.stderr.write(done.stderr)
    return done.returncode == 0, done.stdout


def losses(o, folder):
    for rows in o.rows.split(","):
        for seed, name in enumerate("zw"):
            write_rows(f"{folder}/{name}.npy", int(rows), seed)
        good, text = run(o.couplet, "grad", ROOT / "stdlib/losses/batch.cpl", "--fn", "nt_xent", "--in", f"z={folder}/z.npy", "--in", f"w={folder}/w.npy",
                         "--set", "tau=0.5", "--device", o.device, "--bench")
        line = next((line for line in text.splitlines() if line.startswith("{")), None)
        print(line.replace("{", f'{{"rows": {rows}, ', 1) if good and line else f'{{"rows": {rows}, "function": "nt_xent", "failed": true}}', flush=True)


def steps(o, folder):
    simclr = (ROOT / "examples/simclr.cpl").read_text()
    specs = {"simclr_convnet": simclr, "simclr_resnet18": simclr.replace("nn.convnet(width = 32)", "nn.resnet18(width = 64)")}
    for name, text in specs.items():
        pathlib.Path(f"{folder}/{name}.cpl").write_text(text)
        good, text = run(o.couplet, "bench", f"{folder}/{name}.cpl", "--device", o.device, "--steps", o.steps)
        print(text.strip() if good else f'{{"name": "{name}", "failed": true}}', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--couplet", default=ROOT / "build/release/couplet")
    parser.add_argument("--device", default="opencl")
    parser.add_argument("--rows", default="1024,4096,16384,65536")
    parser.add_argument("--steps", default=20)
    o = parser.parse_args()
    sys.stderr.write(run(o.couplet, "devices")[1])
    with tempfile.TemporaryDirectory() as folder:
        losses(o, folder)
        steps(o, folder)


main()
