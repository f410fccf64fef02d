#!/usr/bin/env python3
"""features.py COUPLET ROOT: the commands of docs/features.md are those of `couplet help`, with
options that it names; what is absent has no command, and what is there has one."""
import os
import re
import sys

import command

couplet, root = sys.argv[1:3]
check = command.Checks()
text = command.run(couplet, "help").stdout
# What is said of a command: its lines of usage, and the paragraph that follows.
said, name = {}, ""
for part in text.split("\n\n"):
    for line in part.split("\n"):
        found = re.match(r"couplet ([a-z]+)", line)
        name = found.group(1) if found else name
        said[name] = said.get(name, "") + line + "\n"


def wrong_of(typed):
    """What is wrong with a command that the page shows."""
    words = typed.removeprefix("mpirun -n 4 ").split()
    if words[0] != "couplet":
        known = words[0] == "pip" or os.access(os.path.join(root, words[0]), os.X_OK)
        return [] if known else [f"{words[0]} is not there"]
    if words[1] not in said:
        return [f"there is no `couplet {words[1]}`"]
    options = [word for word in words[2:] if word.startswith("--")]
    wrong = [word for word in options if word not in said[words[1]] and word not in said[name]]
    files = [word for word in words[2:] if word.startswith("examples/")]
    return wrong + [word for word in files if not os.path.exists(os.path.join(root, word))]


rows = []
with open(os.path.join(root, "docs", "features.md")) as file:
    for line in file:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 5 and cells[4].isdigit():
            rows.append((cells[0], cells[3].strip("`"), int(cells[4])))
check(len(rows) >= 42, f"{len(rows)} features")
for what, typed, score in rows:
    if typed:
        check(not wrong_of(typed), f"{what}: {typed}", wrong_of(typed))
    check(bool(typed) == (score > 0), f"{what}: a command, where it is there", typed)
check.finish()
