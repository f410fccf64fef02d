#!/usr/bin/env python3
"""report.py COUPLET ROOT: `couplet report`: one page that needs nothing else, is well-formed, says
what the runs say, and says in words what is missing; and the formulas of the library as MathML."""
import base64
import gzip
import html.parser
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import xml.etree.ElementTree

import command

couplet, root = sys.argv[1:3]
check = command.Checks()
VOID = {"meta", "img", "br"}
QUERIES = 48


class Page(html.parser.HTMLParser):
    """The elements of a page, and what is wrong with them."""

    def __init__(self, text):
        super().__init__()
        self.open, self.faults, self.ids, self.cells, self.texts = [], [], [], [], []
        self.pictures = []
        self.feed(text)
        self.faults += [f"<{tag}> is not closed" for tag in self.open]
        self.faults += [f"the id {i} is there twice" for i in set(self.ids)
                        if self.ids.count(i) > 1]

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href") and not value.startswith(("data:", "#")):
                self.faults.append(f"{tag} {name}={value[:60]}")
            if tag == "img" and name == "src":
                self.pictures.append(value)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        self.texts.append(data)
        if "td" in self.open or "th" in self.open:
            self.cells[-1] += data


def report(*arguments):
    return command.run(couplet, "report", *arguments)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def measured(run, of):
    with open(run + "/metrics.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return {row["evaluation"]: row["percent"] for row in rows if row.get("of") == of}


def confusions(text):
    """For each table the counts, row by row."""
    tables = re.findall(r'<table class="confusion">.*?</table>', text, re.S)
    rows = [re.findall(r"<tr><th>[^<]*</th>(.*?)</tr>", t.split("<tbody>")[1], re.S)
            for t in tables]
    return [[[int(n or 0) for n in re.findall(r"<span>(\d*)</span>", r)] for r in t] for t in rows]


with tempfile.TemporaryDirectory() as folder:
    data = folder + "/data"
    command.small_data(data, train=96, test=QUERIES)
    text = command.SMALL_SPEC.replace("epochs 2", "epochs 1").replace(
        '("train")', '("train", part = 0.0 .. 1.0)').replace(
        "bank = train, query = test)",
        "bank = train, query = test)\n"
        "  linear(features = online.trunk, bank = train, query = test)")
    name = """a<b> & "c" d'e"""
    spec = command.write(f"{folder}/{name}.cpl", text)
    runs = [f"{folder}/runs/{name}-{seed}" for seed in (0, 1)]
    for seed, run in enumerate(runs):
        done = command.run(couplet, "train", spec, "--data", data, "--seed", seed, "--out", run,
                           "--quiet")
        check(done.returncode == 0, f"a run with seed {seed}", done.stderr)

    done = report(folder + "/runs", "--quiet")
    check(done.returncode == 0 and not done.stdout + done.stderr, "a folder of runs is reported",
          done.stdout + done.stderr)
    made = read(folder + "/runs/report.html")
    page = Page(made)
    check(not page.faults, "the page is well-formed, and needs nothing else", page.faults[:9])
    steps = re.findall(r'<path class="axis" d="M[^"]*v4"/><text[^>]*>([^<]*)</text>', made)
    check(steps and all(step.isdigit() for step in steps), "the axis of steps has whole numbers",
          steps)
    check(any(re.fullmatch(r"part = \[[0.]+,1[.0]*\]", cell) for cell in page.cells),
          "the part of the data is told", page.cells)
    check("a<b>" not in made and name in "".join(page.texts), "names are escaped")
    missing = re.findall(r'class="missing">([^<]*)', made)
    check(not missing or not shutil.which("dot"), "nothing is missing", missing)
    check(made.count("<math ") == 1 and not re.search(r'class="formula"><pre', made),
          "the loss is a formula", made.count("<math "))

    for evaluation in measured(runs[0], "after training"):
        values = [measured(run, "after training")[evaluation] for run in runs]
        cell = f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f} %"
        check(cell in page.cells, f"mean and deviation of {evaluation}: {cell}", page.cells[:20])
    tables = confusions(made)
    check(len(tables) == 2 and all(sum(map(sum, t)) == QUERIES for t in tables),
          "each query is in both tables of confusions", tables)
    for evaluation, table in zip(measured(runs[0], "after training"), tables):
        right = 100 * sum(row[i] for i, row in enumerate(table)) / QUERIES
        check(abs(right - measured(runs[0], "after training")[evaluation]) < 1e-5,
              f"the table of {evaluation} has its percentage", right)
    pictures = [base64.b64decode(p.split(",")[1]) for p in page.pictures]
    check(len(pictures) == 10 * 6 and all(p.startswith(b"\x89PNG") for p in pictures),
          "ten queries and five neighbours of each", len(pictures))
    check(made.count("<circle class=\"k") == 2 * QUERIES, "two maps have all queries")
    divergence = float(re.search(r"divergence ([\d.]+) nats", made)[1])
    check(0 < divergence < 1, "t-SNE comes to rest far below where it starts", divergence)
    done = command.run(couplet, "embed", runs[0], "-o", folder + "/features.npy", "--quiet")
    rows = [json.loads(line) for line in read(folder + "/features.jsonl").splitlines()]
    with gzip.open(data + "/t10k-labels-idx1-ubyte.gz") as file:
        labels = list(file.read()[8:])
    check(done.returncode == 0 and [row["label"] for row in rows] == labels and
          [row["row"] for row in rows] == list(range(QUERIES)),
          "beside embedded features stands which row each is", done.stderr + str(rows[:3]))
    one = report(runs[0], "--threads", 1, "-o", folder + "/one.html")
    two = report(runs[0], "--threads", 2, "-o", folder + "/two.html")
    check(one.returncode == two.returncode == 0 and
          read(folder + "/one.html") == read(folder + "/two.html"), "the same bytes on two threads",
          one.stderr + two.stderr)

    with open(runs[1] + "/metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step":4,"loss":null}\n{"step":4,"los')
    os.rename(data, data + "-away")
    done = report(runs[1], "-o", folder + "/away.html", "--quiet")
    away = Page(read(folder + "/away.html"))
    check(done.returncode == 0 and not away.faults and
          "Nothing is shown of the features: " in "".join(away.texts),
          "without its data, and with a log that was cut, a run has a page that says so",
          done.stderr + str(away.faults[:5]))
    check.refused("no run", report(data + "-away"), "E608", "holds no run")
    check.refused("no folder", report(folder + "/none"), "E608")
    check.refused("a run twice", report(runs[0], runs[0] + "/"), "E603", "given twice")
    check.refused("a page that cannot be written", report(runs[1], "-o", folder + "/no/p.html"),
                  "E606")

for module in sorted(os.listdir(root + "/stdlib")):
    module = module.removesuffix(".cpl")
    latex = command.run(couplet, "tex", module)
    if module == "README.md" or latex.returncode:
        continue
    made = command.run(couplet, "tex", module, "--emit", "mathml")
    count = latex.stdout.count("\\begin{aligned}")
    try:
        found = len(xml.etree.ElementTree.fromstring(f"<all>{made.stdout}</all>").findall("math"))
    except xml.etree.ElementTree.ParseError as fault:
        found = fault
    check(made.returncode == 0 and found == count, f"the {count} formulas of {module} as MathML",
          f"{found} {made.stderr}")
formula = command.run(couplet, "tex", "losses", "--fn", "nt_xent", "--emit", "mathml").stdout
check("<munder><mo>∑</mo>" in formula and "<mfrac>" in formula, "a sum has its index below it")
check.refused("another form", command.run(couplet, "tex", "losses", "--emit", "html"), "E603",
              "mathml", status=2)
check.finish()
