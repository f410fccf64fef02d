#!/usr/bin/env python3
"""docs_graphs.py COUPLET ROOT [--update]: the graphs in docs/architecture.md are what the compiler
prints of the formula there. --update rewrites them.

    <!-- formula 2048 x 64 -->   the block behind it is the formula of an array z of this shape
    <!-- graph PASS -->          the block behind it is the graph after this pass
    <!-- graph PASS, new -->     the same, but only the nodes that the graph shown last did not have
"""
import os
import re
import subprocess
import sys
import tempfile

import command

sys.path.insert(0, os.path.join(sys.argv[2], "tests", "golden"))
import npy

COLUMNS = 100
# The scratch of a product is as wide as the vectors of the processor, so its bytes are those of the
# machine that has written the page.
SCRATCH = re.compile(r"scratch \d+ bytes")
couplet, root = os.path.abspath(sys.argv[1]), sys.argv[2]
page = os.path.join(root, "docs", "architecture.md")
BLOCK = re.compile(r"(<!-- (formula|graph) ([^>]*?) -->\n+```\w*\n)(.*?)(```\n)", re.S)


def wrapped(line):
    """The line in pieces of at most COLUMNS characters, cut behind a comma and a blank."""
    pieces, indent = [], " " * (len(line) - len(line.lstrip()) + 6)
    while len(line) > COLUMNS:
        cut = line.rfind(", ", len(indent), COLUMNS) + 1
        if cut == 0:
            break
        pieces.append(line[:cut])
        line = indent + line[cut + 1:]
    return pieces + [line]


def entries(text):
    """What stands between the braces: a list of nodes, steps and outputs, each with its lines."""
    found = []
    for line in text[text.index("{\n") + 2:text.rindex("\n}")].split("\n"):
        if line.startswith("    "):
            found[-1].append(line)
        else:
            found.append([re.sub(r"    # nt_xent.cpl:", "    # line ", line)])
    return ["\n".join(piece for line in lines for piece in wrapped(line)) for lines in found]


def printed(formula, shape, stage):
    """The graph, or the plan, after a stage: `couplet grad` needs an array, and any will do."""
    rows, columns = (int(side) for side in shape.split(" x "))
    with tempfile.TemporaryDirectory() as folder:
        command.write(folder + "/nt_xent.cpl", formula)
        npy.write(folder + "/z.npy", (rows, columns), [i % 7 - 3.0 for i in range(rows * columns)])
        done = subprocess.run([couplet, "grad", "nt_xent.cpl", "--fn", "nt_xent", "--in", "z=z.npy",
                               "--print-after", stage], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return entries(done.stdout[:done.stdout.index("\n}") + 2])


class Page:
    """Fills the blocks in order: the formula comes ahead of its graphs."""

    def __init__(self):
        self.formula, self.shape, self.shown = None, None, []

    def block(self, found):
        head, kind, words, body, end = found.groups()
        if kind == "formula":
            self.formula, self.shape = body, words
            return found.group()
        stage, _, only = words.partition(", ")
        now = printed(self.formula, self.shape, stage)
        kept = [entry for entry in now if not only or entry not in self.shown]
        self.shown = now
        return head + "\n".join(kept) + "\n" + end


with open(page) as file:
    text = file.read()
wanted = BLOCK.sub(Page().block, text)
check = command.Checks()
graphs = [found for found in BLOCK.finditer(text) if found.group(2) == "graph"]
check(text.count("<!-- graph ") == len(graphs) > 3,
      "every mark of a graph has its block")
if wanted != text and "--update" in sys.argv:
    with open(page, "w") as file:
        file.write(wanted)
    print("updated docs/architecture.md")
else:
    check(SCRATCH.sub("", wanted) == SCRATCH.sub("", text),
          "the graphs of docs/architecture.md are what is printed",
          "run: tests/driver/docs_graphs.py COUPLET ROOT --update")
check.finish()
