#!/usr/bin/env python3
"""changed_data.py COUPLET ROOT: files that others cut short or write to while a run reads them are
an error in words, and the checkpoint is that of whole data."""
import glob
import os
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import wave

import command
import data_files

couplet, root = sys.argv[1:3]
has_clips = sys.argv[3:] == ["clips"]
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
        process = subprocess.Popen([couplet, "train", *arguments, "--out", run, "--quiet"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=env)
        for _ in range(18000):
            if process.poll() is not None or (os.path.exists(run + "/checkpoint.safetensors")
                                              and int(command.metadata(run)["step"]) > 0):
                break
            time.sleep(0.05)
        change(path if isinstance(path, str) else path(name))
        try:
            out, said = process.communicate(timeout=900)
        except subprocess.TimeoutExpired:
            process.kill()
            out, said = process.communicate()
            said += "\nit went on"
        return process.returncode, said, run

    def cut_to(path, length):
        with open(path, "r+b") as file:
            file.truncate(length)

    def cut(path):
        cut_to(path, 4096 + 128)

    def write_to(path):
        with open(path, "r+b") as file:
            file.seek(2000)
            file.write(b"\1" * 4000)

    def replace(path):
        array(folder + "/other")
        os.rename(folder + "/other/x.npy", path)

    for name, change, words in (("cut", cut, "was cut short while it was read"),
                                ("written", write_to, "was written to while it was read")):
        path = array(f"{folder}/{name}")
        status, said, run = disturb(name, path, change, spec(name, f'arrays("{name}")', "train.x"))
        check(status == 1 and f"{name}/x.npy: the file {words}" in said,
              f"a file that {words}: {status}", said)
        array(f"{folder}/{name}")
        step = int(command.metadata(run)["step"])
        check(step > 0 and step % (ROWS // 16) == 0,
              "the checkpoint is that of an epoch of whole data", step)
    # ---- other kinds: what lies in its file as it is needed, and packed copies of what does not
    def idx(at, rows=20000):
        """Pictures of 64 x 64 zeros; a large file is mapped, and a small one is read."""
        os.makedirs(at)
        with open(at + "/x-idx3-ubyte", "wb") as file:
            file.write(struct.pack(">HBBIII", 0, 8, 3, rows, 64, 64))
            file.truncate(16 + rows * 4096)
        return at + "/x-idx3-ubyte"

    def lines(at):
        os.makedirs(at)
        command.write(at + "/x.txt",
                      "".join(f"a line of number {i % 90} here\n" for i in range(ROWS)))
        return at + "/x.txt"

    def photos(at):
        return data_files.pictures(at, 20)

    def shards(at):
        data_files.pictures(at, 20)
        with tarfile.open(at + ".tar", "w") as archive:
            for i in range(20):
                kind = "cat" if i % 2 else "dog"
                archive.add(f"{at}/{kind}/{i:03}.png", f"{i:03}.png")
        return at + ".tar"

    def cifar(at):
        os.makedirs(at)
        with open(at + "/data_batch_1.bin", "wb") as file:
            file.write(bytes([3] + [90] * 3072) * 40)
        return at + "/data_batch_1.bin"

    def voices(at):
        os.makedirs(at)
        for i in range(20):
            with wave.open(f"{at}/{i}.wav", "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes(struct.pack("<800h", *[(i * k) % 2000 for k in range(800)]))
        return at

    def frames(at):
        """Twenty videos of two frames, each a folder."""
        for i in range(20):
            for k in range(2):
                path = f"{at}/{'cat' if i % 2 else 'dog'}/{i:03}/{k}.png"
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(data_files.png(6, 10 * i + k))
        return at

    def copy_of(name):
        return glob.glob(f"{folder}/cache_{name}/data/*.safetensors")[0]

    # By kind: what makes it, its source and field, and whether it is read from a packed copy.
    kinds = {
        "idx": (idx, 'idx("PATH")', "flatten(train.image)", False),
        "lines": (lines, 'lines("PATH", tokens = 4)', "1.0 * train.token", False),
        "pictures": (photos, 'images("PATH", size = 32)', "flatten(train.image)", True),
        "shards": (shards, 'shards("PATH", size = 32)', "flatten(train.image)", True),
        "sounds": (voices, 'sounds("PATH", seconds = 0.1, rate = 8000)', "train.wave", True)}
    if has_clips:
        source = 'clips("PATH", frames = 2, size = 16)'
        kinds["clips"] = (frames, source, "flatten(train.clip)", True)
    for kind, (make, source, field, is_packed) in kinds.items():
        for change, words in ((cut, "was cut short"), (write_to, "was written to")):
            name = f"{kind}_{words}".replace(" ", "_")
            made = make(f"{folder}/{name}")
            path = spec(name, source.replace("PATH", made), field, epochs=100000)
            env["COUPLET_CACHE"] = f"{folder}/cache_{name}"
            if change == write_to and kind not in ("idx", "pictures", "clips"):
                continue # a time of change is one rule for all
            status, said, run = disturb(name, copy_of if is_packed else made, change, path)
            check(status == 1 and f"the file {words} while it was read" in said,
                  f"{kind}: a file that {words}", f"{status} {said}")
    env["COUPLET_CACHE"] = folder + "/cache"

    # What was read into memory is whole, whatever becomes of its file.
    for kind, made, source in (("small idx", idx(folder + "/small", 100), "idx"),
                               ("cifar", cifar(folder + "/cifar"), "cifar10")):
        path = spec(kind.replace(" ", "_"), f'{source}("{made}")', "flatten(train.image)", 400)
        status, said, run = disturb(source, made, cut, path)
        check(status == 0, f"{kind}: what is in memory is read on", said)

    # What was packed may be changed, as long as its copy is there.
    def spoil(path):
        for name in sorted(glob.glob(path + "/**/*.png", recursive=True))[:10]:
            cut_to(name, 10)

    for kind in ("pictures", "clips") if has_clips else ("pictures",):
        make, source, field, _ = kinds[kind]
        name = f"spoiled_{kind}"
        made = make(f"{folder}/{name}")
        path = spec(name, source.replace("PATH", made), field, epochs=400)
        status, said, run = disturb(name, made, spoil, path)
        check(status == 0, f"{kind} that were packed may be changed while a run goes on", said)
        again = [couplet, "train", path, "--out", f"{folder}/again_{kind}", "--quiet"]
        status = subprocess.run(again, capture_output=True, text=True, env=env)
        check.refused("and the next start tells of them", status, "cat/001")

    # One that another took the place of is read on as it was, and the run is stopped by hand.
    path = array(folder + "/replaced")
    status, said, run = disturb("replaced", path, replace,
                                spec("replaced", 'arrays("replaced")', "train.x", epochs=3))
    check(status == 0, "a file whose place another takes is read on", said)
check.finish()
