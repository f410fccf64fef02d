#!/usr/bin/env python3
"""signals.py COUPLET ROOT [DEVICE]: a signal ends an evaluation and the work ahead of an epoch
before they are done, and --resume goes on as if there had been none.
One that comes while kernels are compiled ends the run at once and leaves no folder; with a DEVICE,
that alone."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import command

couplet = sys.argv[1]
device = sys.argv[3] if len(sys.argv) > 3 else "cpu"
TRIES = 3  # of what takes longer than it may: a busy machine makes one long for no reason
check = command.Checks()
HEAD = """
use nn, augment, optim
data train = data.fashion_mnist("train")
data test  = data.fashion_mnist("test")
view a = augment.simclr(train.image)
net encoder = trunk: nn.convnet(width = 8) >> head: nn.linear(16)
let q = normalise(encoder(a))
"""
SWEPT = HEAD + """
bank M[train, 16]
state centres[20, 16] = 0, member : int[train] = 0, seen = 0
every epoch {
  over train {
    update M[train.index] <- normalise(encoder(train.image))
    update seen <- seen + 1
  }
""" + "  over train { update seen <- seen + 0.001 * (mean[i, d] encoder(train.image)[i, d]) }\n" * 8 + """
  update centres, member <- kmeans(M, 20)
}
loss mean[i] (logsumexp[c] 10 * dot(q[i], centres[c]) - 10 * dot(q[i], centres[member[train.index[i]]])) + 0 * seen
train { epochs 2, batch 512, optimiser optim.sgd(lr = 0.1) }
"""
EVALUATED = HEAD + """
loss mean[i, j] dot(q[i], q[j])
train { epochs 1, batch 512, optimiser optim.sgd(lr = 0.1) }
eval {
""" + "  linear(features = encoder.trunk, bank = train, query = test, decay = 1e-6)\n  knn(k = 5, features = encoder.trunk, bank = train, query = test)\n}\n"

# Seconds of LLVM, and on PoCL a minute.
DEEP = """
use nn, augment, optim
data train = data.fashion_mnist("train")
view a = augment.simclr(train.image)
net encoder = trunk: nn.resnet18() >> head: nn.mlp_bn(64, 32)
let q = normalise(encoder(a))
loss mean[i, j] dot(q[i], q[j])
train { epochs 1, batch 32, optimiser optim.sgd(lr = 0.1) }
"""


def run(spec, out, *more):
    return [couplet, "train", spec, "--data", data, "--out", out, "--seed", "3", "--threads", "1",
            *more]


def interrupt(spec, out, how, seconds):
    """Sends a signal so long after the run has begun to write. The status, what was said, and
    the seconds of the processor that the run had."""
    before = command.processor_seconds()
    with open(out + ".log", "w+") as log:
        process = subprocess.Popen(run(spec, out), stdout=log, stderr=log)
        deadline = time.time() + 900
        while process.poll() is None and time.time() < deadline and not command.checkpoints(out):
            time.sleep(0.005)
        time.sleep(seconds)
        process.send_signal(how)
        process.wait(timeout=900)
        log.seek(0)
        return process.returncode, log.read(), command.processor_seconds() - before


def compile_and_interrupt(folder, how, seconds):
    """Sends a signal so long after the folder of the run has appeared, when the compiler begins.

    The status, what was said, and whether the folder of all runs is still there."""
    runs, cache = f"{folder}/runs", f"{folder}/cache"
    for path in (runs, cache):
        shutil.rmtree(path, ignore_errors=True)
    os.makedirs(cache)
    cold = {**os.environ, "COUPLET_CACHE": cache, "POCL_CACHE_DIR": cache}
    process = subprocess.Popen(run(f"{folder}/deep.cpl", f"{runs}/deep", "--device", device),
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env=cold)
    deadline = time.time() + 900
    while process.poll() is None and time.time() < deadline and not os.path.exists(f"{runs}/deep"):
        time.sleep(0.005)
    time.sleep(seconds)
    process.send_signal(how)
    said = process.communicate(timeout=900)[0]
    return process.returncode, said, os.path.exists(runs)


def interrupt_compiler(folder, how, seconds):
    """A machine may be done with the compiler sooner than the signal comes: it then comes
    sooner."""
    command.write(f"{folder}/deep.cpl", DEEP)
    for _ in range(6):
        code, said, folder_left = compile_and_interrupt(folder, how, seconds)
        if "compiled in" not in said:
            break
        seconds /= 2
    what = f"compiling for {device}, {how.name} after {seconds} s"
    check(code == 128 + how, f"{what}: exits {128 + how} ({code})", said)
    check("before its first step" in said, f"{what}: says so", said)
    check(not folder_left, f"{what}: leaves no folder", said)


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", train=1536, test=256)
    interrupt_compiler(folder, signal.SIGINT, 0.7)
    interrupt_compiler(folder, signal.SIGTERM, 1.2)
    cut = (("sweeps", SWEPT, signal.SIGTERM), ("evaluations", EVALUATED, signal.SIGINT))
    for name, text, how in cut if device == "cpu" else ():
        spec = command.write(f"{folder}/{name}.cpl", text)
        before = command.processor_seconds()
        done = subprocess.run(run(spec, f"{folder}/{name}"), capture_output=True, text=True)
        took = command.processor_seconds() - before
        if not check(done.returncode == 0, f"{name}: an undisturbed run exits 0",
                     done.stdout + done.stderr):
            continue
        for _ in range(TRIES):
            shutil.rmtree(f"{folder}/{name}_cut", ignore_errors=True)
            code, said, had = interrupt(spec, f"{folder}/{name}_cut", how, 0.05)
            if had < max(1, took / 2):
                break
        check(code == 128 + how,
              f"{name}: {how.name} ends the run with {128 + how} (it was {code})", said)
        check("stopped after step 0 of" in said, f"{name}: ahead of the first step", said)
        check("raw pixels" not in said, f"{name}: what was begun is not finished", said)
        check(had < max(1, took / 2),
              f"{name}: {had:.2f} of the {took:.1f} s of a whole run", said)
        done = subprocess.run(run(spec, f"{folder}/{name}_cut", "--resume"), capture_output=True,
                              text=True)
        check(done.returncode == 0, f"{name}: --resume exits 0", done.stdout + done.stderr)
        check(command.last_checkpoint(f"{folder}/{name}_cut") ==
              command.last_checkpoint(f"{folder}/{name}"),
              f"{name}: and ends with the bytes of the undisturbed run")
        check(command.rows(f"{folder}/{name}_cut/metrics.jsonl") ==
              command.rows(f"{folder}/{name}/metrics.jsonl"),
              f"{name}: and says the same of every step and evaluation")
check.finish()
