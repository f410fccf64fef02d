#!/usr/bin/env python3
"""resume.py COUPLET ROOT: killed in mid-training, `--resume` ends with the bytes of a run that was left alone."""
import os
import signal
import subprocess
import sys
import tempfile
import time

import command

couplet = sys.argv[1]
check = command.Checks()


def train(out, *more):
    return [couplet, "train", spec, "--data", data, "--out", out, "--seed", "3", "--epochs", "12",
            "--checkpoint-every", "2", *more]


def kill_after_checkpoint(out, how):
    """Starts a run and sends a signal as soon as it has made its first checkpoint. False when it was over before."""
    with open(out + ".log", "w") as log:
        process = subprocess.Popen(train(out), stdout=log, stderr=log)
        deadline = time.time() + 120
        while process.poll() is None and time.time() < deadline and not command.checkpoints(out):
            time.sleep(0.005)
        process.send_signal(how)
        process.wait(timeout=60)
        return process.returncode


with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/small.cpl", command.SMALL_SPEC)
    data = command.small_data(folder + "/data")
    done = subprocess.run(train(folder + "/whole"), capture_output=True, text=True)
    if not check(done.returncode == 0, "an uninterrupted run exits 0", done.stderr[-2000:]):
        check.finish()
    whole = command.last_checkpoint(folder + "/whole")
    check(whole is not None, "it leaves a checkpoint")

    for how in (signal.SIGKILL, signal.SIGINT):
        out = f"{folder}/{how.name}"
        code = kill_after_checkpoint(out, how)
        check(code == -signal.SIGKILL if how == signal.SIGKILL else code is not None, f"{how.name} ends the run (exit {code})")
        interrupted = command.last_checkpoint(out)
        check(interrupted is not None and interrupted != whole, f"{how.name}: the checkpoint left behind is an earlier one")
        done = subprocess.run(train(out, "--resume"), capture_output=True, text=True)
        check(done.returncode == 0, f"{how.name}: --resume exits 0", done.stderr[-2000:])
        check(command.last_checkpoint(out) == whole, f"{how.name}: the resumed run ends with the same bytes")
        left = [name for base, _, names in os.walk(out) for name in names if name.endswith((".tmp", ".part"))]
        check(not left, f"{how.name}: no half-written file is left", left)
    # Stopped in each phase, in mid-epoch and at an epoch's end, and continued: the bytes of a run that went through.
    rich = command.write(folder + "/rich.cpl", command.RICH_SPEC)

    def go(out, *more):
        done = subprocess.run([couplet, "train", rich, "--data", data, "--out", folder + "/" + out, "--seed", "3", *more], capture_output=True, text=True)
        check(done.returncode == 0, f"rich: {' '.join(more) or 'the whole run'} exits 0", done.stderr[-2000:])

    go("rich_whole")
    for stop in ("5", "16", "22"):
        go("rich_parts", "--max-steps", stop, *([] if stop == "5" else ["--resume"]))
    go("rich_parts", "--resume")
    check(command.last_checkpoint(folder + "/rich_parts") == command.last_checkpoint(folder + "/rich_whole"), "rich: the resumed run ends with the same bytes")
check.finish()
