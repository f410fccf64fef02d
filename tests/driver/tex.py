#!/usr/bin/env python3
"""tex.py COUPLET ROOT [KATEX]: `couplet tex` prints formulas as a paper would. tex_signs.tex has
the
LaTeX of tex_signs.cpl, in which every sign stands somewhere (COUPLET_UPDATE=1 rewrites it, and the
reviewer looks at it set). With KATEX, every function of the library is set by it in strict mode."""
import os
import re
import subprocess
import sys
import tempfile

import command

couplet, root = os.path.abspath(sys.argv[1]), sys.argv[2]
katex = sys.argv[3] if len(sys.argv) > 3 else None
here = os.path.join(root, "tests", "driver")
check = command.Checks()

signs = command.run(couplet, "tex", os.path.join(here, "tex_signs.cpl"), "--fn", "signs")
check(signs.returncode == 0, "tex_signs.cpl", signs.stderr)
expected = os.path.join(here, "tex_signs.tex")
if os.environ.get("COUPLET_UPDATE"):
    command.write(expected, signs.stdout)
with open(expected) as file:
    check(signs.stdout == file.read(), "its LaTeX is that of tex_signs.tex",
          "COUPLET_UPDATE=1 python3 tests/driver/tex.py COUPLET ROOT")

losses = command.run(couplet, "tex", "losses", "--fn", "nt_xent").stdout
check(max(map(len, losses.split("\n"))) <= 100, "lines have at most 100 columns", losses)
losses = " ".join(losses.split())
check(r"= -\frac{1}{2 \, N} \sum_{i} \log \frac{\exp(s_{i, \operatorname{pos}(i)})}" in losses,
      "NT-Xent: the minus stands in front, and a mean is a sum over its terms", losses)

with tempfile.TemporaryDirectory() as folder:
    bare = command.write(folder + "/bare.cpl", "hyper tau = 0.1\n")
    check.refused("a file without functions", command.run(couplet, "tex", bare), "E611", "bare.cpl")
    check.refused("no such function", command.run(couplet, "tex", "losses", "--fn", "nt_xnet"),
                  "E601", "nt_xnet")
    broken = command.write(folder + "/broken.cpl", "fn f(x[N]) = sum[i] x[i, i]\n")
    check.refused("a formula that does not check", command.run(couplet, "tex", broken),
                  "broken.cpl:1")


def formulas():
    """Every function of every module, as rows of one gathered environment."""
    modules = ["losses", "augment", "nn"]
    modules += sorted(name[:-4] for name in os.listdir(os.path.join(root, "stdlib"))
                      if name.endswith(".cpl"))
    rows = []
    for module in modules:
        done = command.run(couplet, "tex", module)
        if "E611" in done.stderr:  # networks and optimisers alone
            continue
        check(done.returncode == 0, f"couplet tex {module}", done.stderr)
        rows += re.findall(r"\\begin\{aligned\}.*?\n\\end\{aligned\}", done.stdout, re.S)
    return rows


def set_by_katex(rows):
    text = "\\begin{gathered}\n" + " \\\\\n".join(rows) + "\n\\end{gathered}\n"
    environment = {**os.environ, "NODE_PATH": "/usr/share/nodejs"}
    return subprocess.run([katex, "--display-mode", "--strict", "--max-expand", "100000000"],
                          input=text, capture_output=True, text=True, env=environment, timeout=900)


found = formulas()
check(len(found) > 250, f"{len(found)} functions of the library")
if katex:
    done = set_by_katex(found + [signs.stdout.strip()])
    check(done.returncode == 0 and done.stdout.count("mtable") > 250, "KaTeX sets all of them",
          done.stderr[-600:])
check.finish()
