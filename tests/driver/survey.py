#!/usr/bin/env python3
"""survey.py COUPLET ROOT DATA: docs/survey.md against the specs. Every spec that a row names is
there, and every spec of the folders has a row; the columns that `couplet describe` derives are
what it says of the spec; each loss is in docs/losses.md; `couplet graph` draws each spec of the
folders; examples/README.md has a line for each example; and what the page says of the table of ten
methods holds for its runs, the lines of docs/table.jsonl.

DATA/KIND holds the data of specs that read a kind of their own. COUPLET_UPDATE=1 writes the derived
columns into the page."""
import json
import math
import os
import re
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "stdlib"))
import command
import example_data

couplet, root, data = sys.argv[1:4]
check = command.Checks()
PAGE = f"{root}/docs/survey.md"
SYSTEMS = ["ref", "method", "paper", "spec", "loss", "update", "structure", "clusters",
           "loss mixed", "data", "raw", "untrained", "trained", "options"]
LOSSES = ["loss in the survey", "paper", "spec", "loss"]
COUNTS = {"Its table 1: losses": 6, "Its table 2: systems": 45,
          "Systems named in its text alone": 15}
MISSING = "not there yet"
# A prototype is a row of a matrix that samples are assigned to; a label is an int for each sample.
SAID = {
    "cpc": {"clusters": "no"},
    "curl": {"clusters": "no", "labels": "used: the loss reads replay.action",
             "fields": "the loss reads replay.reward, replay.done"},
    "tcl": {"clusters": "no", "labels": "not used", "fields": "the loss reads train.word"},
    "m5product": {"clusters": "no", "labels": "not used"},
    "tot": {"clusters": "yes: trained prototypes `C`", "labels": "not used",
            "fields": "the loss reads train.frames"},
    "deep_cluster": {"clusters": "yes: k-means over `F` between epochs", "labels": "not used",
                     "loss": "agreement of cluster assignments (losses.deep_cluster)"},
    "swav": {"clusters": "yes: trained prototypes `C`", "labels": "not used"},
}


def read_page(text):
    """(heading, names of columns, number of the line, cells) of each row of a table."""
    heading = names = None
    for number, line in enumerate(text.splitlines()):
        if line.startswith("## "):
            heading, names = line[3:], None
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if names is None:
                names = cells
            elif not all(re.fullmatch("-+", cell) for cell in cells) or not line.startswith("|--"):
                yield heading, names, number, cells
        else:
            names = None


def laid_out(path):
    """Whether the data of a spec is there: some kinds are of packages that not every machine
    has (tests/examples.cmake)."""
    return "--data" not in example_data.heading(path) or os.path.isdir(
        f"{data}/{example_data.kind(path)}")


def describe(path):
    """What describe derives, as the page has it: update, structure, clusters, whether the loss
    is mixed."""
    where = ["--data",
             f"{data}/{example_data.kind(path)}"] if "--data" in example_data.heading(path) else []
    done = command.run(couplet, "describe", path, *where)
    check(done.returncode == 0, f"describe {os.path.relpath(path, root)}", done.stderr)
    row = dict(line.split(None, 1) for line in done.stdout.splitlines() if line.split(None, 1)[1:])
    first = lambda name: row.get(name, "").split(":")[0]
    said = SAID.get(os.path.basename(path)[:-4], {})
    wrong = {key: row.get(key) for key, text in said.items() if row.get(key, "").strip() != text}
    check(not wrong, f"what describe says of {os.path.relpath(path, root)}", wrong)
    return [first("update"), first("structure"), first("clusters"),
            "yes" if row.get("loss", "").startswith("mixed") else "no"]


def drawn(path):
    """The picture of a spec: every arrow ends at a box."""
    dot = command.run(couplet, "graph", path, "--data", f"{data}/{example_data.kind(path)}")
    boxes = set(re.findall(r"^  (\w+) \[shape", dot.stdout, re.MULTILINE))
    ends = set(re.findall(r"\b([bs]\d+)\b(?= ->| \[arrow|;)",
                          dot.stdout)) | set(re.findall(r"-> (\w+)", dot.stdout))
    check(dot.returncode == 0 and boxes and ends <= boxes, f"graph {os.path.relpath(path, root)}",
          f"{ends - boxes}{dot.stderr}")


def ends_of(runs, of):
    return [run["after training"][of] for run in runs]


def ahead(runs, name):
    """Runs of one method, an evaluation each, end above raw pixels, and above their own untrained
    encoders by a mean of more than three deviations."""
    for of in ("knn", "linear"):
        ends = ends_of(runs, of)
        gains = [end - run["before training"][of] for end, run in zip(ends, runs)]
        good = min(end - run["raw values"][of] for end, run in zip(ends, runs)) > 0
        check(len(runs) >= 3 and good and
              statistics.mean(gains) > 3 * statistics.stdev(gains),
              f"{name}: {of} is ahead of raw pixels and of untrained encoders", f"{ends} {gains}")


def deviation(ours, data, of):
    """The deviation of a run on one kind of data, over all methods together: that of the three runs
    of a method alone is rough."""
    methods = [ends_of(runs, of) for (on, _), runs in ours.items() if on == data]
    return math.sqrt(statistics.mean(map(statistics.variance, methods)))


def beside_torch(ours, torch):
    """The mean of each method in torch is within three standard errors of Couplet's mean. Returns
    the largest difference, in standard errors."""
    away = {}
    for (data, method), runs in torch.items():
        for of in ("knn", "linear"):
            here, there = ends_of(ours[data, method], of), ends_of(runs, of)
            error = deviation(ours, data, of) * math.sqrt(1 / len(here) + 1 / len(there))
            away[method, data, of] = abs(statistics.mean(there) - statistics.mean(here)) / error
    for name, errors in away.items():
        check(errors <= 3, "{} in torch on {}: {}".format(*name), f"{errors} standard errors")
    return max(away.values())


def recipes(page):
    """What the page says below its table of ten methods."""
    ours, torch = {}, {}
    with open(f"{root}/docs/table.jsonl") as file:
        for row in map(json.loads, file):
            runs = torch if row["torch"] else ours
            runs.setdefault((row["data"], row["method"]), []).append(row["percent"])
    check(len(ours) == 20, "ten methods on two data have runs", list(ours))
    check(len(torch) == 6, "three methods in torch have runs on two data", list(torch))
    for (data, method), runs in ours.items():
        ahead(runs, f"{method} on {data}")
    deviations = [f"{deviation(ours, data, of):.2f}" for data in ("fashion", "pictures")
                  for of in ("knn", "linear")]
    said = "it is {} (kNN) and {} (probe) on Fashion-MNIST, and {} and {} on the pictures".format(
        *deviations)
    largest = f"the largest is {beside_torch(ours, torch):.1f}."
    for sentence in said, largest:
        check(sentence in " ".join(page.split()), f"the page says: {sentence}")


with open(PAGE) as file:
    text = file.read()
with open(f"{root}/docs/losses.md") as file:
    losses = set(re.findall(r"^### (\w+)", file.read(), re.MULTILINE))
lines, counts, named = text.splitlines(), {}, []
for heading, names, number, cells in read_page(text):
    counts[heading] = counts.get(heading, 0) + 1
    if names not in (SYSTEMS, LOSSES):
        continue
    row = dict(zip(names, cells))
    what = row.get("method", cells[0])
    check(len(cells) == len(names) and all(cells), f"{what}: no cell is blank", lines[number])
    loss = re.fullmatch(r"\[(\w+)\]\(losses\.md#(\w+)\)", row["loss"])
    check(loss and loss[1] == loss[2] and loss[1] in losses,
          f"{what}: the loss is in docs/losses.md", row["loss"])
    if row["spec"] == MISSING:
        check(set(cells[5:]) == {"-"}, f"{what}: nothing is claimed of a spec that is not there",
              lines[number])
        continue
    spec = re.fullmatch(r"\[(\w+)\]\(\.\./(examples/(?:\w+/)?(\w+)\.cpl)\)", row["spec"])
    if not check(spec and spec[1] == spec[3] and os.path.exists(f"{root}/{spec[2]}"),
                 f"{what}: its spec is there", row["spec"]):
        continue
    if names == LOSSES:
        continue
    named.append(spec[2])
    if not laid_out(f"{root}/{spec[2]}"):
        continue
    said = describe(f"{root}/{spec[2]}")
    if os.environ.get("COUPLET_UPDATE"):
        lines[number] = "| " + " | ".join(cells[:5] + said + cells[9:]) + " |"
    else:
        check(cells[5:9] == said, f"{what}: what describe derives",
              f"page     {cells[5:9]}\ndescribe {said}")
if os.environ.get("COUPLET_UPDATE"):
    with open(PAGE, "w") as file:
        file.write("\n".join(lines) + "\n")
check(all(counts.get(name) == count for name, count in COUNTS.items()),
      f"rows of the survey: {COUNTS}", counts)
check(len(named) == len(set(named)), "no spec has two rows",
      sorted(name for name in named if named.count(name) > 1))

specs = example_data.specs(root)
there = [os.path.relpath(path, root) for path in specs]
check(set(there) <= set(named), "every spec of the folders has a row",
      sorted(set(there) - set(named)))
with open(f"{root}/examples/README.md") as file:
    links = re.findall(r"\]\(([\w/]+\.cpl)\)", file.read())
examples = sorted(name for name in os.listdir(f"{root}/examples") if name.endswith(".cpl"))
wanted = sorted(examples + [name.split("/", 1)[1] for name in there])
check(sorted(links) == wanted, "examples/README.md has a line for each example",
      f"missing: {sorted(set(wanted) - set(links))}\ntoo many: "
      f"{[name for name in links if name not in wanted or links.count(name) > 1]}")
for path in filter(laid_out, specs):
    drawn(path)
recipes(text)
check.finish()
