#!/usr/bin/env python3
"""compile_time.py COUPLET ROOT: what the passes do grows with the graph, and with nothing else.

`couplet check --passes` counts the expressions that each pass makes, and the parts of expressions
that
it looks at. Both are the work of a pass, and the same on every machine.

  - For each example and each pass, the expressions are at most MOST for a node; the most that was
  met
    when this test was written is 31 (swav, fuse).
  - Of methods with n, 2n and 4n chained lets, each of which names the one before it twice, the
  step from
    2n to 4n takes each pass at most twice the visits and expressions of the step from n to 2n, and
    a tenth more. As trees the lets have 2^n parts. The visits of `place` are left out: it looks at
    each kernel, and fuse may give the same scalars to several."""
import glob
import os
import sys
import tempfile

import command

MOST, LETS = 64, 48
couplet, root = sys.argv[1:3]
check = command.Checks()

METHOD = """
use nn, augment, optim
data train = data.fashion_mnist("train")
view g[2] = augment.simclr(train.image)
fn shaped(x[N, D]) { NET }
net encoder = flatten >> nn.linear(8)
let z = shaped(encoder(g[0])), w = encoder(g[1])
CHAIN
loss LOSS
train { epochs 1, batch 16, optimiser optim.sgd(lr = 0.01) }
"""


def lets(first, step, count):
    return [f"let {first}"] + [f"let {step.format(i=i, p=i - 1)}" for i in range(1, count + 1)]


def in_loss(step):
    """The chain in the loss, of scalars."""
    def text(count):
        chain = lets("a0 = mean[i] dot(z[i], w[i])", step, count)
        whole = METHOD.replace("NET", "return x").replace("CHAIN", "\n".join(chain))
        return whole.replace("LOSS", f"a{count}")
    return text


def in_net(step):
    """The chain in what the network makes, of arrays."""
    def text(count):
        chain = lets("a0[n, d] = x[n, d]", step, count) + [f"return a{count}"]
        whole = METHOD.replace("NET", "\n  " + "\n  ".join(chain) + "\n").replace("CHAIN", "")
        return whole.replace("LOSS", "mean[i] dot(z[i], w[i])")
    return text


CHAINS = {
    "scalars": in_loss("a{i} = a{p} * a{p} * 0.5 + 0.1"),
    "choices": in_loss("a{i} = if a{p} < 0.3 then a{p} + 0.2 else a{p} * a{p}"),
    "exponentials": in_loss("a{i} = a{p} * exp(-a{p}) + 0.1"),
    "roots": in_loss("a{i} = sqrt(a{p}^2 + 1) + 0.5 * a{p}"),
    "arrays": in_net("a{i}[n, d] = a{p}[n, d] * a{p}[n, d] * 0.5 + 0.1"),
    "logs": in_net("a{i}[n, d] = log(1.5 + a{p}[n, d]) + log(1 + a{p}[n, d]^2) + 1"),
    "choices of logs": in_net(
        "a{i}[n, d] = if a{p}[n, d] > 0.1 then log(1 + a{p}[n, d]) else exp(a{p}[n, d]) - 0.9"),
    "softmaxes": in_net("a{i}[n, d] = softmax[d] a{p}[n, d]"),
    "shares": in_net("a{i}[n, d] = exp(x[n, d]) * a{p}[n, d] / sum[e] exp(x[n, e]) * a{p}[n, e]"),
    "deviations": in_net("a{i}[n, d] = sqrt(mean[e] (a{p}[n, d] - a{p}[n, e])^2)"),
    "running sums": in_net("a{i}[n, d < D] = (sum[e | e <= d] a{p}[n, e]) / (1 + real(d))"),
    "layer norms": in_net("a{i}[n, d] = x[n, d] + (a{p}[n, d] - mean[e] a{p}[n, e]) / "
                          "sqrt((var[e] a{p}[n, e]) + 1e-5)"),
    "gated units": in_net("a{i}[n, d] = a{p}[n, d] * sigmoid(a{p}[n, d]) + "
                          "tanh(a{p}[n, d]) * (1 - sigmoid(a{p}[n, d]))"),
    "cosines": in_net("a{i}[n, d] = cos(a{p}[n, d]) + 0.5 * cos(a{p}[n, (d + 1) mod D])"),
    "means by class": in_net("a{i}[n, d] = a{p}[n, d] - 0.5 * mean[e | e mod 2 == d mod 2] "
                             "a{p}[n, e]"),
    "norms": in_net("a{i}[n, d] = a{p}[n, d] / (1 + norm(a{p}[n]))"),
    "quotients": in_net("a{i}[n, d] = a{p}[n, d] / (1 + a{p}[n, d]^2)"),
}


def rows(spec):
    """graph, pass, milliseconds, nodes before and after, expressions, visits; the last is the
    sum."""
    done = command.run(couplet, "check", spec, "--passes")
    check(done.returncode == 0, f"check --passes {spec}", done.stderr[-500:])
    return [(line[:16].strip(), *line[16:].split()) for line in done.stdout.splitlines()[1:]]


def is_linear(one, two, four):
    """True if what is added from 2n to 4n is about twice what is added from n to 2n."""
    return four - two <= 2.2 * max(0, two - one) + 200


specs = sorted(glob.glob(os.path.join(root, "examples", "*.cpl")))
check(len(specs) > 20, "the examples are there", len(specs))
worst = (0.0, "")
for spec in specs:
    table = rows(spec)
    passes = [row[1] for row in table if row[0] == "train"]
    check(passes[:4] == ["lower", "weigh", "stabilise", "differentiate"] and passes[-1] == "place",
          "the step goes along the whole road", (spec, passes))
    for graph, name, _, before, after, exprs, _ in (row for row in table if len(row) == 7):
        if name in ("lower", "place"):
            continue
        for_node = int(exprs) / max(int(before), int(after))
        worst = max(worst, (for_node, f"{os.path.basename(spec)}, {graph}, {name}"))
        check(for_node <= MOST, "a pass makes a bounded number of expressions for a node",
              (spec, graph, name, for_node))
    check(table[-1][0] == "all", "the last row is the sum", table[-1])
print(f"at most {worst[0]:.1f} expressions for a node: {worst[1]}")

with tempfile.TemporaryDirectory() as folder:
    for kind, text in CHAINS.items():
        tables = [rows(command.write(f"{folder}/chain{n}.cpl", text(n)))
                  for n in (LETS, 2 * LETS, 4 * LETS)]
        for row in zip(*(table[:-1] for table in tables)):
            keys = {cells[:2] for cells in row}
            check(len(keys) == 1, f"{kind}: the road is the same for each length", keys)
            for column, what in ((-2, "expressions"), (-1, "visits")):
                counts = [int(cells[column]) for cells in row]
                if what == "visits" and row[0][1] == "place":
                    continue
                check(is_linear(*counts), f"{kind}, {' '.join(row[0][:2])}: {what} are linear",
                      counts)
check.finish()
