#!/usr/bin/env python3
"""compile_time.py COUPLET ROOT: what the passes make grows with the graph, and with nothing else.

`couplet check --passes` counts the expressions that each pass makes. That is the work of a pass, the
same on every machine. For each example and each pass it is at most MOST for a node; the most that was
met when this test was written is 31 (swav, fuse)."""
import glob
import os
import sys

import command

MOST = 64
couplet, root = sys.argv[1:3]
check = command.Checks()


def rows(spec):
    """graph, pass, milliseconds, nodes before and after, expressions; the last row is the sum."""
    done = command.run(couplet, "check", spec, "--passes")
    check(done.returncode == 0, f"check --passes {spec}", done.stderr[-500:])
    return [(line[:16].strip(), *line[16:].split()) for line in done.stdout.splitlines()[1:]]


specs = sorted(glob.glob(os.path.join(root, "examples", "*.cpl")))
check(len(specs) > 20, "the examples are there", len(specs))
worst = (0.0, "")
for spec in specs:
    table = rows(spec)
    passes = [row[1] for row in table if row[0] == "train"]
    check(passes[:4] == ["lower", "weigh", "stabilise", "differentiate"] and passes[-1] == "place",
          "the step goes along the whole road", (spec, passes))
    for graph, name, _, before, after, exprs in (row for row in table if len(row) == 6):
        if name in ("lower", "place"):
            continue
        for_node = int(exprs) / max(int(before), int(after))
        worst = max(worst, (for_node, f"{os.path.basename(spec)}, {graph}, {name}"))
        check(for_node <= MOST, "a pass makes a bounded number of expressions for a node",
              (spec, graph, name, for_node))
    check(table[-1][0] == "all", "the last row is the sum", table[-1])
print(f"at most {worst[0]:.1f} expressions for a node: {worst[1]}")
check.finish()
