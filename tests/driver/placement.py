#!/usr/bin/env python3
"""placement.py COUPLET ROOT: arrays share the arena without harm: whoever reads one finds it there,
elementwise work is done over what ends with it, and kernels of one
launch leave each other's arrays alone. The update of all parameters is one launch."""
import re
import sys
import tempfile

import command

couplet, root = sys.argv[1], sys.argv[2]
check = command.Checks()
STEP = re.compile(r"step \d+: (.*?), \d+ tiles:(.*?) -> (.*?)    # (.*)")
LAUNCH = re.compile(r"launch of steps (\d+) to (\d+)")
ARRAY = re.compile(r"(?:%(\d+) )?@(\d+)\+(\d+)")


def arrays(text):
    """Node (empty for what belongs to no node), start, end."""
    return [(node, int(start), int(start) + int(size)) for node, start, size in ARRAY.findall(text)]


def run(plan):
    """Goes through the steps of a plan. What was read of memory that another array had taken;
    how many steps wrote over an operand; the end of the highest array."""
    held, wrong, over, top = [], [], 0, 0
    for label, read, written, _ in STEP.findall(plan):
        reads, writes = arrays(read), arrays(written)
        wrong += [(label, a) for a in reads if a not in held]
        for w in writes:
            touched = [a for a in reads if a[1] < w[2] and w[1] < a[2]]
            over += bool(touched)
            if any(a[1:] != w[1:] or not label.startswith("map ") for a in touched):
                wrong.append((label, w))
        held = [a for a in held if all(a[2] <= w[1] or w[2] <= a[1] for w in writes)] + writes
        top = max([top] + [w[2] for w in writes])
    return wrong, over, top


def launches(plan):
    """The steps of each launch."""
    steps, first = STEP.findall(plan), 0
    for begin, end in [(int(a), int(b)) for a,
                       b in LAUNCH.findall(plan)] + [(len(steps), len(steps))]:
        yield from ([step] for step in steps[first:begin])
        first = end + 1
        if begin < len(steps):
            yield steps[begin:first]


def meet(one, other):
    return [(a, b) for a in one for b in other if a[1] < b[2] and b[1] < a[2]]


def strife(launch):
    """Where a step of the launch writes what another reads or writes."""
    used = [(arrays(read), arrays(written)) for _, read, written, _ in launch]
    return [found for i, (_, mine) in enumerate(used) for k,
            (read, written) in enumerate(used) if i != k
            for found in meet(mine, read) + meet(mine, written)]


def passes(plan, file, first=1):
    """How many launches do elementwise work of a file's lines, from the first of them on,
    scalars left out; and how many kernels."""
    def counts(step):
        path, line = step[3].rsplit(":", 1)
        return re.match(r"map \[\d", step[0]) and path == file and int(line) >= first
    found = [[step for step in launch if counts(step)] for launch in launches(plan)]
    return sum(bool(steps) for steps in found), sum(len(steps) for steps in found)


for name in ("simclr", "moco_v2", "byol", "dino", "swav", "kcl"):
    done = command.run(couplet, "check", f"{root}/examples/{name}.cpl", "--print-after", "place")
    if not check(done.returncode == 0, f"{name} has a plan", done.stderr):
        continue
    for plan in re.findall(r"^plan \w+ \{.*?^\}", done.stdout, re.MULTILINE | re.DOTALL):
        wrong, over, top = run(plan)
        check(not wrong, f"{name}: every array is there when it is read", wrong[:3])
        bad = [found for launch in launches(plan) for found in strife(launch)]
        check(not bad, f"{name}: steps of one launch share nothing that one of them writes",
              bad[:3])
        check(top <= int(re.search(r"arena (\d+) bytes", plan)[1]),
              f"{name}: the arena holds them all")
        if "plan train" in plan or "plan step" in plan:
            check(over > 0, f"{name}: elementwise work is done in place")
            found = passes(plan, "stdlib/optim.cpl")
            # there, crops of two sizes give each gradient in several parts, which are kept no
            # longer than they must
            most = 6 if name == "swav" else 1
            check(1 <= found[0] <= most and found[1] > 4,
                  f"{name}: one launch renews what sums do not", found)

# Of any rule: moments, a norm of all gradients, an average that follows.
RULE = """
optimiser adam(lr, beta1 = 0.9, beta2 = 0.999, eps = 1e-8)(p, g) {
  state m = 0, v = 0
  let m1 = beta1 * m + (1 - beta1) * g
  let v1 = beta2 * v + (1 - beta2) * g * g
  update m <- m1
  update v <- v1
  update p <- p - lr * (m1 / (1 - beta1 ^ (step + 1))) / (sqrt(v1 / (1 - beta2 ^ (step + 1))) + eps)
}
"""
with tempfile.TemporaryDirectory() as folder:
    for name, setting in (("adam", ""), ("clipped", "clip 3, ")):
        text = command.SMALL_SPEC.replace(
            "optimiser optim.sgd(lr = anneal.warmup_cosine(0.1, 5), momentum = 0.9, decay = 5e-4)",
            setting + "optimiser adam(lr = 0.001)")
        spec = command.write(f"{folder}/{name}.cpl", text + RULE)
        done = command.run(couplet, "check", spec, "--print-after", "place")
        plan = re.search(r"^plan train \{.*?^\}", done.stdout, re.MULTILINE | re.DOTALL)
        if check(plan is not None, f"{name} has a plan", done.stderr):
            found = passes(plan[0], spec, text.count("\n"))  # the rule stands behind all else
            check(found[0] == 1 and found[1] > 3, f"{name}: one launch for all parameters", found)
check.finish()
