#!/usr/bin/env python3
"""mutate.py COUPLET ROOT [SECONDS [SEED]]: specs that are nearly right. Words of the examples, the
library and the golden cases are
dropped, doubled, swapped and replaced (by huge numbers, by other names of the file), and `couplet
check` answers each with success or
with messages: never with a signal, a fault of the compiler (E9..), silence, or a message about the
text (E0.. to E5..) without a place. What fails is kept beside the message.

It is a campaign and no test of the default run; docs/hacking.md says when to run it. With COUPLET
of the preset asan it finds more."""
import glob
import os
import random
import re
import subprocess
import sys
import tempfile
import time

couplet, root = sys.argv[1:3]
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 60
random.seed(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
folder = tempfile.mkdtemp(prefix="mutate")
WORD = re.compile(
    r"#[^\n]*|\"[^\"\n]*\"|[A-Za-z_]\w*|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
    r"|<-|>>|<=|>=|==|!=|[^\sA-Za-z_0-9]|[ \t]+|\n")
NUMBERS = ["0", "1", "-1", "2", "3", "7", "9", "17", "257", "65537", "2147483648",
           "9007199254740991", "1e38", "1e-45", "0.0", "0.5"]
METHOD = """use losses, nn, optim, augment
data train = data.fashion_mnist("train")
view a, b = augment.simclr(train.image)
net encoder = nn.convnet(width = 4) >> nn.linear(8)
let z = encoder(a), w = encoder(b)
"""
TRAIN = "train { epochs 1, batch 8, optimiser optim.sgd(lr = 0.1) }\n"


def library_calls():
    """A small method for each loss of the library that takes two arrays of features."""
    for path in sorted(glob.glob(f"{root}/stdlib/losses/*.cpl")):
        with open(path) as file:
            for name in re.findall(r"^fn (\w+)\(\w+\[N, D\], \w+\[N, D\]", file.read(), re.M):
                yield METHOD + f"loss losses.{name}(z, w)\n" + TRAIN


def read(path):
    with open(path) as file:
        return file.read()


SPECS = [read(path) for pattern in ("examples/*.cpl", "tests/lang/check/*.cpl",
                                    "tests/golden/*.cpl", "stdlib/*.cpl")
         for path in sorted(glob.glob(f"{root}/{pattern}"))]
SPECS += list(library_calls())


def mutated(text):
    words = WORD.findall(text)
    spots = [i for i, word in enumerate(words) if not word.isspace() and word[0] not in '#"']
    names = [words[i] for i in spots if words[i][0].isalpha()]
    for _ in range(random.choice((1, 1, 2, 4))):
        if not spots or not names:
            break
        i, j = random.choice(spots), random.choice(spots)
        kind = random.randrange(7)
        if kind == 0:
            words[i] = ""
        elif kind == 1:
            words[i], words[j] = words[j], words[i]
        elif kind == 2:
            words[i] = words[i] + " " + words[j]
        elif kind == 3:
            words[i] = random.choice(NUMBERS)
        elif kind == 4:
            words[i] = random.choice(names)
        elif kind == 5:  # an argument or an index less
            words[i:j] = [] if abs(i - j) < 6 else words[i:j]
        else:            # a line twice, or none
            lines = "".join(words).split("\n")
            k = random.randrange(len(lines))
            lines[k:k + 1] = random.choice(([], [lines[k], lines[k]]))
            return "\n".join(lines)
        spots = [i for i, word in enumerate(words) if word and not word.isspace()
                 and word[0] not in '#"']
    return "".join(words)


def judge(text):
    path = os.path.join(folder, "m.cpl")
    with open(path, "w") as file:
        file.write(text)
    try:
        done = subprocess.run([couplet, "check", path], capture_output=True, timeout=900)
    except subprocess.TimeoutExpired:
        return "takes more than 60 s"
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode not in (0, 1):
        return f"ends with {done.returncode}: {said[-500:]}"
    if re.search(r"error\[E9\d\d\]", said) and "E903" not in said:
        return said[:1000]
    if re.search(r"^(couplet check|[^:\n]*:0(:\d+)?): error\[E[0-5]", said, re.M):
        return "a message has no place: " + said[:1000]
    return "is refused in silence" if done.returncode == 1 and "error" not in said else None


tried, failed, end = 0, 0, time.time() + seconds
while time.time() < end:
    text = mutated(random.choice(SPECS))
    fault = judge(text)
    tried += 1
    if fault:
        failed += 1
        with open(os.path.join(folder, f"failed{failed}.cpl"), "w") as file:
            file.write(text)
        print(f"{folder}/failed{failed}.cpl {fault}")
print(f"{tried} mutated specs, {failed} failed")
sys.exit(1 if failed else 0)
