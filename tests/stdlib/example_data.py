#!/usr/bin/env python3
"""example_data.py ROOT FOLDER KIND...: lays out real data of each kind in FOLDER/KIND, by
examples/own/prepare.py, unless it lies there since prepare.py and the files beside it last changed.

As a module: which specs there are in the folders of the survey's headings, and which kind of data
each says it is run on."""
import glob
import hashlib
import importlib.util
import os
import re
import shutil
import sys


def specs(root):
    """The paths of all specs in folders of examples/ but examples/own and examples/recipes."""
    paths = sorted(glob.glob(f"{root}/examples/*/*.cpl"))
    return [path for path in paths if path.split("/")[-2] not in ("own", "recipes")]


def heading(path):
    """The comment that a spec begins with."""
    with open(path) as file:
        return re.match(r"(#.*\n)*", file.read()).group()


def code_lines(text):
    """The lines of a spec that are neither blank nor comments: what its length is measured by."""
    return sum(1 for line in text.split("\n") if not re.match(r" *(#.*)?$", line))


# The size of a spec is in hypers, which have the same names in all specs.
TINY = {"width": 4, "length": 64, "negatives": 32, "warm": 1, "stage": 7, "learning": 1,
        "tuning": 2, "teaching": 1, "clusters": 6, "groups": 4, "fine": 12, "middle": 6,
        "coarse": 3, "near": 5, "hard": 8}
# what is said of the classes of the pictures that prepare.py lays out
ICONS = {"classes": 6, "known": 3, "novel": 3, "tail": 4, "few": 16}


def small_settings(text, batch):
    """Options that make small what a spec of this text has of these."""
    return [f"--set={key}={value}" for key, value in {"batch": batch, **TINY, **ICONS}.items()
            if re.search(rf"^hyper\b.*\b{key} *=", text, re.MULTILINE)]


def kind(path):
    """The kind of data that a spec's heading names."""
    return re.search(r"--data (\w+)", heading(path)).group(1)


def lay_out(root, folder, name):
    """The folder that holds data of this kind."""
    source, stamp = f"{root}/examples/own/prepare.py", hashlib.sha256()
    for path in sorted(glob.glob(f"{root}/examples/*/*.py")): # prepare.py, and what it imports
        with open(path, "rb") as file:
            stamp.update(file.read())
    stamp = stamp.hexdigest()
    place = os.path.join(folder, name)
    mark, made = place + ".stamp", f"{place}.{os.getpid()}"
    if os.path.isdir(place) and os.path.exists(mark):
        with open(mark) as file:
            if file.read() == stamp:
                return place
    sys.path.insert(0, os.path.dirname(source))
    parts = importlib.util.spec_from_file_location("prepare", source)
    prepare = importlib.util.module_from_spec(parts)
    parts.loader.exec_module(prepare)
    if name not in prepare.KINDS:
        sys.exit(f"examples/own/prepare.py lays out no data of the kind `{name}`, which a spec "
                 f"names")
    os.makedirs(made)
    prepare.KINDS[name](made)
    shutil.rmtree(place, ignore_errors=True)
    os.rename(made, place)
    with open(mark, "w") as file:
        file.write(stamp)
    return place


if __name__ == "__main__":
    for given in sys.argv[3:]:
        print(lay_out(sys.argv[1], sys.argv[2], given))
