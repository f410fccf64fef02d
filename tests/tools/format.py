#!/usr/bin/env python3
"""format.py COUPLET ROOT CLANG_FORMAT: every C file is laid out as clang-format does it, and the
grammar and the lexer, which it does not read, have lines of at most 100 columns."""
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
for path in ("lang/lexer.l", "lang/parser.y"):
    with open(path) as file:
        wide = [number for number, line in enumerate(file, 1) if len(line.rstrip("\n")) > 100]
    wrong += [f"{path}:{number}" for number in wide]
    for number in wide:
        print(f"FAILED  {path}:{number}: more than 100 columns")
sys.exit(1 if wrong or done.returncode or len(paths) < 300 else 0)
