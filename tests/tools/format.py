#!/usr/bin/env python3
"""format.py COUPLET ROOT CLANG_FORMAT: every C file is laid out as clang-format does it."""
import glob
import os
import subprocess
import sys

root, tool = sys.argv[2], sys.argv[3]
os.chdir(root)
paths = sorted(path for folder in ("lang", "compiler", "runtime", "tests", "examples")
               for path in glob.glob(folder + "/**/*.[ch]", recursive=True))
done = subprocess.run([tool, "--dry-run", "-Werror", *paths], capture_output=True, text=True)
wrong = sorted({line.split(":")[0] for line in done.stderr.split("\n") if ": error:" in line})
for path in wrong:
    print(f"FAILED  {path}: run {tool} -i {path}")
print(f"{len(paths)} files, {len(wrong)} of them laid out otherwise")
sys.exit(1 if wrong or done.returncode or len(paths) < 300 else 0)
