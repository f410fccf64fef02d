#!/usr/bin/env python3
"""docs_tables.py COUPLET ROOT [--update]: tables in docs/ that come from tables in the code.
--update rewrites them."""
import os
import re
import sys

root = sys.argv[2]


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


TABLES = [("docs/hacking.md", "passes", passes)]

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
        print(f"FAILED  {path}: table {name} is not what the code says; run "
              f"tests/driver/docs_tables.py COUPLET ROOT --update")
        faults = 1
sys.exit(faults)
