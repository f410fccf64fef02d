#!/usr/bin/env python3
"""gradcheck.py COUPLET ROOT: `couplet gradcheck` says what is right and what is wrong; `couplet
grad` reads .npz archives."""
import os
import sys
import tempfile
import zipfile

import command

couplet, root = sys.argv[1:3]
sys.path.insert(0, os.path.join(root, "tests", "golden"))
import npy

check = command.Checks()

FUNCTIONS = """
use losses
hyper scale = 3
fn smooth(x[N, D], tau = 0.5) = mean[i] log(sum[d] exp(x[i, d] / tau))
fn hinge(x[N]) = sum[i] max(0, x[i])
fn other(w[N]) = sum[i] w[i]^2
fn scaled(x[N]) = sum[i] scale * x[i]
fn held(x[N], y[N]) = sum[i] x[i] * stop(y[i])
fn own_weight(x[N]) = sum[i] x[i] * stop(x[i])
fn labelled(x[N, C], y : int[N]) = mean[i] -x[i, y[i]]
"""

with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/functions.cpl", FUNCTIONS)

    done = command.run(couplet, "gradcheck", spec)
    check(done.returncode == 0 and "7 functions, 0 wrong" in done.stdout,
          "every function of a file", done.stdout + done.stderr)
    done = command.run(couplet, "gradcheck", spec, "--fn", "smooth", "--size", "N=8,D=3")
    rows = [line.split() for line in done.stdout.splitlines()]
    check(done.returncode == 0 and ["x", "24"] in [r[:2] for r in rows]
          and ["tau", "1"] in [r[:2] for r in rows], "sizes by --size, numbers checked too",
          done.stdout)
    done = command.run(couplet, "gradcheck", spec, "--fn", "losses.nt_xent", "--set", "tau=0.2")
    check(done.returncode == 0, "a function of a module", done.stdout + done.stderr)

    npy.write(folder + "/zero.npy", (2,), [0.0, 1.0])
    done = command.run(couplet, "gradcheck", spec, "--fn", "hinge", "--in", f"x={folder}/zero.npy")
    check(done.returncode == 1
          and "WRONG: at entry 0 the gradient is 0 and the differences give 0.5" in done.stdout,
          "a kink is no gradient", done.stdout)

    logs = command.write(folder + "/logs.cpl",
                         "fn below(x[N]) = sum[i] log(x[i] - 100)\nfn twice(x[N]) {\n  let y[i] = "
                         "2 * x[i]\n  return y\n}\n")
    done = command.run(couplet, "gradcheck", logs)
    text = done.stdout + done.stderr
    check(done.returncode == 1 and "the value of `below` is nan" in text and "-nan" not in text,
          "a value that is no number", text)
    check("not checked, since no single real number comes out: `twice`" in text,
          "functions that are left out are named", text)

    done = command.run(couplet, "gradcheck", spec, "--fn", "hinges")
    check(done.returncode == 1 and "no function `hinges`" in done.stderr, "an unknown function",
          done.stderr)
    done = command.run(couplet, "gradcheck", spec, "--size", "N=0")
    check(done.returncode == 2 and "from 1 to" in done.stderr, "a size of 0", done.stderr)

    method = command.write(folder + "/method.cpl", command.SMALL_SPEC)
    done = command.run(couplet, "gradcheck", method)
    check(done.returncode == 0 and "online.head.linear_2.b" in done.stdout
          and "WRONG" not in done.stdout, "the whole loss of a method", done.stdout + done.stderr)
    check("target" not in done.stdout, "no row for what an ema edge moves", done.stdout)

    # .npz archives: stored and deflated members, wrong names, damage
    values = [0.5, -1.0, 2.0]
    npy.write(folder + "/x.npy", (3,), values)
    npy.write(folder + "/y.npy", (3,), [4.0, 5.0, 6.0])
    for method_name, packing in (("stored", zipfile.ZIP_STORED),
                                 ("deflated", zipfile.ZIP_DEFLATED)):
        archive = f"{folder}/{method_name}.npz"
        with zipfile.ZipFile(archive, "w", packing) as out:
            out.write(folder + "/x.npy", "x.npy")
            out.write(folder + "/y.npy", "y.npy")
        done = command.run(couplet, "grad", spec, "--fn", "held", "--in", f"x={archive}", "--in",
                           f"y={archive}", "--out", folder + "/out")
        check(done.stdout == "value: 9\n", f"{method_name} arrays", done.stdout + done.stderr)
        check(done.returncode == 0 and npy.read(folder + "/out/grad_x.npy")[1] == [4.0, 5.0, 6.0],
              "and their gradient", done.stderr)
    done = command.run(couplet, "grad", spec, "--fn", "hinge", "--in", f"x={folder}/stored.npz")
    check(done.returncode == 0, "one array of several", done.stderr)
    done = command.run(couplet, "grad", spec, "--fn", "other", "--in", f"w={folder}/stored.npz")
    check(done.returncode == 1 and "has no array `w`; it has x, y" in done.stderr,
          "an array that is not there", done.stderr)
    with open(folder + "/stored.npz", "rb") as file:
        whole = file.read()
    for length in (0, 10, 40, 200, len(whole) - 1):
        with open(folder + "/cut.npz", "wb") as file:
            file.write(whole[:length])
        done = command.run(couplet, "grad", spec, "--fn", "hinge", "--in", f"x={folder}/cut.npz")
        check(done.returncode == 1 and "cut.npz" in done.stderr,
              f"an archive cut at {length} bytes", done.stderr)
    for at in range(0, len(whole), 7):
        with open(folder + "/bent.npz", "wb") as file:
            file.write(whole[:at] + bytes([whole[at] ^ 0xff]) + whole[at + 1:])
        done = command.run(couplet, "grad", spec, "--fn", "hinge", "--in", f"x={folder}/bent.npz")
        if done.returncode not in (0, 1):
            check(False, f"an archive with byte {at} inverted: exit {done.returncode}", done.stderr)

    done = command.run(couplet, "grad", spec, "--fn", "scaled", "--in", f"x={folder}/x.npy")
    check(done.stdout == "value: 4.5\n", "a hyper has its value in a function tried on its own",
          done.stdout + done.stderr)
    done = command.run(couplet, "grad", spec, "--fn", "scaled", "--in", f"x={folder}/x.npy",
                       "--set", "scale=2")
    check(done.stdout == "value: 3\n", "and the one that --set gives", done.stdout + done.stderr)

    # A truth value that is no array: as a condition, and as an array without axes.
    switched = command.write(folder + "/switched.cpl", """
fn f(x[N], on : bool) = sum[i | on] x[i] + (if not on then 8 else 0) * x[0]
""")
    done = command.run(couplet, "gradcheck", switched)
    check(done.returncode == 0 and "0 wrong" in done.stdout, "a truth value is made up",
          done.stdout + done.stderr)
    for device in ("cpu", "reference"):
        for on, value in (("false", "4"), ("true", "1.5")):
            npy.write(folder + "/on.npy", (), [int(on == "true")], "<i4")
            for given in (("--set", f"on={on}"), ("--in", f"on={folder}/on.npy")):
                done = command.run(couplet, "grad", switched, "--fn", "f", "--in",
                                   f"x={folder}/x.npy", *given, "--device", device)
                check(done.stdout == f"value: {value}\n", f"{' '.join(given)[:9]}, {device}",
                      done.stdout + done.stderr)
    done = command.run(couplet, "grad", switched, "--fn", "f", "--in", f"x={folder}/x.npy",
                       "--set", "on=2")
    check.refused("a truth value of 2", done, "E604", "`on` is true or false", "`2`")
check.finish()
