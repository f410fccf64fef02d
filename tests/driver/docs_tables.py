#!/usr/bin/env python3
"""docs_tables.py COUPLET ROOT [--update]: tables in docs/ that come from tables in the code or from
the record of runs, and the list of commands in README.md, which has each command of --help.
--update rewrites the tables."""
import glob
import os
import re
import subprocess
import sys
import tempfile

couplet, root = sys.argv[1:3]


def sentence(strings):
    """The text of strings that stand one behind the other."""
    return "".join(re.findall(r'"([^"]*)"', strings))


def passes():
    with open(os.path.join(root, "compiler", "passes", "passes.def")) as file:
        found = re.findall(r'^PASS\((\w+),\s*(\w+),\s*\w+,\s*\w+,\s*\w+,\s*((?:"[^"]*"\s*)+)\)',
                           file.read(), re.MULTILINE)
    rows = [f"| {name} | {stage} | {sentence(text)} |"
            for name, stage, text in found]
    return ["| pass | stage | what it does |", "| --- | --- | --- |"] + rows


def defined(path):
    """The functions, networks and optimisers of a module, in the order of its text."""
    files = [path] if path.endswith(".cpl") else sorted(glob.glob(f"{path}/*.cpl"))
    names = []
    for name in files:
        with open(name) as file:
            names += re.findall(r"^(?:fn|net|optimiser) (\w+)\(", file.read(), re.MULTILINE)
    return names


# what each module of the library holds, and its page
MODULES = [
    ("nn", "layers and networks", "networks.md"),
    ("losses", "losses, one function for each formula", "losses.md"),
    ("augment", "functions of one image, and the views of the papers by name", "augmentations.md"),
    ("clips", "functions of one clip: time, place, colour, motion", "kinds/clips.md"),
    ("waves", "functions of one sound, and spectrograms", "kinds/waves.md"),
    ("points", "functions of one cloud of points", "kinds/points.md"),
    ("columns", "functions of one row of a table", "kinds/columns.md"),
    ("tokens", "functions of one line of codes", "kinds/tokens.md"),
    ("textlines", "functions of one picture of a line of text", "kinds/textlines.md"),
    ("optim", "optimisers", "library/optim.md"),
    ("anneal", "schedules", "library/anneal.md"),
    ("cluster", "codes and assignments", "library/cluster.md"),
    ("measure", "what is reported of whole tables", "library/measure.md"),
    ("stats", "order and moments of a batch", "library/stats.md"),
    ("pair", "scores of all pairs of rows", "library/pair.md"),
    ("mix", "mixed samples and features", "library/mix.md"),
]


def library():
    folder = os.path.join(root, "stdlib")
    there = {re.sub(r"\.cpl$", "", name) for name in os.listdir(folder) if name != "README.md"}
    listed = {name for name, _, _ in MODULES}
    if there != listed:
        sys.exit(f"tests/driver/docs_tables.py: MODULES and stdlib/ differ by {there ^ listed}")
    rows = []
    for name, holds, page in MODULES:
        path = os.path.join(folder, name)
        names = defined(path if os.path.isdir(path) else path + ".cpl")
        if not names:
            sys.exit(f"tests/driver/docs_tables.py: found nothing in the module {name}")
        listed_here = page.startswith("library/")
        said = f"`{' '.join(names)}`, in" if listed_here else f"{len(names)} of them, in"
        what = f"{said} [{page}]({page})"
        rows.append(f"| `{name}` | {holds} | {what} |")
    return ["| module | holds | names |", "| --- | --- | --- |"] + rows


def recipes():
    """The table of ten methods, from the record of its runs alone."""
    with tempfile.TemporaryDirectory() as empty:
        words = ["--print", "--record", os.path.join(root, "docs", "table.jsonl"), "--out", empty]
        script = os.path.join(root, "tools", "table.py")
        printed = subprocess.run([sys.executable, script, couplet, *words], check=True,
                                 capture_output=True, text=True)
    return printed.stdout.splitlines()


TABLES = [("docs/hacking.md", "passes", passes), ("docs/language.md", "library", library),
          ("docs/survey.md", "recipes", recipes)]

faults = 0
for path, name, make in TABLES:
    path = os.path.join(root, path)
    with open(path) as file:
        text = file.read()
    begin, end = f"<!-- table {name} -->\n", f"<!-- end of table {name} -->\n"
    if text.count(begin) != 1 or text.count(end) != 1:
        sys.exit(f"{path}: there must be one `{begin.strip()}` and one `{end.strip()}`")
    wanted = text[:text.index(begin)
                  + len(begin)] + "\n".join(make()) + "\n" + text[text.index(end):]
    if text == wanted:
        print(f"ok      {path}: table {name}")
    elif "--update" in sys.argv:
        with open(path, "w") as file:
            file.write(wanted)
        print(f"updated {path}: table {name}")
    else:
        print(f"FAILED  {path}: table {name} is not what its source says; run "
              f"tests/driver/docs_tables.py COUPLET ROOT --update")
        faults = 1

told = subprocess.run([couplet, "--help"], capture_output=True, text=True).stdout
commands = set(re.findall(r"^couplet ([a-z]+)", told, re.MULTILINE)) - {"help", "version"}
with open(os.path.join(root, "README.md")) as file:
    listed = set(re.findall(r"^    couplet ([a-z]+)", file.read(), re.MULTILINE))
missing = ", ".join(sorted(commands - listed))
if missing or not commands:
    print(f"FAILED  README.md: its list of commands lacks {missing or 'all, or --help has none'}")
    faults = 1
sys.exit(faults)
