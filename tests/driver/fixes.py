#!/usr/bin/env python3
"""fixes.py COUPLET ROOT: what a message proposes to write mends the mistake, and messages are
coloured where they should be.

Each fix of the cases in tests/lang/check is applied to its file, and the message must be gone."""

import glob
import json
import os
import pty
import re
import subprocess
import sys
import tempfile

import command

couplet, root = os.path.abspath(sys.argv[1]), sys.argv[2]
check = command.Checks()


def messages(path):
    done = subprocess.run(
        [couplet, "check", os.path.basename(path), "--diagnostics", "json", "--all-errors"],
        cwd=os.path.dirname(path),
        capture_output=True,
        text=True,
    )
    return [json.loads(line) for line in done.stderr.splitlines()]


def offset(text, place):
    lines = text.split("\n")
    return sum(len(line) + 1 for line in lines[: place["line"] - 1]) + place["column"] - 1


def applied(text, fix):
    return text[: offset(text, fix)] + fix["text"] + text[offset(text, fix["end"]) :]


# What messages say that have a fix.
PROPOSED = re.compile(
    "did you mean|no meaning here|here stands|makes the names|the module .* has it"
)


def cases():
    for path in sorted(glob.glob(os.path.join(root, "tests/lang/check/*.cpl"))):
        with open(path) as file, open(path.replace(".cpl", ".expected")) as expected:
            text, answer = file.read(), expected.read()
        if PROPOSED.search(answer):
            yield text
    with open(os.path.join(root, "tests/lang/check/habits.cases")) as file:
        for case in file.read().split("===\n")[1:]:
            if PROPOSED.search(case):
                yield case.split("---\n")[0]


tried = 0
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "f.cpl")
    for text in cases():
        command.write(path, text)
        for message in messages(path):
            fix = message["fix"]
            if not fix:
                continue
            command.write(path, applied(text, fix))
            left = [(m["line"], m["column"], m["message"]) for m in messages(path)]
            place = (message["line"], message["column"], message["message"])
            check(place not in left, f"the fix mends it: {place}", left)
            tried += 1
    check(tried >= 40, f"{tried} fixes were tried")

    # Colours: on a terminal, unless NO_COLOR; --color goes before.
    command.write(path, "fn f(x) = y # \u00e9\n")

    def said(*options, terminal=False, **environment):
        argv = [couplet, "check", path, *options]
        env = {**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment}
        if not terminal:
            return subprocess.run(argv, capture_output=True, text=True, env=env).stderr
        master, slave = pty.openpty()
        subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=slave, env=env)
        os.close(slave)
        shown = b""
        try:
            while piece := os.read(master, 4096):
                shown += piece
        except OSError:
            pass
        return shown.decode().replace("\r\n", "\n")

    plain, coloured = said(), said("--color", "always")
    check("\033" not in plain and "error[E101]" in plain, "no colours in a pipe", plain)
    check("\033[1;31m" in coloured, "--color always", coloured)
    check(re.sub(r"\033\[[0-9;]*m", "", coloured) == plain, "colours add nothing else", coloured)
    check(said(terminal=True) == coloured, "colours on a terminal", said(terminal=True))
    check(said(terminal=True, NO_COLOR="1") == plain, "NO_COLOR")
    check(said(terminal=True, TERM="dumb") == plain, "TERM=dumb")
    check(said("--color=never", terminal=True) == plain, "--color never")
    check(
        said("--color=always", terminal=True, NO_COLOR="1") == coloured, "--color before NO_COLOR"
    )
    check("is auto, always or never" in said("--color", "red"), "--color red is refused")
    shown = said("--color", "always", "--diagnostics", "json")
    check("\033" not in shown and json.loads(shown), "JSON has no colours", shown)
check.finish()
