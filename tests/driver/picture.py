#!/usr/bin/env python3
"""picture.py COUPLET ROOT: what `graph` draws and `describe` says of the examples."""
import os
import re
import shutil
import sys
import tempfile

import command
from picture_edges import edges

couplet, root = sys.argv[1:3]
check = command.Checks()

CARRIED = """use nn, augment, optim, losses
data train = data.fashion_mnist("train")
view a = augment.simclr(train.image)
net e = nn.convnet(width = 4) >> nn.linear(8)
net step = nn.linear(8)
let z = e(a)
scan t < 3 (h[n < 32, d < 8] = 0) {
  let x[n, d] = z[n, d] + h[n, d]
  next h = step(x)
}
loss losses.cross_view(h, z)
train { epochs 1, batch 32, optimiser optim.sgd(lr = 0.1) }
"""
GUARDED = """
use nn, augment, losses, optim
data train = data.fashion_mnist("train")
view a, b = augment.simclr(train.image)
net e = nn.convnet(width = 4) >> nn.mlp(16, 8)
let za = e(a), zb = e(b)
loss (mean[i | za[i, 0] > 0] zb[i, 0] else 0) + losses.nt_xent(za, zb, 0.5)
train { epochs 1, batch 32, optimiser optim.sgd(lr = 0.1) }
"""

# example: (lines of describe, {pattern in the .dot text: how often})
EXPECTED = {
    "simclr": (
        ["update      synchronous: one gradient step for both branches: `encoder`",
         "structure   symmetric: both branches are encoder",
         "gradient    through both branches", "clusters    no", "labels      not used",
         "negatives   from the batch", "parameters  encoder: 405856"],
        {r"<b>encoder</b>": 2, r"shared weights": 1, r"<b>//</b>": 0, r"ema,": 0,
         r"406 k parameters": 2, r"augment\.simclr": 2}),
    "moco": (
        ["update      asynchronous: `target` follows `online` as a moving average, rate m",
         "structure   symmetric: both branches are online",
         "gradient    through one branch; it is stopped on the other",
         "negatives   from the queue `Q`", "memory      Q: 4096 x 128"],
        {r"<b>//</b>": 1, r"ema, rate m": 1, r"shape=cylinder": 1, r">push<": 1, r"4096 × 128": 1,
         r"shared weights": 0}),
    "byol": (
        ["update      asynchronous: `target` follows `online` as a moving average, rate "
         "anneal.cosine(m, 1)",
         "structure   asymmetric: one branch is online, predict, the other online; the loss takes "
         "both views through both",
         "loss        regression of one branch on the other (regress)",
         "negatives   none; a stopped gradient keeps the features apart"],
        {r"<b>online</b>": 1, r"<b>target</b>": 1, r"<b>predict</b>": 1, r"<b>//</b>": 1,
         r"ema, rate<br/>anneal\.cosine": 1, r"two views exchanged": 1}),
    "simsiam": (
        ["structure   asymmetric: one branch is encoder, predict, the other encoder; the loss "
         "takes both views through both", "parameters  predict: 16704"],
        {r"<b>encoder</b>": 2, r"<b>predict</b>": 1, r"shared weights": 1, r"<b>//</b>": 1,
         r"two views exchanged": 1}),
    "supcon": (
        ["labels      used: the loss reads train.label", "negatives   from the batch"],
               {r"<i>train\.label": 1, r"<b>//</b>": 0}),
}
# The arrows of every example, written down from its text. `==` shares weights, `-//->` ends in a
# stop.
VIEWS = "train -> a; train -> b; "
SHARED = VIEWS + "a -> encoder; b -> encoder; encoder == encoder; encoder -> loss; encoder -> loss"
QUEUE = (VIEWS + "a -> online; b -> target; online -ema-> target; online -> loss; target -//-> "
                 "loss; target -push-> Q; Q -> loss")
EDGES = {
    "barlow": SHARED, "dcl": SHARED, "debiased": SHARED, "directclr": SHARED, "simclr": SHARED,
         "vicreg": SHARED,
    "supcon": SHARED + "; train.label -> loss",
    "fnc": SHARED
         + "; train -> support; support -> encoder; encoder == encoder; encoder -//-> loss",
    "moco": QUEUE, "moco_v2": QUEUE, "mixco": QUEUE,
    "mochi": QUEUE + "; online -//-> loss",  # the queries rank the negatives that are mixed
    "kcl": QUEUE + "; train.label -> loss; train.label -push-> Q",
    "byol": VIEWS
         + "a -> online; b -> target; online -> predict; online -ema-> target; predict -> loss; "
           "target -//-> loss",
    "simsiam": VIEWS
         + "a -> encoder; b -> encoder; encoder == encoder; encoder -> predict; predict -> loss; "
           "encoder -//-> loss",
    "moco_v3": "train -> g; g -> online; g -> target; online -> predict; online -ema-> target; "
               "predict -> loss; target -//-> loss",
    "contrastive_clustering": VIEWS + "a -> trunk; b -> trunk; trunk == trunk; "
         + "trunk -> instance; trunk -> cluster; instance -> loss; cluster -> loss; " * 2
                              + "instance == instance; cluster == cluster",
    "swav": "train -> g; train -> l; g -> encoder; l -> encoder; encoder == encoder; encoder -> "
            "loss; encoder -> loss; encoder -//-> loss; C -> loss",
    "dino": "train -> g; train -> l; g -> student; l -> student; g -> teacher; student == "
            "student; student -ema-> teacher; student -> loss; student -> loss; teacher -//-> "
            "loss; "
            "teacher -update-> centre; centre -> loss",
    "paco": VIEWS
         + "a -> online.trunk; online.trunk -> online.head; online.trunk -> classes; b -> target; "
           "online.trunk -ema-> target; online.head -ema-> target; classes -> loss; "
            "online.head -> loss; target -//-> loss; target -push-> Q; Q -> loss; train.label -> "
            "loss; train.label -push-> Q; train.label -update-> prior; prior -> loss",
    "pcl": QUEUE + "; target == target; train.image -> target; target -update-> M; " + "".join(
            f"M -k-means-> {c}; M -k-means-> in_{c}; {c} -> loss; in_{c} -> loss; phi_{c} -> "
            f"loss; M -update-> phi_{c}; {c} -update-> phi_{c}; in_{c} -update-> phi_{c}; "
            for c in ["coarse", "fine"]),
    "comatch": "train -> w; train -> s; labelled -> x; w -> encoder; s -> encoder; x -> encoder; "
               "encoder == encoder; encoder == encoder; "
               + "encoder -> classes; " * 3 + "encoder -> project; " * 3
         + "classes == classes; classes == classes; project == project; project == project; "
           "classes -> loss; classes -> loss; project -> loss; classes -//-> loss; "
           "project -//-> loss; labelled.label -> loss; "
           "P -> loss; M -> loss; classes -push-> P; classes -push-> M; P -push-> M; "
         + "project -push-> M; " * 2 + "labelled.label -push-> M",
}
# Sentences of describe; the columns of the survey's tables are compared with docs/survey.md by
# survey.py.
SAID = {
    "simsiam": ["(the survey counts a branch that is only stopped as asynchronous)"],
    "swav": ["negatives   none;", "gradient    through every branch"],
    "vicreg": ["loss        redundancy reduction", "negatives   none; statistics"],
    "contrastive_clustering": ["gradient    through both branches"],
    "fnc": ["gradient    through the branches of a and b; it is stopped on that of support"],
    "pcl": ["clusters    yes: k-means over `M`"],
}
examples = sorted(file[:-4] for file in os.listdir(root + "/examples") if file.endswith(".cpl"))
check(examples == sorted(EDGES), "every example has its edges", examples)
for name in examples:
    text = command.run(couplet, "graph", f"{root}/examples/{name}.cpl").stdout
    found = edges(text)
    crossed = [line for line in re.findall(r"^  \w+ -> .*label=.*$", text, re.MULTILINE)
               if "constraint=false" not in line]
    check(not crossed,
          f"{name}: what is written on an arrow is a box, which no other arrow crosses", crossed)
    check("</b><br/>" not in text, f"{name}: each line of a box is a row", text)
    wanted = sorted(edge.strip() for edge in EDGES[name].split(";") if edge.strip())
    check(found == wanted, f"edges of {name}",
          f"missing: {[e for e in wanted if e not in found]}\ntoo many: "
          f"{[e for e in found if e not in wanted]}\n{found}")
    words = command.run(couplet, "describe", f"{root}/examples/{name}.cpl").stdout
    check(all(sentence in words for sentence in SAID.get(name, [])), f"what is said of {name}",
          words)

for name, (lines, marks) in EXPECTED.items():
    spec = f"{root}/examples/{name}.cpl"
    words = command.run(couplet, "describe", spec)
    missing = [line for line in lines if line not in words.stdout.splitlines()]
    check(words.returncode == 0 and not missing, f"describe {name}",
          "\n".join(missing) + "\n--- said\n" + words.stdout + words.stderr)
    dot = command.run(couplet, "graph", spec)
    found = {mark: len(re.findall(mark, dot.stdout)) for mark in marks}
    check(dot.returncode == 0 and found == marks, f"graph {name}",
          f"{found}\n{dot.stdout}{dot.stderr}")
    boxes, used = set(re.findall(r"^  (\w+) \[shape", dot.stdout,
                                 re.MULTILINE)), set(
                                     re.findall(r"\b([bst]\d+)\b(?= ->| \[arrow|;)|-> (\w+)",
                                                dot.stdout))
    check({a or b for a, b in used} <= boxes, f"graph {name}: every arrow ends at a box",
          f"{used} {boxes}")

with tempfile.TemporaryDirectory() as folder:
    spec = f"{root}/examples/byol.cpl"
    if shutil.which("dot"):
        for ending, start in [("svg", b"<?xml"), ("png", b"\x89PNG"), ("dot", b"digraph")]:
            done = command.run(couplet, "graph", spec, "-o", f"{folder}/byol.{ending}")
            with open(f"{folder}/byol.{ending}", "rb") as file:
                check(done.returncode == 0 and file.read(8).startswith(start), f"byol.{ending}",
                      done.stderr)
        check(sorted(os.listdir(folder)) == ["byol.dot", "byol.png", "byol.svg"],
              "nothing else is left", os.listdir(folder))
    else:
        print("Graphviz is not installed: pictures are not made")
    done = command.run(couplet, "graph", spec, "-o", folder + "/x.svg",
                       env={**os.environ, "PATH": folder})
    check(done.returncode == 1 and "graphviz" in done.stderr
          and not os.path.exists(folder + "/x.svg"), "without Graphviz", done.stderr)
    done = command.run(couplet, "graph", spec, "-o", "/proc/x.svg")
    refusal = "/proc/x.svg: cannot be written: No such file or directory"
    check(done.returncode == 1 and done.stderr == f"couplet graph: error[E606]: {refusal}\n",
          "where nothing can be written", done.stderr)
    done = command.run(couplet, "graph", spec, "-o", folder + "/x.jpeg")
    check(done.returncode == 1 and ".svg, .pdf, .png or .dot" in done.stderr,
          "a kind of picture that there is not", done.stderr)
    with open(f"{root}/examples/simclr.cpl") as file:
        quoted = command.write(folder + '/q"uote.cpl', file.read())
    done = command.run(couplet, "graph", quoted)
    check('digraph "q\\"uote" {' in done.stdout, "a quote in the name", done.stdout[:80])
    guarded = command.write(folder + "/guarded.cpl", GUARDED)
    found = edges(command.run(couplet, "graph", guarded).stdout)
    check(found ==
          sorted("train -> a; train -> b; a -> e; b -> e; e == e; e -> loss; e -> loss".split(
              "; ")), "a guard is no stop", found)
    text = GUARDED.replace("view a, b =", "view c = augment.flip(train.image)\nview a, b =")
    twice = command.write(folder + "/twice.cpl", text.replace("simclr(train.image)", "simclr(c)"))
    dot = command.run(couplet, "graph", twice).stdout
    check(re.search(r"rank=same; b\d+; }$", dot, re.MULTILINE), "views of a view stand behind it",
          dot)
    # A network that is applied to what another made of it, as CUT's encoder is.
    ring = command.write(f"{folder}/ring.cpl", '''use nn, augment, optim, losses
data train = data.fashion_mnist("train")
view a, b = augment.flip(train.image)
net eye = nn.conv3(4) >> relu
net hand = nn.conv3(1)
net head = nn.global_average_pool() >> nn.linear(8)
let x = eye(a), y = eye(hand(eye(a))), z = eye(hand(eye(b)))
loss losses.nt_xent(head(x), head(y)) + losses.nt_xent(head(y), head(z))
train { epochs 1, batch 32, optimiser optim.sgd(lr = 0.1) }
''')
    done = command.run(couplet, "describe", ring)
    check(done.returncode == 0 and re.search("^structure .*eye, .*head", done.stdout,
                                             re.MULTILINE), "describe a ring of networks",
          done.stdout + done.stderr)
    carried = command.write(folder + "/carried.cpl", CARRIED)
    found = edges(command.run(couplet, "graph", carried).stdout)
    check(found == sorted("train -> a; a -> e; e -> step; e -> loss; step -> loss".split("; ")),
          "what a scan carries through a network ends at what it is made of", found)
    done = command.run(couplet, "describe", carried)
    check(done.returncode == 0 and "synchronous" in done.stdout, "describe such a method",
          done.stdout + done.stderr)
    done = command.run(couplet, "describe", f"{root}/stdlib/anneal.cpl")
    check(done.returncode == 1 and "has no `loss`" in done.stderr,
          "describe a file that is no method", done.stderr)
check.finish()
