#!/usr/bin/env python3
"""chunks.py COUPLET ROOT: under a budget the batch goes through the network in parts: in less
memory, with the values of the whole, and not where samples are mixed."""
import math
import os
import re
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()
# Nothing in the network looks at more than one sample; the loss looks at all.
SPEC = """
use nn, augment, optim, losses
data train = data.fashion_mnist("train")
view a, b = augment.simclr(train.image)
net encoder = trunk: nn.convnet_gn(width = 16, groups = 4) >> head: nn.mlp_ln(32, 16)
loss losses.nt_xent(encoder(a), encoder(b), 0.2)
train {
  epochs 1, batch 128
  optimiser optim.sgd(lr = 0.1, momentum = 0.9, decay = 5e-4)
}
"""
PEAK = re.compile(r"a step needs ([\d.]+) MiB")
PARTS = re.compile(r"the batch goes through the network in (\d+) parts of (\d+) samples")
# of an array's largest entry after two steps: float32, sums in another order. Later some activation
# lies at the kink of relu
LARGEST = 2e-5


def largest_difference(a, b):
    worst = 0
    for name, values in a.items():
        scale = max(map(abs, values))
        worst = max(worst, max(abs(x - y) for x, y in zip(values, b[name])) /
                    scale) if scale else worst
    return worst


def resident_mib(spec, data, *options):
    """The most memory that two steps take, with everything compiled before."""
    arguments = [couplet, "train", spec, "--data", data, "--max-steps", "1", "--threads", "1",
                 *options]
    for _ in range(2):
        with tempfile.TemporaryDirectory() as out:
            child = os.spawnv(os.P_NOWAIT, couplet, [*arguments, "--out", out])
            _, status, usage = os.wait4(child, 0)
            if not check(status == 0, "a run to measure exits 0"):
                return 0
    return usage.ru_maxrss / 1024


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data")
    spec = command.write(folder + "/samples.cpl", SPEC)

    def report(path, *memory):
        done = command.run(couplet, "check", path, "--memory", *memory)
        return done, float(PEAK.search(done.stdout)[1]) if done.returncode == 0 else 0

    def train(name, *options, steps=2):
        done = command.run(couplet, "train", spec, "--data", data, "--out", f"{folder}/{name}",
                           "--max-steps", steps, "--seed", "1", *options)
        check(done.returncode == 0, f"{name} trains", done.stderr[-2000:])
        return done

    done, whole = report(spec)
    check(not PARTS.search(done.stdout), "with room enough the batch stays whole", done.stdout)
    train("whole")
    values = command.arrays(folder + "/whole")
    for part in (3, 7):
        budget = f"{whole / part:.2f}MiB"
        done, peak = report(spec, budget)
        parts = PARTS.search(done.stdout)
        if not check(parts and int(parts[1]) * int(parts[2]) == 128,
                     f"within 1/{part} of that the batch goes in parts, and the report says so",
                     done.stdout + done.stderr):
            continue
        check(peak <= whole / part + 0.05, "the budget is kept", (whole, peak))
        train(f"part_{part}", "--memory", budget, "--threads", "1")
        worst = largest_difference(values, command.arrays(f"{folder}/part_{part}"))
        check(worst <= LARGEST, "the values are those of the whole, to rounding", worst)
        train(f"part_{part}_threads", "--memory", budget, "--threads", "2")
        check(command.last_checkpoint(f"{folder}/part_{part}") ==
              command.last_checkpoint(f"{folder}/part_{part}_threads"),
              "the same bits on two threads")
    done = train("whole", "--resume", "--memory", budget, steps=5)
    check("not exactly to the bit" in done.stdout,
          "a run goes on with its batch in parts, and says that its plan is another one",
          done.stdout)
    wide = command.write(folder + "/wide.cpl",
                         SPEC.replace("width = 16", "width = 32").replace("batch 128", "batch 512"))
    (_, most), (_, peak) = report(wide), report(wide, "128MiB")
    saved = resident_mib(wide, data) - resident_mib(wide, data, "--memory", "128MiB")
    check(saved >= 0.75 * (most - peak),
          "the process takes less, by what the plan takes less, though the plan itself is larger",
          (saved, most, peak))

    batch_norm = command.write(folder + "/mixed.cpl",
                               SPEC.replace("convnet_gn(width = 16, groups = 4)",
                                            "convnet(width = 16)"))
    done, _ = report(batch_norm, budget)
    check(done.returncode == 1 and "error[E523]" in done.stderr,
          "batch normalisation does not fit", done.stdout + done.stderr)
    check(re.search(
        r"stdlib/nn/images\.cpl:\d+:\d+: note: the batch cannot go through the network in parts: "
        r"this looks at all of its samples", done.stderr)
          and "let m[c] = if training" in done.stderr,
          "and the message shows the line that mixes the samples", done.stderr)
    check("nn.group_norm2d" in done.stderr, "and what would help", done.stderr)
    done, _ = report(spec, "1MiB")
    check(done.returncode == 1 and "cannot go through" not in done.stderr,
          "what is too small for parts, too, is told what it needs", done.stderr)

    # Where neither parts nor what is computed again is enough, both are: here a batch of 62 goes in
    # 2, 31 or 62.
    few = command.write(folder + "/few.cpl", SPEC.replace("batch 128", "batch 62"))
    done, _ = report(few, "64KiB")
    least = re.search(r"needs at least ([\d.]+) MiB", done.stderr)
    if check(least, "what a batch of 62 needs at least", done.stdout + done.stderr):
        budget = f"{float(least[1]) + 0.05:.2f}MiB"
        done, peak = report(few, budget)
        both = PARTS.search(done.stdout) and "computed again for the gradient" in done.stdout
        check(both and peak <= float(least[1]) + 0.05,
              "in parts, and computed again within them, it needs least, and the report says so",
              done.stdout + done.stderr)
        for name, options in (("few_whole", ()),
                              ("few_both", ("--memory", budget, "--threads", "1")),
                              ("few_threads", ("--memory", budget, "--threads", "2"))):
            done = command.run(couplet, "train", few, "--data", data, "--out", f"{folder}/{name}",
                               "--max-steps", 2, "--seed", "1", *options)
            check(done.returncode == 0, f"{name} trains", done.stderr[-2000:])
        worst = largest_difference(command.arrays(f"{folder}/few_whole"),
                                   command.arrays(f"{folder}/few_both"))
        check(worst <= LARGEST, "with the values of the whole, to rounding", worst)
        check(command.last_checkpoint(f"{folder}/few_both") ==
              command.last_checkpoint(f"{folder}/few_threads"), "and the same bits on two threads")

    # Every batch of a step goes in as many parts; a source whose batch does not split evenly leaves
    # it whole.
    odd = command.write(folder + "/odd.cpl", SPEC.replace("batch 128", "batch 127"))
    done, _ = report(odd, f"{whole / 3:.2f}MiB")
    check(done.returncode == 1, "a batch of a prime number does not split", done.stdout)
check.finish()
