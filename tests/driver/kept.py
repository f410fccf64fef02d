#!/usr/bin/env python3
"""kept.py COUPLET ROOT: what a run keeps beside its last checkpoint (--keep, --best), how it ends
early (--stop-early), and its other logs: metrics.csv, event files (read with Debian's
python3-protobuf), lines of progress."""
import csv
import fcntl
import glob
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import command

couplet = sys.argv[1]
check = command.Checks()

# The rate grows, so that the loss falls and then rises; `wave` is a report whose values are known.
SPEC = (
    """
use augment, optim, losses
data train = data.fashion_mnist("train")
data test  = data.fashion_mnist("test")
hyper turn = 6
view a = augment.flip(train.image)
"""
    + command.FLAT
    + """
net f = flat(10)
state seen = 0
update seen <- seen + 1
loss near: losses.cross_entropy(f(a), train.label)
train { epochs 10, batch 32, optimiser optim.sgd(lr = 0.01) }
eval every 2 steps {
  knn(k = 3, features = f, bank = train, query = test)
  report wave = abs(seen - turn)
}
every epoch { report begun = seen }
"""
)


def go(spec, out, *more, status=0):
    done = command.run(couplet, "train", spec, "--data", data, "--out", out, "--seed", 5, *more)
    check(done.returncode == status, f"{os.path.basename(out)} {' '.join(map(str, more))}",
          done.stdout + done.stderr)
    return done


def step_of(path):
    with open(path, "rb") as file:
        head = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    return int(head["__metadata__"]["step"])


def kept(out):
    return sorted(int(re.search(r"-(\d+)\.", name)[1]) for name in glob.glob(out + "/checkpoint-*"))


def table(out):
    with open(out + "/metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def without_time(rows):
    return [{key: value for key, value in row.items() if key != "views_per_second"} for row in rows]


# ---- event files -----------------------------------------------------------------------------

def crc32c(data):
    """RFC 3720, by a table."""
    if not crc32c.table:
        for byte in range(256):
            for _ in range(8):
                byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
            crc32c.table.append(byte)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ crc32c.table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


crc32c.table = []


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def event_class():
    """`Event` of tensorflow/core/util/event.proto, as far as scalars need it."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="event.proto", package="tf", syntax="proto3")

    def message(name, *fields):
        made = file.message_type.add(name=name)
        for number, label, kind, of in fields:
            made.field.add(name=label, number=number, type=kind, type_name=of and ".tf." + of,
                           label=field.LABEL_REPEATED if label == "value" else field.LABEL_OPTIONAL)

    message("Value", (1, "tag", field.TYPE_STRING, None),
            (2, "simple_value", field.TYPE_FLOAT, None))
    message("Summary", (1, "value", field.TYPE_MESSAGE, "Value"))
    message("SessionLog", (1, "status", field.TYPE_INT32, None))
    message("Event", (1, "wall_time", field.TYPE_DOUBLE, None), (2, "step", field.TYPE_INT64, None),
            (3, "file_version", field.TYPE_STRING, None),
            (5, "summary", field.TYPE_MESSAGE, "Summary"),
            (7, "session_log", field.TYPE_MESSAGE, "SessionLog"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName("tf.Event"))


def events(path):
    made, Event = [], event_class()
    with open(path, "rb") as file:
        while head := file.read(8):
            length, = struct.unpack("<Q", head)
            sums = [struct.unpack("<I", file.read(4))[0]]
            data = file.read(length)
            sums.append(struct.unpack("<I", file.read(4))[0])
            if sums != [masked(head), masked(data)]:
                raise ValueError(f"{path}: a record with another checksum")
            made.append(Event.FromString(data))
    return made


def scalars(out):
    """What a reader shows: a later file that says START takes back what is behind it."""
    found = {}
    for path in sorted(glob.glob(out + "/events.out.tfevents.*")):
        for event in events(path):
            if event.session_log.status == 1:
                found = {key: value for key, value in found.items() if key[1] < event.step}
            for value in event.summary.value:
                found[value.tag, event.step] = value.simple_value
    return found


# ---- the tests -------------------------------------------------------------------------------

def in_terminal(arguments, columns, enough, **environment):
    """What a command writes to a terminal so wide until there is enough of it, or it ends."""
    own, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(arguments, stdout=other, stderr=other,
                               env={**os.environ, "TERM": "xterm", **environment})
    os.close(other)
    text = b""
    try:
        while not enough(text.decode(errors="ignore")) and (part := os.read(own, 4096)):
            text += part
    except OSError:
        pass
    os.close(own)
    process.kill()
    process.wait()
    return text.decode(errors="ignore")


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", 128, 64)
    spec = command.write(folder + "/kept.cpl", SPEC)
    keeping = ["--keep", 3, "--best", "wave=min", "--tensorboard"]
    whole = folder + "/whole"
    done = go(spec, whole, *keeping)
    check(kept(whole) == [32, 36, 40] == [step_of(f"{whole}/checkpoint-{step}.safetensors")
                                          for step in (32, 36, 40)], "the last three are kept",
          kept(whole))
    check(step_of(whole + "/best.safetensors") == 6 and "at step 6" in done.stdout,
          "the best is that of the least report", done.stdout)
    measured = command.run(couplet, "eval", whole + "/best.safetensors")
    rows = command.rows(whole + "/evaluations.jsonl")
    check(measured.returncode == 0 and rows[-1]["step"] == 6 and rows[-1]["value"] == 0,
          "eval takes it", measured.stdout + measured.stderr)
    done = command.run(couplet, "embed", whole + "/best.safetensors", "--split", "test", "-o",
                       folder + "/best.npy")
    done = command.run(couplet, "embed", whole, "--split", "test", "-o", folder + "/last.npy")
    check(done.returncode == 0 and
          open(folder + "/best.npy", "rb").read() != open(folder + "/last.npy", "rb").read(),
          "embed takes it", done.stderr)
    done = go(spec, folder + "/started", "--start", whole + "/best.safetensors", "--max-steps", 1)

    # Whatever ends a run, a run that goes on leaves the same files.
    parts = folder + "/parts"
    for stop in (3, 6, 9, 33):
        go(spec, parts, "--max-steps", stop, *(["--resume"] if stop > 3 else keeping))
        if stop == 6:
            os.unlink(parts + "/best.safetensors")  # killed between its row and its file
    go(spec, parts, "--resume")
    names = ["best.safetensors", "checkpoint.safetensors"]
    names += [f"checkpoint-{step}.safetensors" for step in kept(whole)]
    files, others = command.checkpoints(whole), command.checkpoints(parts)
    check(sorted(others) == sorted(names) and all(files[name] == others[name] for name in names),
          "a resumed run keeps the same", sorted(others))
    check(without_time(table(parts)) == without_time(table(whole)), "and has the same table")
    check(command.rows(parts + "/metrics.jsonl") == command.rows(whole + "/metrics.jsonl"),
          "and log")

    # The table and the event files say what the log says.
    said, logged = table(whole), command.rows(whole + "/metrics.jsonl")
    check([row["step"] for row in said] == [str(step) for step in range(41)], "a row for each step")
    shown, both = scalars(whole), scalars(parts)
    check({key: value for key, value in shown.items() if key[0] != "views_per_second"} ==
          {key: value for key, value in both.items() if key[0] != "views_per_second"},
          "a resumed run shows the same scalars", set(shown) ^ set(both))
    checked = 0
    for row in logged:
        cells = said[row["step"]]
        name = row.get("evaluation")
        for key, value in row.items():
            if key in ("step", "of", "evaluation", "epoch", "epochs", "before_epoch"):
                continue
            column = f"eval.{name}" if name else "before.begun" if key == "begun" else key
            tag = column.replace("eval.", "eval/").replace("before.", "before/")
            if row.get("of") == "raw pixels":
                column, tag = None, "raw/" + name
            good = abs(shown[tag, row["step"]] - value) <= 1e-6 * abs(value)
            good &= column is None or abs(float(cells[column]) - value) <= 1e-8 * abs(value)
            checked += 1
            if not good:
                check(False, f"{row} in the table and the events", cells)
    check(checked > 150, "the table and the events have the numbers of the log", checked)

    # It ends early: the loss of an epoch, and a report that grows from the step 6 on.
    early = folder + "/early"
    done = go(spec, early, "--best", "wave=min", "--stop-early", 4)
    check("stopped early after step 14 of 40" in done.stdout and step_of(early +
          "/checkpoint.safetensors") == 14, "it ends when nothing was better four times",
          done.stdout)
    check([row["step"] for row in command.rows(early + "/metrics.jsonl")
           if row.get("of") == "after training"] == [14, 14], "and is evaluated there")
    done = go(spec, early, "--resume")
    check("this run is finished: 14 steps" in done.stdout, "it is finished", done.stdout)
    cut = folder + "/cut"
    go(spec, cut, "--best", "wave=min", "--stop-early", 4, "--max-steps", 13)
    go(spec, cut, "--resume")
    check(command.last_checkpoint(cut) == command.last_checkpoint(early) and
          command.rows(cut + "/metrics.jsonl") == command.rows(early + "/metrics.jsonl"),
          "a resumed run ends at the same step")

    # Killed at any moment, every checkpoint that has its name is whole.
    for number in range(6):
        out = folder + "/killed"
        shutil.rmtree(out, ignore_errors=True)
        process = subprocess.Popen([couplet, "train", spec, "--data", data, "--out", out, "--keep",
                                    "3", "--best", "near", "--checkpoint-every", "1"],
                                   stdout=subprocess.DEVNULL)
        while process.poll() is None and not os.path.exists(out + "/best.safetensors"):
            time.sleep(0.002)
        time.sleep(0.003 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        steps = [step_of(path) for path in glob.glob(out + "/*.safetensors")]
        check(len(steps) >= 2, f"kill -9, {number}: whole checkpoints of the steps {sorted(steps)}")

    # Of a distance the least is the best, and of a rank the largest.
    for measure, best in (("uniformity", min), ("alignment", min), ("rank", max)):
        line = f"query = test)\n  {measure}(features = f, bank = train, query = test)"
        measured = command.write(f"{folder}/{measure}.cpl", SPEC.replace("query = test)", line))
        out = f"{folder}/{measure}"
        go(measured, out, "--max-steps", 12, "--best", measure)
        with open(out + "/metrics.jsonl") as file:
            rows = [json.loads(line) for line in file if measure in line.lower()]
        values = {row["step"]: row["value"] for row in rows
                  if "value" in row and row.get("of") in ("in training", "after training")}
        check(len(set(values.values())) > 1 and
              values[step_of(out + "/best.safetensors")] == best(values.values()),
              f"the best of {measure} is its {best.__name__}", str(values))

    # What is refused.
    for words, more in ((["--best tau", "measures nothing"], ["--best", "tau"]),
                        (["--best wave", "=min", "=max"], ["--best", "wave"]),
                        (["--keep"], ["--keep", "0"])):
        done = command.run(couplet, "train", spec, "--data", data, "--out", folder + "/no", *more)
        check(done.returncode != 0 and all(word in done.stderr for word in words) and
              not os.path.exists(folder + "/no"), f"refused: {' '.join(more)}", done.stderr)
    around = command.write(folder + "/around.cpl", SPEC.replace("eval every 2 steps", "eval"))
    done = command.run(couplet, "train", around, "--data", data, "--out", folder + "/no", "--best",
                       "knn")
    check.refused("a best that is not measured in training", done, "eval every epoch")
    twice = command.write(folder + "/twice.cpl",
                          SPEC.replace("query = test)", "query = test)\n"
                                       "  knn(k = 1, features = f, bank = train, query = test)"))
    done = command.run(couplet, "train", twice, "--data", data, "--out", folder + "/no", "--best",
                       "knn")
    check.refused("a best that may be two", done, '"kNN (k = 3)" "kNN (k = 1)"')
    for name in ("best.safetensors", "checkpoint-4.safetensors", "metrics.csv",
                 "events.out.tfevents.0000000000.couplet"):
        out = folder + "/taken"
        os.makedirs(out)
        command.write(f"{out}/{name}", "mine")
        done = command.run(couplet, "train", spec, "--data", data, "--out", out)
        check.refused(f"a folder with a file {name}", done, name)
        shutil.rmtree(out)
    out = folder + "/mine"
    go(spec, out, "--max-steps", 5)
    command.write(out + "/best.safetensors", "mine")
    done = command.run(couplet, "train", spec, "--data", data, "--out", out, "--resume", "--best",
                       "wave=min")
    check(done.returncode == 1 and open(out + "/best.safetensors").read() == "mine",
          "a file that the run did not write is left alone", done.stdout + done.stderr)

    # Lines of progress: on a terminal as wide as it is, with colours unless NO_COLOR is set.
    # A line comes a tenth of a second behind the last one of an epoch, so epochs have 60,000 steps;
    # the run is ended behind some lines.
    many = command.write(folder + "/many.cpl",
                         SPEC[:SPEC.index("eval every")].replace("batch 32", "batch 1"))
    arguments = [couplet, "train", many, "--out", folder + "/seen", "--epochs", "400"]
    for columns, environment in ((100, {}), (44, {"NO_COLOR": "1"})):
        shutil.rmtree(folder + "/seen", ignore_errors=True)
        text = in_terminal(arguments, columns, lambda said: said.count(" left") > 2, **environment)
        lines = [re.sub(r"\x1b\[[0-9;]*[mK]", "", line) for line in re.split(r"[\r\n]+", text)]
        progress = [line for line in lines if re.match(r"epoch \d+/400 ", line)]
        progress = progress[:-1]  # the last one may be cut
        check(progress and all(len(line) < columns for line in progress),
              f"a line of progress in {columns} columns", text[-500:])
        check(("\x1b[36m" in text) != bool(environment), "colours", text[-300:])
        check(any("loss" in line and "left" in line for line in progress), "with the time left",
              progress)
    # On a pipe: lines within an epoch, once ten seconds have passed, which here are spent asleep. A
    # sleep at the end of an epoch shows none, and is followed by another one.
    process = subprocess.Popen([couplet, "train", many, "--out", folder + "/slow", "--epochs",
                                "400"], stdout=subprocess.PIPE, text=True)
    line = ""
    for _ in range(4):
        for line in process.stdout:
            if line.startswith("epoch "):
                break
        if "left" in line:
            break
        process.send_signal(signal.SIGSTOP)
        time.sleep(10.5)
        process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()
    check(re.match(r"epoch \d+/400  step \d+/24000000  loss .*mean.*views/s  .* left", line),
          "a line within an epoch", line)
check.finish()
