#!/usr/bin/env python3
"""compositions.py COUPLET ROOT: every row of builtins.def in a composition, `net e = h >> NAME`,
has the type and the value of the call
`NAME(h(x))`, or is refused as that call is; one that takes two arrays or more is refused for it."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../driver"))
import command

couplet, root = sys.argv[1:3]
check = command.Checks()
folder = tempfile.mkdtemp()

with open(f"{root}/lang/builtins.def") as file:
    ROWS = [(name, int(low), high) for name, low,
            high in re.findall(r"^BUILTIN\((\w+), (\d+), (\w+), \w+,", file.read(), re.M)]
check(len(ROWS) > 40, f"{len(ROWS)} rows are read")

HEAD = """use nn, optim
data train = data.fashion_mnist("train")
net h = flatten >> nn.linear(8) >> sigmoid
let y = h(train.image)
"""
TRAIN = "train { epochs 1, batch 16, optimiser optim.sgd(lr = 0) }\n"


def checked(lines):
    path = command.write(os.path.join(folder, "m.cpl"),
                         HEAD + lines + "loss mean[i, d] y[i, d]\n" + TRAIN)
    done = command.run(couplet, "check", path)
    kind = re.search(r"^let +z : (.*)", done.stdout, re.M)
    return done, kind and kind.group(1), re.findall(r"error\[(E\d+)\]", done.stderr)


values = []
for name, low, high in ROWS:
    chained, chained_type, codes = checked(
        f"net e = h >> {name}\nlet z = e(train.image)\nloss 0 * real(count[i < 2])\n")
    if high == "0":
        check(chained.returncode == 1 and codes,
              f"{name} is a value, and no part of a composition", chained.stderr)
        continue
    if low > 1:
        check(chained.returncode == 1 and codes == ["E210"], f"{name} takes {low} arguments: E210",
              (chained.returncode, codes, chained.stderr))
        alone, _, codes = checked(f"net e = {name}\nlet z = e(y)\n")
        check(alone.returncode == 1 and codes == ["E210"], f"{name} applied like a network: E210",
              (alone.returncode, codes, alone.stderr))
        continue
    called, called_type, called_codes = checked(f"let z = {name}(y)\n")
    same = (chained.returncode == called.returncode and chained_type == called_type
            and codes == called_codes)
    check(same, f"{name}: {called_type or called_codes}",
          (chained.returncode, chained_type, codes, called.returncode, called_type, called_codes,
           chained.stderr))
    if called.returncode == 0:
        values.append((name, called_type))

# Values: a network of each on the same weights, against the call.
lines, losses = "", []
for name, kind in values:
    lines += (f"net e_{name} = h >> {name}\nlet a_{name} = e_{name}(train.image), b_{name} = "
              f"{name}(y)\n")
    axes = kind.count(",") + 1 if "[" in kind else 0
    index = ", ".join(f"i{k}" for k in range(axes))
    losses.append(f"mean[{index}] abs(a_{name}[{index}] - b_{name}[{index}])" if axes
                  else f"abs(a_{name} - b_{name})")
data = command.small_data(os.path.join(folder, "data"), train=32, test=8)
path = command.write(os.path.join(folder, "v.cpl"),
                     HEAD + lines + "".join(f"loss real({loss})\n" for loss in losses)
                     + "loss 0 * mean[i, d] y[i, d]\n" + TRAIN)
for device in ("cpu", "reference"):
    done = command.run(couplet, "train", path, "--data", data, "--out",
                       os.path.join(folder, device), "--max-steps", 1, "--device", device)
    if device == "reference" and done.returncode == 2:
        continue
    found = command.losses(os.path.join(folder, device)) if done.returncode == 0 else []
    check(found and found[0][1] == 0,
          f"{device}: {len(values)} built-ins are worth in a composition what their calls are",
          done.stderr + str(found))
check(len(values) > 20, f"{len(values)} values are compared")

# Functions are called with one argument, too: the rest are defaults.
chained, kind, codes = checked(
    "fn scaled(x[N, D], by = 2) = shifted(x, by)\nfn shifted(x[N, D], by) {\n  let r[n, d] = x[n, "
    "d] + by\n  return r\n}\nnet e = h >> scaled\nlet z = e(train.image)\n")
check(chained.returncode == 0 and kind == "real[16, 8]",
      "a function with a default in a composition", (kind, codes, chained.stderr))
chained, kind, codes = checked(
    "fn pair(x[N, D], y[N, D]) {\n  let r[n, d] = x[n, d] + y[n, d]\n  return r\n}\nnet e = h >> "
    "pair\nlet z = e(train.image)\n")
check(chained.returncode == 1 and codes == ["E204"], "a function of two arrays in a composition",
      (kind, codes, chained.stderr))
chained, kind, codes = checked(
    "fn loss_of(x[N, D]) = mean[n, d] x[n, d]\nnet e = h >> loss_of\nlet z = e(train.image)\n")
check(chained.returncode == 0 and kind == "real",
      "a function that gives a number in a composition", (kind, codes, chained.stderr))

# A composition that is a net's own definition, with settings or without, here or further down, has
# the type of its parts.
for settings, given in (("", ""), ("out", "3"), ("out = 3", "")):
    out = "out" if settings else "3"
    for before in (True, False):
        own = (f"net own({settings}) = flatten >> nn.linear({out}) >> doubled\nfn doubled(x[N, "
               f"D]) {{\n  let r[n, d] = 2 * x[n, d]\n  return r\n}}\n")
        uses = f"net e = own({given})\nlet z = e(train.image)\nloss mean[i, d] z[i, d]\n"
        chained, kind, codes = checked(own + uses if before else uses + own)
        check(chained.returncode == 0 and kind == "real[16, 3]",
              f"net own({settings}) {'before' if before else 'behind'} its use",
              (kind, codes, chained.stderr))
check.finish()
