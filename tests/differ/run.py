#!/usr/bin/env python3
"""run.py [BUILD] [--formulas FROM TO] [--on cpu,binary,opencl,ranks] [--only
formulas,library,examples,modules]

The whole differential test: random formulas (1 .. 2000), every function of the library, one step of
every example, and of every network, augmentation, optimiser and
schedule; each by the reference evaluator, the CPU on one thread and on two, a binary and OpenCL.
With ranks, as many formulas again, and the library again, of sizes that can be cut.
Prints what disagrees, made small. BUILD is build/release without a word.
Examples on data of their own read what examples/own/prepare.py lays out."""
import argparse
import glob
import os
import subprocess
import sys
import time

TOGETHER = 50
root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(root, "tests", "stdlib"))
import example_data


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", nargs="?", default=os.path.join(root, "build", "release"))
    parser.add_argument("--formulas", nargs=2, type=int, default=[1, 2000], metavar=("FROM", "TO"))
    parser.add_argument("--on", default="cpu,binary,opencl,ranks")
    parser.add_argument("--only", default="formulas,library,examples,modules")
    return parser.parse_args()


def parts(given):
    """Name and command of each process."""
    tool, cases = os.path.join(given.build, "tests", "differ",
                               "differ"), os.path.join(given.build, "differ_cases")
    doors = [door for door in given.on.split(",") if door != "ranks"]
    start = [tool, "--on", ",".join(doors), "--save", cases]
    on_ranks = [tool, "--on", "cpu,ranks", "--save", cases]
    first, last = given.formulas
    made_for = [("formulas", start)] * bool(doors) + [("ranks", on_ranks)] * ("ranks" in given.on)
    for what, words in made_for if "formulas" in given.only else []:
        for i in range(first, last + 1, TOGETHER):
            end = min(last, i + TOGETHER - 1)
            yield f"{what} {i} .. {end}", words + ["formulas", str(i), str(end)]
    for what, words in made_for if "library" in given.only else []:
        yield "library" + (" on ranks" if what == "ranks" else ""), words + ["library"]
    if "examples" in given.only:
        for path in sorted(glob.glob(root + "/examples/*.cpl")):
            yield os.path.relpath(path, root), start + [path]
        for path in example_data.specs(root):
            yield os.path.relpath(path, root), start + [
                "--in", example_data.lay_out(root, os.path.join(given.build, "example_data"),
                                             example_data.kind(path)), path]
    if "modules" in given.only:
        yield "modules", [sys.executable, root + "/tests/stdlib/modules.py",
                          os.path.join(given.build, "couplet"), tool, root]


given = read_arguments()
cache = os.path.join(given.build, "opencl_cache")
environment = {**os.environ, "POCL_CACHE_DIR": cache, "COUPLET_CACHE": cache,
               "DIFFER_ON": given.on.replace(",ranks", ""),
               "COUPLET_MODULES": os.path.join(given.build, "runtime")}
wrong, begin = 0, time.time()
for name, words in parts(given):
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    lines = done.stdout.strip().splitlines()
    wrong += done.returncode != 0
    print(f"{'ok     ' if done.returncode == 0 else 'FAILED '} {name}: "
          f"{lines[-1] if lines else done.stderr.strip()}", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr, flush=True)
print(f"{wrong} of these failed; {(time.time() - begin) / 60:.0f} minutes")
sys.exit(wrong != 0)
