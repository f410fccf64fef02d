#!/usr/bin/env python3
"""docs_blocks.py COUPLET ROOT: every ```couplet block of README.md and docs/ goes through `couplet
check`.

A block is a file of its own: a whole spec, or functions and nets with the `use` that they need. The
lines of data in the pages of data, whose files are not here, are held against the
readers: names of settings, their values, options."""
import glob
import os
import re
import sys
import tempfile

import command

couplet, root = sys.argv[1:3]
check = command.Checks()
TYPED = ("tutorial.md", "cookbook.md") # docs_pages.py and docs_recipes.py run these
seen = 0
pages = sorted(glob.glob(os.path.join(root, "docs", "**", "*.md"), recursive=True))
for path in [os.path.join(root, "README.md"), *pages]:
    if os.path.basename(path) in TYPED:
        continue
    with open(path) as file:
        text = file.read()
    for found in re.finditer(r"^```couplet\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        seen += 1
        line = text[:found.start()].count("\n") + 1
        with tempfile.TemporaryDirectory() as folder:
            block = command.write(folder + "/block.cpl", found.group(1))
            done = command.run(couplet, "check", block)
            check(done.returncode == 0, f"{os.path.relpath(path, root)}:{line}",
                  done.stderr[-2000:])
sources = 0
for path in [os.path.join(root, "docs", "data.md"),
             *sorted(glob.glob(os.path.join(root, "docs", "data", "*.md")))]:
    with open(path) as file:
        text = file.read()
    for found in re.finditer(r"^    data (\w+) *= *data\.\w+\(.*$", text, re.MULTILINE):
        sources += 1
        line = text[:found.start()].count("\n") + 1
        with tempfile.TemporaryDirectory() as folder:
            done = command.run(couplet, "check",
                               command.write(folder + "/block.cpl", found.group(0).strip() + "\n"))
            # the data is not there
            wrong = set(re.findall(r"error\[(E\d+)\]", done.stderr)) - {"E112"}
            check(not wrong, f"{os.path.relpath(path, root)}:{line}", done.stderr[-2000:])
check(sources >= 20, f"{sources} sources found")
check(seen >= 5, f"{seen} blocks found")
check.finish()
