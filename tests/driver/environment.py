#!/usr/bin/env python3
"""environment.py COUPLET ROOT: docs/runs.md lists the environment variables that the program, the
libraries, the package of Python and the scripts for users read, and no others."""
import os
import pathlib
import re
import sys

import command

root = pathlib.Path(sys.argv[2])
check = command.Checks()

READ = re.compile(r"""getenv\("(\w+)"\)|environ(?:\.get\(|\[)["'](\w+)["']|\$\{(COUPLET_\w+)""")
FOLDERS = {"lang": ".c", "compiler": ".c", "runtime": ".c", "python": ".py"}
# What the page says in words, and what any program reads.
ELSEWHERE = {"PATH"}

read = {}
for folder, ending in FOLDERS.items():
    for path in (root / folder).rglob("*" + ending):
        for found in READ.finditer(path.read_text()):
            read.setdefault(next(filter(None, found.groups())), path.relative_to(root))
page = (root / "docs" / "runs.md").read_text().split("## Environment")[1]
listed = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
known = listed | set(re.findall(r"\$(\w+)", page)) | ELSEWHERE
check(len(read) >= 8, f"{len(read)} variables are read", read)
missing = {name: str(path) for name, path in read.items() if name not in known}
check(not missing, "docs/runs.md lists what is read", missing)
check(listed <= set(read), "and nothing else", listed - set(read))
check.finish()
