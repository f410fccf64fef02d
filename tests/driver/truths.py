#!/usr/bin/env python3
"""truths.py COUPLET ROOT: a hyper, a parameter and a setting that are true or false take these
words, on every door that sets one, and what other tools write for them gets one advice."""
import struct
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()
SPEC = ("use optim\ndata train = data.fashion_mnist(\"train\")\nhyper doubled = false\n"
        + command.FLAT_NET + """
fn weight(x[N, D], all : bool) = mean[i] (if all then x[i, 0] else 2 * x[i, 0])
let c = if doubled then 2 else 1
loss c * (mean[n, d] k[n, d]^2) + 0 * weight(k, doubled)
train { epochs 1, batch 32, optimiser optim.sgd(lr = 0) }
""")
FOREIGN = (("1", "true"), ("yes", "true"), ("On", "true"), ("TRUE", "true"), ("0", "false"),
           ("no", "false"), ("off", "false"), ("False", "false"))


def loss_of(out):
    return command.losses(out)[0][1]


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", train=64, test=8)
    spec = command.write(folder + "/truth.cpl", SPEC)
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }".ljust(117) + "\n"
    with open(folder + "/x.npy", "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode()
                   + struct.pack("<8f", *[1] * 8))

    def train(name, *more, status=0, program=(couplet, "train", spec)):
        done = command.run(*program, "--data", data, "--out", f"{folder}/{name}", *more)
        check(done.returncode == status, f"{name} {' '.join(map(str, more))}",
              done.stdout + done.stderr)
        return done

    train("plain")
    train("doubled", "--set", "doubled=true")
    plain = loss_of(folder + "/plain")
    check(abs(loss_of(folder + "/doubled") / plain - 2) < 1e-6, "a hyper that is set to true",
          (plain, loss_of(folder + "/doubled")))
    train("parts", "--set", "doubled=true", "--max-steps", 1)
    train("parts", "--resume")
    check(command.losses(folder + "/parts") == command.losses(folder + "/doubled"),
          "is true in the run that goes on", command.losses(folder + "/parts"))
    check.refused("another truth in a run that goes on",
                  train("parts", "--resume", "--set", "doubled=false", status=1), "doubled was 1",
                  "0 now")
    program = folder + "/program"
    built = command.run(couplet, "build", spec, "--data", data, "-o", program)
    if check(built.returncode == 0, "a program is built", built.stderr):
        train("built", "--set", "doubled=true", program=(program, "train"))
        check(command.losses(folder + "/built") == command.losses(folder + "/doubled"),
              "its hyper is set to true")
        for wrong in "1", "yes", "2":
            done = train("wrong", "--set", "doubled=" + wrong, status=2,
                         program=(program, "train"))
            check("this hyper is true or false" in done.stderr, f"{wrong} is refused there",
                  done.stderr)

    def value(given):
        return command.run(couplet, "grad", spec, "--fn", "weight", "--in", f"x={folder}/x.npy",
                           "--set", "all=" + given)

    for given, number in ("true", "1"), ("false", "2"):
        done = value(given)
        check(done.returncode == 0 and f"value: {number}" in done.stdout,
              f"a parameter that is set to {given}", done.stdout + done.stderr)
    for word, meant in FOREIGN:
        for what, done in (
            ("a hyper", command.run(couplet, "check", spec, "--set", "doubled=" + word)),
            ("a parameter", value(word)),
            ("a setting of data", command.run(couplet, "data", "--reader", "table", spec, "--set",
                                              "header=" + word)),
        ):
            check.refused(f"{word} for {what}", done, "is true or false", f"`{word}` was given",
                          f"the word is `{meant}`")
    check.refused("a word that is neither", value("maybe"), "true or false", "`maybe` was given",
                  status=2)
    check.refused("a number for a truth", command.run(couplet, "check", spec, "--set", "doubled=2"),
                  "the hyper `doubled` is true or false, and `2` was given")
check.finish()
