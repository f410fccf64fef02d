#!/usr/bin/env python3
"""size.py COUPLET ROOT: reading, checking and formatting take time in proportion to the length of a
text. What is compared is the processor time of four times as many lines, less that of an empty
file: in proportion it is four times as much, with the square sixteen times."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../driver"))
import command

couplet, root = sys.argv[1:3]
check = command.Checks()
folder = tempfile.mkdtemp()
LINES = 6000
METHOD = """use nn, optim
data train = data.fashion_mnist("train")
net encoder = flatten >> nn.linear(4)
let z = encoder(train.image)
"""
END = "loss mean[i, d] z[i, d]^2\ntrain { epochs 1, batch 16, optimiser optim.sgd(lr = 0.1) }\n"


def lines(n, text):
    return "".join(text.format(i=i, last=max(i - 1, 0)) for i in range(n))


TEXTS = {
    "functions": lambda n: lines(
        n, "fn f{i}(x[N, D], tau = 0.1) = mean[i] log(sum[d] exp(x[i, d] / tau))\n"),
    "calls": lambda n: "fn g(x[N]) = sum[i] x[i]\n" + lines(n, "fn f{i}(x[N]) = g(x) + 1\n"),
    "lets of a function": lambda n: "fn f(x[N]) {\n  let a0 = x[0]\n"
         + "".join(f"  let a{i} = a{i - 1} * 0.5\n" for i in range(1, n))
         + f"  return a{n - 1}\n}}\n",
    "divisions by sums": lambda n: "fn f(x[N]) {\n"
         + lines(n, "  let a{i} = x[0] / sum[j] x[j] * 2\n") + "  return a0\n}\n",
    "unknown names": lambda n: lines(n, "fn f{i}(x[N]) = sum[i] y{i}[i]\n"),
    "hypers": lambda n: METHOD + lines(n, "hyper h{i} = {i}.5\n") + END,
    "wrong lines": lambda n: lines(n, "fn f{i}(x[N]) = = 1\n"),
    "comments": lambda n: lines(8 * n, "# nothing\n") + "fn f(x[N]) = x[0]\n",
}


def seconds(action, text):
    path = command.write(os.path.join(folder, "s.cpl"), text)
    done, taken = command.measured(couplet, action, path)
    if done.returncode < 0 or done.returncode > 2 or (action == "fmt" and "fault" in done.stderr):
        check(False, f"{action} ends by itself", (done.returncode, done.stderr[-500:]))
    return taken


for name, make in TEXTS.items():
    for action in ("check", "fmt"):
        nothing = seconds(action, "# nothing\n")
        few, many, within = command.grows_within(
            lambda count: seconds(action, make(count)) - nothing, LINES, 4 * LINES,
            lambda least: max(0.3, 9 * least))
        check(within,
              f"{action} of {name}: {few:.2f} s for {LINES}, {many:.2f} s for {4 * LINES} lines")
check.finish()
