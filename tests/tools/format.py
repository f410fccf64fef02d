#!/usr/bin/env python3
"""format.py COUPLET ROOT CLANG_FORMAT: every file of C and of OpenCL is laid out as clang-format
does it, and no list in a comment was filled as prose. Files that it does not read have lines of at
most 100 columns: the grammar and the lexer, tables (.def), Python, the library and the examples. A
text of several lines in Python is data, and has the lines that it has; a row of packages for
READER_MODULE is one line, since a shell reads it."""
import glob
import io
import os
import re
import subprocess
import sys
import tokenize

root, tool = sys.argv[2], sys.argv[3]
os.chdir(root)
paths = sorted(path for folder in ("lang", "compiler", "runtime", "tests", "examples")
               for ending in ("[ch]", "cl")
               for path in glob.glob(f"{folder}/**/*.{ending}", recursive=True))
done = subprocess.run([tool, "--dry-run", "-Werror", *paths], capture_output=True, text=True)
wrong = sorted({line.split(":")[0] for line in done.stderr.split("\n") if ": error:" in line})
for path in wrong:
    print(f"FAILED  {path}: run {tool} -i {path}")
# clang-format fills the lines of a comment. A list whose lines were too long becomes prose with the
# gaps of its columns inside; a list of lines that are indented, and fit, stays.
gap = re.compile(r"\s*(?:/\*|\*) \S.*\S {3,}\S")
for path in paths:
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if gap.match(line):
                wrong.append(path)
                print(f"FAILED  {path}:{number}: a list was filled as prose: {line.strip()}")
print(f"{len(paths)} files, {len(wrong)} of them laid out otherwise")


def texts(path, text):
    """The numbers of the lines on which a text of several lines stands in a Python file."""
    inside = set()
    if path.endswith(".py"):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.STRING and token.start[0] < token.end[0]:
                inside.update(range(token.start[0], token.end[0] + 1))
    return inside


narrow = [path for ending in ("py", "def", "l", "y")
          for path in glob.glob(f"*/**/*.{ending}", recursive=True)
          if not path.startswith(("build/", "debian/"))]
narrow += [path for folder in ("stdlib", "examples")
           for path in glob.glob(folder + "/**/*.cpl", recursive=True)]
for path in sorted(narrow):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    wide = [number for number, line in enumerate(text.split("\n"), 1)
            if len(line) > 100 and not line.startswith("READER_MODULE(")]
    for number in sorted(set(wide) - texts(path, text) if wide else ()):
        wrong.append(path)
        print(f"FAILED  {path}:{number}: more than 100 columns")
print(f"{len(narrow)} files of Python, tables, grammar and specs")
sys.exit(1 if wrong or done.returncode or len(paths) < 300 or len(narrow) < 250 else 0)
