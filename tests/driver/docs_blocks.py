#!/usr/bin/env python3
"""docs_blocks.py COUPLET ROOT: every ```couplet block of README.md and docs/ goes through `couplet check`.

A block is a file of its own: a whole spec, or functions and nets with the `use` that they need."""
import glob
import os
import re
import sys
import tempfile

import command

couplet, root = sys.argv[1:3]
check = command.Checks()
seen = 0
for path in [os.path.join(root, "README.md"), *sorted(glob.glob(os.path.join(root, "docs", "*.md")))]:
    with open(path) as file:
        text = file.read()
    for found in re.finditer(r"^```couplet\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        seen += 1
        line = text[:found.start()].count("\n") + 1
        with tempfile.TemporaryDirectory() as folder:
            block = command.write(folder + "/block.cpl", found.group(1))
            done = command.run(couplet, "check", block)
            check(done.returncode == 0, f"{os.path.relpath(path, root)}:{line}", done.stderr[-2000:])
check(seen >= 5, f"{seen} blocks found")
check.finish()
