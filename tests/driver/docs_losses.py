#!/usr/bin/env python3
"""docs_losses.py COUPLET ROOT [--update]: the pages of the library's modules in docs are what
`couplet doc` makes of their comments, and every loss has one that says where it comes from.
--update writes the pages."""
import os
import re
import subprocess
import sys

import command

couplet, root = os.path.abspath(sys.argv[1]), sys.argv[2]
update = sys.argv[3:] == ["--update"]
check = command.Checks()
made = subprocess.run([couplet, "doc", "stdlib/losses"], cwd=root, capture_output=True, text=True)
check(made.returncode == 0, "couplet doc stdlib/losses", made.stderr)
PAGES = {"losses": "losses", "augment": "augmentations", "nn": "networks",
         **{kind + ".cpl": "kinds/" + kind
            for kind in ("clips", "waves", "points", "columns", "tokens", "textlines")},
         **{module + ".cpl": "library/" + module
            for module in ("anneal", "cluster", "measure", "mix", "optim", "pair", "stats")}}
modules = set(os.listdir(os.path.join(root, "stdlib"))) - {"README.md"}
check(set(PAGES) == modules, "every module of the library has a page", set(PAGES) ^ modules)
for source, page in PAGES.items():
    found = subprocess.run([couplet, "doc", f"stdlib/{source}"], cwd=root, capture_output=True,
                           text=True).stdout
    path = os.path.join(root, f"docs/{page}.md")
    if update:
        command.write(path, found)
    check(os.path.exists(path) and open(path).read() == found, f"docs/{page}.md is up to date",
          f"run: couplet doc stdlib/{source} > docs/{page}.md")
    bare = re.findall(r"^(#+ \w+)\n\n`.*`\n\n(?=```math|<details>)", found, re.MULTILINE)
    check(not bare or "library" not in page, f"{source}: functions have comments", bare)

sections = re.split(r"^### ", made.stdout, flags=re.MULTILINE)[1:]
check(len(sections) >= 80, f"{len(sections)} functions")
for section in sections:
    name, comment = section.split("\n", 1)[0], re.split("<details>|```math", section)[0]
    if len(comment.split()) < 15:
        check(False, f"{name} has a comment", comment)
numbers = set(re.findall(r"\bL(\d\d)\b", "".join(s.split("<details>")[0] for s in sections)))
wanted = [*range(2, 13), *range(14, 29), *range(36, 40), 44, 46, 50, 54]
missing = [f"L{n:02}" for n in wanted if f"{n:02}" not in numbers]
check(not missing, "every loss of the survey has its number somewhere", ", ".join(missing))

bad = subprocess.run([couplet, "doc", "stdlib/none"], cwd=root, capture_output=True, text=True)
check(bad.returncode == 1 and "stdlib/none" in bad.stderr, "a file that is not there", bad.stderr)
check.finish()
