#!/usr/bin/python3
"""torch_rows.py COUPLET ROOT [--markdown] [--threads n] [--rounds n] [ROW...]: losses and training
steps beside torch's, in turns: ours, torch's, ours, torch's. Each is a process of
its own with as many threads; while one works the other sleeps. A row is a line of JSON, or of a
Markdown table: medians, and torch's time divided by ours (above 1 ours is
the faster). Memory is what a run takes beyond its inputs: our arena (the gradients among it) and
scratch, torch's peak of the process."""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "golden"))
import npy  # noqa: E402

TURN_SECONDS = 1.5
DEPTH = 128

#   row                  file                                 function               labels  tau
# pairs on a side
LOSSES = {
    "nt_xent_1024": ("losses", "nt_xent", False, 0.5, 1024),
    "nt_xent_4096": ("losses", "nt_xent", False, 0.5, 4096),
    "nt_xent_8192": ("losses", "nt_xent", False, 0.5, 8192),
    "sup_con_4096": ("losses", "sup_con", True, 0.5, 4096),
    "debiased_4096": ("losses", "debiased", False, 0.5, 4096),
    "own_invention_4096": ("tests/compiler/formulas/pairs.cpl", "large_own_invention", True, 0.5,
                           4096),
}
STEPS = {"convnet": ("tests/bench/convnet.cpl", 256), "resnet18": ("tests/bench/resnet18.cpl", 64)}
TITLES = {
    "nt_xent_1024": "NT-Xent, N = 1024", "nt_xent_4096": "NT-Xent, N = 4096",
          "nt_xent_8192": "NT-Xent, N = 8192", "sup_con_4096": "SupCon, N = 4096",
    "debiased_4096": "debiased, N = 4096",
          "own_invention_4096": "hinge on tanh with the hardest rival, N = 4096",
    "convnet": "SimCLR step, convnet, batch 256", "resnet18": "SimCLR step, ResNet-18, batch 64",
}


def environment(threads):
    """Every library that torch may have been built with."""
    return dict(os.environ,
                **{name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                                   "MKL_NUM_THREADS", "BLIS_NUM_THREADS")})


class Torch:
    def __init__(self, row, threads):
        command = [sys.executable, os.path.join(HERE, "torch_peer.py"), row, str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment(threads))
        self.version = self.line().split()[1]

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"torch_rows.py: torch's process ended with status {self.process.wait()}")
        return line

    def turn(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return json.loads(self.line())

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def write_arrays(folder, labelled, count):
    draw = random.Random(1)
    words = []
    for name in ("z", "w"):
        npy.write(f"{folder}/{name}.npy", (count, DEPTH),
                  [draw.gauss(0, 1) for _ in range(count * DEPTH)])
        words += ["--in", f"{name}={folder}/{name}.npy"]
    if labelled:
        npy.write(f"{folder}/labels.npy", (count,), [i * 7 % 10 for i in range(count)], "<i4")
        words += ["--in", f"labels={folder}/labels.npy"]
    return words


def our_command(couplet, root, row, folder, threads):
    if row in STEPS:
        return [couplet, "bench", os.path.join(root, STEPS[row][0]), "--threads", str(threads)]
    file, function, labelled, tau, count = LOSSES[row]
    path = os.path.join(root, file) if file.endswith(".cpl") else file
    return [couplet, "grad", path, "--fn", function, *write_arrays(folder, labelled, count),
            "--set", f"tau={tau}", "--bench", "--threads", str(threads)]


def our_turn(command):
    done = subprocess.run(command, capture_output=True, text=True)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")
            and '"ms"' in line]
    if done.returncode or not rows:
        sys.exit(f"torch_rows.py: {' '.join(command)} ended with status {done.returncode}:\n"
                 f"{done.stderr}{done.stdout}")
    return rows[-1]


def measure(couplet, root, row, threads, rounds):
    with tempfile.TemporaryDirectory() as folder:
        command = our_command(couplet, root, row, folder, threads)
        ours, runs, cores = [], [], []
        torch = Torch(row, threads)
        for _ in range(rounds):
            mine = our_turn(command)
            ours.append(mine["ms"])
            theirs = torch.turn(TURN_SECONDS)
            runs += theirs["seconds"]
            cores.append(theirs["cores"])
        torch.end()
    ms, torch_ms = statistics.median(ours), statistics.median(runs) * 1e3
    mib = mine["arena_mib"] + mine["scratch_mib"] if "arena_mib" in mine else mine[
        "mb"] * 1e6 / 2**20
    result = {"name": TITLES[row], "ms": round(ms, 2), "torch_ms": round(torch_ms, 2),
              "of_torch": round(torch_ms / ms, 2), "mib": round(mib, 1),
              "torch_mib": round(theirs["mib"]),
              "torch_cores": round(max(cores), 2), "torch": torch.version, "threads": threads}
    if row in STEPS:
        batch = STEPS[row][1]
        result.update(views_per_second=round(2e3 * batch / ms),
                      torch_views_per_second=round(2e3 * batch / torch_ms))
    return result


def print_row(row, markdown):
    if not markdown:
        print(json.dumps(row), flush=True)
        return
    views = [f"{row[name]:,}" if name in row else ""
             for name in ("views_per_second", "torch_views_per_second")]
    print(f"| {row['name']} | {row['ms']:.1f} | {row['torch_ms']:.1f} | {row['of_torch']:.2f} | "
          f"{row['mib']:.1f} | {row['torch_mib']} | {views[0]} | {views[1]} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("couplet")
    parser.add_argument("root")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("row", nargs="*", help=", ".join(TITLES))
    given = parser.parse_intermixed_args()
    for row in given.row:
        if row not in TITLES:
            parser.error(f"there is no row {row}; there are {', '.join(TITLES)}")
    if given.markdown:
        print("| work | ms | torch, ms | torch / ours | MiB | torch, MiB | views/s | torch, "
              "views/s |\n| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in given.row or TITLES:
        print_row(measure(given.couplet, given.root, row, given.threads, given.rounds),
                  given.markdown)


if __name__ == "__main__":
    main()
