#!/usr/bin/env python3
"""bench_opencl.py [--couplet build/release/couplet] [--device opencl[:n]] [--rows
1024,4096,16384,65536] [--steps n] [--torch PYTHON]

The benchmarks of an OpenCL device, as JSON lines: NT-Xent with its gradients at D = 128 for each
number of rows, then a training step of SimCLR with the
convnet of tests/bench/convnet.cpl (batch 256) and with ResNet-18 (tests/bench/resnet18.cpl, batch
64). Everything runs on made-up arrays. With --torch and a Python
that has torch and CUDA, torch does each row after us on the same card, in float32, and "of_torch"
is its time divided by ours."""
import argparse
import array
import json
import pathlib
import random
import shutil
import statistics
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


def torch_side(o, row):
    """Warm, then two seconds of runs."""
    peer = subprocess.run([o.torch, ROOT / "tests/bench/torch_peer.py", row, "1", "cuda"],
                          input="2\n", text=True, capture_output=True)
    if peer.returncode != 0:
        return {"torch": peer.stderr.strip().split("\n")[-1][:160]}
    ready, answer = peer.stdout.strip().split("\n")
    answer = json.loads(answer)
    return {"torch": ready.split()[1],
            "torch_ms": round(1e3 * statistics.median(answer["seconds"]), 3),
            "torch_mib": round(answer["mib"], 1)}


def show(o, row, good, text):
    ours = next((json.loads(line) for line in text.splitlines() if line.startswith("{")),
                None) if good else None
    line = {"row": row, **(ours or {"failed": True})}
    if o.torch:
        line.update(torch_side(o, row))
        if ours and "torch_ms" in line:
            line["of_torch"] = round(line["torch_ms"] / line["ms"], 2)
    print(json.dumps(line), flush=True)


def losses(o, folder):
    for rows in filter(None, o.rows.split(",")):
        for seed, name in enumerate("zw"):
            write_rows(f"{folder}/{name}.npy", int(rows), seed)
        show(o, f"nt_xent_{rows}", *run(o.couplet, "grad", ROOT / "stdlib/losses/batch.cpl",
                                        "--fn", "nt_xent", "--in", f"z={folder}/z.npy", "--in",
                                        f"w={folder}/w.npy",
                                        "--set", "tau=0.5", "--device", o.device, "--bench"))


def steps(o):
    for row, spec in ("convnet", "tests/bench/convnet.cpl"), ("resnet18",
                                                              "tests/bench/resnet18.cpl"):
        show(o, row, *run(o.couplet, "bench", ROOT / spec, "--device", o.device, "--steps",
                          o.steps))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--couplet", default=ROOT / "build/release/couplet")
    parser.add_argument("--device", default="opencl")
    parser.add_argument("--rows", default="1024,4096,16384,65536")
    parser.add_argument("--steps", default=20)
    parser.add_argument("--torch", metavar="PYTHON")
    o = parser.parse_args()
    for word in o.rows.split(",") if o.rows else []:
        if not word.isdigit() or int(word) < 1:
            parser.error(
                f"--rows is a list of numbers of pairs, like 1024,4096, and `{word}` is in it")
    for name, program in ("--couplet", o.couplet), ("--torch", o.torch):
        if program and not shutil.which(program):
            parser.error(f"{name} names a program, and `{program}` is none")
    sys.stderr.write(run(o.couplet, "devices")[1])
    with tempfile.TemporaryDirectory() as folder:
        losses(o, folder)
    steps(o)


main()
