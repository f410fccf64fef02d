#!/usr/bin/env python3
"""pages.py ROOT: what docs/ and the READMEs of folders say of the sources is there.

Files that they name exist, and a README names each C file of its folder, or says that it lists no
files. The glossary has at most sixty words, in order. The road in docs/architecture.md has the
steps that compiler/compile/compile.c takes, and no other."""
import os
import re
import subprocess
import sys

root = sys.argv[1]
ENDINGS = r"\.(?:c|h|def|md|py|sh|cpl|y|l|txt|cl|lua)"
MOST_WORDS = 60
PAGES = ("docs/architecture.md", "docs/glossary.md", "docs/decisions.md", "tests/README.md")
faults = 0


def check(good, what):
    global faults
    faults += not good
    if not good:
        print("FAILED ", what)


def read(path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def names_in(text):
    """The names of files in a text, without those that stand for a kind of file."""
    for word in re.findall(rf"`([\w./-]*\w{ENDINGS})`", text):
        if not re.search(r"NAME|FILE|FORMAT|SPEC|^_|nt_xent.cpl", word):
            yield word


tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True)
if tracked.returncode != 0:
    print("this tree is no git repository: the files that it tracks are not known")
    sys.exit(0)
tracked = tracked.stdout.split()
ends = {path[at:] for path in tracked for at in [0] + [m.end() for m in re.finditer("/", path)]}
readmes = [path for path in tracked
           if re.match(r"(?:lang|compiler|runtime|python|stdlib|tools)/.*README\.md$", path)]
for page in [*PAGES, *readmes]:
    gone = sorted({name for name in names_in(read(page)) if name not in ends})
    check(not gone, f"{page} names {', '.join(gone)}, and no such file is there")

text = read("docs/glossary.md")
words = re.findall(r"^- \*\*([\w, ]+)\*\*", text, re.M)
check(30 < len(words) <= MOST_WORDS, f"the glossary has {len(words)} words, {MOST_WORDS} at most")
check(words == sorted(words), "the words of the glossary are in order")

# A step of the road is a call with a unit, the run of a stage, or a call for the whole program.
code = read("compiler/compile/compile.c")
taken = set(re.findall(r"\b(lower_\w+)\([^;]*\bunit\b[^;]*\);", code))
taken |= set(re.findall(r"\b(pass_differentiate)\(", code)) | {"lower_next", "plan_make"}
taken |= set(re.findall(r"\b(lower_end|budget_\w+)\(", code))
taken |= {f"stage `{stage}`" for stage in re.findall(r"\bPASS_(\w+)\)", code)}
table = read("docs/architecture.md").split("| step | what it does | where |\n| --- | --- | --- |\n")
rows = [line.split("|")[1].strip() for line in table[1].split("\n\n")[0].splitlines()]
said = {row if row.startswith("stage") else row.strip("`") for row in rows}
check(said == taken, f"the road: the page has {sorted(said - taken)} in place of "
      f"{sorted(taken - said)} of compile.c")
print(f"{len(readmes) + len(PAGES)} pages, {len(words)} words, {len(said)} steps, {faults} faults")
sys.exit(faults > 0)
