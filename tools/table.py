#!/usr/bin/env python3
"""table.py COUPLET [options]: one table of ten methods on two kinds of pictures.

Every method is trained with seeds 0, 1, 2 on Fashion-MNIST (examples/METHOD.cpl, 5 epochs) and on a
folder of small pictures such as CIFAR-10 (examples/recipes/METHOD.cpl, 30 epochs), and the frozen
trunk of its encoder is measured by nearest neighbours and by a linear probe. Raw pixels and the
untrained encoder stand beside them, and three of the methods in torch (table_torch.py).

The result of a run is a file in --out, written when the run has ended; a run that has one is not
repeated, and one that was interrupted goes on from its checkpoint. So the same command may be
stopped at any time and given again, with more seeds or other methods as well. What has no result is
a dash in the table. The figures of a run are the same to the bit on any number of threads.

With --record FILE the results are lines of that file as well, and a run that has a line is not
repeated. docs/survey.md has its table from docs/table.jsonl: --print --record docs/table.jsonl."""
import argparse
import concurrent.futures
import fcntl
import hashlib
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SPECS = {"fashion": "examples", "pictures": os.path.join("examples", "recipes")}
EPOCHS = {"fashion": 5, "pictures": 30}
TITLES = {
    "simclr": "SimCLR", "moco_v2": "MoCo v2", "byol": "BYOL", "simsiam": "SimSiam", "swav": "SwAV",
    "dino": "DINO", "barlow": "Barlow Twins", "vicreg": "VICReg", "dcl": "DCL", "supcon": "SupCon",
}
IN_TORCH = ("simclr", "byol", "vicreg")
MEASURES = {"kNN (k = 20)": "knn", "linear probe": "linear"}
# what a run evaluates, and what a run of torch does
EVALUATED = {False: ("raw values", "before training", "after training"), True: ("after training",)}

# What torch has made is measured by the same program as everything else: as rows of numbers.
MEASURE_SPEC = """use optim
data train = data.arrays("train.npz")
data test  = data.arrays("test.npz")
param w = 0
loss w^2
train { epochs 1, steps 1, batch 1, optimiser optim.sgd(lr = 0) }
eval {
  knn(k = 20, temperature = 0.07, features = train.x, bank = train, query = test)
  linear(features = train.x, bank = train, query = test)
}
"""


def fail(sentence):
    sys.exit(f"tools/table.py: {sentence}")


def arguments():
    parser = argparse.ArgumentParser(
        prog="tools/table.sh", description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("couplet", help=argparse.SUPPRESS)
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds 0 .. N-1 (3)")
    parser.add_argument("--methods", default=",".join(TITLES), help="some of " + ",".join(TITLES))
    parser.add_argument("--data", default=",".join(SPECS), help="fashion, pictures or both")
    parser.add_argument("--epochs", type=float, help="in place of 5 and 30, kept apart")
    parser.add_argument("--pictures", metavar="FOLDER", help="has train/CLASS/* and test/CLASS/*")
    parser.add_argument("--out", default="runs/table", help="folder of results (runs/table)")
    parser.add_argument("--record", metavar="FILE", help="results as lines, kept and read there")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time (1)")
    parser.add_argument("--threads", type=int, help="of a run; all of them without it")
    parser.add_argument("--no-torch", action="store_true", help="without the rows of torch")
    parser.add_argument("--print", action="store_true", help="runs nothing, prints what is there")
    given = parser.parse_args()
    given.methods = chosen(parser, "--methods", given.methods, TITLES)
    given.data = chosen(parser, "--data", given.data, SPECS)
    if given.seeds < 1 or given.jobs < 1:
        parser.error("--seeds and --jobs are at least 1")
    if given.epochs is not None and not 0 < given.epochs <= 1e6:
        parser.error("--epochs is above 0 and at most 1000000")
    return given


def chosen(parser, option, text, names):
    """The names in a list by commas, in the order of the table."""
    words = text.split(",")
    for word in words:
        if word not in names:
            parser.error(f"{option}: there is no {word!r}; there are {', '.join(names)}")
    return [name for name in names if name in words]


class Record:
    """The results of many runs in one file, a line each, in an order that does not change. A line
    belongs to the text of the spec whose hash it has. Its seconds are those of the process that
    ended the run: what ran before an interruption is not among them."""

    KEY = ("data", "epochs", "method", "torch", "seed")

    def __init__(self, path):
        self.path = os.path.abspath(path) if path else None
        if path and not os.path.isdir(os.path.dirname(self.path)):
            fail(f"--record {path}: there is no folder {os.path.dirname(self.path)}")
        self.rows = self.read()

    def read(self):
        if not self.path or not os.path.exists(self.path):
            return {}
        rows = {}
        with open(self.path) as file:
            for number, line in enumerate(file, 1):
                try:
                    row = json.loads(line)
                    check_percent(row)
                    rows[self.key_of(row)] = row
                except (ValueError, KeyError, TypeError) as error:
                    why = f"there is no {error}" if isinstance(error, KeyError) else error
                    fail(f"--record {self.path}: line {number} is no result of a run: {why}")
        return rows

    def key_of(self, row):
        return tuple(row[name] for name in self.KEY)

    def find(self, key, source):
        """The line of a run, or None where there is none or where it is of another text."""
        row = self.rows.get(key)
        return row if row and row["text"] == digest(source) else None

    def add(self, row):
        if not self.path:
            return
        line = {name: row[name] for name in (*self.KEY, "seconds", "percent")}
        line["text"] = digest(row["source"])
        folder = os.open(os.path.dirname(self.path), os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)  # other processes may add lines, too
            self.rows = {**self.read(), self.key_of(row): line}
            lines = [json.dumps(self.rows[key]) + "\n" for key in sorted(self.rows)]
            write_whole(self.path, "".join(lines))
        finally:
            os.close(folder)


def check_percent(row):
    """Raises unless a row has each percentage that the table may need, and they are numbers."""
    for of in EVALUATED[row["torch"]]:
        for measure in MEASURES.values():
            percent = row["percent"][of][measure]
            if not 0 <= percent <= 100:
                raise ValueError(f"{of}, {measure}: {percent} is no percentage")


def code_of(source):
    """A text without its comments: they may be written anew, and the figures stay."""
    lines = (line.partition("#")[0].rstrip() for line in source.splitlines())
    return "\n".join(line for line in lines if line)


def digest(source):
    return hashlib.sha256(code_of(source).encode()).hexdigest()[:16]


class Run:
    """One training: a method, a kind of data, a seed, in Couplet or in torch."""

    def __init__(self, given, record, data, method, seed, torch):
        self.record = record
        self.data, self.method, self.seed, self.torch = data, method, seed, torch
        self.epochs = given.epochs or EPOCHS[data]
        name = f"{data}-{self.epochs:g}-{method}{'-torch' if torch else ''}-{seed}"
        self.name = name
        self.result = os.path.join(given.out, name + ".json")
        self.folder = os.path.join(given.out, "runs", name)
        self.spec = os.path.join(SPECS[data], method + ".cpl")
        self.given = given

    def threads(self):
        return ["--threads", str(self.given.threads)] if self.given.threads else []

    def places(self):
        return ["--data", self.given.pictures] if self.data == "pictures" else []

    def command(self):
        """What trains, and what anyone may give to repeat the run."""
        torch = [sys.executable, os.path.join("tools", "table_torch.py"), self.method, self.data]
        ours = [self.given.couplet, "train", self.spec]
        return [
            *(torch if self.torch else ours), *self.places(), "--seed", str(self.seed),
            "--epochs", f"{self.epochs:g}", "--out", self.folder, *self.threads(),
        ]

    def train(self):
        begun = os.path.exists(os.path.join(self.folder, "settings.json"))
        quietly(self.command() + ["--quiet"] + ["--resume"] * begun)
        return measured(self.folder)

    def train_in_torch(self):
        os.makedirs(self.folder, exist_ok=True)
        quietly(self.command())
        spec, run = (os.path.join(self.folder, name) for name in ("measure.cpl", "measured"))
        with open(spec, "w") as file:
            file.write(MEASURE_SPEC)
        quietly([self.given.couplet, "train", spec, "--out", run, "--quiet", *self.threads()])
        rows = measured(run)
        for name in ("train.npz", "test.npz"):
            os.remove(os.path.join(self.folder, name))
        return {"after training": rows["raw values"]}

    def perform(self):
        began = time.time()
        rows = self.train_in_torch() if self.torch else self.train()
        result = {
            "data": self.data, "method": self.method, "seed": self.seed, "epochs": self.epochs,
            "torch": self.torch, "source": self.source(), "seconds": round(time.time() - began, 1),
            "command": shlex.join(self.command()), "percent": rows,
        }
        write_whole(self.result, json.dumps(result, indent=1) + "\n")
        self.record.add(result)

    def source(self):
        """The text that the figures come from; other figures belong to another text."""
        name = os.path.join("tools", "table_torch.py") if self.torch else self.spec
        with open(os.path.join(ROOT, name)) as file:
            return file.read()

    def read(self):
        """The result, or None where there is none, or where the spec has changed since."""
        key = (self.data, self.epochs, self.method, self.torch, self.seed)
        try:
            with open(self.result) as file:
                row = json.load(file)
        except FileNotFoundError:
            return self.record.find(key, self.source())
        return row if code_of(row["source"]) == code_of(self.source()) else None

    def make_way(self):
        """Sets aside what an older text of the spec left, so that the run begins anew."""
        if os.path.exists(self.result):
            os.replace(self.result, self.result + ".old")
        if self.torch or code_of(self.begun_with()) != code_of(self.source()):
            shutil.rmtree(self.folder, ignore_errors=True)

    def begun_with(self):
        """The spec of a run that was interrupted, as the run keeps it; empty if there is none."""
        try:
            with open(os.path.join(self.folder, "spec.cpl")) as file:
                return file.read()
        except FileNotFoundError:
            return ""


def quietly(command):
    """Runs a command in the root of the tree; what it says is shown when it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        said = done.stdout + done.stderr
        raise RuntimeError(f"{shlex.join(command)}\nended with status {done.returncode}:\n{said}")


def write_whole(path, text):
    with open(path + ".partial", "w") as file:
        file.write(text)
    os.replace(path + ".partial", path)


def measured(folder):
    """The percentages in a run's log: {"after training": {"knn": .., "linear": ..}, ..}."""
    rows = {}
    with open(os.path.join(folder, "metrics.jsonl")) as file:
        for line in file:
            row = json.loads(line)
            if "percent" in row:
                of = "raw values" if row["of"].startswith("raw") else row["of"]
                rows.setdefault(of, {})[MEASURES[row["evaluation"]]] = row["percent"]
    return rows


def plan(given, record):
    """All runs, the most telling first: one seed of everything, then the next."""
    runs = []
    for seed in range(given.seeds):
        for data in given.data:
            runs += [Run(given, record, data, method, seed, False) for method in given.methods]
            if not given.no_torch:
                in_torch = [method for method in IN_TORCH if method in given.methods]
                runs += [Run(given, record, data, method, seed, True) for method in in_torch]
    return runs


def perform_all(runs, jobs):
    """Performs the runs that have no result, and returns how many of them failed."""
    missing = [run for run in runs if run.read() is None]

    def perform(place, run):
        print(f"[{place}/{len(missing)}] {run.name}", file=sys.stderr, flush=True)
        run.make_way()
        try:
            run.perform()
        except (RuntimeError, OSError) as error:
            print(f"{run.name}: {error}", file=sys.stderr)
            return 1
        return 0

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return sum(pool.map(perform, range(1, len(missing) + 1), missing))


def cell(values):
    """Mean and sample deviation, with the number of seeds."""
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread} ({len(values)})"


def row_of(title, given, results, of):
    """A line of the table. results: per kind of data the rows that it averages."""
    cells = [title]
    for data in given.data:
        for measure in MEASURES.values():
            cells.append(cell([row["percent"][of][measure] for row in results[data]]))
    return "| " + " | ".join(cells) + " |"


def table(given, runs):
    names = {"fashion": "Fashion-MNIST", "pictures": "pictures"}
    heads = [f"{names[data]}, {measure}" for data in given.data for measure in ("kNN", "probe")]
    lines = ["| method | " + " | ".join(heads) + " |", "| --- |" + " --- |" * len(heads)]
    rows = [(run, row) for run in runs if (row := run.read()) is not None]

    def of(torch, method=None):
        return {
            data: [row for run, row in rows if run.data == data and run.torch == torch
                   and method in (None, run.method)]
            for data in given.data
        }

    everything = of(False)
    first = {data: everything[data][:1] for data in given.data}
    lines.append(row_of("raw pixels", given, first, "raw values"))
    lines.append(row_of("untrained encoders", given, everything, "before training"))
    for method in given.methods:
        lines.append(row_of(TITLES[method], given, of(False, method), "after training"))
        if method in IN_TORCH and not given.no_torch:
            title = TITLES[method] + " in torch"
            lines.append(row_of(title, given, of(True, method), "after training"))
    return "\n".join(lines)


def locked(given):
    """One process at a time works in the folder; the lock ends with the process."""
    os.makedirs(os.path.join(given.out, "runs"), exist_ok=True)
    file = open(os.path.join(given.out, "table.lock"), "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fail(f"another process works in {given.out}; --print shows what is there")
    return file


def without_pictures(given):
    """Fashion-MNIST alone, where no folder of pictures is named; or nothing is left to do."""
    if given.print or "pictures" not in given.data or given.pictures:
        return given.data
    if given.data == ["pictures"]:
        fail("--data pictures needs --pictures FOLDER, which holds train/CLASS/* and test/CLASS/*")
    print("without --pictures FOLDER only Fashion-MNIST is trained on", file=sys.stderr)
    return ["fashion"]


def main():
    given = arguments()
    given.couplet = os.path.abspath(given.couplet)
    given.out = os.path.abspath(given.out)
    if given.pictures:
        given.pictures = os.path.abspath(given.pictures)
    trained = without_pictures(given)
    runs = plan(given, Record(given.record))
    failed = 0
    if not given.print:
        lock = locked(given)
        failed = perform_all([run for run in runs if run.data in trained], given.jobs)
        lock.close()
    print(table(given, runs))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
