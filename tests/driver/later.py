#!/usr/bin/env python3
"""later.py COUPLET ROOT [opencl]: networks that are applied behind an ema edge, in an update or a
push alone. With opencl: optimisers that hold for a part of the run, and runs that start from
another one, give there what they give on the CPU."""
import sys
import tempfile

import command

couplet = sys.argv[1]
on_opencl = sys.argv[3:] == ["opencl"]
check = command.Checks()

HEAD = """
use optim, nn
data train = data.fashion_mnist("train")
""" + command.FLAT + """
net f = flat(3) >> nn.batch_norm1d()
net old = copy f
let z = f(train.image)
loss mean[i, k] (z[i, k] - 1)^2
"""
TRAIN = "train { epochs 1, batch 32, optimiser optim.sgd(lr = 0.01) }\n"
STATE = "state c[32, 3] = 0\n"
# What applies `old`, and nothing else does.
APPLIED = {
    "an update": STATE + "update c <- old(train.image)\n",
    "a push": "queue Q[64, 3] <- old(train.image)\nloss 0.01 * mean[j, k] Q[j, k]^2\n",
    "a bank": "bank M[train, 3]\nupdate M[train.index] <- old(train.image)\n",
    "a let that an update reads": STATE + "let w = old(train.image)\nupdate c <- w\n",
    "an update of a phase": STATE + "when step >= 2 {\n  update c <- old(train.image)\n}\n",
}
GUARDED = HEAD + STATE + """update c <- old(train.image)
ema old <- f rate 0.9
train {
  epochs 1, batch 32
  optimiser optim.nesterov(lr = 0.01) while step < 4
  optimiser optim.sgd(lr = 0.05, momentum = 0.9) on f while step >= 4
}
"""


def alike(one, other):
    """Whether two runs have the same arrays, to rounding on another device."""
    if one.keys() != other.keys():
        return False
    pairs = [(x, y) for name in one for x, y in zip(one[name], other[name], strict=True)]
    return all(abs(x - y) <= 1e-4 * max(1, abs(y)) for x, y in pairs)


with tempfile.TemporaryDirectory() as folder:
    env = {"COUPLET_CACHE": f"{folder}/cache"}
    data = command.small_data(f"{folder}/data", train=256, test=8)

    def train(out, text, *options):
        path = command.write(f"{folder}/{out}.cpl", text)
        place = ["--data", data, "--out", f"{folder}/{out}"]
        return command.run(couplet, "train", path, *place, *options, env=env)

    if not on_opencl:
        for number, (what, text) in enumerate(APPLIED.items()):
            # Ahead of a phase that applies it, nothing but the edge renews its statistics.
            edge = "ema old <- f rate 0" + (" with state\n" if "when" in text else "\n")
            for place, spec in (("ahead", edge + text), ("behind", text + edge)):
                out = f"run{number}{place}"
                done = train(out, HEAD + spec + TRAIN, "--max-steps", 5)
                if check(done.returncode == 0, f"{what}: applied, {place} of it", done.stderr):
                    found = command.arrays(f"{folder}/{out}")
                    names = [name for name in found if name.startswith("f.")
                             and "running" not in name]
                    good = all(found[name] == found["old" + name[1:]] for name in names)
                    check(names and good, "and the edge moves every parameter", sorted(found))
        idle = train("idle", HEAD + "ema old <- f rate 0\n" + TRAIN)
        check.refused("one that nothing applies", idle, "E502", "`old`")
    else:
        for door, options in (("cpu", ()), ("opencl", ("--device", "opencl"))):
            done = train(f"guarded_{door}", GUARDED, *options)
            check(done.returncode == 0, f"guarded optimisers, {door}", done.stderr)
            more = GUARDED.replace("net old", "net new_one = flat(2)\nnet old")
            more = more.replace("ema old", "loss mean[i, k] new_one(train.image)[i, k]^2\nema old")
            more = more.replace(" on f while step >= 4", " while step >= 4")
            start = ("--start", f"{folder}/guarded_cpu", *options)
            done = train(f"started_{door}", more, *start)
            good = done.returncode == 0 and "new_one" in done.stdout
            check(good, f"a run from another one, {door}", done.stdout + done.stderr)
        for name in ("guarded", "started"):
            one, other = (command.arrays(f"{folder}/{name}_{door}") for door in ("cpu", "opencl"))
            worst = {key: max(abs(x - y) for x, y in zip(one[key], other[key])) for key in one}
            check(alike(one, other), f"{name}: both devices agree", worst)
check.finish()
