#!/usr/bin/env python3
"""habits.py COUPLET ROOT: what a reader of papers, of Python or of C writes, and the whole answer,
case by case of tests/lang/check/habits.cases.

A case is `===`, the text of a file, `---`, and what `couplet check` says of it. COUPLET_UPDATE=1
writes the answers anew."""
import json
import os
import subprocess
import sys
import tempfile

couplet, root = os.path.abspath(sys.argv[1]), sys.argv[2]
path = os.path.join(root, "tests/lang/check/habits.cases")
with open(path) as file:
    parts = file.read().split("===\n")[1:]
cases = [(case.split("---\n")[0], case.split("---\n")[1]) for case in parts]
failed, written = 0, ""
with tempfile.TemporaryDirectory() as folder:
    for text, expected in cases:
        with open(folder + "/f.cpl", "w") as file:
            file.write(text)
        done = subprocess.run([couplet, "check", "f.cpl"], cwd=folder, capture_output=True,
                              text=True, timeout=900)
        found = done.stderr if done.returncode == 1 else f"exit {done.returncode}\n{done.stderr}"
        shown = subprocess.run([couplet, "check", "f.cpl", "--diagnostics", "json"], cwd=folder,
                               capture_output=True, timeout=900)
        messages = [json.loads(line) for line in shown.stderr.decode("utf-8").splitlines()]
        if len(messages) != found.count(": error[") + found.count(": warning["):
            failed += 1
            print(f"FAILED as JSON\n{text}{shown.stderr}")
        written += "===\n" + text + "---\n" + found
        if found == expected:
            continue
        failed += 1
        if not os.environ.get("COUPLET_UPDATE"):
            print(f"FAILED\n{text}--- expected\n{expected}--- found\n{found}")
    # Bytes that are no text, and noise: one message, or twenty.
    for name, content, count in (("utf-16", "fn f(x) = x\n".encode("utf-16"), 1),
                                 ("latin-1", "fn f(x) = x # caf\u00e9\n".encode("latin-1"), 1),
                                 ("a byte 0", b"fn f(x) = x\0\n", 1),
                                 ("noise", bytes(range(33, 127)) * 400 + b"\n", None),
                                 ("lines of noise", b"let = = \x1b[31m\n" * 3000, 20),
                                 ("names", b"fn f(x) = "
                                  + b" + ".join(b"a%d" % i for i in range(100)) + b"\n", 20)):
        with open(folder + "/f.cpl", "wb") as file:
            file.write(content)
        done = subprocess.run([couplet, "check", "f.cpl"], cwd=folder, capture_output=True,
                              timeout=900)
        said = done.stderr.decode("utf-8")
        errors = said.count(": error[")
        is_cut = "more errors; --all-errors shows all" in said
        if (done.returncode != 1 or errors > 20 or (count and errors != count)
                or "\x1b" in said or "\0" in said or (count == 20) != is_cut):
            failed += 1
            print(f"FAILED: {name}: {errors} errors, exit {done.returncode}\n{said[:2000]}")
        for line in subprocess.run([couplet, "check", "f.cpl", "--diagnostics", "json"],
                                   cwd=folder, capture_output=True,
                                   timeout=900).stderr.decode("utf-8").splitlines():
            json.loads(line)
if os.environ.get("COUPLET_UPDATE"):
    with open(path, "w") as file:
        file.write(written)
    failed = 0
if len(cases) < 60:
    sys.exit(f"only {len(cases)} cases were found")
print(f"{len(cases) - failed} of {len(cases)} as expected")
sys.exit(1 if failed else 0)
