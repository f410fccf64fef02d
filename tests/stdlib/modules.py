#!/usr/bin/env python3
"""modules.py COUPLET TEST_METHOD ROOT [NAME...]: every network, optimiser, schedule and
augmentation with draws of the library in a small method of its own, one
training step of it on the CPU against the reference evaluator (augment.py has the augmentations
without draws). What the library has is read from its files, so a new entry is tested as soon as it
is
written; settings without a default get the value that VALUES has for their name, or 2."""
import glob
import os
import re
import subprocess
import sys
import tempfile

couplet, test_method, root = sys.argv[1:4]
VALUES = {"lr": 0.1, "low": 0.3, "from": 0.1, "to": 0.05, "peak": 0.1, "warmup": 7, "out": 5,
          "hidden": 6, "width": 2, "groups": 1, "heads": 1, "count": 5, "size": 5, "patch": 4,
          "views": 2, "near": 3, "slots": 4}

METHOD = """use nn, augment, optim, anneal
data train = data.fashion_mnist("train")
%s
train { epochs 1, batch 4, optimiser %s }
"""
SMALL = "let v[n, c, i < 8, j < 8] = train.image[n, c, 3*i + 1, 3*j + 1]\n"
LARGER = "let v[n, c, i < 12, j < 12] = train.image[n, c, 2*i + 2, 2*j + 2]\n"
SEQUENCE = "let v[n, c < 2, t < 40] = train.image[n, 0, c + 9, t mod 28] + 0.1 * t\n"
TOKENS = "let v[n, t < 9, d < 4] = train.image[n, 0, 2*t + 1, 3*d + 8]\n"
CODES = "let v[n, t < 6] = floor(4.99 * train.image[n, 0, 14, 2*t + 8])\n"
WAVE = "let v[n, t < 70] = train.image[n, 0, t mod 28, 14] - 0.5\n"
CLIP = "let v[n, t < 4, c < 2, i < 6, j < 6] = train.image[n, 0, 3*i + t, 3*j + 1 + c]\n"
MAPS = "let v[n, c < 8, i < 4, j < 4] = train.image[n, 0, 3*i + c, 5*j + 4] - 0.3\n"
COLOURS = """fn colours(x[1, H, W]) {
  let y[c < 3, i < 12, j < 12] = 0.3 * c + (1 - 0.3 * c) * x[0, i + 2 * c + 4, j + 8 - c]
  return y
}
"""
FLAT = "let v[n, d < 12] = train.image[n, 0, 2*d + 1, d + 3]\n"
SGD = "optim.sgd(lr = 0.1, momentum = 0.9)"


def split_list(text):
    """The parts of a comma list, brackets unbroken."""
    parts, depth, part = [], 0, ""
    for c in text:
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += c
    return [p for p in parts + [part.strip()] if p]


def settings(text):
    """NAME = VALUE for each setting; `width` is small whatever its default, so that the
    reference has less to do, and `groups` fits the one channel."""
    given = []
    for part in split_list(text):
        stated = part.partition("|")[0]  # its range stands behind a bar
        name, _, default = (s.strip() for s in stated.partition("="))
        name = name.split(":")[0].split("[")[0].strip()
        if not default or name in ("width", "groups", "heads", "near", "slots"):
            given.append(f"{name} = {VALUES.get(name, 2)}")
    return ", ".join(given)


def texts(module):
    path = os.path.join(root, "stdlib", module)
    inside = os.path.isdir(path)
    files = sorted(os.path.join(path, name) for name in os.listdir(path)) if inside else []
    for file in files or [path + ".cpl"]:
        with open(file) as text:
            yield text.read()


def entries(module):
    pattern = r"^(fn|net|optimiser) (\w+)\(([^()]*(?:\([^()]*\)[^()]*)*)\)"
    return [row for text in texts(module) for row in re.findall(pattern, text, re.MULTILINE)]


def inputs_of_nets():
    """What each network takes, (is whole, number of axes); a chain of networks takes what its first
    one does, and None where that is not said."""
    found, chains = {}, {}
    pattern = r"^net (\w+)\([^\n]*?\)(?:\(\w+( : int)?\[([^\]]*)\]\)| =\s+(?:\w+: )?(\w+))"
    for text in texts("nn"):
        for name, whole, axes, first in re.findall(pattern, text, re.MULTILINE):
            if first:
                chains[name] = first
            else:
                found[name] = (bool(whole), axes.count(",") + 1)
    for name in chains:
        first = name
        while first in chains:
            first = chains[first]
        found[name] = found.get(first)
    return found


def view_fits(view, taken):
    """Whether a network that takes this may be given the view. Codes are whole, or counted so."""
    declared = re.match(r"let v\[([^\]]*)\]", view).group(1)
    if taken is None:
        return True
    is_whole, axes = taken
    return declared.count(",") + 1 == axes and (view == CODES or not is_whole)


def random_augmentations():
    """Those of one image whose own text draws, and the recipes that are more than another one
    by its name."""
    with open(os.path.join(root, "stdlib", "augment", "recipes.cpl")) as file:
        recipes = set(re.findall(r"^fn (\w+)\(.*\) =(?! \w+\(x, low = low\)$)", file.read(),
                                 re.MULTILINE))
    drawing = set()
    for path in glob.glob(os.path.join(root, "stdlib", "augment", "*.cpl")):
        with open(path) as file:
            drawing |= set(re.findall(r"^fn (\w+)\((?:[^()]|\([^()]*\))*\) \{\n"
                                      r"(?:(?!^\}).*\n)*?  +draw ", file.read(), re.MULTILINE))
    for _, name, params in entries("augment"):
        if name in recipes | drawing and len(re.findall(r"\[", params)) == 1:
            yield name, settings(", ".join(split_list(params)[1:]))


def candidates():
    """Name, and the specs one of which fits it: what a network takes and gives is for the
    checker to say."""
    taken = inputs_of_nets()
    for kind, name, config in entries("nn"):
        if kind == "fn" and "[" in config: # of an array
            yield "nn." + name, [METHOD % (SMALL + f"param q = 0.5\nlet o = nn.{name}(v)\n"
                                           + "loss mean[n, c, i, j] q * o[n, c, i, j]^3", SGD)]
            continue
        if kind == "fn": # of one number: applied in a composition
            yield "nn." + name, [METHOD % (f"net f = nn.linear(3) >> nn.{name}\n" + FLAT
                                           + "let o = f(v)\nloss mean[n, d] o[n, d]^2", SGD)]
            continue
        net = f"net f = nn.{name}({settings(config)})\n"
        if name == "patches_sincos": # four divides its width
            net = net.replace("width = 2", "width = 8")
        loss = """let row = flatten(o)
param q = 0.5
loss mean[n, d] q * cos(real(d)) * row[n, d]^2
"""
        views = (SMALL, FLAT, SEQUENCE, TOKENS, CODES, WAVE, CLIP, MAPS, LARGER)
        yield "nn." + name, [METHOD % (net + view + "let o = f(v)\n" + loss, SGD)
                             for view in views if view_fits(view, taken.get(name))]
    for name, given in random_augmentations():
        body = (f"{COLOURS}view a, b = "
                f"augment.{name}(colours(train.image){', ' + given if given else ''})\nparam q = "
                f"0.5\n")
        losses = [f"loss mean[n, {axes}] (a[n, {axes}] - q * b[n, {axes}])^2"
                  for axes in ("c, i, j", "v, c, i, j")]
        yield "augment." + name, [METHOD % (body + loss, SGD) for loss in losses]
    line = FLAT + "net f = nn.linear(3)\nlet o = f(v)\nloss mean[n, d] (o[n, d] - 0.5)^2"
    for _, name, config in entries("optim"):
        yield "optim." + name, [METHOD % (line, f"optim.{name}({settings(config)})")]
    for _, name, params in entries("anneal"):
        yield "anneal." + name, [METHOD %
                                 (line, f"optim.sgd(lr = anneal.{name}({settings(params)}))")]


# Deep networks over a batch of four and one place each: float32 and float64 part there, whatever
# computes them. Their blocks are tried one by one, the whole is only checked; and the vision
# transformers of the papers are too large for the reference.
CHECKED = {"nn.r2plus1d18", "nn.resnet50", "nn.resnet50_large", "nn.resnet50_stages",
           "nn.resnet50_gn", "nn.resnet50_large_gn", "nn.resnet50_stages_gn", "nn.resnet34_large",
           "nn.resnet34_gn", "nn.resnet34_large_gn", "nn.resnet34_stages_gn", "nn.vit_blocks",
           "nn.vit_tiny", "nn.vit_small", "nn.vit_base"}


def run(folder, name, specs):
    path = os.path.join(folder, name.replace(".", "_") + ".cpl")
    complaint = ""
    for spec in specs:
        with open(path, "w") as file:
            file.write(spec)
        checked = subprocess.run([couplet, "check", path], capture_output=True, text=True)
        if checked.returncode == 0 and name in CHECKED:
            return True, ""
        if checked.returncode == 0:
            done = subprocess.run([test_method, path], capture_output=True, text=True)
            return done.returncode == 0, done.stdout
        complaint = complaint or checked.stderr
    return False, ("no spec of this test fits it; teach tests/stdlib/modules.py how it is called:\n"
                   + complaint)


failed = tried = 0
with tempfile.TemporaryDirectory() as folder:
    for name, specs in candidates():
        if len(sys.argv) > 4 and name not in sys.argv[4:]:
            continue
        good, text = run(folder, name, specs)
        print(f"{'ok     ' if good else 'FAILED '} {name}" + ("" if good else "\n" + text))
        tried += 1
        failed += not good
print(f"{tried} entries, {failed} failed")
sys.exit(failed != 0 or tried == 0)
