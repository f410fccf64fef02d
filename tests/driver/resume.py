#!/usr/bin/env python3
"""resume.py COUPLET ROOT: killed in mid-training, `--resume` ends with the bytes of a run that was
left alone."""
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


def saved_step(out):
    return int(command.metadata(out)["step"]) if command.checkpoints(out) else -1


def kill_after_checkpoint(out, how, step):
    """Starts a run and sends a signal as soon as it has a checkpoint of the step or a later
    one. The run's exit status."""
    with open(out + ".log", "w") as log:
        process = subprocess.Popen(train(out), stdout=log, stderr=log)
        deadline = time.time() + 900
        while process.poll() is None and time.time() < deadline and saved_step(out) < step:
            time.sleep(0.005)
        process.send_signal(how)
        process.wait(timeout=900)
        return process.returncode


with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/small.cpl", command.SMALL_SPEC)
    data = command.small_data(folder + "/data")
    done = subprocess.run(train(folder + "/whole"), capture_output=True, text=True)
    if not check(done.returncode == 0, "an uninterrupted run exits 0", done.stderr[-2000:]):
        check.finish()
    whole = command.last_checkpoint(folder + "/whole")
    check(whole is not None, "it leaves a checkpoint")

    # While the start is evaluated, in the first epoch, and later.
    for how, step in ((signal.SIGKILL, 0), (signal.SIGINT, 2), (signal.SIGTERM, 20)):
        out = f"{folder}/{how.name}"
        code = kill_after_checkpoint(out, how, step)
        check(code == (-how if how == signal.SIGKILL else 128 + how),
              f"{how.name} ends the run (exit {code})")
        interrupted = command.last_checkpoint(out)
        check(interrupted is not None and interrupted != whole,
              f"{how.name}: the checkpoint left behind is an earlier one")
        done = subprocess.run(train(out, "--resume"), capture_output=True, text=True)
        check(done.returncode == 0, f"{how.name}: --resume exits 0", done.stderr[-2000:])
        check(command.last_checkpoint(out) == whole,
              f"{how.name}: the resumed run ends with the same bytes")
        check(command.rows(out + "/metrics.jsonl") ==
              command.rows(folder + "/whole/metrics.jsonl"),
              f"{how.name}: and says the same of every step and epoch")
        left = [name for base, _, names in os.walk(out) for name in names
                if name.endswith((".tmp", ".part"))]
        check(not left, f"{how.name}: no half-written file is left", left)
    # Stopped in each phase, in mid-epoch and at an epoch's end, and continued: the bytes of a run
    # that went through.
    rich = command.write(folder + "/rich.cpl", command.RICH_SPEC)

    def go(out, *more):
        done = subprocess.run([couplet, "train", rich, "--data", data, "--out", folder + "/" + out,
                               "--seed", "3", *more], capture_output=True, text=True)
        check(done.returncode == 0, f"rich: {' '.join(more) or 'the whole run'} exits 0",
              done.stderr[-2000:])

    go("rich_whole")
    for stop in ("5", "16", "22"):
        go("rich_parts", "--max-steps", stop, *([] if stop == "5" else ["--resume"]))
    go("rich_parts", "--resume")
    check(command.last_checkpoint(folder + "/rich_parts") ==
          command.last_checkpoint(folder + "/rich_whole"),
          "rich: the resumed run ends with the same bytes")
    for file in ("metrics.jsonl", "settings.json"):
        both = [command.write(folder + "/" + name + ".json",
                              open(f"{folder}/{name}/{file}").read())
                for name in ("rich_parts", "rich_whole")]
        same = command.rows(both[0]) == command.rows(both[1]) if file == "metrics.jsonl" else open(
            both[0]).read() == open(both[1]).read()
        check(same, f"rich: {file} is that of a run that went through")
    means = [row["epoch_loss"] for row in command.rows(folder + "/rich_whole/metrics.jsonl")
             if "epoch_loss" in row]
    steps = command.losses(folder + "/rich_whole")
    for epoch, mean in enumerate(means):
        of_epoch = [loss for step, loss in steps if (step - 1) // 16 == epoch]
        check(len(of_epoch) == 16 and abs(mean - sum(of_epoch) / 16) < 1e-6,
              f"rich: the loss of epoch {epoch + 1} is the mean of its steps", mean)

    parts = [(row["step"], row["epoch"])
             for row in command.rows(folder + "/rich_whole/metrics.jsonl") if "loss" in row]
    check(parts == [(step, step / 16) for step in range(1, 33)],
          "rich: each step says how many epochs are done", parts)

    # A finished run is left alone.
    kept = command.everything(folder + "/rich_whole")
    done = subprocess.run([couplet, "train", rich, "--out", folder + "/rich_whole", "--resume"],
                          capture_output=True, text=True)
    check(done.returncode == 0 and "this run is finished: 32 steps of 32" in done.stdout,
          "a finished run says so", done.stdout + done.stderr)
    check(command.everything(folder + "/rich_whole") == kept, "and nothing of it is written again")
check.finish()
