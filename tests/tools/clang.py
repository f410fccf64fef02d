#!/usr/bin/env python3
"""clang.py BUILD CLANG [--all]: clang reads every C file of a build without a warning.

The commands are those of BUILD/compile_commands.json, and nothing is made: a second compiler sees
other mistakes, and what its optimiser makes is for the preset `clang` to try. Files of tests are
read with --all only."""
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

build, clang = sys.argv[1:3]
GENERATED = ("lexer.c", "parser.c")  # by flex and bison, whose style is theirs


def words_for(entry):
    words = shlex.split(entry["command"])
    while not os.path.basename(words[0]).startswith(("cc", "gcc", "clang")) or "ccache" in words[0]:
        words.pop(0)
    kept = [word for word in words[1:] if not word.startswith(("-O", "-g"))]
    at = kept.index("-o")
    return [clang, *kept[:at], *kept[at + 2:], "-O0", "-fsyntax-only", "-Werror"]


def complaint(entry):
    done = subprocess.run(words_for(entry), cwd=entry["directory"], capture_output=True, text=True)
    return "" if done.returncode == 0 else f"FAILED  {entry['file']}\n{done.stderr}"


with open(os.path.join(build, "compile_commands.json")) as file:
    entries = [e for e in json.load(file) if os.path.basename(e["file"]) not in GENERATED
               and e["file"].endswith(".c") and ("--all" in sys.argv or "/tests/" not in e["file"])]
files = {entry["file"]: entry for entry in entries}
with ThreadPoolExecutor(2) as pool:
    found = [text for text in pool.map(complaint, files.values()) if text]
print("\n".join(found + [f"{len(files)} files, {len(found)} of them with warnings of clang"]))
sys.exit(1 if found or len(files) < 300 else 0)
