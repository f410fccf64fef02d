#!/usr/bin/env python3
"""numerics.py COUPLET ROOT: couplet check --numerics says which formulas got another form, and where a range is proved."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command

couplet, root = sys.argv[1:3]
check = command.Checks()


def lines(name):
    done = command.run(couplet, "check", os.path.join(root, "examples", name + ".cpl"), "--numerics")
    check(done.returncode == 0, f"check --numerics of {name} exits 0", done.stderr)
    return done.stdout


simclr, moco = lines("simclr"), lines("moco")
check("softplus" in simclr and "softplus" in moco, "a contrastive loss is a softplus", simclr + moco)
check("within +-1 / tau" in simclr, "SimCLR: unit vectors and a temperature bound every exponent", simclr)
check("proved" not in moco, "MoCo: nothing is proved of the rows of a queue", moco)
check("augment" not in simclr, "an exponential of a draw has a range and keeps its form", simclr)
check.finish()
