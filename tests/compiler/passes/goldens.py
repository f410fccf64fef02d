#!/usr/bin/env python3
"""goldens.py COUPLET ROOT [--update]: the graphs of golden/functions.cpl after each pass, as text.
--update rewrites the files; read the diff."""
import os
import re
import subprocess
import sys
import tempfile

couplet, root = sys.argv[1:3]
sys.path.insert(0, os.path.join(root, "tests", "golden"))
import npy

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = os.path.join(HERE, "golden", "functions.cpl")


def passes():
    with open(os.path.join(root, "compiler", "passes", "passes.def")) as file:
        names = re.findall(r"^PASS\((\w+),\s*(\w+)", file.read(), re.MULTILINE)
    return ["lower"] + [name for name, stage in names if stage != "plan"]


def inputs(text, folder):
    """The --in and --set of an `in:` line."""
    options = []
    for name, kind, shape, value in re.findall(r"(\w+) = (?:(real|int)\[([\d, ]*)\]|([\d.]+))",
                                               text):
        if not kind:
            options += ["--set", f"{name}={value}"]
            continue
        extents = [int(e) for e in shape.split(",")]
        count = 1
        for extent in extents:
            count *= extent
        path = os.path.join(folder, name + ".npy")
        npy.write(path, extents, [1] * count, "<f4" if kind == "real" else "<i4")
        options += ["--in", f"{name}={path}"]
    return options


def graphs(name, given):
    with tempfile.TemporaryDirectory() as folder:
        options = inputs(given, folder)
        text = ""
        for done in passes():
            command = [couplet, "grad", os.path.relpath(SPEC, root), "--fn", name, "--device",
                       "reference", "--print-after", done, *options]
            run = subprocess.run(command, capture_output=True, text=True, cwd=root)
            if run.returncode != 0:
                sys.exit(f"{' '.join(command)}: {run.stderr}")
            now = re.sub(r"^value: .*\n", "", run.stdout, flags=re.MULTILINE)
            text += now.split("\n", 1)[
                0] + "\n\n" if "leaves this graph unchanged" in now else f"# after {done}\n{now}\n"
    return text


def first_difference(a, b):
    for number, (x, y) in enumerate(zip(a + ["(end)"], b + ["(end)"]), 1):
        if x != y:
            return f"line {number}:\n    stored  {x}\n    now     {y}"
    return "one is longer"


couplet = os.path.abspath(couplet)
root = os.path.abspath(root)
with open(SPEC) as file:
    functions = re.findall(r"# in: (.*)\nfn (\w+)", file.read())
faults = 0
for given, name in functions:
    path = os.path.join(HERE, "golden", name + ".graph")
    now = graphs(name, given)
    stored = open(path).read() if os.path.exists(path) else ""
    if now == stored:
        print(f"ok      {name}")
    elif "--update" in sys.argv:
        with open(path, "w") as file:
            file.write(now)
        print(f"updated {name}")
    else:
        print(f"FAILED  {name}: {first_difference(stored.splitlines(), now.splitlines())}")
        faults = 1
sys.exit(faults)
