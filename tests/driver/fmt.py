#!/usr/bin/env python3
"""fmt.py COUPLET ROOT: the formatter is idempotent, keeps every word and comment, and the library
and the examples are in its layout.

COUPLET_UPDATE=1 rewrites the golden of tests/lang/format."""
import glob
import os
import random
import re
import sys
import tempfile

import command

couplet, root = sys.argv[1:3]
check = command.Checks()


def words(text):
    """All words and comments, without the layout: what must be the same before and after.
    Parentheses may be added."""
    return [w for w in re.findall(r'#[^\n]*|"[^"]*"|\w+|[^\w\s]',
                                  re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE))
            if w not in "()"]


def formatted(text, name):
    with tempfile.TemporaryDirectory() as folder:
        done = command.run(couplet, "fmt", command.write(folder + "/spec.cpl", text))
    check(done.returncode == 0, name, done.stderr[-1000:])
    return done.stdout


def examine(text, name):
    once = formatted(text, name)
    check(words(once) == words(text), f"{name}: words",
          "\n".join(sorted(set(words(once)) ^ set(words(text)))))
    again = formatted(once, name)
    check(again == once, f"{name}: twice", again)
    return once


def mangled(text, source):
    """The same words with other spaces."""
    lines = []
    for line in text.split("\n"):
        code, mark, comment = line.partition("#")
        code = re.sub(r" +", lambda m: " " * source.randint(1, 4),
                      " " * source.randint(0, 5) + code.lstrip())
        code = re.sub(r" *([,(\[]) *", lambda m: m.group(1) + " " * source.randint(0, 2), code)
        lines.append(code + mark + comment)
    return "\n".join(lines)


source = random.Random(4)
files = sorted(glob.glob(root + "/examples/**/*.cpl", recursive=True)
               + glob.glob(root + "/stdlib/**/*.cpl", recursive=True))
for path in files:
    with open(path) as file:
        text = file.read()
    name = os.path.relpath(path, root)
    check(examine(text, name) == text, f"{name}: laid out as `couplet fmt` does it",
          f"couplet fmt --write {name}")
    examine(mangled(text, source), f"{name}, mangled")
check(len(files) >= 10, f"{len(files)} files")
for path in [root + "/README.md", *sorted(glob.glob(root + "/docs/*.md"))]:
    with open(path) as file:
        for number, block in enumerate(re.findall(r"^```couplet\n(.*?)^```$", file.read(),
                                                  re.MULTILINE | re.DOTALL)):
            examine(block, f"{os.path.relpath(path, root)}, block {number + 1}")

golden = root + "/tests/lang/format/messy.expected"
with open(root + "/tests/lang/format/messy.cpl") as file:
    found = examine(file.read(), "messy.cpl")
if os.environ.get("COUPLET_UPDATE"):
    with open(golden, "w") as file:
        file.write(found)
with open(golden) as file:
    check(found == file.read(), "messy.cpl as expected", found)

with tempfile.TemporaryDirectory() as folder:
    messy = command.write(folder + "/messy.cpl", "fn f( x ) =x+1\n")
    done = command.run(couplet, "fmt", "--check", messy)
    check(done.returncode == 1 and "not in canonical layout" in done.stderr,
          "--check of a messy file", done.stderr)
    check(command.run(couplet, "fmt", "--write", messy).returncode == 0, "--write")
    with open(messy) as file:
        check(file.read() == "fn f(x) = x + 1\n", "what --write wrote")
    check(command.run(couplet, "fmt", "--check", messy).returncode == 0, "--check of a clean file")
    wrong = command.write(folder + "/wrong.cpl", "fn f(x = \n")
    done = command.run(couplet, "fmt", "--write", wrong)
    with open(wrong) as file:
        check(done.returncode == 2 and "error[E001]" in done.stderr
              and file.read() == "fn f(x = \n", "a file with errors stays as it is", done.stderr)
check.finish()
