#!/usr/bin/env python3
"""run_folder.py COUPLET ROOT: the folder of a run tells the truth: what it records, what is
compared with that, who may write there."""
import gzip
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import command

couplet = os.path.abspath(sys.argv[1])
check = command.Checks()

# A step of it takes about a millisecond.
SPEC = """
use nn, augment, optim, losses
data train = data.fashion_mnist("train")
data test  = data.fashion_mnist("test")
hyper tau = 0.5 | tau > 0
hyper width = 4
view a, b = augment.flip(train.image)
net small(w) = nn.conv3(w, stride = 4) >> relu >> nn.global_average_pool()
net encoder = trunk: small(width) >> head: nn.linear(8)
loss losses.nt_xent(encoder(a), encoder(b), tau)
train { epochs 2, batch 32, optimiser optim.sgd(lr = 0.1) }
eval { knn(k = 5, features = encoder.trunk, bank = train, query = test) }
"""


def change_image(folder, out):
    """The same data set with one byte of one image changed."""
    shutil.copytree(folder, out)
    path = out + "/train-images-idx3-ubyte.gz"
    with gzip.open(path) as file:
        content = bytearray(file.read())
    content[5000] ^= 255
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(content)
    return out


class Place:
    def __init__(self, folder):
        self.folder = folder
        self.spec = command.write(folder + "/small.cpl", SPEC)
        self.data = command.small_data(folder + "/data", 128, 64)
        self.other = change_image(self.data, folder + "/other")

    def train(self, out, *more, spec=None, data=None, cwd=None, limit=None):
        words = [couplet, "train", spec or self.spec,
                 *(["--data", data or self.data] if data != "" else []),
                 *(["--out", out] if out is not None else []), *map(str, more)]
        before = (lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                             (limit, limit))) if limit is not None else None
        return subprocess.run(words, capture_output=True, text=True, timeout=900,
                              cwd=cwd or self.folder, preexec_fn=before)

    def new(self, name, *more, **options):
        out = f"{self.folder}/{name}"
        done = self.train(out, *more, **options)
        check(done.returncode == 0,
              f"{name}: a run of {' '.join(map(str, more)) or 'all its steps'}", done.stderr)
        return out


def records(p):
    out = p.new("recorded", "--max-steps", 3, "--set", "tau=0.3", "--seed", 7, "--threads", 1,
                "--no-fuse", "--memory", "64MiB")
    found = command.settings(out)
    check(found["seed"] == 7 and found["hypers"] == {"tau": 0.3, "width": 4}
          and (found["epochs"], found["batch"], found["steps"]) == (2, 32, 8),
          "seed, hypers, epochs, batch, steps", found)
    with open(out + "/settings.json") as file:
        check('"tau": 0.3,' in file.read(), "0.3 is written as 0.3")
    check(found["options"] == {"device": "cpu", "memory": 64 << 20, "no_stream": False,
                               "no_fuse": True, "threads": 1, "checkpoint_every": None,
                               "skip_bad": None}, "options", found["options"])
    data = found["data"]
    check(set(data) == {"train", "test"} and data["train"]["place"] == os.path.realpath(p.data)
          and data["train"]["rows"] == 128 and data["test"]["rows"] == 64,
          "the data of each source", data)
    other = command.settings(p.new("recorded_other", "--max-steps", 1, data=p.other))["data"]
    check(other["train"]["hash"] != data["train"]["hash"]
          and other["test"]["hash"] == data["test"]["hash"],
          "one byte of one image is another hash")
    check(all(re.fullmatch(r"\d+\.\d+\.\d+", found["versions"][name])
              for name in ("couplet", "llvm")), "versions", found["versions"])
    with open(out + "/spec.cpl") as file:
        check(file.read() == SPEC, "the spec is kept as it stands")
    odd = command.write(p.folder + '/q"uote\\.cpl', SPEC)
    found = command.settings(p.new('o"dd näme', "--max-steps", 1, spec=odd))
    check(found["method"] == 'q"uote\\', "a name with quotes is valid JSON", found["method"])


def goes_on(p):
    """What --resume finds otherwise."""
    start = p.new("start", "--max-steps", 3, "--set", "tau=0.3", "--seed", 7, "--threads", 1)
    whole = p.new("whole", "--set", "tau=0.3", "--seed", 7)

    def resume(*more, of=start, keep=True, **options):
        out = p.folder + "/again"
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(of, out)
        before = command.everything(out)
        done = p.train(out, "--resume", *more, data=options.pop("data", ""), **options)
        if keep:
            check(command.everything(out) == before,
                  f"--resume {' '.join(map(str, more))}: nothing is written")
        return done

    done = resume(keep=False)
    check(done.returncode == 0 and command.last_checkpoint(p.folder + "/again") ==
          command.last_checkpoint(whole), "--resume alone takes the run's own settings and data",
          done.stdout + done.stderr)
    check(command.settings(p.folder + "/again")["changes"] == [], "and nothing has changed")
    check.refused("another seed", resume("--seed", 8), "seed was 7", "8 now")
    check.refused("another tau", resume("--set", "tau=0.5"), "hypers.tau was 0.3", "0.5 now",
                  "--change tau")
    check.refused("a width that is part of the program", resume("--set", "width=6"),
                  "hypers.width was 4", "6 now")
    check.refused("other epochs", resume("--epochs", 3), "epochs was 2", "3 now", "--change epochs")
    check.refused("other data", resume(data=p.other), "data.train.hash", "--change data")
    check.refused("two differences, one of them allowed",
                  resume("--set", "tau=0.5", "--epochs", 3, "--change", "tau"), "epochs was 2",
                  "--change epochs")
    check.refused("a word that is nothing's", resume("--change", "tua"), "`tua`")
    check.refused("--change of a seed", resume("--seed", 8, "--change", "seed"), "`seed`")
    check.refused("--change of a new run", p.train(p.folder + "/none", "--change", "tau"),
                  "--resume", status=2)
    done = resume("--set", "tau=0.5", "--epochs", 3, "--change", "tau,epochs,data", keep=False,
                  data=p.other)
    check(done.returncode == 0 and all(note in done.stdout
                                       for note in ("note: hypers.tau was 0.3",
                                                    "note: epochs was 2",
                                                    "note: data.train.hash")),
          "what may change is said", done.stdout + done.stderr)
    now = command.settings(p.folder + "/again")
    check([(c["step"], c["name"]) for c in now["changes"] if "place" not in c["name"]] ==
          [(3, "epochs"), (3, "hypers.tau"), (3, "data.train.hash")], "and recorded",
          now["changes"])
    check(now["hypers"]["tau"] == 0.5 and now["epochs"] == 3, "with what holds now")

    # The same images elsewhere are the same data; they are found again when their folder is gone.
    moved = p.folder + "/moved"
    shutil.copytree(p.data, moved)
    done = resume(keep=False, data=moved)
    check(done.returncode == 0 and "note: data.train.place" in done.stdout
          and command.last_checkpoint(p.folder + "/again") == command.last_checkpoint(whole),
          "the same data in another folder", done.stdout + done.stderr)
    os.rename(p.data, p.data + ".away")
    check.refused("data that is gone", resume(), os.path.realpath(p.folder) + "/data",
                  "--data FOLDER")
    os.rename(p.data + ".away", p.data)

    # What was set in the spec since then.
    for what, old, new in (("tau", "tau = 0.5", "tau = 0.7"), ("epochs", "epochs 2", "epochs 4")):
        edited = command.write(p.folder + "/small.cpl", SPEC.replace(old, new))
        check.refused(f"another {what} in the spec", resume(spec=edited), f"{what} was",
                      f"{new.split()[-1]} now")
    edited = command.write(p.folder + "/small.cpl", SPEC.replace("batch 32", "batch 16"))
    check.refused("another batch in the spec", resume(spec=edited), "batch was 32", "16 now")
    edited = command.write(p.folder + "/small.cpl", SPEC + "# said later\n")
    done = resume(spec=edited, keep=False)
    check(done.returncode == 0 and "note: files.spec.cpl" in done.stdout,
          "a comment more in the spec is noted", done.stdout + done.stderr)
    command.write(p.folder + "/small.cpl", SPEC)

    done = resume("--threads", 2, "--no-fuse", keep=False)
    check(done.returncode == 0 and "note: options.threads was 1" in done.stdout
          and "note: options.no_fuse was false" in done.stdout
          and "machine code: options have changed since, --no-fuse;" in done.stdout
          and "not exactly to the bit" in done.stdout, "how it is computed is noted",
          done.stdout + done.stderr)
    done = resume("--gradient-norm", keep=False)
    check(done.returncode == 0 and "options have changed since, --gradient-norm;" in done.stdout,
          "an option that makes other code is named", done.stdout + done.stderr)

    # Where there is nothing.
    for what, out, words in (("a folder that is not there", "/nowhere",
                              ("nothing to resume here", "leave out --resume")),
                             ("a folder of something else", "/data",
                              ("nothing to resume here", "leave out --resume"))):
        check.refused(f"--resume of {what}", p.train(p.folder + out, "--resume"), *words)
    check.refused("--resume without a run", p.train(None, "--resume"), "nothing to resume here")
    with open(p.folder + "/start/settings.json") as file:
        old = {key: value for key, value in json.load(file).items()
               if key in ("method", "seed", "batch", "epochs", "steps", "method_hash", "plan_hash",
                          "hypers")}
    shutil.copytree(start, p.folder + "/old")
    command.write(p.folder + "/old/settings.json", json.dumps(old))
    check.refused("--resume of an older Couplet's run", p.train(p.folder + "/old", "--resume"),
                  "older Couplet")
    shutil.copytree(start, p.folder + "/lost")
    os.unlink(p.folder + "/lost/checkpoint.safetensors")
    check.refused("--resume without a checkpoint", p.train(p.folder + "/lost", "--resume"),
                  "nothing to resume here", "first checkpoint")


def other_formats(p):
    """A checkpoint of the first format can be evaluated and not gone on with; one that is newer
    is refused."""
    for name, format in (("first", b"couplet checkpoint 1"), ("newer", b"couplet checkpoint 9")):
        out = p.new(f"format_{name}", "--max-steps", 3)
        path = out + "/checkpoint.safetensors"
        with open(path, "rb") as file:
            content = file.read()
        with open(path, "wb") as file:
            file.write(content.replace(b"couplet checkpoint 2", format))
    first, newer = p.folder + "/format_first", p.folder + "/format_newer"
    check.refused("--resume of a checkpoint of the first format",
                  p.train(first, "--resume", data=""), "older Couplet")
    done = command.run(couplet, "eval", first)
    check(done.returncode == 0, "which can be evaluated", done.stderr)
    check.refused("--resume of a newer checkpoint", p.train(newer, "--resume", data=""),
                  "a newer one wrote it")
    check.refused("eval of a newer checkpoint", command.run(couplet, "eval", newer),
                  "a newer one wrote it")
    # A record of the first format, whose sources were pictures in a folder.
    out = p.new("record_first", "--max-steps", 3)
    record = command.settings(out)
    record["format"] = "couplet run 1"
    del record["options"]["skip_bad"]
    for source in record["data"].values():
        source.update(split=source.pop("path"), folder=source.pop("place"), shape=[1, 28, 28])
        del source["fields"], source["settings"]
    command.write(out + "/settings.json", json.dumps(record))
    done = p.train(out, "--resume", data="")
    check(done.returncode == 0 and "note:" not in done.stdout
          and command.settings(out)["data"]["train"]["path"] == "train",
          "a record of the first format is gone on with", done.stdout + done.stderr)
    command.write(newer + "/settings.json", '{"format": "couplet run 1", ')
    check.refused("a record that is cut short", p.train(newer, "--resume", data=""),
                  "settings.json:1")


def evaluates(p):
    out = p.new("evaluated", "--set", "tau=0.3", data=p.other)
    trained = [row["percent"] for row in command.rows(out + "/metrics.jsonl") if "percent" in row]
    done = command.run(couplet, "eval", out)
    kept = command.rows(out + "/evaluations.jsonl")
    check(done.returncode == 0 and [row["percent"] for row in kept] == trained,
          "eval takes the run's own data", done.stdout + done.stderr)
    check(os.path.realpath(p.other) in done.stdout
          and all(row["data"] == os.path.realpath(p.other) for row in kept), "says which",
          done.stdout)
    check("evaluations.jsonl" in done.stdout and [row["of"] for row in kept] ==
          ["raw pixels", "before training", "after training"], "and keeps the result", done.stdout)
    done = command.run(couplet, "eval", out, "--data", p.data)
    check(done.returncode == 0 and "note: data.train.hash" in done.stdout
          and len(command.rows(out + "/evaluations.jsonl")) == 6,
          "other data is evaluated when it is named", done.stdout + done.stderr)
    os.rename(p.other, p.folder + "/kept_other")
    shutil.copytree(p.data, p.other)
    check.refused("eval of data that is not what it was", command.run(couplet, "eval", out),
                  "data.train.hash", "--data FOLDER")
    shutil.rmtree(p.other)
    os.rename(p.folder + "/kept_other", p.other)
    done = subprocess.run([couplet, "eval"], capture_output=True, text=True)
    check.refused("eval of nothing", done, "folder of a run", status=2)
    check.refused("eval of a spec", command.run(couplet, "eval", p.spec),
                  "the folder of a run was expected")

    # A folder as a spec is kept as one.
    os.makedirs(p.folder + "/parts")
    command.write(p.folder + "/parts/one.cpl", SPEC[:SPEC.index("loss losses")])
    command.write(p.folder + "/parts/two.cpl", SPEC[SPEC.index("loss losses"):])
    done = p.train(None, spec="parts/", cwd=p.folder)
    check(done.returncode == 0 and sorted(os.listdir(p.folder + "/runs/parts/spec")) ==
          ["one.cpl", "two.cpl"], "a folder as a spec: both files are kept", done.stderr)
    done = command.run(couplet, "eval", p.folder + "/runs/parts")
    check(done.returncode == 0, "and evaluated", done.stderr)
    done = p.train(None, "--max-steps", 1, spec=".", cwd=p.folder + "/parts")
    check(done.returncode == 0 and os.path.exists(p.folder + "/parts/runs/parts/settings.json"),
          "the folder `.` has a name", done.stderr)


def leaves_alone(p):
    """Nothing that no run wrote is replaced."""
    for name in ("spec.cpl", "settings.json", "metrics.jsonl", "metrics.csv",
                 "checkpoint.safetensors", "best.safetensors", "evaluations.jsonl", "run.lock",
                 "settings.json.partial"):
        place = p.folder + "/mine"
        os.makedirs(place)
        command.write(place + "/" + name, '{"mine": true}\n')
        before = command.everything(place)
        check.refused(f"a folder with a file {name} of one's own", p.train(".", cwd=place),
                      name.replace(".partial", ""))
        check(command.everything(place) == before, f"{name} is as it was")
        shutil.rmtree(place)
    os.makedirs(p.folder + "/mine/x")
    command.write(p.folder + "/mine/notes.txt", "what I think\n")
    done = p.train(p.folder + "/mine", "--max-steps", 1)
    check(done.returncode == 0 and open(p.folder + "/mine/notes.txt").read() == "what I think\n",
          "other files stay beside a run", done.stderr)
    check.refused("a second run in a folder", p.train(p.folder + "/mine"), "holds a run already",
                  "--resume")
    check.refused("--out of nothing", p.train(""), "--out", status=2)
    check(not os.path.exists("/settings.json"), "nothing is written to the root of the disk")
    command.write(p.folder + "/broken.cpl", "loss x\n")
    check(p.train(p.folder + "/new/place", spec=p.folder + "/broken.cpl").returncode == 1
          and not os.path.exists(p.folder + "/new"), "a spec with mistakes leaves no folder")
    check(p.train(p.folder + "/new/place", data=p.folder + "/nowhere").returncode == 1
          and not os.path.exists(p.folder + "/new"), "data that is not there leaves no folder")
    for _ in range(3):
        p.train(None, "--max-steps", 1)
    check(sorted(name for name in os.listdir(p.folder + "/runs") if name.startswith("small")) ==
          ["small", "small-2", "small-3"], "runs without --out have folders of their own")
    done = p.train(None, "--resume", "--max-steps", 2)
    check("runs/small-3/" in done.stdout, "and --resume takes the last", done.stdout + done.stderr)
    os.makedirs(p.folder + "/far")
    os.symlink("far", p.folder + "/link")
    done = p.train(p.folder + "/link", "--max-steps", 1)
    check(done.returncode == 0 and os.path.exists(p.folder + "/far/settings.json"),
          "a folder behind a link", done.stderr)
    check.refused("a name too long for a folder", p.train("n" * 300), "n" * 300)
    check.refused("a path too long", p.train("/".join(["n" * 200] * 6)), "longer than")


def one_at_a_time(p):
    out = p.folder + "/busy"
    # Its process is stopped once it holds the folder, so that nothing here depends on time.
    first = subprocess.Popen([couplet, "train", p.spec, "--data", p.data, "--out", out, "--epochs",
                              "100000", "--quiet"], stdout=subprocess.DEVNULL)
    deadline = time.time() + 900
    while not command.checkpoints(out) and time.time() < deadline:
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)
    os.waitpid(first.pid, os.WUNTRACED)  # a signal takes its time
    before = command.everything(out)
    for what, done in (("a second run", p.train(out)), ("--resume", p.train(out, "--resume")),
                       ("eval", command.run(couplet, "eval", out))):
        check.refused(f"{what} while a run is at work", done, f"process {first.pid}, since 20")
    check(command.everything(out) == before, "and nothing of the first is touched")
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = p.train(out, "--resume", "--max-steps", 1)
    check(done.returncode == 0, "the lock ends with its process", done.stderr)

    # At once: one wins, the others say so; without --out each has a folder of its own.
    words = [couplet, "train", p.spec, "--data", p.data, "--max-steps", "1", "--quiet"]
    several = [subprocess.Popen([*words, "--out", p.folder + "/race"], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ends = [process.communicate()[1] for process in several]
    codes = sorted(process.returncode for process in several)
    check(codes == [0, 1, 1, 1] and all("at work in this folder" in end
                                        or "holds a run already" in end for end in ends if end),
          "of four at once in one folder one wins", (codes, ends))
    os.makedirs(p.folder + "/races")
    several = [subprocess.Popen(words, cwd=p.folder + "/races") for _ in range(4)]
    check([process.wait() for process in several] == [0] * 4
          and len(os.listdir(p.folder + "/races/runs")) == 4,
          "of four at once without --out each has its own", os.listdir(p.folder + "/races/runs"))
    left = [name for name in command.everything(p.folder)
            if name.endswith(("run.lock", ".partial"))]
    check(not left, "no lock and no part of a file is left", left)


def full_disk(p):
    """Every file of the folder in turn meets a disk that is full."""
    whole = {name: len(content) for name,
             content in command.everything(p.new("sizes", "--max-steps", 3)).items()}
    limits = sorted({0, 40, *(size - 1 for size in whole.values())})
    for limit in limits:
        done = p.train(f"{p.folder}/full{limit}", "--max-steps", 3, "--quiet", limit=limit)
        check(done.returncode == 1 and f"full{limit}" in done.stderr
              and "Traceback" not in done.stderr,
              f"files of at most {limit} bytes: an error that names the file", done.stderr)
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            done = subprocess.run([couplet, "train", p.spec, "--data", p.data, "--out",
                                   p.folder + "/mute"], stdout=full, stderr=subprocess.PIPE,
                                  text=True)
        check(done.returncode == 1 and "output" in done.stderr
              and os.path.exists(p.folder + "/mute/checkpoint.safetensors"),
              "standard output that is full ends the run, with a checkpoint", done.stderr)
    words = " ".join((couplet, "train", p.spec, "--data", p.data, "--max-steps", "1", "--out",
                      p.folder + "/closed"))
    done = subprocess.run(["sh", "-c", words + " >&-"], stderr=subprocess.PIPE, text=True)
    check(done.returncode == 1 and "output" in done.stderr,
          "so does standard output that is closed", done.stderr)
    for name, content in command.everything(p.folder + "/closed").items():
        check(b"run folder" not in content, f"and its lines are not in {name}")


with tempfile.TemporaryDirectory() as folder:
    place = Place(folder)
    for part in (records, goes_on, other_formats, evaluates, leaves_alone, one_at_a_time,
                 full_disk):
        part(place)
check.finish()
