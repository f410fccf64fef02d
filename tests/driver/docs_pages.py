#!/usr/bin/env python3
"""docs_pages.py COUPLET ROOT PAGE [--whole]: a page of docs/ whose blocks are typed in one folder.

- A block of `couplet` that begins with `# NAME.cpl` is the file of this name.
- In a block of `console`, a line that begins with `$ ` is typed, and the lines behind it are what
  comes back. A line `...` stands for any lines.

With --whole numbers are compared to a twentieth, but for times. Without it there are 26 rows of
each class of Fashion-MNIST and two epochs, and of numbers it counts only that they are there."""
import os
import re
import subprocess
import sys
import tempfile

import command

couplet, root = map(os.path.realpath, sys.argv[1:3])
page = sys.argv[3]
whole = sys.argv[4:] == ["--whole"]
check = command.Checks()

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
# What differs from machine to machine and from run to run.
TIMES = re.compile(r"[\d.]+(?= (?:s|ms|views/s|threads|MB|kB|MiB)\b)|(?<= )\d\.\de-\d\d$")

# Lines that come where something takes long.
NOW_AND_THEN = re.compile(r"packed in|^epoch \d+/\d+ ")


def blocks(text):
    """Kind, first line and body of each block that the page shows."""
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield found.group(1), text[:found.start()].count("\n") + 1, found.group(2)


def commands(body):
    """The commands of a console block, each with the lines that come back."""
    typed = []
    for line in body.splitlines():
        if line.startswith("$ "):
            typed.append((line[2:], []))
        else:
            typed[-1][1].append(line)
    return typed


def plain(line):
    """A line without what differs between machines."""
    line = re.sub(r"\s+", " ", TIMES.sub("#", line.strip()))
    return re.sub(r"^(loaded|compiled) in .*", "ready", line)


def numbers(line):
    return [float(number) for number in NUMBER.findall(line)]


def same(shown, said):
    shown, said = plain(shown), plain(said)
    if NUMBER.sub("#", shown) != NUMBER.sub("#", said):
        return False
    if not whole:
        return True
    # Of the few pictures of the tutorial's test, one is most of a percent.
    slack = 8 if said.endswith("%") else 0
    return all(abs(one - other) <= slack + 0.05 * max(abs(one), abs(other), 1)
               for one, other in zip(numbers(shown), numbers(said)))


def without_repeats(lines):
    """Lines that differ from the one before in more than numbers: there are fewer epochs."""
    forms = [NUMBER.sub("#", plain(line)) for line in lines]
    return [line for i, line in enumerate(lines) if whole or i == 0 or forms[i] != forms[i - 1]]


def follows(shown, said):
    """True if what was said is what the page shows."""
    if not shown:
        return not said
    if shown[0] == "...":
        return any(follows(shown[1:], said[start:]) for start in range(len(said) + 1))
    return bool(said) and same(shown[0], said[0]) and follows(shown[1:], said[1:])


def write(folder, body):
    name = re.match(r"# (\w+\.\w+)\n", body)
    if not name:
        return False
    if not whole:
        body = re.sub(r"per_class = \d+", "per_class = 26", body).replace("batch 128", "batch 64")
        body = re.sub(r"epochs \d+", "epochs 2", body)
    command.write(os.path.join(folder, name.group(1)), body)
    return True


def type_in(folder, typed, shown, at):
    environment = {**os.environ, "HOME": folder, "COUPLET_CACHE": folder + "/cache"}
    environment["PATH"] = os.path.dirname(couplet) + ":/usr/bin:/bin"
    done = subprocess.run(typed, shell=True, cwd=folder, env=environment, capture_output=True,
                          text=True, timeout=900)
    said = (done.stdout + done.stderr).replace(folder, "/home/me/first")
    said = [line for line in said.splitlines() if not NOW_AND_THEN.search(line)]
    failed = any("error[" in line for line in shown)
    check((done.returncode != 0) == failed, f"{at}: {typed}", done.stderr[-2000:])
    shown, said = (without_repeats(list(filter(None, lines))) for lines in (shown, said))
    check(follows(shown, said),
          f"{at}: what `{typed}` says", "\n".join(said)[-3000:])


with open(os.path.join(root, "docs", page)) as file:
    text = file.read()
with tempfile.TemporaryDirectory() as folder:
    os.symlink(root, folder + "/couplet")
    ran = 0
    for kind, line, body in blocks(text):
        at = f"docs/{page}:{line}"
        if kind == "couplet":
            check(write(folder, body), f"{at}: the file has a name", body)
        elif kind == "console":
            for typed, shown in commands(body):
                type_in(folder, typed, shown, at)
                ran += 1
    check(ran >= 5, f"{ran} commands were typed")
check.finish()
