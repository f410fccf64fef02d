#!/usr/bin/env python3
"""install.py COUPLET ROOT BUILD: what `cmake --install` puts in place works from there, with
nothing
of the build folder in reach: the program, its modules, programs that it builds, its pages."""
import os
import shutil
import subprocess
import sys
import tempfile

import command

root, build = sys.argv[2:4]
check = command.Checks()


def completed(script, *words, begun=""):
    """What bash would offer behind these words of a command line for the word that is begun."""
    line = " ".join(words)
    lines = f'source {script}; COMP_WORDS=({line} "{begun}"); COMP_CWORD={len(words)}\n'
    return subprocess.run(["bash", "-c", lines + '_couplet; echo "${COMPREPLY[*]}"'],
                          capture_output=True, text=True).stdout.split()


def install(prefix):
    done = subprocess.run(["cmake", "--install", build, "--prefix", prefix],
                          capture_output=True, text=True)
    check(done.returncode == 0, "cmake --install", done.stderr[-2000:])
    found = {}
    for base, _, names in os.walk(prefix):
        found.update((name, os.path.join(base, name)) for name in names)
    return found


def program_works(folder, couplet):
    data = command.small_data(folder + "/data", train=64, test=32)
    spec = command.write(folder + "/small.cpl", command.SMALL_SPEC)
    trained = command.run(couplet, "train", spec, "--data", data, "--max-steps", 2,
                          "--out", folder + "/run", "--threads", 1)
    check(trained.returncode == 0, "it trains", trained.stderr)
    built = command.run(couplet, "build", spec, "--data", data, "-o", folder + "/small",
                        "--target", "x86-64-v2")
    check(built.returncode == 0, "it builds a program", built.stderr)
    again = command.run(folder + "/small", "--version")
    check(again.returncode == 0, "which runs", again.stderr)


with tempfile.TemporaryDirectory() as folder:
    prefix = os.path.join(folder, "usr")
    found = install(prefix)
    couplet = os.path.join(prefix, "bin", "couplet")
    for name in ("couplet.1", "_couplet", "couplet.fish", "couplet.h", "libcouplet.a",
                 "couplet_formula.h",
                 "libcouplet_formula.so", "LICENSE",
                 "CHANGELOG.md", "language.md", "simclr.cpl"):
        check(name in found, f"{name} is there")
    moved = shutil.move(prefix, os.path.join(folder, "moved"))
    couplet = os.path.join(moved, "bin", "couplet")
    version = command.run(couplet, "--version")
    check(version.stdout.startswith("couplet "), "the program runs from where it is moved to",
          version.stderr)
    program_works(folder, couplet)
    if "libcouplet_images.so" in found:
        os.makedirs(folder + "/none")
        looked = command.run(couplet, "data", "--reader", "images", folder + "/none")
        check("E607" not in looked.stderr, "its modules are found", looked.stderr)
    page = found["couplet.1"].replace(prefix, moved)
    with open(page) as file:
        text = file.read()
    names = command.run(couplet, "help").stdout
    commands = [line.split()[1] for line in names.split("\n") if line.startswith("couplet ")]
    missing = [name for name in commands if name != "version" and f".SS {name}\n" not in text]
    check(len(commands) > 15 and not missing, "the manual page has every command", missing)
    script = os.path.join(moved, "share", "bash-completion", "completions", "couplet")
    check("train" in completed(script, "couplet"), "bash completes commands")
    check("--fn" in completed(script, "couplet", "grad", begun="--f"), "bash completes options")
    check("opencl" in completed(script, "couplet", "train", "--device"), "bash completes devices")
check.finish()
