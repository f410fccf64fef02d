#!/usr/bin/env python3
"""picture.py COUPLET ROOT: what `graph` draws and `describe` says of the examples."""
import os
import re
import shutil
import sys
import tempfile

import command

couplet, root = sys.argv[1:3]
check = command.Checks()

# example: (lines of describe, {pattern in the .dot text: how often})
EXPECTED = {
    "simclr": (
        ["update      synchronous: one gradient step for both branches: `encoder`", "structure   symmetric: both branches are encoder",
         "gradient    through both branches", "clusters    no", "labels      not used", "negatives   from the batch", "parameters  encoder: 487008"],
        {r"<b>encoder</b>": 2, r"shared weights": 1, r"<b>//</b>": 0, r"ema,": 0, r"487 k parameters": 2, r"augment\.simclr": 2}),
    "moco": (
        ["update      asynchronous: `target` follows `online` as a moving average, rate m", "structure   symmetric: both branches are online",
         "gradient    through one branch; it is stopped on the other", "negatives   from the queue `Q`", "memory      Q: 4096 x 128"],
        {r"<b>//</b>": 1, r"ema, rate m": 1, r"shape=cylinder": 1, r">push<": 1, r"4096 × 128": 1, r"shared weights": 0}),
    "byol": (
        ["update      asynchronous: `target` follows `online` as a moving average, rate anneal.cosine(m, 1)",
         "structure   asymmetric: one branch is online, predict, the other online; the loss takes both views through both",
         "loss        regression of one branch on the other (regress)", "negatives   none; a stopped gradient keeps the features apart"],
        {r"<b>online</b>": 1, r"<b>target</b>": 1, r"<b>predict</b>": 1, r"<b>//</b>": 1, r"ema, rate anneal\.cosine": 1, r"two views exchanged": 1}),
    "simsiam": (
        ["structure   asymmetric: one branch is encoder, predict, the other encoder; the loss takes both views through both", "parameters  predict: 16704"],
        {r"<b>encoder</b>": 2, r"<b>predict</b>": 1, r"shared weights": 1, r"<b>//</b>": 1, r"two views exchanged": 1}),
    "supcon": (
        ["labels      used: the loss reads labels of the data", "negatives   from the batch"], {r"<i>train\.label": 1, r"<b>//</b>": 0}),
}
for name, (lines, marks) in EXPECTED.items():
    spec = f"{root}/examples/{name}.cpl"
    words = command.run(couplet, "describe", spec)
    missing = [line for line in lines if line not in words.stdout.splitlines()]
    check(words.returncode == 0 and not missing, f"describe {name}", "\n".join(missing) + "\n--- said\n" + words.stdout + words.stderr)
    dot = command.run(couplet, "graph", spec)
    found = {mark: len(re.findall(mark, dot.stdout)) for mark in marks}
    check(dot.returncode == 0 and found == marks, f"graph {name}", f"{found}\n{dot.stdout}{dot.stderr}")
    boxes, used = set(re.findall(r"^  (\w+) \[shape", dot.stdout, re.MULTILINE)), set(re.findall(r"\b([bs]\d+)\b(?= ->| \[arrow|;)|-> (\w+)", dot.stdout))
    check({a or b for a, b in used} <= boxes, f"graph {name}: every arrow ends at a box", f"{used} {boxes}")

with tempfile.TemporaryDirectory() as folder:
    spec = f"{root}/examples/byol.cpl"
    if shutil.which("dot"):
        for ending, start in [("svg", b"<?xml"), ("png", b"\x89PNG"), ("dot", b"digraph")]:
            done = command.run(couplet, "graph", spec, "-o", f"{folder}/byol.{ending}")
            with open(f"{folder}/byol.{ending}", "rb") as file:
                check(done.returncode == 0 and file.read(8).startswith(start), f"byol.{ending}", done.stderr)
        check(sorted(os.listdir(folder)) == ["byol.dot", "byol.png", "byol.svg"], "nothing else is left", os.listdir(folder))
    else:
        print("Graphviz is not installed: pictures are not made")
    done = command.run(couplet, "graph", spec, "-o", folder + "/x.svg", env={**os.environ, "PATH": folder})
    check(done.returncode == 1 and "graphviz" in done.stderr and not os.path.exists(folder + "/x.svg"), "without Graphviz", done.stderr)
    done = command.run(couplet, "graph", spec, "-o", "/proc/x.svg")
    check(done.returncode == 1 and done.stderr == "couplet graph: error[E606]: /proc/x.svg: cannot be written: No such file or directory\n", "where nothing can be written", done.stderr)
    done = command.run(couplet, "graph", spec, "-o", folder + "/x.jpeg")
    check(done.returncode == 1 and ".svg, .pdf, .png or .dot" in done.stderr, "a kind of picture that there is not", done.stderr)
    done = command.run(couplet, "describe", f"{root}/stdlib/anneal.cpl")
    check(done.returncode == 1 and "has no `loss`" in done.stderr, "describe a file that is no method", done.stderr)
check.finish()
