#!/usr/bin/env python3
"""outputs.py COUPLET ROOT: a command and a built program that cannot write their output say so, end
with 1, and leave what was there before."""
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

import command

couplet = sys.argv[1]
check = command.Checks()
SPEC = ("use optim\ndata train = data.fashion_mnist(\"train\")\n" + command.FLAT_NET
        + "loss mean[n, d] k[n, d]^2\n"
        "train { epochs 1, batch 32, optimiser optim.sgd(lr = 0.1) }\n"
        "eval { knn(k = 1, features = f, bank = train, query = train) }\n")


def read(path):
    with open(path, "rb") as file:
        return file.read()


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", train=64, test=8)
    spec = command.write(folder + "/flat.cpl", SPEC)
    run, program = folder + "/run", folder + "/program"
    for words in (("train", spec, "--data", data, "--out", run, "--max-steps", 1),
                  ("build", spec, "--data", data, "-o", program, "--embed-weights", run),
                  ("build", spec, "--data", data, "-o", folder + "/flat", "--emit", "lib"),
                  ("build", spec, "--data", data, "-o", folder + "/flat", "--emit", "object"),
                  ("embed", run, "-o", folder + "/features.npy")):
        done = command.run(couplet, *words)
        check(done.returncode == 0, " ".join(map(str, words)), done.stderr)

    # What is written first is PATH.partial. (`build` asks ahead whether a program can be written,
    # and would remove the link; it is put in its place as the libraries are.)
    for what, path, words in (
        ("an archive", folder + "/libflat.a", (couplet, "build", spec, "--data", data, "-o",
                                               folder + "/flat", "--emit", "lib")),
        ("a library", folder + "/libflat.so", (couplet, "build", spec, "--data", data, "-o",
                                               folder + "/flat", "--emit", "lib")),
        ("an object", folder + "/flat.o", (couplet, "build", spec, "--data", data, "-o",
                                           folder + "/flat", "--emit", "object")),
        ("features", folder + "/features.npy", (couplet, "embed", run, "-o",
                                                folder + "/features.npy")),
        ("features of a built program", folder + "/features.npy",
         (program, "embed", "--data", data, "--out", folder + "/features.npy")),
        ("features' rows", folder + "/features.jsonl", (couplet, "embed", run, "-o",
                                                        folder + "/features.npy")),
    ):
        before = read(path)
        os.symlink("/dev/full", path + ".partial")
        done = command.run(*words)
        check.refused(f"{what} on a full disk", done, "error[E606]", os.path.basename(path),
                      "No space left")
        check(read(path) == before, f"{what}: what was there is there")
        if os.path.lexists(path + ".partial"):
            os.unlink(path + ".partial")
    done = command.run(program, "embed", "--data", data, "--out", folder + "/again.npy")
    check(done.returncode == 0 and read(folder + "/again.npy") == read(folder + "/features.npy"),
          "the program still runs", done.stderr)

    for what, words in (("embed", (couplet, "embed", run, "-o", folder + "/features.npy")),
                        ("embed of a built program",
                         (program, "embed", "--data", data, "--out", folder + "/features.npy")),
                        ("the help", (couplet, "help")), ("the version", (couplet, "--version")),
                        ("the help of a built program", (program, "--help")),
                        ("its version", (program, "--version")),
                        ("train", (couplet, "train", spec, "--data", data, "--out",
                                   folder + "/mute1")),
                        ("train of a built program", (program, "train", "--data", data, "--out",
                                                      folder + "/mute2"))):
        with open("/dev/full", "w") as full:
            done = subprocess.run([str(word) for word in words], stdout=full,
                                  stderr=subprocess.PIPE, text=True)
        check(done.returncode == 1 and done.stderr.count("\n") == 1
              and "standard output cannot be written: No space left" in done.stderr,
              f"{what}, whose lines nobody can read, is told once", done.stderr)

    # A signal while kernels are compiled: the folder of the objects is there by then.
    for number in signal.SIGINT, signal.SIGTERM:
        objects = os.path.join(folder, number.name)
        os.mkdir(objects)
        before = read(program)
        process = subprocess.Popen([couplet, "build", sys.argv[2] + "/examples/byol.cpl", "-o",
                                    program], stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "TMPDIR": objects})
        deadline = time.time() + 900
        while not os.listdir(objects) and process.poll() is None and time.time() < deadline:
            time.sleep(0.002)
        process.send_signal(number)
        said = process.communicate(timeout=900)[1]
        check(process.returncode == 128 + number and "error[E802]: interrupted" in said,
              f"{number.name} ends `build`", said)
        check(read(program) == before and not os.listdir(objects),
              f"{number.name}: the program is as it was, and no object is left")

    done = subprocess.run([couplet, "new", folder + "/project"], capture_output=True, text=True,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40)))
    check.refused("a project on a full disk", done, "error[E606]", "cannot be written")
    check(not os.path.exists(folder + "/project"), "nothing is left of it")
    check(command.run(couplet, "new", folder + "/project").returncode == 0,
          "so that the next try makes it")
check.finish()
