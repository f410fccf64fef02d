#!/usr/bin/env python3
"""csnas_search.py COUPLET --data FOLDER [--rounds 16] [--first 6] [--seed 1] [options of `couplet
train`]: the search of csnas.cpl, which lies beside it.

A cell has four edges, each with one of four operations: 256 cells. Each round trains one of them
for a while, by `couplet train csnas.cpl --set op1=.. --seed ..`, and its contrastive loss in the
last epoch is what the cell is worth; no label is read. The first cells are drawn at random. After
them a tree-structured Parzen estimator chooses (Bergstra, Bardenet, Bengio, Kegl: Algorithms for
Hyper-Parameter Optimization, NeurIPS 2011, section 4): of the cells that were tried, the best
quarter gives for each edge how often an operation stands in good cells, the rest how often in
others;
of some cells drawn by the first, the one with the largest ratio is next. The same seed tries the
same cells."""
import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile

EDGES, OPERATIONS, NAMES = 4, 4, ("conv3", "conv1", "average", "none")
SPEC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "csnas.cpl")


def shares(cells, edge):
    """How often each operation stands on this edge, each counted once more than it was seen."""
    seen = [1 + sum(cell[edge] == operation for cell in cells) for operation in range(OPERATIONS)]
    return [count / sum(seen) for count in seen]


def choose(tried, first, source, drawn=24):
    """The next cell after `tried`, a list of (loss, cell); None when all were tried."""
    known = {cell for _, cell in tried}
    if len(known) == OPERATIONS ** EDGES:
        return None
    if len(tried) < first:
        while (cell := tuple(source.randrange(OPERATIONS) for _ in range(EDGES))) in known:
            pass
        return cell
    order = [cell for _, cell in sorted(tried)]
    split = max(1, math.ceil(len(order) / 4))
    good, rest = ([shares(cells, edge) for edge in range(EDGES)]
                  for cells in (order[:split], order[split:]))
    best = None
    while best is None: # all that were drawn may be known
        for _ in range(drawn):
            cell = tuple(source.choices(range(OPERATIONS), good[edge])[0] for edge in range(EDGES))
            worth = sum(math.log(good[edge][cell[edge]] / rest[edge][cell[edge]])
                        for edge in range(EDGES))
            if cell not in known and (best is None or worth > best[0]):
                best = (worth, cell)
    return best[1]


def search(loss_of, rounds, first, seed):
    """Tries so many cells; yields (loss, cell) as it goes."""
    source, tried = random.Random(seed), []
    while len(tried) < rounds and (cell := choose(tried, first, source)) is not None:
        tried.append((loss_of(cell), cell))
        yield tried[-1]


def settings(cell):
    """What a command line says of a cell."""
    return [word for edge, operation in enumerate(cell)
            for word in ("--set", f"op{edge + 1}={operation}")]


def train(couplet, options, cell):
    """The loss of the last epoch, or infinity where the run turned NaN."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([couplet, "train", SPEC, *settings(cell), "--out", folder + "/run",
                               "--quiet", *options], capture_output=True, text=True)
        if done.returncode == 0:
            with open(folder + "/run/metrics.jsonl") as file:
                losses = [row["loss"] for row in map(json.loads, file) if "loss" in row]
            return sum(losses[-5:]) / len(losses[-5:])
        if "[E803]" in done.stderr:
            return math.inf
        sys.exit(done.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("couplet")
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--first", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    given, options = parser.parse_known_args()
    options += ["--seed", str(given.seed)]
    best = (math.inf, None)
    for number, (loss, cell) in enumerate(search(lambda c: train(given.couplet, options, c),
                                                 given.rounds, given.first, given.seed)):
        best = min(best, (loss, cell))
        names = " ".join(NAMES[operation] for operation in cell)
        print(f"{number + 1:3}  loss {loss:.4f}  {names}", flush=True)
    print(f"best loss {best[0]:.4f}: {' '.join(settings(best[1]))}")


if __name__ == "__main__":
    main()
