#!/usr/bin/env python3
"""uses.py COUPLET ROOT: files and folders of one's own as modules. What finds what, what is refused
and where, what a run keeps of them and compares, and the programs that are built with them."""
import os
import re
import subprocess
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()

HELPER = "fn sim(a[D], b[D]) = cos(a, b)\n"
LOSS = """use ./helper
fn mine(z[N, D], w[N, D], tau) {
  let s[i, j] = helper.sim(z[i], w[j]) / tau
  return mean[i] -log(exp(s[i, i]) / sum[j] exp(s[i, j]))
}
"""
HEADS = """use "../../common/helper.cpl"
net flat(out)(x[N, C, H, W]) {
  param K[out, C, H, W] = normal(0, 0.1)
  let y[n, o] = sum[c, i, j] x[n, c, i, j] * K[o, c, i, j]
  return y
}
fn again(z[N, D]) = mean[i] helper.sim(z[i], z[i])
"""
INSTANCE = HEADS.split("\n", 1)[1] + "net n = flat(2)\n"
METHOD = """use optim
use "../common/loss.cpl" as l,   ./parts/heads
data train = data.fashion_mnist("train")
data test  = data.fashion_mnist("test")
net encoder = heads.flat(6)
let z = encoder(train.image)
fn shaken(z[N, D]) {
  draw e[N, D] ~ normal(0, 0.1)
  return z + e
}
loss l.mine(z, shaken(z), 0.2)
train { epochs 1, batch 16, optimiser optim.sgd(lr = 0.1) }
eval { knn(k = 3, features = encoder, bank = train, query = test) }
"""


def write_tree(folder, files):
    for name, text in files.items():
        os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
        command.write(f"{folder}/{name}", text)


def checked(folder, file, text=None):
    return subprocess.run([couplet, "check", file], cwd=folder, input=text, capture_output=True,
                          text=True)


def tree_of(folder):
    return sorted(os.path.relpath(f"{at}/{name}", folder)
                  for at, _, names in os.walk(folder) for name in names if name.endswith(".cpl"))


def refusals(folder):
    """What a text gets that uses what it cannot; the place and the words."""
    write_tree(folder, {"common/loss.cpl": LOSS, "common/helper.cpl": HELPER, "my-loss.cpl": HELPER,
                        "a/method.cpl": METHOD, "a/parts/heads.cpl": HEADS, "both.cpl": HELPER,
                        "both/one.cpl": HELPER, "empty/readme": "",
                        "one.cpl": 'use "two.cpl"\n', "two.cpl": "fn t(x) = x\nuse ./three\n",
                        "three.cpl": 'use "two.cpl"\n', "instance.cpl": INSTANCE,
                        "broken.cpl": "fn g(x) = x +\nfn h(x) = y\n"})
    # what is used, where it is refused, and with which words
    cases = [('"gone.cpl"', "x.cpl:1:5", "no file `gone.cpl`", "my-loss.cpl"),
             ("./common/los", "x.cpl:1:5", "no folder `common/los`",
              "did you mean `common/loss.cpl`?"),
             ("./nowhere/deep/loss", "x.cpl:1:5", "there is no folder `nowhere`"),
             ("./empty", "x.cpl:1:5", "holds no .cpl file"),
             ("./both", "x.cpl:1:5", "may be the file `both.cpl` or the folder `both`"),
             ('"/common/loss.cpl"', "x.cpl:1:5", "does not begin in the folder of this file"),
             ('""', "x.cpl:1:5", "names neither a file nor a folder"),
             ('"my-loss.cpl"', "x.cpl:1:5", "as my_loss"),
             ('"x.cpl"', "x.cpl:1:5", "`x.cpl` uses itself"),
             ('"one.cpl"', "three.cpl:1:5", "`two.cpl` uses itself, by way of others",
              "two.cpl:2:5: note"),
             ("./a/method", "a/method.cpl:3:1", "belongs to a method", "x.cpl:1:5: note"),
             ("./instance", "instance.cpl:7:5", "`n` is a network of a method", "net n() = .."),
             ("./broken", "broken.cpl:1:14", "broken.cpl:2:11", "the name `y` is not known"),
             ("./common/loss, ./common/loss as loss", "x.cpl:1:20", "declared twice", "as loss2"),
             ("common", "x.cpl:1:5", "no module `common`"),
             ("both", "x.cpl:1:5", 'used by its path: `use "both.cpl"`'),
             ("a/method.cpl", "x.cpl:1:6", "by its path in quotes"),
             ("./common/loss as if", "x.cpl:1:22", "a name is expected")]
    for used, *words in cases:
        command.write(f"{folder}/x.cpl", f"use {used}\nfn f(z[N, D]) = mean[i] z[i, 0]\n")
        done = checked(folder, "x.cpl")
        check.refused(f"use {used}", done, *words)
    # a name of what could not be had is no error of its own
    command.write(f"{folder}/x.cpl",
                  'use "gone.cpl", ./broken\nfn f(x) = gone.g(x) + broken.g(x)\n')
    done = checked(folder, "x.cpl")
    check(len(re.findall(r"error\[", done.stderr)) == 3, "one error for each mistake", done.stderr)
    # nor is a name that a statement declares which was refused
    write_tree(folder, {"many/a.cpl": "fn f(x) = x * late\nlet early = f(1)\n",
                        "many/b.cpl": "let late = 2\nfn g(x) = x * early\n"})
    command.write(f"{folder}/x.cpl", "use ./many\nfn f(x) = many.f(x) + many.g(x)\n")
    done = checked(folder, "x.cpl")
    check(len(re.findall(r"error\[", done.stderr)) == 1, "one error for a method in a module",
          done.stderr)


def findings(folder):
    """One module by two paths, through links, of a folder, from standard input."""
    write_tree(folder, {"common/loss.cpl": LOSS, "common/helper.cpl": HELPER, "both.cpl": HELPER,
                        "both/one.cpl": HELPER, "cluster.cpl": HELPER})
    os.symlink("common/loss.cpl", f"{folder}/link.cpl")
    good = {"a link": ("./link, ./common/loss", "link.mine(z, z, 1.0) + loss.mine(z, z, 1.0)"),
            "a folder": ("./common", "common.mine(z, z, 1.0) + common.helper.sim(z[0], z[1])"),
            "one of two": ('./both/ as b, "both.cpl" as c',
                           "b.sim(z[0], z[1]) + c.sim(z[0], z[1])"),
            "a name of the library": ("cluster, ./cluster as mine", "mine.sim(z[0], z[1])"),
            "by way of a folder": ("./both/../common/loss", "loss.mine(z, z, 1.0)")}
    for what, (used, formula) in good.items():
        text = f"use {used}\nfn f(z[N, D]) = {formula}\n"
        command.write(f"{folder}/x.cpl", text)
        done = checked(folder, "x.cpl")
        check(done.returncode == 0 and not done.stderr, f"found: {what}", done.stderr)
        done = checked(folder, "-", text)
        check(done.returncode == 0 and not done.stderr, f"found from a stream: {what}", done.stderr)
    done = command.run(couplet, "tex", f"{folder}/common/loss.cpl", "--fn", "mine")
    check("sim" in done.stdout and not done.returncode, "the formula as LaTeX",
          done.stdout + done.stderr)
    done = command.run(couplet, "gradcheck", f"{folder}/link.cpl", "--size", "N=4,D=3")
    check(not done.returncode, "gradients", done.stdout + done.stderr)


def runs(folder, data):
    """What a run keeps, and what it says of a file that was changed since."""
    write_tree(folder, {"common/loss.cpl": LOSS, "common/helper.cpl": HELPER,
                        "work/method.cpl": METHOD, "work/parts/heads.cpl": HEADS})
    method, out = f"{folder}/work/method.cpl", f"{folder}/run"
    done = command.run(couplet, "fmt", method)
    check('use "../common/loss.cpl" as l, ./parts/heads\n' in done.stdout, "laid out",
          done.stdout + done.stderr)

    def train(*more):
        return command.run(couplet, "train", method, "--data", data, "--out", out, *more)

    done = train("--max-steps", 2)
    check(done.returncode == 0, "trains", done.stdout + done.stderr)
    kept = ["spec/common/helper.cpl", "spec/common/loss.cpl", "spec/work/method.cpl",
            "spec/work/parts/heads.cpl"]
    check(tree_of(out) == kept, "keeps every file", tree_of(out))
    check(sorted(command.settings(out)["files"]) == kept, "with its hash",
          command.settings(out)["files"])
    done = command.run(couplet, "train", f"{out}/spec/work/method.cpl", "--data", data, "--out",
                       f"{folder}/again",
                       "--max-steps", 2)
    check(done.returncode == 0 and
          command.checkpoints(out) == command.checkpoints(f"{folder}/again"),
          "the copy trains to the same bits", done.stdout + done.stderr)
    with open(f"{folder}/common/helper.cpl", "a") as file:
        file.write("# the same\n")
    done = train("--resume", "--max-steps", 4)
    check(done.returncode == 0 and "files.spec/common/helper.cpl was" in done.stdout,
          "a changed file is named",
          done.stdout + done.stderr)
    command.write(f"{folder}/common/helper.cpl", HELPER.replace("cos", "dot"))
    done = train("--resume")
    check.refused("another formula", done, "files.spec/common/helper.cpl was", "another method")
    done = command.run(couplet, "eval", out, "--data", data)
    check(done.returncode == 0 and "kNN" in done.stdout, "is evaluated from its copy",
          done.stdout + done.stderr)
    command.write(f"{out}/spec/common/helper.cpl", HELPER.replace("cos", "dot"))
    done = command.run(couplet, "eval", out, "--data", data)
    check.refused("a changed copy", done, "files.spec/common/helper.cpl was", "another method")
    command.write(f"{folder}/common/helper.cpl", HELPER)
    built(folder, method, data)


def built(folder, method, data):
    done = command.run(couplet, "build", method, "--data", data, "-o", f"{folder}/program")
    check(done.returncode == 0, "builds", done.stdout + done.stderr)
    done = command.run(f"{folder}/program", "--data", data, "--out", f"{folder}/built",
                       "--max-steps", "2")
    check(done.returncode == 0 and
          command.checkpoints(f"{folder}/built") == command.checkpoints(f"{folder}/again"),
          "the program trains to the same bits", done.stdout + done.stderr)
    check(tree_of(f"{folder}/built") == tree_of(f"{folder}/again"), "and keeps every file",
          tree_of(f"{folder}/built"))


with tempfile.TemporaryDirectory() as top:
    refusals(top + "/refused")
    findings(top + "/found")
    runs(top + "/runs", command.small_data(top + "/data", train=96, test=40))
check.finish()
