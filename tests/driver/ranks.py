#!/usr/bin/env python3
"""ranks.py COUPLET ROOT [opencl]: runs on several ranks end with the bytes of a run on one, also
through a resume on another number of them; ranks that were started differently are refused by name;
rank 0 alone speaks and writes."""
import os
import re
import shutil
import sys
import tempfile

import command
import mpirun

couplet = sys.argv[1]
check = command.Checks()
found = mpirun.libraries(couplet)
library = found[0]
shards = ["--shards", "8"]  # what several ranks have by themselves, for the run on one


def train(spec, out, *more):
    return [couplet, "train", spec, "--data", data, "--out", out, "--seed", "3", "--threads", "1",
            *shards, *more]


def same_bits():
    """The rich spec has every kind of state; the small one is evaluated."""
    for spec, steps in ((small, ()), (rich, ("--max-steps", "24"))):
        name = os.path.basename(spec)
        one = folder + f"/one_{name}"
        done = command.run(*train(spec, one, *steps))
        check(done.returncode == 0, f"{name} on one rank", done.stderr)
        for by, ranks in zip(found + found[:1], (2, 3)):
            out = f"{folder}/{by}_{ranks}_{name}"
            done = mpirun.run(by, (ranks, train(spec, out, *steps)))
            if not check(done.returncode == 0, f"{name} on {ranks} ranks of {by}", done.stderr):
                continue
            check(command.last_checkpoint(out) == command.last_checkpoint(one),
                  f"{name} on {ranks} ranks of {by}: the bytes of one rank")
            check(command.rows(out + "/metrics.jsonl") == command.rows(one + "/metrics.jsonl"),
                  "and the same log")
            check(set(command.everything(out)) == set(command.everything(one)),
                  "and the same files", command.everything(out).keys())
            check(done.stdout.count("run folder") == 1 and f" {ranks} ranks, each of 1 thread" in
                  done.stdout, "rank 0 alone speaks, and says how many there are", done.stdout)


def resumes():
    """Two ranks, then three, then one."""
    out, whole = folder + "/resumed", folder + "/one_small.cpl"
    done = mpirun.run(library, (2, train(small, out, "--max-steps", "10", "--keep", "2")))
    check(done.returncode == 0, "ten steps on two ranks", done.stderr)
    go_on = train(small, out, "--resume", "--checkpoint-every", "7")
    done = mpirun.run(found[-1], (3, [*go_on, "--max-steps", "21"]))
    check(done.returncode == 0 and done.stdout.count("going on from step 10") == 1,
          "then three ranks", done.stdout + done.stderr)
    done = command.run(*go_on)
    check(done.returncode == 0, "then one", done.stderr)
    check(command.checkpoints(out)["checkpoint.safetensors"] == command.last_checkpoint(whole),
          "ends with the bytes of a run on one rank")
    check(command.rows(out + "/metrics.jsonl") == command.rows(whole + "/metrics.jsonl"),
          "and its log")
    done = mpirun.run(library, (2, [couplet, "eval", out]))
    check(done.returncode == 0 and done.stdout.count("kept in") == 1, "two ranks evaluate it",
          done.stdout + done.stderr)
    again = command.rows(out + "/evaluations.jsonl")
    check(len(again) == 3, "and rank 0 alone keeps the results", again)


def other_shards():
    """A run keeps the shards that it began with, or that it has none."""
    out, none = folder + "/one_small.cpl", folder + "/no_shards"
    done = command.run(*(word if word != "8" else "4" for word in train(small, out, "--resume")))
    check.refused("other shards", done, "--shards is 4", "begun with 8", status=1)
    line = [word for word in train(small, none, "--max-steps", "2") if word not in shards]
    check(command.run(*line).returncode == 0, "a run without shards")
    done = command.run(*train(small, none, "--resume"))
    check.refused("shards that the run has not", done, "--shards is 8", "begun without",
                  status=1)


def built():
    """A built program finds the module, too."""
    program = folder + "/program"
    done = command.run(couplet, "build", small, "-o", program, *shards)
    check(done.returncode == 0, "couplet build", done.stderr)
    out = folder + "/built"
    beside = os.path.dirname(couplet) + "/runtime"
    done = mpirun.run(library, (2, [program, *(word for word in train(small, out)[3:]
                                             if word not in shards)]),
                      env={"COUPLET_MODULES": beside})
    check(done.returncode == 0 and done.stdout.count("run folder") == 1,
          "a built program on two ranks", done.stdout + done.stderr)
    check(command.last_checkpoint(out) == command.last_checkpoint(folder + "/one_small.cpl"),
          "ends with the same bytes")
    done = mpirun.run(library, (2, [program, "--version"]))
    check(done.stdout.count("compiled by") == 1, "one rank says the version", done.stdout)


def differing():
    """Rank 2 of three is another one in some way."""
    out = folder + "/differing"
    other = command.write(folder + "/other/small.cpl",
                          command.SMALL_SPEC.replace("0.99 |", "0.98 |"))
    typo = command.write(folder + "/other/typo.cpl",
                         command.SMALL_SPEC.replace("-log", "-lgo"))
    elsewhere = shutil.copytree(data, folder + "/elsewhere")
    shutil.copy(data + "/t10k-images-idx3-ubyte.gz", elsewhere + "/t10k-images-idx3-ubyte.gz")
    command.small_data(elsewhere, train=511)
    line = train(small, out)
    named = "rank 2 of 3 "
    for what, others, words in (
            ("another seed", [word if word != "3" else "4" for word in line],
             (named + "differs in its seed: 4, and 3 on rank 0",)),
            ("another spec", train(other, out), (named + "differs in its spec `spec.cpl`",)),
            ("another hyper", train(small, out, "--set", "tau=0.3"),
             (named + "differs in its hyper `tau`",)),
            ("other data", [word if word != data else elsewhere for word in line],
             (named + "differs in its data `train`: 511 rows",)),
            ("no data", [word if word != data else data + "x" for word in line],
             ("[E607]", named, "this data folder does not exist")),
            ("a spec with a mistake", train(typo, out), ("[E804]", named, "typo.cpl:15:", "`lgo`")),
            ("an option with a mistake", train(small, out, "--sed", "3"),
             ("[E603]", named, "--sed")),
            ("another command", [couplet, "eval", folder + "/one_small.cpl"], ("rank 2 of 3",))):
        done = mpirun.run(library, (2, line), (1, others))
        check.refused(what + " on a rank", done, *words, status=done.returncode or 1)
        check(done.stderr.count("error[") == 1 + ("typo" in what) or "mistake" in what,
              "by one sentence", done.stderr)
        check(not os.path.exists(out), "and nothing is written")


def too_few_shards():
    """Ranks share a step by its shards, and there must be enough of them."""
    out = folder + "/few"
    few = [word if word != "8" else "2" for word in train(small, out)]
    done = mpirun.run(library, (3, few))
    check.refused("more ranks than shards", done, "[E804]", "3 ranks", "2 shards",
                  status=done.returncode or 1)
    check(done.stderr.count("error[") == 1 and not os.path.exists(out), "by one sentence",
          done.stderr)
    plain = folder + "/plain"
    without = [word for word in train(small, plain) if word not in shards]
    command.run(*without, "--max-steps", "2")
    done = mpirun.run(library, (2, [*without, "--resume"]))
    check.refused("a run that began without shards", done, "[E804]", "--shards 8",
                  status=done.returncode or 1)


def starts():
    """How a process knows that it is one of several."""
    version = command.run(couplet, "--version").stdout
    done = mpirun.run(library, (2, [couplet, "--version"]))
    check(done.stdout == version, "rank 0 alone answers", done.stdout)
    alone = {"COUPLET_MPI": "none"}
    done = mpirun.run(library, (2, [couplet, "--version"]), env=alone)
    check(done.stdout == 2 * version, "COUPLET_MPI=none: each is a program of its own", done.stdout)
    step = {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4"}
    done = command.run(*train(small, folder + "/srun"), env=step)
    check.refused("tasks of srun without MPI", done, "[E804]", "srun --mpi=pmix", "4 tasks")
    pmi = {"PMI_RANK": "0", "PMI_SIZE": "4"}
    done = command.run(*train(small, folder + "/none"), env={**pmi, "COUPLET_MPI": "lam"})
    check.refused("an MPI library that there is not", done, "[E804]", "`lam`")
    done = command.run(*train(small, folder + "/none"), env={**pmi, "COUPLET_PATIENCE": "soon"})
    check.refused("a patience that is no number", done, "[E804]", "`soon`")
    done = command.run(*train(small, folder + "/none"), env={**pmi, "COUPLET_OVERLAP": "of"})
    check.refused("an overlap that is no word for it", done, "[E804]", "on or off", "`of`")
    # a built program looks beside itself, where no module is
    program = shutil.copy(folder + "/program", folder + "/other/program")
    done = command.run(program, "--data", data, "--out", folder + "/none", env={**pmi})
    check.refused("a program without the module", done, "[E804]", "libcouplet_mpi_mpich.so",
                  "libmpich-dev")
    check(not os.path.exists(folder + "/none") and not os.path.exists(folder + "/srun"),
          "and nothing is written")


def in_any_order():
    """--unordered is kept with the run, and ends near the same place."""
    out, more = folder + "/any", ("--max-steps", "6")
    done = mpirun.run(library, (2, train(small, out, "--unordered", *more)))
    check(done.returncode == 0 and "2 ranks that add in any order" in done.stdout,
          "--unordered on two ranks", done.stdout + done.stderr)
    check(command.settings(out)["options"].get("unordered") is True, "is kept with the run")
    near, losses = (command.losses(path) for path in (folder + "/one_small.cpl", out))
    check(len(losses) == 6 and all(abs(a[1] - b[1]) < 1e-4 for a, b in zip(near, losses)),
          "and gives the same losses", f"{near[:6]} {losses}")
    done = mpirun.run(library, (3, [*train(small, out, "--resume"), "--max-steps", "8"]))
    check(done.returncode == 0 and "3 ranks that add in any order" in done.stdout and
          "not the same to the bit" in done.stdout, "and goes on so", done.stdout + done.stderr)
    done = mpirun.run(library, (1, train(small, folder + "/differ")),
                      (1, train(small, folder + "/differ", "--unordered")))
    check.refused("--unordered on one rank of two", done, "[E804]", "differs in its --unordered",
                  status=done.returncode or 1)


def profiles():
    """What ranks wait for, by line, and what a rank takes."""
    done = mpirun.run(library, (2, [couplet, "profile", small, "--steps", "3", "--threads", "1",
                                    "--data", data]))
    check(done.returncode == 0 and done.stdout.count("the whole step") == 1,
          "profile on two ranks", done.stdout + done.stderr)
    waits = re.search(r"rank 0 of 2 waited [\d.]+ ms in a step for others, and sent ([\d.]+) MB",
                      done.stdout)
    rows = re.findall(r"^ *[\d.]+ +[\d.]+ +([\d.]+) +\d+  \S+:\d+$", done.stdout, re.M)
    check(waits and abs(sum(map(float, rows)) - float(waits[1])) < 0.001 * (len(rows) + 1),
          "the lines add up to what was sent", done.stdout)
    told = command.run(couplet, "check", small, "--ranks", "4", "--data", data).stdout
    needs = re.search(r"a rank needs ([\d.]+) MB .* one rank alone ([\d.]+) MB", told)
    check(needs and float(needs[1]) < 0.8 * float(needs[2]), "a rank needs less memory", told)


PARTS_SPEC = """use nn, augment, optim, losses
data train = data.fashion_mnist("train")
data test = data.fashion_mnist("test")
view a, b = augment.simclr(train.image)
net encoder = trunk: nn.convnet_gn(width = 4, groups = 2) >> head: nn.mlp_ln(16, 8)
loss losses.nt_xent(encoder(a), encoder(b), 0.2)
train { epochs 1, batch 64, memory 6MiB, optimiser optim.sgd(lr = 0.1, momentum = 0.9) }
eval { finetune(epochs = 1, rate = 0.02, features = encoder.trunk, bank = train, query = test) }
"""


def in_parts():
    """The batch goes through the network in parts; ranks also tune an evaluation alike."""
    parts = command.write(folder + "/parts.cpl", PARTS_SPEC)
    told = command.run(couplet, "check", parts, "--memory", "6MiB", "--data", data, *shards).stdout
    # how many parts depends on the vectors of the processor, which arrays are padded for
    check(re.search(r"in \d+ parts of \d+ samples", told), "a batch of several parts", told)
    runs = {ranks: f"{folder}/parts_{ranks}" for ranks in (1, 2, 3)}
    for ranks, out in runs.items():
        done = mpirun.run(library, (ranks, train(parts, out)))
        check(done.returncode == 0, f"on {ranks} ranks", done.stderr)
        check(command.last_checkpoint(out) == command.last_checkpoint(runs[1]) and
              command.rows(out + "/metrics.jsonl") == command.rows(runs[1] + "/metrics.jsonl"),
              f"on {ranks} ranks: the same bytes and percentages")
    check(any(row.get("evaluation") == "fine-tuning" for row in
              command.rows(runs[1] + "/metrics.jsonl")), "fine-tuning is among them")


def sizes():
    """A prime length is no reason for many tiles; states that no machine holds are refused."""
    flat = FLAT_SPEC.replace("loss", "state s[%d] = 0\nlet n[i] = sin(s[i]) + 1\n"
                             "update s <- n\nloss")
    prime = command.write(folder + "/prime.cpl", flat % (8 * 4099))
    told = command.run(couplet, "check", prime, "--data", data, "--print-after", "place", *shards)
    tiles = re.search(r"map \[32792\], (\d+) tiles", told.stdout)
    check(tiles and int(tiles[1]) <= 64, "few tiles of a prime length", told.stdout[-2000:])
    huge = command.write(folder + "/huge.cpl", flat % 10**12)
    done = mpirun.run(library, (2, train(huge, folder + "/huge")))
    check.refused("more memory than there is", done, "[E805]", "8000.0 GB", "the 2 of this machine",
                  status=done.returncode or 1)
    check(not os.path.exists(folder + "/huge"), "and nothing is written")


def limits():
    """Shards are a power of two up to 1024, and ranks no more than shards."""
    for words, reason in ((("--shards", "3"), "power of two"), (("--shards", "2048"), "1024"),
                          (("--ranks", "1025"), "1024"),
                          (("--ranks", "9", "--shards", "8"), "9 ranks need as many shards")):
        done = command.run(couplet, "check", small, "--data", data, *words)
        check.refused(" ".join(words), done, "error[", reason, status=2)


FLAT_SPEC = """use optim
data train = data.fashion_mnist("train")
""" + command.FLAT_NET + """
let z = normalise(k)
loss mean[i, j | j != i] exp(dot(z[i], z[j]))
train { epochs 1, batch 32, optimiser optim.sgd(lr = 0.1) }
"""


def on_devices():
    """Two ranks of this machine share its one device."""
    flat = command.write(folder + "/flat.cpl", FLAT_SPEC)
    more = ("--device", "opencl", "--max-steps", "3")
    one, two = folder + "/one", folder + "/two"
    done = command.run(*train(flat, one, *more))
    check(done.returncode == 0, "one rank on a device", done.stderr)
    done = mpirun.run(library, (2, train(flat, two, *more)))
    check(done.returncode == 0 and command.last_checkpoint(one) == command.last_checkpoint(two),
          "two ranks on it: the same bytes", done.stdout + done.stderr)
    for ranks in (3, 4):
        out = folder + f"/devices_{ranks}"
        done = mpirun.run(library, (ranks, train(flat, out, *more)), env={"COUPLET_OVERLAP": "off"}
                          if ranks == 3 else None)
        check(done.returncode == 0 and command.last_checkpoint(one) == command.last_checkpoint(out),
              f"and on {ranks} ranks", done.stdout + done.stderr)
    done = command.run(couplet, "check", flat, "--ranks", "2", "--device", "opencl", "--data", data)
    cut = re.search(r"(\d+) of \d+ steps are cut among 2 ranks", done.stdout)
    check(cut and int(cut[1]) >= 3 and re.search(r"^  (gather|sum) .* MB  ", done.stdout, re.M),
          "check says which steps of the device's plan are cut, and what travels",
          done.stdout + done.stderr)
    line = train(flat, folder + "/lost", *more)
    done = mpirun.run(library, (1, line), (1, ["env", "COUPLET_OPENCL_FAIL=600", *line]))
    check.refused("a device that fails on a rank", done, "[E804]", "rank 1 of 2 ", "was lost",
                  status=done.returncode or 1)
    faulty = command.write(folder + "/faulty.cpl", FLAT_SPEC.replace("exp(", "exp(1e30 * "))
    done = command.run(*train(faulty, folder + "/faulty_1", *more))
    told = re.search(r"error\[E80[13]\]: .*", done.stderr)
    done = mpirun.run(library, (2, train(faulty, folder + "/faulty_2", *more)))
    check(told and told[0] in done.stderr, "a value that is not finite: the sentence of one rank",
          done.stderr)
    done = mpirun.run(library, (2, [*train(flat, two, "--resume"), "--max-steps", "4"]))
    check(done.returncode == 0 and done.stdout.count("going on from step 3") == 1,
          "and they go on", done.stdout + done.stderr)


with tempfile.TemporaryDirectory() as folder:
    os.mkdir(folder + "/other")
    small = command.write(folder + "/small.cpl", command.SMALL_SPEC)
    rich = command.write(folder + "/rich.cpl", command.RICH_SPEC)
    data = command.small_data(folder + "/data")
    host = (same_bits, resumes, other_shards, built, differing, too_few_shards, starts,
            in_any_order, profiles, in_parts, sizes, limits)
    for part in (on_devices,) if "opencl" in sys.argv[3:] else host:
        part()
check.finish()
