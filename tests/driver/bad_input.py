#!/usr/bin/env python3
"""bad_input.py COUPLET ROOT: every wrong input gets one clear sentence, an exit code other than 0
and no crash."""
import gzip
import os
import re
import shutil
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()

FIVE_MISTAKES = """use nn, losses, augment, optim
data train = data.fashion_mnist("train")
data test = data.fashion_mnist("test")
view a, b = augment.simclr(train.imag)
net encoder = nn.convnet(width = 8) >> nn.mpl(16, 8)
fn alignment(z[N, D], w[N, E]) = mean[i] dot(z[i], w[i])
fn count_them(z[N, D]) = sum[i] zz[i, 0]
fn pick(z[N, D]) = mean[i] (z[i, 0] and true)
loss 1
train { epochs 1, batch 16, optimiser optim.sgd(lr = 0.1) }
"""
# The lines of FIVE_MISTAKES that hold one, with a word that its message must contain.
EXPECTED = {4: "imag", 5: "mpl", 6: "E", 7: "zz", 8: "real"}


def refused(sentence, done, *words):
    """Exit code 1 .. 125 and every word on stderr."""
    fine = 0 < done.returncode < 126
    check(fine, f"{sentence}: refused (exit {done.returncode})", done.stderr[-1000:])
    for word in words:
        check(word in done.stderr, f"{sentence}: says '{word}'", done.stderr[-1000:])


for words in (("help", "check"), ("check", "--help"), ("check", "there_is_none.cpl", "-h")):
    done = command.run(couplet, *words)
    check(done.returncode == 0 and done.stdout.startswith("couplet check FILE")
          and "couplet train" not in done.stdout, "how it is used: " + " ".join(words),
          done.stdout + done.stderr)
check(command.run(couplet, "help").stdout.count("\ncouplet ") > 12, "every command is in the help")
refused("a command that there is not", command.run(couplet, "tran"), "no command `tran`",
        "did you mean `train`?")
with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/small.cpl", command.SMALL_SPEC)
    data = command.small_data(folder + "/data")
    out = folder + "/out"

    def train(*options, source=spec, place=data):
        shutil.rmtree(out, ignore_errors=True)
        return command.run(couplet, "train", source, "--data", place, "--out", out, "--max-steps",
                           1, *options)

    # A spec with five independent mistakes: five messages, each with file, line and caret.
    wrong = command.write(folder + "/wrong.cpl", FIVE_MISTAKES)
    done = command.run(couplet, "check", wrong)
    check(done.returncode == 1, f"five mistakes: exit 1 (got {done.returncode})")
    messages = re.findall(r"^\S*wrong\.cpl:(\d+):\d+: error\[E\d+\]: (.*)$", done.stderr,
                          re.MULTILINE)
    check(len(messages) == 5, f"five mistakes: five messages (got {len(messages)})", done.stderr)
    for line, word in EXPECTED.items():
        check(any(int(at) == line and word in text for at, text in messages),
              f"five mistakes: line {line} names '{word}'", messages)
    check(done.stderr.count("^") >= 5, "five mistakes: carets")

    refused("a spec that is not there", command.run(couplet, "check", folder + "/none.cpl"),
            "none.cpl")
    refused("a folder as a spec", command.run(couplet, "check", folder), folder)
    refused("an empty spec cannot be trained",
            train(source=command.write(folder + "/empty.cpl", "")), "loss")
    refused("no such command", command.run(couplet, "trian", spec), "trian")
    refused("no such option", train("--bacth", "3"), "--bacth")
    refused("an option without its value", command.run(couplet, "train", spec, "--epochs"),
            "--epochs")
    refused("a number that is none", train("--epochs", "many"), "many")

    # Hypers.
    refused("a hyper that does not exist", train("--set", "tua=0.1"), "tua", "tau")
    refused("a hyper out of range", train("--set", "tau=-1"), "tau", "-1")
    refused("a hyper that is no number", train("--set", "tau=warm"), "tau", "warm")
    refused("--set without a value", train("--set", "tau"), "tau")

    # Data.
    refused("a data folder that is missing", train(place=folder + "/nowhere"), "nowhere")
    big = command.write(folder + "/big.cpl",
                        command.SMALL_SPEC.replace("batch 32",
                                                   "batch 1024").replace("Q[96, 8]", "Q[2048, 8]"))
    refused("a batch larger than the data", train(source=big), "1024", "512")

    def broken(name, change):
        place = folder + "/broken"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(data, place)
        file = f"{place}/train-images-idx3-ubyte.gz"
        change(file)
        refused(name, train(place=place), "train-images-idx3-ubyte")

    def rewrite(file, change):
        with gzip.open(file) as stream:
            content = bytearray(stream.read())
        content = change(content) or content
        with gzip.open(file, "wb", compresslevel=1) as stream:
            stream.write(content)

    def flip_bytes(file):
        with open(file, "r+b") as stream:
            stream.seek(os.path.getsize(file) // 2)
            stream.write(b"\xa5" * 64)

    def wrong_magic(content):
        content[2] = 0x0D

    def too_many(content):
        content[4:8] = b"\x7f\xff\xff\xff"

    broken("a gzip file cut short", lambda file: os.truncate(file, os.path.getsize(file) // 2))
    broken("an empty data file", lambda file: os.truncate(file, 0))
    broken("a gzip file with a damaged middle", flip_bytes)
    broken("an IDX file of another kind", lambda file: rewrite(file, wrong_magic))
    broken("an IDX file that promises two thousand million images",
           lambda file: rewrite(file, too_many))
    broken("an IDX file shorter than its header",
           lambda file: rewrite(file, lambda content: content[:9]))
    broken("a missing data file", os.unlink)
    broken("another number of labels than images",
           lambda file: rewrite(file, lambda content: content[:4] + b"\0\0\0\x10"
                                + content[8:16 + 16 * 784]))

    # The run folder. Root writes everywhere, so the unwritable place is one where no folder can be:
    # below a file.
    command.write(folder + "/file", "")
    done = command.run(couplet, "train", spec, "--data", data, "--out", folder + "/file/run",
                       "--max-steps", 1)
    refused("a run folder that cannot be made", done, "file/run")
    done = command.run(couplet, "train", spec, "--data", data, "--out", "/proc/run", "--max-steps",
                       1)
    refused("an unwritable run folder", done, "/proc/run")
    if os.path.exists("/dev/full"):
        os.makedirs(folder + "/full")
        os.symlink("/dev/full", folder + "/full/metrics.jsonl")
        done = command.run(couplet, "train", spec, "--data", data, "--out", folder + "/full",
                           "--max-steps", 1)
        refused("a full disk under metrics.jsonl", done, "metrics.jsonl")

    # Checkpoints.
    done = train()
    if check(done.returncode == 0, "one step trains", done.stderr[-1000:]):
        for base, _, names in os.walk(out):
            for name in (n for n in names if n.endswith(".safetensors")):
                path = os.path.join(base, name)
                os.truncate(path, os.path.getsize(path) // 2)
        refused("eval of a checkpoint cut short", command.run(couplet, "eval", out), "safetensors")
        done = command.run(couplet, "train", spec, "--data", data, "--out", out, "--max-steps", 2,
                           "--resume")
        refused("--resume of a checkpoint cut short", done, "safetensors")
    refused("eval of a folder that is no run", command.run(couplet, "eval", folder + "/data"),
            "data")

    # Numbers that go wrong stop the run at the line where they arise.
    nan = command.SMALL_SPEC.replace("loss mean[i]",
                                     "loss log(0 - mean[i] dot(q[i], q[i])) + mean[i]")
    number = nan[:nan.index("loss log")].count("\n") + 1
    refused("a NaN in the loss", train(source=command.write(folder + "/nan.cpl", nan)),
            f"nan.cpl:{number}")
    check("'step': '0'" in str(command.metadata(out)),
          "a NaN in the loss: the checkpoint is that of the start", command.metadata(out))

    # Arrays of `couplet grad`.
    sys.path.insert(0, os.path.join(sys.argv[2], "tests", "golden"))
    import npy
    formula = command.write(folder + "/f.cpl",
                            "fn f(z[N, D], w[N, D], y : int[N]) = mean[i] cos(z[i], w[y[i]])\n")
    npy.write(folder + "/z.npy", (4, 3), [0.5 * i for i in range(12)])
    npy.write(folder + "/short.npy", (3, 3), [1.0] * 9)
    npy.write(folder + "/y.npy", (4,), [0, 1, 2, 9], "<i4")

    def grad(*options):
        return command.run(couplet, "grad", formula, "--out", folder + "/grad", *options)

    z, y = ("--in", f"z={folder}/z.npy"), ("--in", f"y={folder}/y.npy")
    refused("no such function", grad("--fn", "g", *z, *y), "g")
    refused("an argument without an array", grad("--fn", "f", *z, *y), "w")
    long = folder + "/" + "/".join(["d" * 200] * 3)
    refused("an array that is not there, below long names",
            grad("--fn", "f", *z, "--in", f"w={long}/no.npy", *y), "No such file")
    refused("an array that is not there", grad("--fn", "f", *z, "--in", f"w={folder}/no.npy", *y),
            "no.npy")
    refused("two shapes for one dimension",
            grad("--fn", "f", *z, "--in", f"w={folder}/short.npy", *y), "N")
    refused("an index outside its array", grad("--fn", "f", *z, "--in", f"w={folder}/z.npy", *y),
            "f.cpl:1")
check.finish()
