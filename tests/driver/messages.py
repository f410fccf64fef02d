#!/usr/bin/env python3
"""messages.py COUPLET ROOT: the messages of every tests/lang/check/*.cpl against its .expected;
COUPLET_UPDATE=1 rewrites them."""
import glob
import os
import subprocess
import sys

couplet, root = sys.argv[1], sys.argv[2]
failed = 0
files = sorted(glob.glob(os.path.join(root, "tests/lang/check/*.cpl")))
for path in files:
    name = os.path.relpath(path, root)
    done = subprocess.run([couplet, "check", name], cwd=root, capture_output=True, text=True,
                          timeout=900)
    found = f"exit {done.returncode}\n{done.stderr}"
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
