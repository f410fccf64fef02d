#!/usr/bin/env python3
"""give.py COUPLET ROOT [opencl]: what steps give by a name, against what it is made of: on threads,
in a run that goes on, in phases, in a built program, on a device; and what is refused."""
import math
import os
import sys
import tempfile

import command

couplet, root = sys.argv[1:3]
sys.path.insert(0, os.path.join(root, "tests/golden"))
import npy

on_opencl = sys.argv[3:] == ["opencl"]
check = command.Checks()

SPEC = """
use optim, losses
data train = data.fashion_mnist("train")
""" + command.FLAT + """
net f = flat(4)
view a = bright(train.image)
fn bright(x[C, H, W]) = 1 * x
let z = f(a)
let s[i, j] = dot(z[i], z[j])
state seen = 0
update seen <- seen + 2
loss mean[i, j] (s[i, j] - real(train.label[i] == train.label[j]))^2 / 100
give pairs = s, z = z, label = train.label
give image = train.image, seen = seen, at = step, rows = train.index, weights = f(a)[0]
when step >= 3 {
  give late = 2 * z
}
train { epochs 2, batch 16, optimiser optim.sgd(lr = 0.001) }
"""
STEPS = 8  # 64 rows, two epochs of four steps
NAMES = ["pairs", "z", "label", "image", "seen", "at", "rows", "weights"]


def given(out):
    """The arrays of a run by file, as (shape, entries)."""
    place = f"{out}/given"
    return {name: npy.read(f"{place}/{name}") for name in sorted(os.listdir(place))}


def contents(out):
    """The files of a run by name, as bytes."""
    found = {}
    for name in os.listdir(f"{out}/given"):
        with open(f"{out}/given/{name}", "rb") as file:
            found[name] = file.read()
    return found


def close(a, b, tolerance=1e-5):
    return all(abs(x - y) <= tolerance * max(1, abs(y)) for x, y in zip(a, b, strict=True))


with tempfile.TemporaryDirectory() as folder:
    env = {"COUPLET_CACHE": f"{folder}/cache"}
    data = command.small_data(f"{folder}/data", train=64, test=8)
    spec = command.write(f"{folder}/give.cpl", SPEC)
    device = ["--device", "opencl"] if on_opencl else []

    def train(out, *options, path=spec, program=None):
        words = [program, "train"] if program else [couplet, "train", path]
        common = ["--data", data, "--out", f"{folder}/{out}"]
        return command.run(words[0], *words[1:], *common, *device, *options, env=env)

    done = train("one", "--threads", 1, "--give-every", 2)
    check(done.returncode == 0, "a run that gives", done.stderr)
    arrays = given(f"{folder}/one")
    wanted = {f"{name}-{step}.npy" for name in NAMES for step in (2, 4, 6, 8)}
    wanted |= {f"late-{step}.npy" for step in (4, 6, 8)}
    check(set(arrays) == wanted, "each second step, and late from the fourth on", sorted(arrays))

    for step in (2, 4, 6, 8):
        shape, z = arrays[f"z-{step}.npy"]
        check(shape == (16, 4), f"the shape of step {step}", shape)
        rows = [z[4 * i:4 * i + 4] for i in range(16)]
        dots = [math.fsum(x * y for x, y in zip(u, v)) for u in rows for v in rows]
        check(close(arrays[f"pairs-{step}.npy"][1], dots), f"pairs of step {step}")
        check(arrays[f"weights-{step}.npy"] == ((4,), rows[0]), f"a row of step {step}")
        scalars = [arrays[f"{name}-{step}.npy"] for name in ("seen", "at")]
        good = scalars == [((), [2 * (step - 1)]), ((), [step - 1])]
        check(good, f"a state and the clock are as step {step} found them", scalars)
        if step > 2:
            check(close(arrays[f"late-{step}.npy"][1], [2 * x for x in z]), f"of a phase, {step}")
    first, second = arrays["rows-2.npy"][1], arrays["rows-4.npy"][1]
    check(not set(first) & set(second), "rows of one epoch are all different", (first, second))
    shape, image = arrays["image-2.npy"]
    check(shape == (16, 1, 28, 28) and 0 <= min(image) and max(image) == 1,
          "bytes are reals of 0 .. 1")

    if not on_opencl:
        done = train("two", "--threads", 2, "--give-every", 2)
        same = contents(f"{folder}/one") == contents(f"{folder}/two")
        check(done.returncode == 0 and same, "two threads give the same bytes", done.stderr)
        done = train("parts", "--max-steps", 3, "--give-every", 2)
        check(done.returncode == 0 and len(contents(f"{folder}/parts")) == len(NAMES),
              "the first part of a run")
        done = train("parts", "--resume", "--give-every", 2)
        same = contents(f"{folder}/one") == contents(f"{folder}/parts")
        check(done.returncode == 0 and same, "a run that goes on gives the same", done.stderr)
        done = command.run(couplet, "build", spec, "--data", data, "-o", f"{folder}/built", env=env)
        check(done.returncode == 0, "a program is built", done.stderr)
        done = train("program", "--give-every", 2, program=f"{folder}/built")
        same = contents(f"{folder}/one") == contents(f"{folder}/program")
        check(done.returncode == 0 and same, "a built program gives the same", done.stderr)

        # The gradient and what is kept do not depend on what is given.
        plain = "\n".join(line for line in SPEC.splitlines() if "give" not in line)
        plain = plain.replace("when step >= 3 {\n}\n", "")
        path = command.write(f"{folder}/plain.cpl", plain)
        done = train("plain", path=path)
        same = command.losses(f"{folder}/plain") == command.losses(f"{folder}/one")
        check(done.returncode == 0 and same, "nothing of the run depends on what it gives",
              done.stderr)

        done = train("nothing", "--give-every", 2, path=path)
        check.refused("an option that would do nothing", done, "--give-every", "give NAME")
        check(not os.path.exists(f"{folder}/nothing/checkpoint.safetensors"),
              "and nothing is trained")
        twice = SPEC + "give z = z\n"
        shapes = SPEC.replace("give late = 2 * z", "let t[i] = z[i, 0]\n  give late = t")
        shapes = shapes.replace("give pairs", "when step < 3 { give late = z }\ngive pairs")
        for name, text, words in (("twice", twice, ("E528", "`z` twice", "first time")),
                                  ("two shapes", shapes, ("E528", "another type or shape"))):
            path = command.write(f"{folder}/wrong.cpl", text)
            check.refused(name, command.run(couplet, "check", path, "--data", data), *words)
        bad = SPEC.replace("give pairs = s", "give pairs = s, root = sqrt(z[0, 0] - 1e6)")
        done = train("bad", path=command.write(f"{folder}/bad.cpl", bad))
        check.refused("what is given is finite, or the run ends", done, "E803", "root")
check.finish()
