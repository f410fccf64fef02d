#!/usr/bin/env python3
"""scale.py COUPLET ROOT: tools/scale.py, on cases that are worked out by hand, and the tables of
docs/machines.md, which are its output."""
import importlib.util
import os
import re
import subprocess
import sys
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "driver"))
import command

root = sys.argv[2]
check = command.Checks()
tool = root + "/tools/scale.py"
spec = importlib.util.spec_from_file_location("scale", tool)
scale = importlib.util.module_from_spec(spec)
spec.loader.exec_module(scale)

o = types.SimpleNamespace(views=2, batch=8, width=4, parameters=100, statistics=3, channels=5,
                          samples_seconds=0.5, gflops=1e-9 * 16 * 16 * 4 * 6)
link = (1.0, 1000.0, 0.25)
one, four = scale.step(o, 1, link), scale.step(o, 4, link)
check(one["compute"] == 8 * 0.5 + 1 and one["waits"] == one["bytes"] == one["messages"] == 0,
      "one rank sends nothing", one)
# rows 16: twice 4 rows of 4 floats and twice 4 floats; 12 times 5 floats; twice 25 floats; all to 3
sent = 3 * 4 * (2 * 4 * 4 + 2 * 4 + 12 * 5 + 2 * 25) + 2 * 8
check(four["bytes"] == sent, "the bytes of four ranks", (four["bytes"], sent))
check(four["messages"] == 3 * (2 + 2 + 12 + 2) + 2, "and messages", four["messages"])
check(four["compute"] == one["compute"] / 4, "a quarter of the work", four)
gradients = 2 * (1 + 3 * (0.25 + 100 / 1000)) - four["compute"] * 2 / 3
check(abs(four["parts"]["gradients"] - gradients) < 1e-12, "gradients hide behind backward",
      (four["parts"], gradients))
check(abs(four["parts"]["agreement"] - 2) < 1e-12, "two rounds agree", four["parts"])

lines = open(root + "/docs/machines.md").read().split("\n")
found = 0
for at, line in enumerate(lines):
    if not line.startswith("    $ tools/scale.py"):
        continue
    found += 1
    done = subprocess.run([sys.executable, tool, *line.split()[2:]], capture_output=True, text=True)
    wanted = ["    " + row for row in done.stdout.rstrip().split("\n")]
    check(done.returncode == 0 and lines[at + 1:at + 1 + len(wanted)] == wanted,
          "docs/machines.md: " + line.strip(), done.stderr or "\n".join(wanted))
check(found == 3, "there are three tables")
done = subprocess.run([sys.executable, tool, "--network", "fast"], capture_output=True, text=True)
check(done.returncode == 2 and "LATENCY_us,GBIT" in done.stderr, "a network that there is not")
check.finish()
