#!/usr/bin/env python3
"""changed_data.py COUPLET ROOT: files that others cut short or write to while a run reads them are an error in words, and the checkpoint is that of whole data."""
import os
import subprocess
import sys
import tempfile
import time

import command
import data_files

couplet, root = sys.argv[1:3]
check = command.Checks()
ROWS, WIDTH = 4000, 64

SPEC = """
use nn, optim
data train = data.SOURCE
net encoder = nn.linear(4)
let z = encoder(FIELD)
loss mean[i, d] (z[i, d] - 1)^2
train { epochs EPOCHS, batch 16, optimiser optim.sgd(lr = 0.001) }
"""


def array(path):
    os.makedirs(path, exist_ok=True)
    with open(path + "/x.npy", "wb") as file:
        file.write(data_files.npy((ROWS, WIDTH), "<f4", [0.5] * (ROWS * WIDTH)))
    return path + "/x.npy"


with tempfile.TemporaryDirectory() as folder:
    env = {**os.environ, "COUPLET_CACHE": folder + "/cache"}

    def spec(name, source, field, epochs=10000):
        text = SPEC.replace("SOURCE", source).replace("FIELD", field).replace("EPOCHS", str(epochs))
        return command.write(f"{folder}/{name}.cpl", text)

    def disturb(name, path, change, *arguments):
        """Starts a run, changes the file after its first checkpoint, and returns how it ended."""
        run = f"{folder}/run_{name}"
        process = subprocess.Popen([couplet, "train", *arguments, "--out", run, "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        for _ in range(1200):
            if process.poll() is not None or (os.path.exists(run + "/checkpoint.safetensors") and int(command.metadata(run)["step"]) > 0):
                break
            time.sleep(0.05)
        change(path)
        try:
            out, said = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            out, said = process.communicate()
            said += "\nit went on"
        return process.returncode, said, run

    def cut(path):
        with open(path, "r+b") as file:
            file.truncate(4096 + 128)

    def write_to(path):
        with open(path, "r+b") as file:
            file.seek(2000)
            file.write(b"\1" * 4000)

    def replace(path):
        array(folder + "/other")
        os.rename(folder + "/other/x.npy", path)

    for name, change, words in (("cut", cut, "was cut short while it was read"), ("written", write_to, "was written to while it was read")):
        path = array(f"{folder}/{name}")
        status, said, run = disturb(name, path, change, spec(name, f'arrays("{name}")', "train.x"))
        check(status == 1 and f"{name}/x.npy: the file {words}" in said, f"a file that {words}: {status}", said)
        array(f"{folder}/{name}")
        step = int(command.metadata(run)["step"])
        check(step > 0 and step % (ROWS // 16) == 0, "the checkpoint is that of an epoch of whole data", step)
    # One that another took the place of is read on as it was, and the run is stopped by hand.
    path = array(folder + "/replaced")
    status, said, run = disturb("replaced", path, replace, spec("replaced", 'arrays("replaced")', "train.x", epochs=3))
    check(status == 0, "a file whose place another takes is read on", said)
check.finish()
