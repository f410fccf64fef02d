#!/usr/bin/env python3
"""ranks_examples.py COUPLET [--ranks 1,2,4,8] [--steps 20] [--device cpu] [--resume] [SPEC ..]

Every example that trains, made small, on several ranks of this machine and on one or two threads:
the checkpoint of each is that of one rank with as many shards, to the byte. With --resume the run
also goes on from two ranks to three, and from there to one. A spec that is not named is not tried;
without any, all are.

The data lie in COUPLET's folder, below example_data, where examples/own/prepare.py lays them out.
Other data of examples/own/sounds.cpl are taken from the folder own_sounds there, and so on. A row
for each spec; the exit status is 1 where one differs, and 2 where one could not be tried."""
import argparse
import glob
import os
import re
import shutil
import sys
import tempfile
import time

root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path[:0] = [os.path.join(root, "tests", name) for name in ("driver", "stdlib")]
import command
import example_data
import mpirun

SHARDS, BATCH, LIMIT = 8, 32, 1800
NOT_TRIED = "not tried"


def every_spec():
    return sorted(glob.glob(root + "/examples/*.cpl") + glob.glob(root + "/examples/*/*.cpl"))


def data_of(spec, folder):
    """The folder of the data that the heading names, or a part of Fashion-MNIST."""
    heading = example_data.heading(spec)
    own = f"{folder}/own_{os.path.basename(spec)[:-4]}"
    if os.path.isdir(own) and os.path.dirname(spec).endswith("/own"):
        return own
    kind = re.search(r"--data (?!FOLDER)(\w+)", heading)
    name = kind[1] if kind else os.path.basename(spec)[:-4] if "--data FOLDER" in heading else None
    if name:
        return example_data.lay_out(root, folder, name)
    part = folder + "/fashion_part"
    # 1 % of them is more than a batch of 64
    return part if os.path.isdir(part) else command.small_data(part, train=8192)


def small_copy(spec, folder):
    """The spec with a small batch and narrow networks, where its text has their sizes."""
    with open(spec) as file:
        text = file.read()
    text = re.sub(r"\bbatch \d+", lambda found: f"batch {min(int(found[0][6:]), BATCH)}", text)
    text = re.sub(r"\bwidth = (32|64)\b", "width = 8", text)
    # files that the spec names lie beside it
    place = shutil.copytree(os.path.dirname(spec), folder + "/spec",
                            ignore=shutil.ignore_patterns("*.py", "own", "recipes"))
    return command.write(os.path.join(place, os.path.basename(spec)), text)


def compare(spec, folder, o):
    """Runs that differ from the one on one rank, in words; those that could not be made, too."""
    try:
        data = data_of(spec, o.data)
    except (SystemExit, OSError) as why:
        return [f"{NOT_TRIED}: {why}"]
    with open(spec) as file:
        small = example_data.small_settings(file.read(), batch=BATCH)
    copy, wrong = small_copy(spec, folder), []

    def train(out, threads, *more):
        return [o.couplet, "train", copy, "--data", data, "--out", f"{folder}/{out}", "--seed", "3",
                "--threads", str(threads), "--shards", str(SHARDS), "--device", o.device, *small,
                *more]

    def ends(name, ranks, threads, *more):
        line = train(name, threads, *more)
        done = (command.run(*line, timeout=LIMIT) if ranks == 1 else
                mpirun.run(library, (ranks, line), timeout=LIMIT))
        if done.returncode != 0:
            wrong.append(f"{name}: {(done.stderr or done.stdout).strip()[-1000:]}")
        return done.returncode == 0 and command.last_checkpoint(f"{folder}/{name}")

    library = mpirun.libraries(o.couplet)[0]
    steps = ("--max-steps", str(o.steps))
    one = ends("one", 1, 1, *steps)
    if not one:
        return [f"{NOT_TRIED}: {wrong[0]}"]
    for i, ranks in enumerate(o.ranks):
        threads = 1 + i % 2
        if ends(f"on_{ranks}", ranks, threads, *steps) not in (one, False):
            wrong.append(f"{ranks} ranks of {threads} threads have other bytes")
    if o.resume:
        for ranks, part in ((2, 3), (3, 2), (1, 1)):
            more = ("--resume",) if ranks != 2 else ()
            last = ends("resumed", ranks, 1, *more, "--max-steps", str(max(1, o.steps // part)))
        if last not in (one, False):
            wrong.append("going on from 2 ranks to 3 and to 1 ends with other bytes")
    return wrong


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("couplet", type=os.path.abspath)
    parser.add_argument("specs", nargs="*")
    parser.add_argument("--ranks", default="1,2,4,8")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--resume", action="store_true")
    o = parser.parse_intermixed_args()
    o.ranks = [int(word) for word in o.ranks.split(",")]
    o.data = os.path.join(os.path.dirname(o.couplet), "example_data")
    os.makedirs(o.data, exist_ok=True)
    status = 0
    for spec in o.specs or every_spec():
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            wrong = compare(os.path.abspath(spec), folder, o)
        tried = not (wrong and wrong[0].startswith(NOT_TRIED))
        status = 1 if wrong and tried else status or 2 * (not tried)
        found = "same" if not wrong else "DIFFERS" if tried else "NOT TRIED"
        seconds = time.monotonic() - began
        print(f"{found}  {os.path.relpath(spec, root)}  {seconds:.0f} s", *wrong, sep="\n    ",
              flush=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
