#!/usr/bin/env python3
"""words.py COUPLET ROOT MODULE: methods on arrays, tables and lines, from the files to a measure;
what two sources mean by a code; new samples through a program."""
import os
import random
import struct
import subprocess
import sys
import tempfile

import command
from data_files import arrays

couplet, root = sys.argv[1], sys.argv[2]
has_tables = len(sys.argv) > 3 and sys.argv[3] == "tables"
check = command.Checks()

ARRAYS = """
use columns, optim, nn, losses
data train = data.arrays("train")
data test = data.arrays("test")
view a, b = columns.noise(train.x, deviation = 0.3)
net encoder = trunk: nn.linear(16) >> head: nn.mlp_bn(16, 8)
loss losses.nt_xent(encoder(a), encoder(b), 0.2)
train { epochs 2, batch 32
  optimiser optim.sgd(lr = 0.1) }
eval { linear(features = encoder.trunk, of = train.x, bank = train, query = test) }
"""
LINES = """
use tokens, optim, nn, losses
data train = data.lines("train.txt", tokens = 8, label = true)
data test = data.lines("test.txt", tokens = 8, label = true%s)
view a, b = tokens.mask(train.token, train.length, 1, chance = 0.3)
net encoder = trunk: nn.bag_of_tokens(34, 16) >> head: nn.mlp_bn(16, 8)
loss losses.nt_xent(encoder(a), encoder(b), 0.2)
train { epochs 4, batch 32
  optimiser optim.sgd(lr = 0.2, momentum = 0.9) }
eval { knn(k = 5, features = encoder.trunk, of = train.token, bank = train, query = %s) }
"""
TABLE = """
use columns, optim, nn, losses
data train = data.table("train.csv", label = "kind")
data test = data.table("test.csv", label = "kind"%s)
view a = columns.standardise(columns.corrupt(train.number, train.all.number, chance = 0.3), train.all.number)
view b = columns.standardise(columns.corrupt(train.number, train.all.number, chance = 0.3), train.all.number)
view u, v = columns.corrupt_codes(train.word, train.all.word, chance = 0.3)
net words = nn.bag_of_tokens(9, 16)
net numbers = nn.linear(16)
net head = nn.mlp_bn(16, 8)
loss losses.nt_xent(head(words(u) + numbers(a)), head(words(v) + numbers(b)), 0.2)
train { epochs 2, batch 32
  optimiser optim.sgd(lr = 0.1) }
eval { knn(k = 5, features = words, of = train.word, bank = train, query = %s) }
"""


# The columns of two tables through one network.
COLUMNS = """
use optim, nn
data train = data.table("one.csv")
data test = data.table("two.csv"%s)
net trunk = nn.linear(2)
let z = trunk(train.number)%s
loss mean[i] dot(z[i], z[i])
train { epochs 1, batch 2
  optimiser optim.sgd(lr = 0.01) }
%s
"""
RANK = "eval { rank(features = trunk, of = train.number, bank = train, query = test) }"


def percent(done):
    """What is measured after training; -1 when the run failed."""
    lines = [line for line in done.stdout.splitlines() if line.startswith("after training")]
    return float(lines[-1].split()[-2]) if done.returncode == 0 and lines else -1


def rows_of(path, width):
    with open(path, "rb") as file:
        data = file.read()[128:]
    return [struct.unpack_from(f"<{width}f", data, i) for i in range(0, len(data), 4 * width)]


def make_files(folder, draw):
    """Three kinds: of words, of cities, and of numbers."""
    for name, count in (("train", 256), ("test", 64)):
        kinds = [draw.randrange(3) for _ in range(count)]
        values = [draw.gauss(3 * (kind == d), 1) for kind in kinds for d in range(3)]
        arrays(f"{folder}/{name}", x=((count, 3), "<f8", values), label=((count,), "<i8", kinds))
        with open(f"{folder}/{name}.txt", "w") as text, open(f"{folder}/{name}.csv", "w") as table:
            table.write("size,city,weight,kind\n")
            for i, kind in enumerate(kinds):
                text.write(f"k{kind}\t" + " ".join(f"w{kind * 10 + draw.randrange(12)}"
                                                   for _ in range(6)) + "\n")
                city = kind * 3 + draw.randrange(3)
                table.write(f"{values[3 * i]:.3f},c{city},{values[3 * i + 1]:.3f},k{kind}\n")


with tempfile.TemporaryDirectory() as folder:
    cache = {"COUPLET_CACHE": folder + "/cache"}
    make_files(folder, random.Random(1))

    def train(name, spec):
        return command.run(couplet, "train", command.write(f"{folder}/{name}.cpl", spec), "--out",
                           f"{folder}/run_{name}", env=cache)

    # ---- from the files to a measure
    done = train("arrays", ARRAYS)
    check(percent(done) > 85, "a method on arrays", done.stdout + done.stderr)
    done = train("lines", LINES % (', like = "train.txt"', "test"))
    check(percent(done) > 85, "a method on lines", done.stdout + done.stderr)
    done = train("table", TABLE % (', like = "train.csv"', "test")) if has_tables else None
    check(done is None or percent(done) > 85, "a method on a table",
          done and done.stdout + done.stderr)

    # ---- codes that mean other words in the two sources
    done = train("apart", LINES % ("", "test"))
    check(done.returncode == 1 and "E802" in done.stderr and "the code 2 of `token`" in done.stderr
          and 'like = "PATH"' in done.stderr, "codes of two vocabularies are refused", done.stderr)
    command.write(folder + "/test.csv", "size,city,weight,kind\n1,d1,2,k0\n2,c2,3,k9\n")
    done = train("table_apart", TABLE % ("", "test")) if has_tables else None
    check(done is None or ("E802" in done.stderr and "the code 0 of `word`" in done.stderr),
          "codes of two tables are refused", done and done.stderr)

    # ---- columns of numbers in another order
    command.write(folder + "/one.csv", "a,b\n1,2\n2,5\n")
    command.write(folder + "/two.csv", "b,a\n2,1\n5,2\n")
    for more, end, what in (("", RANK, "eval.cpl:10:8: error[E802]: entry 0 of `number` is the "
                             "column `a` in `train`, and `b` in `test`"),
                            (" + trunk(test.number)", "", "the column `b` is entry 0 of `number`, "
                             "and entry 1 in")) if has_tables else ():
        name = "eval" if end else "step"
        done = train(name, COLUMNS % ("", more, end))
        check(done.returncode == 1 and what in done.stderr and 'like = "PATH"' in done.stderr,
              f"columns in another order are refused ({name})", done.stderr)
        done = train(name + "_like", COLUMNS % (', like = "one.csv"', more, end))
        check(done.returncode == 0, "`like` brings them into one", done.stderr)

    # ---- new samples get the codes of the source that was trained on
    command.write(folder + "/alone.cpl", LINES % (', like = "train.txt"', "train"))
    program = folder + "/alone"
    built = command.run(couplet, "build", folder + "/alone.cpl", "-o", program, env=cache)
    check(built.returncode == 0, "the method becomes a program", built.stderr)
    trained = command.run(program, "train", "--out", folder + "/run_alone", "--data", folder)
    check(trained.returncode == 0, "which trains", trained.stderr)
    weights = folder + "/run_alone/checkpoint.safetensors"
    with open(folder + "/train.txt") as file:
        first = file.readlines()[3:5]
    with open(folder + "/few.txt", "w") as file:
        file.writelines(first)

    def embed(name, where):
        return subprocess.run([program, "embed", "--weights", weights, "--data",
                               f"{folder}/{name}.txt", "--out", f"{folder}/{name}.npy"], cwd=where,
                              capture_output=True, text=True,
                              timeout=900)

    whole, few = embed("train", folder), embed("few", "/")
    check(whole.returncode == 0 and few.returncode == 0, "and embeds, from anywhere",
          whole.stderr + few.stderr)
    check(rows_of(folder + "/few.npy", 16) == rows_of(folder + "/train.npy", 16)[3:5],
          "two lines alone have the features that they have among all", "")

    # ---- and do when that source is gone: its codes are in the checkpoint
    def embedded(run, data, width=16):
        out = f"{folder}/out.npy"
        done = command.run(couplet, "embed", f"{folder}/{run}", "--data", f"{folder}/{data}", "-o",
                           out, env=cache)
        return rows_of(out, width) if done.returncode == 0 else done.stderr

    with open(folder + "/train.csv") as file:
        table = file.readlines()
    with open(folder + "/few.csv", "w") as file: # other words, other columns first, and no label
        file.writelines(",".join((line.split(",") + ["x"])[i].strip() for i in (1, 0, 2)) + "\n"
                        for line in [table[0]] + table[7:9])
    lines_before = embedded("run_lines", "train.txt")
    table_before = embedded("run_table", "train.csv") if has_tables else None
    for name in ("train.txt", "test.txt", "train.csv", "test.csv"):
        os.rename(f"{folder}/{name}", f"{folder}/gone_{name}")
    check(embedded("run_lines", "few.txt") == lines_before[3:5],
          "lines are read with the vocabulary of a file that is gone")
    known = first[0].split("\t")[1].split()
    command.write(folder + "/strange.txt",
                  f"k0\tnever {known[1]} unheard\nk0\tseen {known[1]} before\n")
    strange = embedded("run_lines", "strange.txt")
    check(len(strange) == 2 and strange[0] == strange[1],
          "words that it did not have share the code of the unknown", strange)
    command.write(folder + "/label.txt", "k7\tw1 w2\n")
    check("label.txt, line 1: `k7` is no label of the lines that were trained on" in embedded(
        "run_lines", "label.txt"), "a label that it did not have is refused")
    few = subprocess.run([program, "embed", "--weights", weights, "--data", f"{folder}/few.txt",
                          "--out", f"{folder}/few2.npy"], cwd="/", capture_output=True, text=True,
                         timeout=900)
    check(few.returncode == 0 and rows_of(folder + "/few2.npy", 16) ==
          rows_of(folder + "/few.npy", 16), "a built program reads them with its weights",
          few.stderr)
    if has_tables:
        check(embedded("run_table", "few.csv") == table_before[6:8],
              "rows of a table are read with the codes of one that is gone",
              (table[:1] + table[7:9], open(folder + "/few.csv").read(), table_before[5:9],
               embedded("run_table", "few.csv")))
        command.write(folder + "/strange.csv", "size,city,weight\n1,nowhere,2\n")
        check("strange.csv, line 2, column `city`: `nowhere` is no value of this column in the "
              "table that was trained on" in embedded("run_table", "strange.csv"),
              "a word that it did not have is refused")
        command.write(folder + "/short.csv", "size,weight\n1,2\n")
        check("no column `city`, which the table that was trained on has" in embedded(
            "run_table", "short.csv"), "and so is a column that is not there")
    done = command.run(couplet, "eval", folder + "/run_lines", env=cache)
    check(done.returncode == 1 and "train.txt" in done.stderr,
          "an evaluation needs the data itself", done.stderr)

    # ---- codes that are damaged
    with open(folder + "/run_lines/checkpoint.safetensors", "rb") as file:
        bytes_ = file.read()
    for damage in ((b"lines 1\\n", b"lines 9\\n"), (b"\\nw", b"\\n%"),
                   (b"\\nk0\\nk1", b"\\nk0\\nk0")):
        check(damage[0] in bytes_, f"there is {damage[0]}")
        with open(folder + "/run_lines/checkpoint.safetensors", "wb") as file:
            file.write(bytes_.replace(*damage))
        said = embedded("run_lines", "few.txt")
        check("the vocabulary that was trained on cannot be read" in said,
              "damaged codes are refused", said)
check.finish()
