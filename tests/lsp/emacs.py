#!/usr/bin/env python3
"""emacs.py COUPLET ROOT EMACS: Emacs and eglot drive `couplet lsp` by tools/editors/emacs. Without
eglot (Debian's elpa-eglot, for Emacs 28) the test is skipped."""
import os
import subprocess
import sys
import tempfile

couplet, root, emacs = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3]
sys.path.insert(0, os.path.join(root, "tests/driver"))
import command

check = command.Checks()
SPEC = """use nn, optim, losses
data train = data.fashion_mnist("train")
net encoder = nn.convnet(width = 4)
let z = encoder(train.image)
loss losses.nt_xen(z, z, 0.2)
train { epochs 1, batch 16, optimiser optim.sgd(lr = 0.1) }
"""
found = subprocess.run([emacs, "--batch", "--eval",
                        "(progn (package-initialize) (require 'eglot))"], capture_output=True)
if found.returncode:
    print("left out: this Emacs has no eglot")
    sys.exit(77)

with tempfile.TemporaryDirectory() as folder:
    command.write(f"{folder}/bad.cpl", SPEC)
    paths = {"PATH": os.path.dirname(couplet) + os.pathsep + os.environ["PATH"], "HOME": folder,
             "COUPLET_EMACS": f"{root}/tools/editors/emacs", "COUPLET_CACHE": f"{folder}/cache"}
    done = subprocess.run([emacs, "--batch", "-l", f"{root}/tests/lsp/emacs.el"],
                          cwd=folder, env={**os.environ, **paths}, capture_output=True, text=True,
                          timeout=600)
    said = done.stdout + done.stderr
    check("mode couplet-mode" in said and "server t" in said, "eglot starts the server", said)
    check("line 5: couplet [E106]" in said and "did you mean `losses.nt_xent`?" in said,
          "and shows its messages", said)
    check("bad.cpl 3 4" in said, "and finds a definition", said)
check.finish()
