#!/usr/bin/env python3
"""compare.py COUPLET ROOT: a small comparison: its table, its files, and that it goes on where it
was."""
import csv
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import command

couplet, root = sys.argv[1:3]
check = command.Checks()
with tempfile.TemporaryDirectory() as folder:
    data, out = folder + "/data", folder + "/out"
    command.small_data(data, train=128, test=64)
    first = command.write(folder + "/first.cpl", command.SMALL_SPEC.replace("epochs 2", "epochs 1"))
    plain = re.sub(r"hyper tau.*\n", "",
                   command.SMALL_SPEC.replace("epochs 2", "epochs 1").replace("/ tau", "/ 0.2"))
    second = command.write(folder + "/second.cpl", plain)
    line = ["compare", first, second, "--set", "tau=0.1,0.5", "--seeds", "2", "--data", data,
            "--out", out]

    done = command.run(couplet, *line)
    runs = re.findall(r"^run (\d) of 6: (.*), seed (\d)$", done.stdout, re.MULTILINE)
    check(done.returncode == 0 and len(runs) == 6,
          "every combination is trained: tau concerns the first only", done.stdout + done.stderr)
    check([r[1] for r in runs] == ["first tau=0.1"] * 2 + ["first tau=0.5"] * 2 + ["second"] * 2,
          "in order", runs)
    with open(out + "/results.csv") as file:
        rows = list(csv.DictReader(file))
    check(len(rows) == 6 and {r["seed"] for r in rows} == {"0", "1"}, "results.csv has every run",
          rows)
    for name in ("first tau=0.1", "first tau=0.5", "second"):
        values = [[float(r[c]) for r in rows if r["method"] == name]
                  for c in ("loss", "kNN (k = 5)")]
        pattern = (rf"^{re.escape(name)} +2 +{statistics.mean(values[0]):.4f} ± "
                   rf"{statistics.stdev(values[0]):.4f} +{statistics.mean(values[1]):.2f} ± "
                   rf"{statistics.stdev(values[1]):.2f} *$")
        check(re.search(pattern, done.stdout, re.MULTILINE), f"mean and deviation of {name}",
              f"{pattern}\n{done.stdout}")
    # The two temperatures are two runs, and a run of its own agrees with its line.
    alone = command.run(couplet, "train", first, "--set", "tau=0.5", "--seed", "1", "--data", data,
                        "--out", folder + "/alone", "--quiet")
    with open(folder + "/alone/metrics.jsonl") as a, open(
        out + "/first_tau=0.5_seed=1/metrics.jsonl") as b:
        steps = [[re.sub(r',"views_per_second.*', "", row) for row in file] for file in (a, b)]
    check(alone.returncode == 0 and steps[0] == steps[1],
          "a run of the comparison is `couplet train` with these options")

    if shutil.which("gnuplot"):
        with open(out + "/comparison.svg") as file:
            svg = file.read()
        check("<svg" in svg and "first tau=0.1" in svg and "kNN" in svg
              and "first, second: seeds 0 to 1, 4 steps" in svg, "comparison.svg")
        with open(out + "/comparison.gp") as file:
            script = file.read()
        check(script.count("with filledcurves") == 3 and "set key outside top" in script,
              "a band over the seeds for each curve", script[-1500:])
    else:
        print("gnuplot is not installed: the plot is not made")

    # A setting that is true or false has no place among numbers. Names are texts to gnuplot, which
    # would run what stands between backquotes.
    strange = command.write(folder + "/o'er \"s\" `touch ran`.cpl",
                            plain.replace("hyper m ", "hyper soft = true\nhyper m ")
                            .replace("/ 0.2", "/ (if soft then 0.2 else 0.4)"))
    deep = folder + "/" + "/".join(["d" * 200] * 3)
    os.makedirs(deep)
    os.symlink(data, deep + "/data")
    words = ["compare", strange, "--set", "soft=true,false", "--epochs", "0.5", "--data",
             f"train={deep}/data", "--data", f"test={deep}/data", "--out", folder + "/it's"]
    for time_of, count in ("first", 2), ("second", 0):
        swept = command.run(couplet, *words)
        runs = re.findall(r"^run \d of 2", swept.stdout, re.MULTILINE)
        check(swept.returncode == 0 and len(runs) == count,
              f"options of 1300 bytes, the {time_of} time", swept.stdout + swept.stderr)
    with open(folder + "/it's/results.csv") as file:
        methods = [row["method"] for row in csv.DictReader(file)]
    check(methods == ['o\'er "s" `touch ran` soft=' + soft for soft in ("true", "false")],
          "quotes in a name are doubled in the table", methods)
    if shutil.which("gnuplot"):
        with open(folder + "/it's/comparison.svg") as file:
            svg = file.read()
        check(">true</text>" in svg and ">false</text>" in svg and 'o\'er "s" `touch ran`' in svg
              and "_values" not in svg, "the values true and false on the axis", svg[-3000:])
        with open(folder + "/it's/comparison.gp") as file:
            points = re.findall(r"^\$values0_0 << EOD\n(\d) .*\n(\d) .*\nEOD", file.read(),
                                re.MULTILINE)
        check(points == [("0", "1")], "have places of their own", points)
        check(not os.path.exists("ran"), "and no name is run")

    again = command.run(couplet, *line)
    check(again.returncode == 0 and "run " not in again.stdout
          and again.stdout == re.sub(r"^run .*\n", "", done.stdout, flags=re.MULTILINE),
          "finished runs are not repeated", again.stdout)
    shutil.rmtree(out + "/second_seed=1")
    with open(out + "/first_tau=0.1_seed=0/metrics.jsonl") as file:
        kept = file.readlines()
    with open(out + "/first_tau=0.1_seed=0/metrics.jsonl", "w") as file:
        file.writelines(row for row in kept if "after training" not in row)
    again = command.run(couplet, *line)
    runs = re.findall(r"^run \d of 6: (.*), seed (\d)$", again.stdout, re.MULTILINE)
    check(again.returncode == 0 and runs == [("first tau=0.1", "0"), ("second", "1")],
          "what is missing is done, and no more", again.stdout + again.stderr)
    check(again.stdout.splitlines()[-5:] == done.stdout.splitlines()[-5:],
          "and gives the same table", again.stdout)

    # A spec that has changed since its runs were made is not taken for theirs.
    command.write(first, open(first).read().replace("knn(k = 5", "knn(k = 3"))
    again = command.run(couplet, *line)
    runs = re.findall(r"^run \d of 6: (.*), seed (\d)$", again.stdout, re.MULTILINE)
    check(again.returncode == 0 and [r[0] for r in runs] == ["first tau=0.1"] * 2
          + ["first tau=0.5"] * 2 and "kNN (k = 3)" in again.stdout,
          "another evaluation in a spec is made for its runs", again.stdout + again.stderr)
    command.write(first, open(first).read().replace("epochs 1", "epochs 2"))
    again = command.run(couplet, *line)
    check(again.returncode == 1 and "epochs was 1" in again.stderr
          and "--change epochs" in again.stderr, "other epochs in a spec are refused",
          again.stdout + again.stderr)
    command.write(first, open(first).read().replace("epochs 2", "epochs 1"))

    # One comparison at a time, ended by a signal to it alone: its run is saved, and the same
    # command goes on.
    long = [couplet, "compare", first, "--data", data, "--epochs", "100000", "--out",
            folder + "/long"]
    process = subprocess.Popen(long, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 900
    while not command.checkpoints(folder + "/long") and time.time() < deadline:
        time.sleep(0.01)
    second = command.run(*long)
    check(second.returncode == 1 and f"process {process.pid}" in second.stderr,
          "a second comparison in the folder is refused", second.stderr)
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=900)
    check(process.returncode == 128 + signal.SIGTERM and "the same command goes on" in output[1],
          "an interrupted comparison ends with 128 + the signal", (process.returncode, output))
    check(not [name for name in command.everything(folder + "/long") if name.endswith("run.lock")],
          "and gives its folders up")
    os.makedirs(folder + "/mine")
    command.write(folder + "/mine/results.csv", "mine\n")
    done = command.run(couplet, *line[:-1], folder + "/mine")
    check(done.returncode == 1 and "results.csv" in done.stderr
          and command.everything(folder + "/mine") == {"results.csv": b"mine\n"},
          "a table of one's own is not replaced", done.stderr)

    for wrong, sentence in [(["--set", "tua=1"], "no spec has a hyper `tua`"),
                            (["--epochs", "3"], "other options"),
                            (["--seeds", "0"], "given twice"),
                            (["--sed", "1"], "there is no option --sed")]:
        done = command.run(couplet, *line, *wrong)
        check(done.returncode != 0 and sentence in done.stderr, f"{wrong[0]} {wrong[1]}",
              done.stderr)
    broken = command.write(folder + "/broken.cpl", "loss x\n")
    done = command.run(couplet, "compare", first, broken, "--out", folder + "/none", "--data", data)
    check(done.returncode == 1 and "error[" in done.stderr
          and not os.path.exists(folder + "/none"),
          "a mistake in the last file is found before the first run", done.stderr)
check.finish()
