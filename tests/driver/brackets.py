#!/usr/bin/env python3
"""brackets.py COUPLET ROOT: a bracket, a brace or a parenthesis that is missing, doubled or another
one, in each kind of statement and block: one mistake gives one error, which names its line."""
import concurrent.futures
import os
import re
import sys
import tempfile

import command

couplet = os.path.abspath(sys.argv[1])
check = command.Checks()
SPEC = """use nn, augment, optim, losses

data train = data.fashion_mnist("train")
data test = data.fashion_mnist("test")
hyper tau = 0.2
view a, b = augment.simclr(train.image)
net encoder = trunk: nn.convnet(width = 8) >> head: nn.linear(64)
let z = encoder(a), w = encoder(b)

fn near(x[N, D], y[N, D]) {
  let s[i, j] = dot(x[i], y[j]) / tau
  let m[i] = logsumexp[j] s[i, j]
  return mean[i] (m[i] - s[i, i])
}

net extra(c)(x[N, D]) {
  param C[D, c] = normal(0, 0.1)
  let y[n, o] = sum[d] x[n, d] * C[d, o]
  return y
}

queue Q[512] {
  feat[64] <- stop(w)
  label <- train.label
}
bank M[train, 64]
state seen = 0

every epoch {
  over test {
    update seen <- seen + 1
  }
  report total = seen
}

when epoch >= 1 {
  loss near: losses.nt_xent(z, w, tau)
} else {
  loss first: near(z, w)
}
update M[train.index] <- stop(z)
let last = mean[i] norm(M[train.index[i]])
loss 0 * last + 0 * mean[r] norm(Q.feat[r]) + mean[i] extra(4)(z)[i, 0]^2

train {
  epochs 1, batch 256
  optimiser optim.sgd(lr = 0.1, momentum = 0.9) on encoder
  optimiser optim.sgd(lr = 0.1) on rest
}
eval {
  knn(k = 20, features = encoder.trunk, bank = train, query = test)
  report n = seen
}
"""
# What stands in the spec, what is written instead, and the line that the error or one of its notes
# has to name.
SLIPS = [
    ("dot(x[i], y[j])", "dot(x[i]], y[j])", 11),
    ("x[n, d] * C[d, o]", "x[n, d] * Cd, o]", 18),
    ("return y\n", "return y]\n", 19),
    ("encoder(a), w", "encoder(a)), w", 8),
    ("return mean[i] (m[i] - s[i, i])", "return mean[i] (m[i] - s[i, i]))", 13),
    ("mean[i] (m[i] - s[i, i])", "mean[i] (m[i] - s[i, i]", 13),
    ("let m[i] = logsumexp[j] s[i, j]", "let m[i] = logsumexp[j] s[i, j", 12),
    ("let m[i] = logsumexp", "let m[i = logsumexp", 12),
    ("x[n, d] * C", "x[[n, d] * C", 18),
    ("(m[i] - s", "((m[i] - s", 13),
    ("  label <- train.label\n}\nbank", "  label <- train.label\nbank", 22),
    ("queue Q[512] {", "queue Q[512]", 22),
    ("queue Q[512] {", "queue Q[512] {{", 22),
    ("  label <- train.label\n}\n", "  label <- train.label\n}}\n", 25),
    ("queue Q[512] {\n  feat[64] <- stop(w)\n  label <- train.label\n}",
     "queue Q[512] { feat[64] <- stop(w), label <- train.label", 22),
    ("train {\n", "train {{\n", 45),
    ("train {\n  epochs 1, batch 256\n"
     "  optimiser optim.sgd(lr = 0.1, momentum = 0.9) on encoder\n"
     "  optimiser optim.sgd(lr = 0.1) on rest\n}\n",
     "train {{\n  epochs 1, batch 256\n"
     "  optimiser optim.sgd(lr = 0.1, momentum = 0.9) on encoder\n"
     "  optimiser optim.sgd(lr = 0.1) on rest\n}}\n", 45),
    ("  optimiser optim.sgd(lr = 0.1) on rest\n}\n",
     "  optimiser optim.sgd(lr = 0.1) on rest\n", 45),
    ("  optimiser optim.sgd(lr = 0.1) on rest\n}\n",
     "  optimiser optim.sgd(lr = 0.1) on rest\n}\n}\n", 50),
    ("train {\n", "train\n", 46),
    ("train {\n", "train (\n", 45),
    ("optim.sgd(lr = 0.1, momentum = 0.9) on", "optim.sgd(lr = 0.1, momentum = 0.9 on", 47),
    ("optim.sgd(lr = 0.1, momentum = 0.9) on", "optim.sgd(lr = 0.1, momentum = 0.9)) on", 47),
    ("  report n = seen\n}\n", "  report n = seen\n", 50),
    ("eval {\n", "eval {{\n", 50),
    ("eval {\n  knn(k = 20, features = encoder.trunk, bank = train, query = test)\n"
     "  report n = seen\n}\n",
     "eval {{\n  knn(k = 20, features = encoder.trunk, bank = train, query = test)\n"
     "  report n = seen\n}}\n", 50),
    ("  report n = seen\n}\n", "  report n = seen\n}}\n", 53),
    ("query = test)", "query = test", 51),
    ("query = test)", "query = test))", 51),
    ("  return mean[i] (m[i] - s[i, i])\n}\n", "  return mean[i] (m[i] - s[i, i])\n", 10),
    ("y[N, D]) {\n", "y[N, D])\n", 10),
    ("y[N, D]) {\n", "y[N, D]) {{\n", 10),
    ("  return mean[i] (m[i] - s[i, i])\n}\n", "  return mean[i] (m[i] - s[i, i])\n}\n}\n", 15),
    ("fn near(x[N, D], y[N, D]) {", "fn near(x[N, D], y[N, D] {", 10),
    ("fn near(x[N, D], y[N, D]) {", "fn near(x[N, D, y[N, D]) {", 10),
    ("fn near(x[N, D], y[N, D]) {", "fn near(x[N, D]], y[N, D]) {", 10),
    ("fn near(x[N, D], y[N, D]) {", "fn near(x[N, D], y[N, D])) {", 10),
    ("net extra(c)(x[N, D]) {", "net extra(c)((x[N, D]) {", 16),
    ("  return y\n}\n", "  return y\n", 16),
    ("param C[D, c] =", "param C[D, c =", 17),
    ("param C[D, c] =", "param CD, c] =", 17),
    ("  report total = seen\n}\n", "  report total = seen\n", 29),
    ("    update seen <- seen + 1\n  }\n", "    update seen <- seen + 1\n", 30),
    ("over test {", "over test {{", 30),
    ("every epoch {", "every epoch {{", 29),
    ("  loss near: losses.nt_xent(z, w, tau)\n} else",
     "  loss near: losses.nt_xent(z, w, tau)\nelse", 38),
    ("when epoch >= 1 {", "when epoch >= 1 {{", 36),
    ("  loss first: near(z, w)\n}\n", "  loss first: near(z, w)\n", 38),
    ("} else {", "} else {{", 38),
    ("  loss first: near(z, w)\n}\n", "  loss first: near(z, w)\n}}\n", 40),
    ("update M[train.index] <-", "update M[train.index <-", 41),
    ("update M[train.index] <-", "update Mtrain.index] <-", 41),
    ("bank M[train, 64]", "bank M[train, 64", 26),
    ("bank M[train, 64]", "bank M[train, 64]]", 26),
    ("data train = data.fashion_mnist(\"train\")", "data train = data.fashion_mnist(\"train\"", 3),
    ("data train = data.fashion_mnist(\"train\")",
     "data train = data.fashion_mnist(\"train\"))", 3),
    ("augment.simclr(train.image)", "augment.simclr(train.image", 6),
    ("encoder(a), w = encoder(b)", "encoder(a, w = encoder(b)", 8),
    ("w = encoder(b)", "w = encoder(b", 8),
    ("0 * last +", "0 * last) +", 43),
    ("y[j]) / tau", "y[j)) / tau", 11),
    ("dot(x[i], y[j])", "dot(x[i], y[j]]", 11),
    ("  return y\n}\n", "  return y\n)\n", 20),
    ("  report total = seen\n}\n", "  report total = seen\n]\n", 34),
    ("  param C[D, c] = normal(0, 0.1)\n", "  param C[D, c] = normal(0, 0.1) }\n", 17),
    ("state seen = 0\n", "state seen = 0\n}\n", 28),
    ("state seen = 0\n", "state seen = 0\n{\n", 28),
    ("state seen = 0\n", "state seen = 0\n)\n", 28),
    ("data test = data.fashion_mnist(\"test\")",
     "data test = data.arrays(\"x.npz\", rows = 3000) { image : u8[1, 28, 28], label : int", 4),
    ("data test = data.fashion_mnist(\"test\")",
     "data test = data.arrays(\"x.npz\", rows = 3000) {{ image : u8[1, 28, 28], label : int }", 4),
    ("data test = data.fashion_mnist(\"test\")",
     "data test = data.arrays(\"x.npz\", rows = 3000) { image : u8[1, 28, 28], label : int }}", 4),
    ("data test = data.fashion_mnist(\"test\")",
     "data test = data.arrays(\"x.npz\", rows = 3000) {\n  image : u8[1, 28, 28]\n"
     "  label : int\n", 4),
    ("train {\n", "stage one {{\n", 45),
    ("  let s[i, j] = dot(x[i], y[j]) / tau\n",
     "  scan t < 3 (h = 0) {\n    next h = h + 1\n  let s[i, j] = dot(x[i], y[j]) / tau + h\n", 11),
    ("  let s[i, j] = dot(x[i], y[j]) / tau\n",
     "  scan t < 3 (h = 0 {\n    next h = h + 1\n  }\n"
     "  let s[i, j] = dot(x[i], y[j]) / tau + h\n", 11),
    ("  let s[i, j] = dot(x[i], y[j]) / tau\n",
     "  scan t < 3 (h = 0) {{\n    next h = h + 1\n  }\n"
     "  let s[i, j] = dot(x[i], y[j]) / tau + h\n", 11),
    ("state seen = 0\n",
     "start encoder from \"x.safetensors\" {\n  conv1.K <- \"f.0.weight\"\n"
     "  conv2.K <- \"f.1.weight\"\nstate seen = 0\n", 27),
    ("state seen = 0\n",
     "start encoder from \"x.safetensors\" {{\n  conv1.K <- \"f.0.weight\"\n"
     "  conv2.K <- \"f.1.weight\"\n}\nstate seen = 0\n", 27),
]


def examine(slip):
    old, new, line = slip
    with tempfile.TemporaryDirectory() as folder:
        path = command.write(folder + "/spec.cpl", SPEC.replace(old, new, 1))
        said = command.run(couplet, "check", path).stderr
    errors = len(re.findall(r": (?:error|warning)\[", said))
    places = re.findall(r"\.cpl:(\d+):\d+: (?:error|note)", said)
    return errors == 1 and str(line) in places, said


with tempfile.TemporaryDirectory() as folder:
    whole = command.run(couplet, "check", command.write(folder + "/spec.cpl", SPEC))
check(whole.returncode == 0 and not whole.stderr, "the spec without a slip", whole.stderr)
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    for (old, new, line), (fits, said) in zip(SLIPS, pool.map(examine, SLIPS)):
        check(SPEC.count(old) and fits, f"line {line}: {new!r}", said)
check.finish()
