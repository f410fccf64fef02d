#!/usr/bin/env python3
"""table.py COUPLET ROOT: tools/table.py trains what has no result yet and nothing else, goes on
with what was interrupted, trains anew when a spec has changed, keeps a record, and marks gaps; all
its recipes are right; and, where torch is installed, table_torch.py trains each of its methods."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

couplet, root = sys.argv[1:3]
sys.path[:0] = [os.path.join(root, "tests/driver"), os.path.join(root, "examples/own")]
import command
import prepare

check = command.Checks()
METHODS = "simclr moco_v2 byol simsiam swav dino barlow vicreg dcl supcon".split()
TORCH = "/usr/bin/python3"


def has_torch():
    tried = subprocess.run([TORCH, "-c", "import torch, numpy, PIL"], capture_output=True)
    return tried.returncode == 0


def results(out):
    """The results in the folder by name, with the time of their files."""
    names = [name for name in os.listdir(out) if name.endswith(".json")]
    return {name: os.stat(os.path.join(out, name)).st_mtime_ns for name in names}


def rows(text):
    """The table: the cells of each line by its title."""
    lines = [line.strip("| \n").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {line[0]: line[1:] for line in lines}


with tempfile.TemporaryDirectory() as folder:
    env = {"COUPLET_CACHE": f"{folder}/cache"}
    # A tree of its own, so that a spec in it may be edited.
    tree = f"{folder}/tree"
    for part in ("tools", "examples"):
        shutil.copytree(f"{root}/{part}", f"{tree}/{part}")
    pictures = f"{folder}/pictures"
    prepare.KINDS["pictures"](pictures)
    out = f"{folder}/table"

    def table(*options, methods="vicreg", python=sys.executable):
        script = [f"{tree}/tools/table.py", couplet, "--data", "pictures", "--pictures", pictures]
        settings = ["--epochs", 1, "--methods", methods, "--out", out, "--threads", 1]
        return command.run(python, *script, *settings, *options, env=env)

    for method in METHODS:
        spec = f"{tree}/examples/recipes/{method}.cpl"
        done = command.run(couplet, "check", spec, "--data", pictures, env=env)
        good = done.returncode == 0 and "warning" not in done.stderr
        check(good, f"the recipe of {method}", done.stderr)

    done = table("--seeds", 1, "--no-torch")
    first = results(out)
    cells = rows(done.stdout)
    good = done.returncode == 0 and list(first) == ["pictures-1-vicreg-0.json"]
    check(good, "one seed of one method is one result", done.stdout + done.stderr)
    number = r"\d+\.\d \(1\)"
    for title in ("raw pixels", "untrained encoders", "VICReg"):
        good = all(re.fullmatch(number, cell) for cell in cells[title])
        check(good and len(cells[title]) == 2, f"{title}: {cells[title]}")

    # Two results and a mean with a deviation; the first run is not repeated.
    done = table("--seeds", 2, "--no-torch", "--methods", "vicreg")
    second, cells = results(out), rows(done.stdout)
    good = done.returncode == 0 and "[1/1] pictures-1-vicreg-1" in done.stderr
    check(good and first.items() <= second.items(), "only the second seed is trained", done.stderr)
    values = []
    for name in second:
        with open(f"{out}/{name}") as file:
            values.append(json.load(file)["percent"]["after training"]["knn"])
    mean = f"{sum(values) / 2:.1f} ± {abs(values[0] - values[1]) / 2 ** 0.5:.1f} (2)"
    check(cells["VICReg"][0] == mean, f"mean and deviation: {cells['VICReg']}, {mean}")

    # A record has the results of a folder that is gone, for the text that they belong to.
    record = f"{folder}/record.jsonl"
    done = table("--seeds", 3, "--no-torch", "--record", record, "--jobs", 2, "--out", f"{out}2")
    with open(record) as file:
        seeds = [json.loads(line)["seed"] for line in file]
    check(done.returncode == 0 and seeds == [0, 1, 2], f"a record of seeds {seeds}", done.stderr)
    printed = table("--print", "--no-torch", "--record", record, "--out", f"{out}3").stdout
    check(printed == done.stdout, "the table of a record", f"{done.stdout}\n{printed}")
    done = table("--seeds", 2, "--no-torch", "--record", record, "--out", f"{out}3")
    check(done.returncode == 0 and "[1/" not in done.stderr, "no run of the record is repeated",
          done.stderr)
    done = table("--print", "--no-torch", "--epochs", 2, "--record", record, "--out", f"{out}3")
    check(rows(done.stdout)["VICReg"] == ["-", "-"], "other epochs of a record", done.stdout)

    # What has no result is a gap, also where nothing may be run.
    done = table("--print", methods="byol,vicreg")
    cells = rows(done.stdout)
    good = cells["BYOL"] == ["-", "-"] and cells["BYOL in torch"] == ["-", "-"]
    check(done.returncode == 0 and good and results(out) == second, "gaps", done.stdout)

    # A result that is lost is made from the run as it stands, and one of another text is not used.
    name = "pictures-1-vicreg-0"
    os.rename(f"{out}/{name}.json", f"{folder}/kept.json")
    done = table("--seeds", 1, "--no-torch")
    with open(f"{out}/{name}.json") as now, open(f"{folder}/kept.json") as then:
        good = json.load(now)["percent"] == json.load(then)["percent"]
    check(done.returncode == 0 and good, "a finished run is not trained again", done.stderr)
    with open(f"{tree}/examples/recipes/vicreg.cpl", "a") as file:
        file.write("# A comment changes no figure.\n")
    done = table("--seeds", 1, "--no-torch")
    check(done.returncode == 0 and "[1/" not in done.stderr, "another comment", done.stderr)
    with open(f"{tree}/examples/recipes/vicreg.cpl", "a") as file:
        file.write("fn another(x) = x\n")
    for more in ([], ["--record", record, "--out", f"{out}3"]):
        done = table("--print", "--no-torch", *more)
        check(rows(done.stdout)["VICReg"] == ["-", "-"], "results of another text", done.stdout)
    done = table("--seeds", 1, "--no-torch")
    good = f"{name}.json.old" in os.listdir(out) and f"[1/1] {name}" in done.stderr
    check(done.returncode == 0 and good, "another text is trained anew", done.stderr)

    # A run that fails is told, the others go on, and the exit code says so.
    with open(f"{tree}/examples/recipes/dcl.cpl", "a") as file:
        file.write("let broken = nothing\n")
    done = table("--seeds", 1, "--no-torch", methods="dcl,vicreg")
    good = done.returncode == 1 and "E101" in done.stderr and rows(done.stdout)["DCL"] == ["-", "-"]
    check(good, "a run that fails", done.stdout + done.stderr)

    with open(record) as file:
        line = file.readline()
    lines = {
        "no line of JSON": "a" * 100000, "an empty one": "", "another thing": "[]", "no row": "{}",
        "not a number": re.sub(r'"knn": [\d.]+', '"knn": NaN', line, count=1).strip(),
        "above 100": re.sub(r'"linear": [\d.]+', '"linear": 101', line, count=1).strip(),
        "an evaluation less": line.replace("after training", "afterwards").strip(),
    }
    for what, wrong in lines.items():
        damaged = command.write(f"{folder}/damaged record.jsonl", line + wrong + "\n")
        check.refused(f"a record with {what}", table("--print", "--record", damaged),
                      damaged, "line 2 is no result")
    wrong = f"{folder}/no/record.jsonl"
    check.refused("a record in no folder", table("--print", "--record", wrong), wrong)
    none = [sys.executable, f"{tree}/tools/table.py", f"{folder}/nothing", "--data", "pictures",
            "--pictures", pictures, "--out", f"{out}4", "--seeds", 1, "--no-torch"]
    done = command.run(*none, "--methods", "byol,vicreg", env=env)
    good = done.returncode == 1 and done.stderr.count("No such file") == 2
    check(good and "Traceback" not in done.stderr, "no program to train with", done.stderr)
    check.refused("no job at a time", table("--jobs", 0), "--jobs", status=2)
    check.refused("no such method", table("--methods", "simclr,simklr"), "simklr", status=2)
    alone = [sys.executable, f"{tree}/tools/table.py", couplet, "--data", "pictures", "--out", out]
    check.refused("no folder of pictures", command.run(*alone), "--pictures")

    if has_torch():
        done = table("--seeds", 1, python=TORCH)
        cells = rows(done.stdout)["VICReg in torch"]
        good = all(re.fullmatch(number, cell) for cell in cells)
        check(done.returncode == 0 and good, f"VICReg in torch: {cells}", done.stderr)
        for method in ("simclr", "byol"):
            script = [f"{tree}/tools/table_torch.py", method, "pictures", "--data", pictures]
            done = command.run(TORCH, *script, "--epochs", 0.5, "--out", folder)
            good = done.returncode == 0 and os.path.exists(f"{folder}/test.npz")
            check(good, f"a step of {method} in torch", done.stderr)
    else:
        print("torch is not installed: its rows are not tested")
check.finish()
