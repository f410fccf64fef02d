#!/usr/bin/env python3
"""compare.py COUPLET [CASE ...]: `couplet grad` against the golden cases of this folder.

The value and every gradient must be within 1e-5 of the largest entry of the golden array; so a
gradient that is zero
everywhere (a stopped input) must be zero exactly."""
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import npy

HERE = os.path.dirname(os.path.abspath(__file__))
TOLERANCE = 1e-5


def run_case(couplet, name):
    folder = os.path.join(HERE, name)
    with open(os.path.join(folder, "case.json")) as file:
        case = json.load(file)
    command = [couplet, "grad", os.path.join(HERE, "formulas.cpl"), "--fn", case["formula"],
               "--device", os.environ.get("COUPLET_DEVICE", "reference")]
    for key, entry in case["inputs"].items():
        command += ["--in", f"{key}={os.path.join(folder, entry['file'])}"]
    for key, value in case["constants"].items():
        command += ["--set", f"{key}={value}"]
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(command + ["--out", out], capture_output=True, text=True)
        if done.returncode != 0:
            return [f"exit {done.returncode}: {done.stderr.strip() or done.stdout.strip()}"]
        faults = compare_value(done.stdout, case["loss"])
        for key, file in case["gradients"].items():
            faults += compare_gradient(os.path.join(out, f"grad_{key}.npy"),
                                       os.path.join(folder, file), key)
        integers = [k for k, e in case["inputs"].items() if e["dtype"] == "int32"]
        faults += [f"grad_{k}.npy was written for an integer input" for k in integers
                   if os.path.exists(os.path.join(out, f"grad_{k}.npy"))]
    return faults


def compare_value(text, expected):
    found = re.search(r"^value: (\S+)$", text, re.MULTILINE)
    if not found:
        return [f"no line 'value: X' in: {text.strip()!r}"]
    value = float(found.group(1))
    # Written so that a NaN is a fault.
    if not abs(value - expected) <= TOLERANCE * abs(expected):
        return [f"value {value!r}, expected {expected!r}, relative error "
                f"{abs(value / expected - 1):.2e}"]
    return []


def compare_gradient(path, golden, key):
    if not os.path.exists(path):
        return [f"no {os.path.basename(path)}"]
    shape, found = npy.read(path)
    expected_shape, expected = npy.read(golden)
    if shape != expected_shape:
        return [f"grad_{key}: shape {shape}, expected {expected_shape}"]
    largest = max(abs(x) for x in expected)
    errors = [abs(a - b) for a, b in zip(found, expected)]
    if all(e <= TOLERANCE * largest for e in errors):
        return []
    worst = max(range(len(errors)), key=lambda i: errors[i] if errors[i] == errors[i]
                else float("inf"))
    return [f"grad_{key}[{worst}] is {found[worst]!r}, expected {expected[worst]!r}; largest "
            f"entry {largest:.4g}"]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    cases = sys.argv[2:] or sorted(d for d in os.listdir(HERE)
                                   if os.path.exists(os.path.join(HERE, d, "case.json")))
    failed = 0
    for name in cases:
        faults = run_case(sys.argv[1], name)
        print(f"{name}: {'ok' if not faults else 'FAILED'}")
        for fault in faults:
            print(f"    {fault}")
        failed += bool(faults)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
