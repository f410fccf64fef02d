#!/usr/bin/env python3
"""numerics.py COUPLET ROOT: couplet check --numerics says which formulas got another form, and
where a range is proved."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command

couplet, root = sys.argv[1:3]
check = command.Checks()


def lines(name):
    done = command.run(couplet, "check", os.path.join(root, "examples", name + ".cpl"),
                       "--numerics")
    check(done.returncode == 0, f"check --numerics of {name} exits 0", done.stderr)
    return done.stdout


simclr, moco = lines("simclr"), lines("moco")
check("softplus" in simclr and "softplus" in moco, "a contrastive loss is a softplus",
      simclr + moco)
check("within +-1 / tau" in simclr, "SimCLR: unit vectors and a temperature bound every exponent",
      simclr)
check("proved" not in moco, "MoCo: nothing is proved of the rows of a queue", moco)
check("augment" not in simclr, "an exponential of a draw has a range and keeps its form", simclr)

# A network is no part of a loss: the attention and the GELUs of a transformer are sums of products
# as they stand, also behind a normalisation. Taken apart, a step of these was fifty times slower.
TRANSFORMER = """use nn, losses, optim
data train = data.fashion_mnist("train")
view a, b = twice(train.image)
fn twice(x[C, H, W]) {
  draw by ~ uniform(1, 2)
  let y[c, i, j] = by * x[c, i, j]
  return y
}
net encoder = nn.patches(7, 16) >> nn.transformer_block(2) >> nn.tokens_norm() >>
    nn.transformer_block(2) >> nn.tokens_norm() >> nn.average_over_tokens() >> nn.linear(16)
loss losses.nt_xent(normalise(encoder(a)), normalise(encoder(b)), 0.2)
train { epochs 1, batch 32, optimiser optim.sgd(lr = 0.1) }
"""
with tempfile.TemporaryDirectory() as folder:
    spec = command.write(f"{folder}/transformer.cpl", TRANSFORMER)
    done = command.run(couplet, "check", spec, "--numerics")
    # A file of functions: each that gives a number, or the one of --fn.
    functions = command.write(f"{folder}/functions.cpl",
                              "fn soft(x[N]) = log(sum[i] exp(x[i]))\n"
                              "fn plain(x[N]) = sum[i] x[i]\n")
    said = command.run(couplet, "check", functions, "--numerics")
    check(said.returncode == 0 and re.search(r"soft:\n.*functions.cpl:1: .*\nplain:\nno formula",
                                             said.stdout), "functions", said.stdout + said.stderr)
    said = command.run(couplet, "check", functions, "--numerics", "--fn", "plain")
    check(said.stdout == "plain:\nno formula needed another form\n", "one of them", said.stdout)
    good = done.returncode == 0 and "quotient" not in done.stdout and "softplus" in done.stdout
    check(good, "a transformer is not taken apart for a loss", done.stdout + done.stderr)
check.finish()
