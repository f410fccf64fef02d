#!/usr/bin/env python3
"""places.py COUPLET ROOT: an account without a home and a locale, a umask that lets nobody in,
another working folder, and paths with spaces, quotes and letters beyond ASCII change nothing; where
TMPDIR names no folder, whatever needs one says so."""
import os
import subprocess
import sys
import tempfile

import command

couplet = os.path.abspath(sys.argv[1])
check = command.Checks()
# Longer than any buffer that paths are cut to.
ODD = "it's a \"place\" of \u00e4 & $HOME; " + "long " * 20

SPEC = """
use nn, augment, optim, losses
data train = data.fashion_mnist("train")
data test = data.fashion_mnist("test")
hyper tau = 0.2 | tau > 0
view a, b = augment.crop(train.image)
net encoder = flatten >> nn.linear(8)
loss losses.nt_xent(encoder(a), encoder(b), tau)
train { epochs 2, batch 32, optimiser optim.sgd(lr = 0.1) }
eval { knn(k = 5, temperature = 0.07, features = encoder, bank = train, query = test) }
"""


def run(temporary, *words, program=couplet):
    environment = {name: value for name, value in os.environ.items()
                   if name in ("PATH", "COUPLET_MODULES", "COUPLET_RUNTIME", "ASAN_OPTIONS",
                               "LSAN_OPTIONS")}
    environment.update(TMPDIR=temporary, LANG="C", LC_ALL="C")
    return subprocess.run([program, *map(str, words)], cwd="/", env=environment, umask=0o77,
                          capture_output=True, text=True, encoding="utf-8", timeout=900)


with tempfile.TemporaryDirectory() as above:
    folder = f"{above}/{ODD}"
    temporary, out = f"{folder}/temporary", f"{folder}/run"
    os.makedirs(temporary)
    data = command.small_data(folder + "/data")
    spec = command.write(f"{folder}/the spec.cpl", SPEC)
    program, curve = f"{folder}/the program", f"{folder}/the curve.svg"
    for name, words, made in (
            ("check", ["check", spec], None),
            ("train", ["train", spec, "--data", data, "--out", out, "--max-steps", 2], out),
            ("eval", ["eval", out, "--data", data], None),
            ("embed", ["embed", out, "--data", data, "-o", f"{folder}/z.npy"], f"{folder}/z.npy"),
            ("report", ["report", out], f"{out}/report.html"),
            ("find", ["find", "tau", spec, "--data", data, "--steps", 10, "-o", curve], curve),
            ("graph", ["graph", spec, "-o", f"{folder}/p.svg"], f"{folder}/p.svg"),
            ("build", ["build", spec, "--target", "native", "-o", program], program)):
        done = run(temporary, *words)
        check(done.returncode == 0 and (not made or os.path.exists(made)), name,
              done.stdout + done.stderr)
    if os.path.exists(program):
        other = f"{folder}/other run"
        done = run(temporary, "train", "--data", data, "--out", other, "--max-steps", 2,
                   program=program)
        check(done.returncode == 0
              and command.last_checkpoint(other) == command.last_checkpoint(out),
              "the program gives what the command gives", done.stdout + done.stderr)
    check(not os.listdir(temporary), "no temporary file is left", os.listdir(temporary))

    check.refused("TMPDIR is nowhere", run(f"{folder}/nowhere", "build", spec, "-o", program),
                  "error[E606]", f"{folder}/nowhere", "TMPDIR")
check.finish()
