#!/usr/bin/env python3
"""fuzz.py ROOT: campaigns of tools/fuzz.sh add up over calls, go on where the last one ended, and
count for the sources of the target that they ran with. The targets here are scripts in a tree of
its own."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "driver"))
import command

root = pathlib.Path(sys.argv[1])
check = command.Checks()
# Ten inputs a second without taking one; the input that the file `bad` names fails.
TARGET = """#!/bin/bash
count=$((${5} * 10))
bad=$(cat "$1/../../bad" 2> /dev/null)
if [ -n "$bad" ] && [ "$bad" -ge "$3" ] && [ "$bad" -lt $(($3 + count)) ]; then
    echo "This was input $bad" >&2
    exit 1
fi
echo "$count inputs from 1 seeds"
"""


def git(tree, *words):
    who = ["-c", "user.name=x", "-c", "user.email=x@y.z"]
    subprocess.run(["git", "-C", tree, *who, *words], check=True, capture_output=True)


def make_tree(tree):
    folders = ["tools", "runtime", "tests/runtime/fuzz/seeds/one", "build/dev/tests/runtime/fuzz"]
    for folder in folders:
        (tree / folder).mkdir(parents=True)
    shutil.copy(root / "tools/fuzz.sh", tree / "tools")
    (tree / "runtime/reader.c").write_text('#include "runtime/reader.h"\nint one;\n')
    (tree / "runtime/reader.h").write_text("enum { READER };\n")
    (tree / "runtime/other.c").write_text("int other;\n")
    (tree / "tests/runtime/fuzz/seeds/one/seed").write_text("x")
    (tree / ".gitignore").write_text("build\n")
    (tree / "build/dev/build.ninja").write_text(f"""rule cc
  command = cc -I{tree} -MD -MF $out.d -c $in -o $out
  depfile = $out.d
  deps = gcc
build reader.o: cc {tree}/runtime/reader.c
rule link
  command = touch $out
build tests/runtime/fuzz/fuzz_one: link reader.o
build fuzz_one: phony tests/runtime/fuzz/fuzz_one
""")
    target = tree / "build/dev/tests/runtime/fuzz/fuzz_one"
    target.write_text(TARGET)
    target.chmod(0o755)
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "first")


with tempfile.TemporaryDirectory() as folder:
    tree = pathlib.Path(folder) / "tree"
    make_tree(tree)
    state = tree / "build/fuzz/one.campaigns"

    def fuzz(*words, **environment):
        given = {**os.environ, "PRESET": "dev", **environment}
        return subprocess.run(["bash", tree / "tools/fuzz.sh", *map(str, words)], text=True,
                              capture_output=True, env=given)

    def slices():
        return [list(map(int, line.split()[1:4])) for line in state.read_text().splitlines()]

    done = fuzz(90, FROM="1000")
    check(done.returncode == 0 and "nothing found" in done.stdout, "a campaign", done)
    check(slices() == [[60, 1000, 600], [30, 1600, 300]], "goes in slices of a minute", slices())
    done = fuzz("--total", 100)
    check(slices()[2:] == [[10, 1900, 100]], "the next one takes what is missing, behind it", done)
    done = fuzz("--total", 100)
    check(done.returncode == 0 and len(slices()) == 3, "and nothing where nothing is missing", done)
    done = fuzz("--report")
    check("100 s, 100 s with the sources as they are" in done.stdout, "the report has all", done)
    check("1000 inputs" in done.stdout, "and their inputs", done)

    def counts():
        return int(re.search(r", (\d+) s with the sources", fuzz("--report").stdout)[1])

    for name, text, now, what in [
        ("runtime/other.c", "int another;\n", 100, "a source of another target is nothing to it"),
        ("runtime/reader.h", "enum { READER }; /* why */\n", 100, "so does a comment"),
        ("runtime/reader.h", "enum { READER, WRITER };\n", 0, "a header counts"),
        ("runtime/reader.h", "enum { READER };\n", 100, "and what ran with it comes back with it"),
        ("runtime/reader.c", '#include "runtime/reader.h"\nint two;\n', 0, "so does a source"),
    ]:
        (tree / name).write_text(text)
        check(counts() == now, what, counts())
    git(tree, "commit", "-qam", "second")
    done = fuzz("--total", 70, "one")
    check("170 s, 70 s with the sources as they are" in done.stdout, "the total begins anew", done)
    kept = tree.parent / "kept.fuzz"
    done = fuzz(1, FUZZ_STATE=kept)
    check(len((kept / "one.campaigns").read_text().splitlines()) == 1, "a folder one names", done)
    check("170 s" in fuzz("--report").stdout, "and that of the build is as it was")
    shutil.rmtree(kept)

    (tree / "tests/runtime/fuzz/bad").write_text("2750")
    done = fuzz(60)
    check(done.returncode == 1 and "FOUND" in done.stdout, "a finding", done)
    check("This was input 2750" in (tree / "build/fuzz/one.log").read_text(), "lies in the log")
    check(slices()[-1] == [10, 2600, 100], "and its slice counts for nothing", slices())
    check(fuzz("--total", "x").returncode == 2, "--total takes a number")
    done = fuzz(1, "two")
    check(done.returncode == 2 and "no target `two`" in done.stderr, "no such target", done)
    lock = subprocess.Popen(["flock", tree / "build/fuzz/one.lock", "cat"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    lock.stdin.write("held\n")
    lock.stdin.flush()
    lock.stdout.readline() # the lock is taken
    done = fuzz(1, "one")
    check(done.returncode == 2 and "runs already" in done.stdout, "two at once", done)
    lock.communicate()
check.finish()
