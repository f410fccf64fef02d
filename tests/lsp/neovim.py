#!/usr/bin/env python3
"""neovim.py COUPLET ROOT: Neovim, without a window, works on a file with a mistake: its diagnostic,
quick fix, hover, completion, rename, layout and definition."""

import json
import os
import subprocess
import sys
import tempfile

couplet, root = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
sys.path.insert(0, os.path.join(root, "tests/driver"))
import command

check = command.Checks()
SPEC = """use losses
fn f(z[N, D]) = lossses.nt_xent(z,z,0.5)
fn g(x[N]) {
let w =  2 # \U0001d6fc
   return w * sum[i] x[i]; # \U0001d6fc w
}
"""
with tempfile.TemporaryDirectory() as folder:
    command.write(os.path.join(folder, "m.cpl"), SPEC)
    results = os.path.join(folder, "results")
    done = subprocess.run(
        [
            "nvim",
            "--headless",
            "-u",
            "NONE",
            "-n",
            "-i",
            "NONE",
            "-c",
            f"luafile {root}/tests/lsp/neovim.lua",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=1500,
        env={
            **os.environ,
            "RESULTS": results,
            "COUPLET": couplet,
            "GRAMMAR": os.path.join(root, "tools/editors/vim"),
            "HOME": folder,
            "XDG_STATE_HOME": folder,
            "XDG_CACHE_HOME": folder,
            "COUPLET_CACHE": os.path.join(folder, "cache"),
        },
    )
    check(os.path.exists(results), "Neovim came to its end", done.stdout + done.stderr)
    with open(results) as file:
        r = json.load(file)
check("problem" not in r, "nothing went wrong in Neovim", r.get("problem"))
check(
    r["filetype"] == "couplet" and r["comments"] == "# %s" and r["colour"] == "coupletFirst",
    "the file is known and coloured",
    r,
)
check(
    [d[:4] for d in r["broken"]] == [[1, 16, 23, "E101"]]
    and "did you mean `losses`?" in r["broken"][0][4],
    "the diagnostic",
    r["broken"],
)
check(
    r["fixed"] == SPEC.replace("lossses", "losses") and r["left"] == [],
    "the quick fix, after which nothing is left",
    (r["fixed"], r["left"]),
)
check("fn f(z[N, D]) : real" in r["hover"], "hover", r["hover"])
check(
    {"nt_xent", "sup_con"} <= set(r["completion"]), "completion of a module", r["completion"][:20]
)
check(
    r["renamed"]
    == SPEC.replace("lossses", "losses")
    .replace("let w =", "let width =")
    .replace("return w *", "return width *"),
    "rename",
    r["renamed"],
)
check(
    "  let width = 2  # \U0001d6fc\n  return width * sum[i] x[i]" in r["formatted"]
    and "nt_xent(z, z, 0.5)" in r["formatted"],
    "layout",
    r["formatted"],
)
check(
    r["definition"][0].endswith("stdlib/losses/batch.cpl")
    and r["definition"][1].startswith("fn nt_xent("),
    "definition in the library",
    r["definition"],
)
check(r["stopped"], "the server ends when it is asked to")
check.finish()
