#!/usr/bin/env python3
"""budget.py COUPLET ROOT: a stated budget of memory decides what is stored, changes no value, and
is refused in a sentence when it is too small."""
import json
import re
import sys
import tempfile

import command

sys.path.insert(0, sys.argv[2] + "/tests/golden")
import npy

couplet, root = sys.argv[1], sys.argv[2]
check = command.Checks()
# several levels of statistics over a deep product: faster stored, where there is room
ROWS, DEPTH = 600, 300
LEVELS = """
fn levels(z[N, D], w[N, D]) {
  let s[i, j] = dot(z[i], w[j]) / 20
  let m[i] = mean[j] s[i, j]
  let v[i] = mean[j] (s[i, j] - m[i])^2
  return mean[i] logsumexp[j] (s[i, j] - m[i]) / sqrt(v[i] + 1)
}
"""


def close(a, b):
    scale = max(map(abs, a))
    return max(abs(x - y) for x, y in zip(a, b)) <= 1e-5 * scale


def grad(folder, *options):
    inputs = [f"--in={name}={folder}/{name}.npy" for name in "zw"]
    done = command.run(couplet, "grad", folder + "/levels.cpl", "--fn", "levels", *inputs, "--out",
                       folder + "/out", "--bench", *options)
    if not check(done.returncode == 0, f"grad {' '.join(options)} exits 0", done.stderr):
        check.finish()
    arena = json.loads(done.stdout.splitlines()[-1])["arena_mib"]
    return arena, [npy.read(f"{folder}/out/grad_{name}.npy")[1] for name in "zw"]


with tempfile.TemporaryDirectory() as folder:
    command.write(folder + "/levels.cpl", LEVELS)
    for k, name in enumerate("zw"):
        npy.write(f"{folder}/{name}.npy", (ROWS, DEPTH),
                  [((7919 * (i + 1) * (k + 3)) % 1009) / 504.5 - 1 for i in range(ROWS * DEPTH)])
    roomy, free = grad(folder)
    tight, held = grad(folder, "--memory", "2MiB")
    check(roomy > 2 >= tight, "a budget of 2 MiB is kept", (roomy, tight))
    check(all(close(a, b) for a, b in zip(free, held)), "the gradients are the same to rounding")
    again, same = grad(folder, "--memory", "1GiB")
    check(again == roomy and same == free, "with room enough nothing changes")
    done = command.run(couplet, "grad", folder + "/levels.cpl", "--fn", "levels",
                       f"--in=z={folder}/z.npy", f"--in=w={folder}/w.npy", "--memory", "1MiB")
    check(done.returncode == 1
          and re.search(
              r"error\[E523\]: .* needs at least [\d.]+ MiB for its arrays, and 1\.0 MiB are "
              r"allowed", done.stderr), "too little is refused", done.stderr)

    simclr = open(root + "/examples/simclr.cpl").read()
    spec = command.write(folder + "/simclr.cpl",
                         simclr.replace("train {", "train { memory 1.5MiB,", 1))
    done = command.run(couplet, "check", spec)
    check(done.returncode == 1
          and re.search(r"simclr\.cpl:\d+:\d+: error\[E523\]: a step needs at least", done.stderr),
          "a spec that asks for too much is told so, with its place", done.stderr)
    done = command.run(couplet, "check", spec, "--memory", "4GiB")
    check(done.returncode == 0 and "of 4096.0 MiB that it may take" in done.stdout,
          "--memory goes before the spec", done.stdout + done.stderr)
    done = command.run(couplet, "check",
                       command.write(folder + "/unit.cpl",
                                     simclr.replace("train {", "train { memory 512,", 1)))
    check(done.returncode == 1 and "a size is a number with its unit" in done.stderr,
          "a size without its unit", done.stderr)
    for bad in ("lots", "12", "5MB", "-1GiB"):
        done = command.run(couplet, "train", spec, "--memory", bad)
        check(done.returncode == 2 and "is a size of at least 64KiB" in done.stderr,
              f"--memory {bad} is no size", done.stderr)
    # Activations computed again: the same bits in less memory.
    data = command.small_data(folder + "/data")
    net = command.write(folder + "/net.cpl", command.SMALL_SPEC.replace("width = 4", "width = 16"))

    def peak(*memory):
        done = command.run(couplet, "check", net, "--memory", *memory)
        check(done.returncode == 0, f"check --memory {' '.join(memory)} exits 0", done.stderr)
        return float(re.search(r"a step needs ([\d.]+) MiB", done.stdout)[1]), done.stdout

    def train(name, *options):
        done = command.run(couplet, "train", net, "--data", data, "--out", f"{folder}/{name}",
                           "--max-steps", "3", "--seed", "1", *options)
        check(done.returncode == 0, f"{name} trains", done.stderr)
        return command.arrays(f"{folder}/{name}")

    whole, _ = peak()
    budget = f"{0.8 * whole:.2f}MiB"
    less, report = peak(budget)
    check(less <= 0.8 * whole + 0.05, "fewer activations are kept", (whole, less))
    check(re.search(
        r"\.cpl:\d+: \d+ arrays?, [\d.]+ MiB, "
        r"computed again for the gradient instead of being kept",
        report), "and the report says which", report)
    kept, again = train("kept"), train("again", "--memory", budget)
    check(kept == again, "training leaves the same bits")
    done = command.run(couplet, "train", net, "--data", data, "--out", f"{folder}/kept",
                       "--max-steps", "5", "--resume", "--memory", budget)
    check(done.returncode == 0 and "not exactly to the bit" in done.stdout,
          "a run goes on within another budget, and says that its plan is another one",
          done.stdout + done.stderr)
check.finish()
