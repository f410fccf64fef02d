#!/usr/bin/env python3
"""ranks_hosts.py COUPLET ROOT: ranks on hosts that are network namespaces. What the plan says
travels over the link, and a cable that is pulled ends the run on all ranks by one sentence. Root
alone can make such hosts: without it, without Open MPI, or without TAP devices the test is left
out."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import command
import mpirun

NOT_RUN = 77
couplet, root = sys.argv[1:3]
check = command.Checks()


def why_not():
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    if "openmpi" not in mpirun.libraries(couplet):
        return "Open MPI is not here"
    if not shutil.which("ip") or not os.path.exists("/dev/net/tun"):
        return "there are no network devices of the user's own"
    made = subprocess.run(["ip", "netns", "add", "cplprobe"], capture_output=True)
    subprocess.run(["ip", "netns", "del", "cplprobe"], capture_output=True)
    return None if made.returncode == 0 else "this machine makes no network namespaces"


def hosts(*words):
    """The rows that the script prints, and all that it says."""
    env = {**os.environ, "COUPLET_PATIENCE": "3"}
    done = subprocess.run([sys.executable, root + "/tests/bench/hosts.py", couplet, spec, *words,
                           "--data", data], capture_output=True, text=True, timeout=600, env=env)
    check(done.returncode == 0, " ".join(words), done.stdout + done.stderr)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return rows, done.stdout + done.stderr


def planned():
    """Megabytes that a rank of two sends in a step, as the plan says."""
    told = command.run(couplet, "check", spec, "--ranks", "2", "--data", data).stdout
    return float(re.search(r"sends at most ([\d.]+) MB", told)[1])


reason = why_not()
if reason:
    print(f"not run: {reason}")
    sys.exit(NOT_RUN)
with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/small.cpl", command.SMALL_SPEC)
    data = command.small_data(folder + "/data")
    rows, told = hosts("--hosts", "2")
    carried = rows[0]["carried_mb"] if rows else 0
    # ahead of the steps the ranks compare what they were started with
    check(planned() <= carried <= 2 * planned() + 0.05,
          "the link carries what the plan says, with headers", f"{planned()}: {told}")
    rows, told = hosts("--hosts", "3", "--cut", "--epochs", "10000")
    row = rows[-1] if rows else {}
    check(row.get("sentence_after") is not None and row.get("ranks_left") == 0,
          "a cable is pulled: all ranks end", told)
    check(told.count("error[E804]") == 1 and "of 3 (process" in told and
          "was not heard of for 3 seconds" in told, "by one sentence that names the rank", told)
check.finish()
