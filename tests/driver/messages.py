#!/usr/bin/env python3
"""messages.py COUPLET ROOT: the messages of every tests/lang/check/*.cpl against its .expected;
COUPLET_UPDATE=1 rewrites them.

A line of the library stands without its number, which changes with whatever is written above it."""
import glob
import os
import re
import subprocess
import sys

couplet, root = sys.argv[1], sys.argv[2]
failed = 0


def without_library_lines(text):
    """The place of a message in the library, and the margin of the line that is shown below it."""
    text = re.sub(r"(stdlib/\S+\.cpl):\d+:(\d+: .*\n) +\d+ \|", r"\1:LINE:\2   .. |", text)
    return re.sub(r"(stdlib/\S+\.cpl):\d+:", r"\1:LINE:", text)


files = sorted(glob.glob(os.path.join(root, "tests/lang/check/*.cpl")))
for path in files:
    name = os.path.relpath(path, root)
    done = subprocess.run([couplet, "check", name], cwd=root, capture_output=True, text=True,
                          timeout=900)
    found = without_library_lines(f"exit {done.returncode}\n{done.stderr}")
    golden = path[: -len(".cpl")] + ".expected"
    if os.environ.get("COUPLET_UPDATE"):
        with open(golden, "w") as file:
            file.write(found)
        continue
    with open(golden) as file:
        expected = file.read()
    if found != expected:
        failed += 1
        print(f"{name}: FAILED\n--- expected\n{expected}--- found\n{found}")
if len(files) < 15:
    sys.exit(f"only {len(files)} cases were found")
print(f"{len(files) - failed} of {len(files)} as expected")
sys.exit(1 if failed else 0)
