#!/usr/bin/env python3
"""placement.py COUPLET ROOT: arrays share the arena without harm: whoever reads one finds it there, and elementwise work is done over what ends with it."""
import re
import sys

import command

couplet, root = sys.argv[1], sys.argv[2]
check = command.Checks()
STEP = re.compile(r"step \d+: (.*?), \d+ tiles:(.*?) -> (.*?)    # ")
ARRAY = re.compile(r"(?:%(\d+) )?@(\d+)\+(\d+)")


def arrays(text):
    """Node (empty for what belongs to no node), start, end."""
    return [(node, int(start), int(start) + int(size)) for node, start, size in ARRAY.findall(text)]


def run(plan):
    """Goes through the steps of a plan. What was read of memory that another array had taken; how many steps wrote over an operand; the end of the highest array."""
    held, wrong, over, top = [], [], 0, 0
    for label, read, written in STEP.findall(plan):
        reads, writes = arrays(read), arrays(written)
        wrong += [(label, a) for a in reads if a not in held]
        for w in writes:
            touched = [a for a in reads if a[1] < w[2] and w[1] < a[2]]
            over += bool(touched)
            if any(a[1:] != w[1:] or not label.startswith("map ") for a in touched):
                wrong.append((label, w))
        held = [a for a in held if all(a[2] <= w[1] or w[2] <= a[1] for w in writes)] + writes
        top = max([top] + [w[2] for w in writes])
    return wrong, over, top


for name in ("simclr", "moco_v2", "byol", "dino", "swav", "kcl"):
    done = command.run(couplet, "check", f"{root}/examples/{name}.cpl", "--print-after", "place")
    if not check(done.returncode == 0, f"{name} has a plan", done.stderr):
        continue
    for plan in re.findall(r"^plan \w+ \{.*?^\}", done.stdout, re.MULTILINE | re.DOTALL):
        wrong, over, top = run(plan)
        check(not wrong, f"{name}: every array is there when it is read", wrong[:3])
        check(top <= int(re.search(r"arena (\d+) bytes", plan)[1]), f"{name}: the arena holds them all")
        if "plan train" in plan or "plan step" in plan:
            check(over > 0, f"{name}: elementwise work is done in place")
check.finish()
