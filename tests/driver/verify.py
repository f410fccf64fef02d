#!/usr/bin/env python3
"""verify.py COUPLET ROOT: `couplet verify` against losses in numpy, right and wrong ones: exit
codes, what is named, the small case, and what cannot be compared."""
import os
import subprocess
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()

LOSSES = """
import numpy as np

def nt_xent(z, w, tau):
    u = np.concatenate([z, w])
    u = u / np.linalg.norm(u, axis=1, keepdims=True)
    s, n = u @ u.T / tau, len(z)
    np.fill_diagonal(s, -np.inf)
    i = np.arange(2 * n)
    return np.mean(np.log(np.exp(s).sum(1)) - s[i, (i + n) % (2 * n)])

def from_three_on(z, w, tau):
    return nt_xent(z, w, tau) + (0.01 if len(z) > 2 else 0)

class Own:
    def __call__(self, z, w):
        return float(np.sum(z * w))
    def value_and_grad(self, z, w):
        return self(z, w), {"z": w, "w": z}
class Slope(Own):
    def value_and_grad(self, z, w):
        g = w.copy()
        g[0, 0] *= 2
        return self(z, w), {"z": g, "w": z}

own, slope = Own(), Slope()

def picked(x, y):
    print("what a function prints is not in the way")
    return x[np.arange(len(y)), y].mean()

def fails(z, w, tau):
    raise ValueError("no such loss")

def array(z, w, tau):
    return z
"""
SPEC = """fn inner(z[N, D], w[N, D]) = sum[i] dot(z[i], w[i])
fn picked(x[N, K], y : int[N]) = mean[i] x[i, y[i]]
"""

with tempfile.TemporaryDirectory() as folder:
    command.write(f"{folder}/mine.py", LOSSES)
    command.write(f"{folder}/own.cpl", SPEC)
    os.mkdir(f"{folder}/temporary")
    # the python3 that has numpy
    env = {**os.environ, "TMPDIR": f"{folder}/temporary",
           "PATH": "/usr/bin:" + os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}

    def verify(file, fn, against, *more):
        return subprocess.run([couplet, "verify", file, "--fn", fn, "--against", against, *more],
                              cwd=folder, env=env, capture_output=True, text=True)

    agree = [("losses", "nt_xent", "mine:nt_xent", "differences"),
             ("losses", "nt_xent", "mine.py:nt_xent", "differences"),
             ("own.cpl", "inner", "mine:own", "its own"),
             ("own.cpl", "picked", "mine:picked", "differences")]
    for file, fn, against, way in agree:
        done = verify(file, fn, against)
        check(done.returncode == 0 and "agree in 5 cases" in done.stdout and way in done.stdout,
              f"{fn} is {against}", done.stdout + done.stderr)
    done = verify("losses", "nt_xent", "mine:nt_xent", "--size", "N=3,D=2", "--seeds", "2")
    check("agree in 2 cases, with N=3,D=2" in done.stdout, "sizes and seeds", done.stdout)
    same = verify("losses", "nt_xent", "mine:nt_xent", "--size", "N=3,D=2", "--seeds", "2")
    check(same.stdout == done.stdout, "the same numbers each time")

    done = verify("losses", "nt_xent", "mine:from_three_on", "--size", "N=7,D=4")
    check.refused("a value that is another", done, "error[E614]", "the value is", "N=3,D=1",
                  "--seed 0 --seeds 1")
    done = verify("own.cpl", "inner", "mine:slope")
    check.refused("a slope that is another", done, "the gradient of `z[0, 0]`", "N=1,D=1")
    done = verify("own.cpl", "inner", "mine:slope", "--size", "N=1,D=1", "--seed", "0", "--seeds",
                  "1")
    check.refused("and again", done, "the gradient of `z[0, 0]`", "N=1,D=1")

    unfit = [("mine:fails", "no such loss", "mine.py"), ("mine:array", "a loss is one number"),
             ("mine:nothing", "nothing"), ("nowhere:nt_xent", "No module named 'nowhere'")]
    for against, *words in unfit:
        check.refused(against, verify("losses", "nt_xent", against), "error[E610]", *words,
                      status=2)
    check.refused("no function", verify("own.cpl", "outer", "mine:own"), "no function `outer`",
                  status=2)
    check.refused("no colon", verify("own.cpl", "inner", "mine"), "--against MODULE:FUNCTION",
                  status=2)
    check(not os.listdir(f"{folder}/temporary"), "no files are left behind")
    os.rmdir(f"{folder}/temporary")
    check.refused("no place for arrays", verify("own.cpl", "inner", "mine:own"), "error[E606]",
                  f"{folder}/temporary", "TMPDIR", status=2)
check.finish()
