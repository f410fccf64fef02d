#!/usr/bin/env python3
"""evaluations.py COUPLET ROOT: neighbours and probes do what they say: every k up to the bank, any
temperature, an image is not its
own neighbour, and as many evaluations as are written."""
import gzip
import os
import re
import shutil
import struct
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()

SPEC = """
use nn, augment, optim
data train = data.fashion_mnist("train")
data few   = data.fashion_mnist("train", per_class = 2)
data test  = data.fashion_mnist("test")
view a, b = augment.flip(train.image)
net flat()(x[N, C, H, W]) { return flatten(x) }
net encoder = flat() >> nn.linear(4)
let p = normalise(encoder(a)), q = normalise(encoder(b))
loss mean[i] (1 - dot(p[i], q[i]))
train { epochs 1, batch 16, optimiser optim.sgd(lr = 0.01) }
"""
CLASSES, IMAGES = 10, 40


def patterns(folder, classes=CLASSES):
    """Ten patterns, each image with one grey of its own: the nearest are those of the same
    class, and each image stands twice among
    the first 40: with its own label, and then with the label after that. 0 to 39 of the
    training set, 0 to 19 of the test set."""
    os.makedirs(folder)
    for split, count in (("train", IMAGES), ("t10k", IMAGES // 2)):
        images, labels = bytearray(), bytearray()
        for i in range(count):
            kind = i % CLASSES
            image = bytearray(200 if at // 78 == kind else 10 for at in range(784))
            image[783 - i % (IMAGES // 2)] = 120
            images += image
            labels.append((kind + (1 if i >= IMAGES // 2 else 0)) % classes)
        with gzip.open(f"{folder}/{split}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">IIII", 0x803, count, 28, 28) + images)
        with gzip.open(f"{folder}/{split}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">II", 0x801, count) + labels)
    return folder


with tempfile.TemporaryDirectory() as folder:
    data = patterns(folder + "/data")

    def train(*evaluations, nets=""):
        shutil.rmtree(folder + "/run", ignore_errors=True)
        spec = command.write(folder + "/spec.cpl",
                             SPEC + nets + "eval {\n" + ",\n".join(evaluations) + "\n}\n")
        return command.run(couplet, "train", spec, "--data", data, "--out", folder + "/run",
                           "--threads", 2)

    def raw(*evaluations):
        done = train(*evaluations)
        check(done.returncode == 0, "it trains", done.stderr)
        return re.findall(r"^raw pixels +(.*?) +([\d.]+) %$", done.stdout, re.MULTILINE)

    common = "features = encoder, bank = train"
    # The nearest decides, however cold; a query finds its twins, and a tie of theirs goes to the
    # lower label.
    found = raw(f"knn(k = 2, temperature = 1e-30, {common}, query = test)",
                f"knn(k = 40, temperature = 1e-30, {common}, query = test)")
    check(found == [("kNN (k = 2)", "90.00"), ("kNN (k = 40)", "90.00")], "any k and temperature",
          found)
    # In its own bank an image is left out: its twin, the nearest then, has the other label.
    found = raw(f"knn(k = 1, {common}, query = train)",
                f"knn(k = 39, temperature = 1e-30, {common}, query = train)",
                f"knn(k = 1, {common}, query = few)",
                f"linear({common}, query = train)", f"linear({common}, query = test)")
    check(found[:2] == [("kNN (k = 1, itself left out)", "0.00"),
                        ("kNN (k = 39, itself left out)", "0.00")], "itself left out", found)
    check(found[2] == ("kNN (k = 1, itself left out)", "0.00"),
          "and where the query is a part of the bank", found)
    check([name for name, _ in found[3:]] == ["linear probe (query in bank)", "linear probe"],
          "the probe says when it has seen the query", found)
    check(len(raw(*(f"knn(k = {k}, {common}, query = test)" for k in range(1, 21)))) == 20,
          "twenty evaluations are twenty results")

    for bank, query, k, most in (("train", "test", 41, 40), ("train", "train", 40, 39),
                                 ("train", "few", 40, 39), ("few", "test", 21, 20)):
        done = train(f"knn(k = {k}, features = encoder, bank = {bank}, query = {query})")
        check(done.returncode == 1
              and f"k of knn is {k}, and a whole number from 1 to {most} is expected" in done.stderr
              and "spec.cpl:13:" in done.stderr,
              f"k = {k} of {most} is refused", done.stdout + done.stderr)
        check(not os.path.exists(folder + "/run"), "before the run", os.listdir(folder))

    # Names of any length tell two evaluations apart: features that are alike in 200 letters.
    alike = ["n" * 200 + last for last in "ab"]
    nets = "".join(f"net {name} = flat() >> nn.linear(4)\n" for name in alike)
    done = train(*(f"knn(k = 1, features = {name}, of = train.image, bank = train, query = test)"
                   for name in alike), nets=nets)
    check(all(f"kNN (k = 1), {name}" in done.stdout for name in alike),
          "evaluations with long names of features", done.stdout + done.stderr)

    for classes, warned in ((1, True), (2, False)):
        data = patterns(f"{folder}/{classes}", classes)
        done = train(f"knn(k = 1, {common}, query = test)")
        before = done.stdout.split("raw pixels")[0]
        said = "spec.cpl:13:1: warning: all samples of `train` have one `label`" in before
        check(done.returncode == 0 and said == warned,
              f"an evaluation of {classes} class{'es' * (classes > 1)} "
              f"{'is warned of' if warned else 'is not'}", done.stdout + done.stderr)
check.finish()
