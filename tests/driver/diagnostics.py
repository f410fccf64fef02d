#!/usr/bin/env python3
"""diagnostics.py COUPLET ROOT: --diagnostics json says what the text says, and `couplet explain`
knows every code."""
import glob
import json
import os
import re
import subprocess
import sys

couplet, root = sys.argv[1], sys.argv[2]


def run(*args):
    return subprocess.run([couplet, *args], cwd=root, capture_output=True, text=True, timeout=900)


codes = dict(line.split("  ", 1) for line in run("explain").stdout.splitlines())
assert len(codes) > 50 and codes["E402"].startswith("one index over"), codes

seen = 0
for path in sorted(glob.glob(os.path.join(root, "tests/lang/check/*.cpl"))):
    name = os.path.relpath(path, root)
    text, messages = run("check", name).stderr, [json.loads(line)
                                                 for line in run("check", name, "--diagnostics",
                                                                 "json").stderr.splitlines()]
    heads = re.findall(r"^(\S+?):(\d+):(\d+): (error|warning)\[(\w+)\]: (.*)$", text, re.MULTILINE)
    found = [(m["file"], str(m["line"]), str(m["column"]), m["severity"], m["code"], m["message"])
             for m in messages]
    assert heads == found, (name, heads, found)
    seen += len(found)
    notes = re.findall(r"^(\S+?):(\d+):(\d+): note: (.*)$", text, re.MULTILINE)
    assert notes == [(n["file"], str(n["line"]), str(n["column"]), n["message"]) for m in messages
                     for n in m["notes"]], name
    assert re.findall(r"^      = help: (.*)$", text,
                      re.MULTILINE) == [m["suggestion"] for m in messages if m["suggestion"]], name
    for m in messages:
        assert m["code"] in codes, m
        assert (m["end"]["line"], m["end"]["column"]) > (m["line"], m["column"]), m
    carets = [len(line.split("|", 1)[1].strip()) for line in text.splitlines()
              if re.fullmatch(r"      \| +\^~*", line)]
    spans = [m["end"]["column"] - m["column"] for message in messages
             for m in [message, *message["notes"]] if m["end"]["line"] == m["line"]]
    assert carets == spans or len(spans) < len(carets), (name, carets, spans)

assert seen > 40, seen
page = run("explain", "e402")
assert page.returncode == 0, page.stdout
assert "error[E402]" in page.stdout and "This is right:" in page.stdout, page.stdout
wrong = run("explain", "E4O2")
assert wrong.returncode == 2 and "did you mean E402" in wrong.stderr, wrong.stderr
assert run("check", "examples/byol.cpl", "--diagnostics", "xml").returncode == 2
print("as expected")
