#!/usr/bin/env python3
"""ranks_failure.py COUPLET ROOT: a rank that is killed, stopped or interrupted, or whose disk is
full, ends the run on all ranks within seconds, with one sentence that names it and a checkpoint
that is whole."""
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

import command
import mpirun

couplet = sys.argv[1]
check = command.Checks()
library = mpirun.libraries(couplet)[0]
SECONDS = 300 # for all to end, which takes about one alone; longer is a hang


def train(out, *more):
    return [couplet, "train", spec, "--data", data, "--out", out, "--seed", "3", "--threads", "1",
            "--epochs", "10000", "--checkpoint-every", "5", *more]


def saved(out):
    try:
        return int(command.metadata(out)["step"])
    except (OSError, ValueError):
        return 0


def end_of(name, act, by=library, env=None, out=None):
    """Starts three ranks, lets `act(process, ranks)` happen to them, and waits for their end."""
    said = f"{folder}/{name.replace(' ', '_')}"
    out = out or said
    process = mpirun.start(by, said, (3, train(out)), env=env)
    told = ""
    try:
        if not check(mpirun.wait_for(lambda: saved(out) >= 5 or process.poll() is not None) and
                     process.poll() is None, f"{name}: three ranks are at work",
                     open(said + ".err").read()):
            return out, ""
        ranks = mpirun.ranks(process)
        began = time.time()
        act(process, ranks)
        ended = mpirun.wait_for(lambda: process.poll() is not None, SECONDS)
        took = time.time() - began
        told = open(said + ".txt").read() + open(said + ".err").read()
        check(ended and took < SECONDS, f"{name}: all end within {SECONDS} s", f"{took} {told}")
        check(mpirun.wait_for(lambda: not any(map(is_there, ranks.values())), SECONDS),
              f"{name}: no rank is left")
    finally:
        for child in [*mpirun.children(process.pid), process.pid]:
            if is_there(child):
                os.kill(child, signal.SIGKILL)
        process.wait()
    return out, told


def is_there(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def goes_on(name, out):
    """The checkpoint that was left is whole."""
    left = [file for file in os.listdir(out) if file.endswith((".tmp", ".part"))]
    at = saved(out)
    done = command.run(*train(out, "--resume", "--max-steps", str(at + 1)))
    check(done.returncode == 0 and f"going on from step {at}" in done.stdout and not left,
          f"{name}: the checkpoint is whole", done.stdout + done.stderr)


def one_sentence(name, told, *words):
    errors = [line for line in told.splitlines() if "error[" in line]
    check(len(errors) == 1 and all(word in errors[0] for word in words),
          f"{name}: one sentence, with {', '.join(words)}", told[-3000:])


def killed():
    out, told = end_of("a rank is killed", lambda _, ranks: os.kill(ranks[2], signal.SIGKILL))
    one_sentence("a rank is killed", told, "[E804]", "rank 2 of 3 (process ",
                 "ended in the middle of the run")
    goes_on("a rank is killed", out)
    killed_unnoticed()


def killed_unnoticed():
    """The launcher does not run, so the killed rank stays in the list of processes, as a zombie."""
    name = "a rank is killed and its launcher does not run"

    def act(process, ranks):
        os.kill(process.pid, signal.SIGSTOP)
        os.kill(ranks[2], signal.SIGKILL)
        mpirun.wait_for(lambda: not any(map(is_there, ranks.values())), SECONDS)
        os.kill(process.pid, signal.SIGCONT)

    out, told = end_of(name, act)
    one_sentence(name, told, "[E804]", "rank 2 of 3 (process ", "ended in the middle of the run")
    goes_on(name, out)


def stopped():
    """Where rank 0 is silent, rank 1 speaks."""
    for rank in (0, 1):
        name = f"rank {rank} is stopped"
        out, told = end_of(name, lambda _, ranks: os.kill(ranks[rank], signal.SIGSTOP),
                           env={"COUPLET_PATIENCE": "3"})
        one_sentence(name, told, "[E804]", f"rank {rank} of 3 (process ",
                     "was not heard of for 3 seconds")
    goes_on(name, out)


def interrupted():
    """A signal to one rank, and Ctrl-C to the launcher of a library that hands it on."""
    out, told = end_of("a rank is interrupted", lambda _, ranks: os.kill(ranks[1], signal.SIGINT))
    check("error[" not in told and told.count("--resume goes on from here") == 1,
          "a rank is interrupted: the run ends as by Ctrl-C", told[-3000:])
    goes_on("a rank is interrupted", out)
    if "mpich" not in mpirun.libraries(couplet):
        return
    out, told = end_of("mpirun is interrupted",
                       lambda process, _: os.kill(process.pid, signal.SIGINT), by="mpich")
    check("error[" not in told and told.count("--resume goes on from here") == 1,
          "mpirun is interrupted: so it does", told[-3000:])
    goes_on("mpirun is interrupted", out)
    interrupted_when_busy()


def interrupted_when_busy():
    """As on a busy machine, a rank does not run for a while after the Ctrl-C: it is not lost."""
    name = "mpirun is interrupted while a rank does not run"

    def act(process, ranks):
        os.kill(ranks[2], signal.SIGSTOP)
        os.kill(process.pid, signal.SIGINT)
        time.sleep(2)
        if is_there(ranks[2]):
            os.kill(ranks[2], signal.SIGCONT)

    out, told = end_of(name, act, by="mpich")
    check("error[" not in told and told.count("--resume goes on from here") == 1,
          f"{name}: the run ends as by Ctrl-C", told[-3000:])
    goes_on(name, out)


def full_disk():
    """From now on a file of rank 0 has no room for a checkpoint."""
    name = "the disk of rank 0 is full"
    limit = (4096, 4096)
    out, told = end_of(name, lambda _, ranks: resource.prlimit(ranks[0], resource.RLIMIT_FSIZE,
                                                               limit))
    one_sentence(name, told, "[E802]", out, "cannot be written")
    goes_on(name, out)


def no_room():
    """The file system of the run folder is full; only root can mount a small one."""
    name, disk = "the disk of rank 0 has no room", folder + "/disk"
    os.mkdir(disk)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk],
                                           stderr=subprocess.DEVNULL).returncode:
        print(f"{name}: not tried, since no file system could be mounted")
        return
    try:
        out, told = end_of(name, lambda *_: fill(disk + "/rest"), out=disk + "/run")
        one_sentence(name, told, "[E802]", out, "No space left on device")
        os.remove(disk + "/rest")
        goes_on(name, out)
    finally:
        subprocess.run(["umount", "-l", disk])


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/small.cpl", command.SMALL_SPEC)
    data = command.small_data(folder + "/data")
    for part in (killed, stopped, interrupted, full_disk, no_room):
        part()
check.finish()
