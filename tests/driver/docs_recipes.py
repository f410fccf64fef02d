#!/usr/bin/env python3
"""docs_recipes.py COUPLET ROOT [NAME]: every recipe of docs/cookbook.md is in its contents, trains
for two steps and evaluates, on less data. NAME: only the recipes with this in their heading."""
import csv
import os
import random
import re
import sys
import tempfile
import zipfile

import command

couplet, root = sys.argv[1:3]
sys.path.insert(0, os.path.join(root, "tests", "golden"))
import npy

check = command.Checks()


def recipes(text):
    """The heading of each recipe, and its spec."""
    return re.findall(r"^## (.*?)\n.*?^```couplet\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def small(spec):
    """The spec on less data and with few kernels, so that a recipe takes a second."""
    spec = re.sub(r"per_class = 100\b", "per_class = 13", spec)
    spec = re.sub(r"nn\.convnet\(width = 8\)",
                  "(nn.conv3(4, stride = 4) >> nn.global_average_pool())", spec)
    spec = spec.replace("= augment.simclr(train.image)", "= augment.flip(train.image)")
    spec = spec.replace("batch 512", "batch 128") # of 130 rows
    return spec.replace("24MiB", "6MiB")


def table(path):
    draw = random.Random(1)
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["sepal", "petal", "width", "species"])
        for row in range(120):
            kind = row % 3
            rows.writerow([*(round(draw.gauss(kind, 0.5), 2) for _ in range(3)), "abc"[kind]])


def arrays(folder):
    """rows.npz as numpy.savez would write it: three kinds of rows, and their numbers."""
    draw = random.Random(1)
    labels = [row % 3 for row in range(120)]
    rows = [draw.gauss(label, 1) for label in labels for _ in range(6)]
    npy.write(folder + "/x.npy", (120, 6), rows)
    npy.write(folder + "/label.npy", (120,), labels, "<i8")
    with zipfile.ZipFile(folder + "/rows.npz", "w") as archive:
        for name in ("x.npy", "label.npy"):
            archive.write(f"{folder}/{name}", name)


def trains(name, spec, folder, data):
    arrays(folder)
    table(folder + "/iris.csv")
    path = command.write(folder + "/recipe.cpl", small(spec))
    more = ["--max-steps", 2] if "eval" not in spec else []
    more += ["--data", data] if "fashion_mnist" in spec else []
    done = command.run(couplet, "train", path, "--threads", 2, "--out", folder + "/run", *more)
    if "E607" in done.stderr:
        return print(f"skipped {name}: the module of its reader is not built")
    check(done.returncode == 0, name, done.stdout + done.stderr)
    check("warning" not in done.stderr, f"{name}: no warning", done.stderr)
    if "eval" in spec:
        check("after training" in done.stdout, f"{name}: it is evaluated", done.stdout)


with open(os.path.join(root, "docs", "cookbook.md")) as file:
    text = file.read()
found = recipes(text)
headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
check([name for name, _ in found] == headings, "each recipe has a spec", headings)
linked = re.findall(r"\]\(#([\w-]+)\)", text)
check(linked == [re.sub(r"[^\w -]", "", name).lower().replace(" ", "-") for name in headings],
      "the contents name all recipes, in their order", linked)
check(len(found) >= 20, f"{len(found)} recipes")
with tempfile.TemporaryDirectory() as data:
    command.small_data(data, 512, 256)
    for name, spec in found:
        if not sys.argv[3:] or sys.argv[3] in name:
            with tempfile.TemporaryDirectory() as folder:
                trains(name, spec, folder, data)
check.finish()
