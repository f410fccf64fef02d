#!/usr/bin/env python3
"""data.py COUPLET ROOT: `couplet data` says what is in the data, what is missing, bad, or there
twice; packs it; and lists and removes packed copies."""
import ctypes
import glob
import json
import os
import struct
import subprocess
import sys
import tempfile

import command
from data_files import arrays, pictures, png

couplet, root = sys.argv[1], sys.argv[2]
check = command.Checks()


# Two sources of one folder, and an array with a row for each sample that is left.
SPEC = """
use nn, optim
data train = data.images("photos", size = 6, batch = 4)
data test = data.images("photos", size = 6, part = 0.0 .. 0.5)
net f = flatten >> nn.linear(4)
let z = f(train.image)
bank M[train, 4] init unit_normal
update M[train.index] <- z
loss mean[i] dot(z[i], z[i]) + mean[i] dot(z[i], M[train.index[i]])
train { epochs 2, batch 4
  optimiser optim.sgd(lr = 0.1) }
eval { knn(k = 1, features = f, bank = train, query = test) }
"""

IN_OPEN, IN_CLOSE, IN_NONBLOCK, IN_ISDIR = 0x20, 0x10, 0o4000, 0x40000000


def openings(folder, act):
    """How often the folder itself is opened while act() runs, as the system's inotify counts, which
    merges alike events that follow each other: hence those of closing, in between."""
    system = ctypes.CDLL(None, use_errno=True)
    watch = system.inotify_init1(IN_NONBLOCK)
    system.inotify_add_watch(watch, folder.encode(), IN_OPEN | IN_CLOSE)
    act()
    count, events = 0, os.read(watch, 1 << 16)
    while events:
        _, mask, _, length = struct.unpack("iIII", events[:16])
        count += bool(mask & IN_ISDIR and mask & IN_OPEN) and length == 0
        events = events[16 + length:]
    os.close(watch)
    return count


with tempfile.TemporaryDirectory() as folder:
    cache = {"COUPLET_CACHE": folder + "/cache"}

    def data(*args):
        return command.run(couplet, "data", *args, env=cache)

    def as_json(*args):
        done = data(*args, "--json")
        return json.loads(done.stdout), done

    # ---- statistics: values that a reader can add up by hand
    nan = float("nan")
    values = [0, 1, nan, 10, 20, 30, 0, 1, 2, 4, 5, 7, 4, 5, 7]  # five rows of three
    small = arrays(folder + "/small", x=((5, 3), "<f4", values),
                   label=((5,), "<i4", [0, 0, 1, 2, 0]),
                   image=((5, 2, 1, 1), "|u1", [0, 255, 51, 0, 0, 0, 0, 0, 0, 255]))
    found, done = as_json("--reader", "arrays", small, "--set", "missing=keep")
    check(done.returncode == 0, "arrays are looked at", done.stderr)
    source = found["sources"][0]
    fields = {field["name"]: field for field in source["fields"]}
    x, label, image = fields["x"], fields["label"], fields["image"]
    check(source["held"] == source["rows"] == 5 and source["bytes"] == 5 * (12 + 4 + 2),
          "rows and bytes", source)
    check(x["nan"] == 1 and x["rows_missing"] == 1 and x["low"] == 0 and x["high"] == 30,
          "a NaN is missing, and in no range", x)
    check([e["mean"] for e in x["entries"]] == [3.6, 6.4, 11.5]
          and [e["nan"] for e in x["entries"]] == [0, 0, 1], "means of the entries", x["entries"])
    check(abs(x["entries"][2]["deviation"] -
              (sum((v - 11.5) ** 2 for v in (30, 2, 7, 7)) / 4) ** 0.5) < 1e-6,
          "deviation of an entry", x["entries"])
    check([c["rows"] for c in label["classes"]] == [3, 1, 1], "sizes of the classes", label)
    check(image["shape"] == [2, 1, 1] and [round(c["mean"], 6) for c in image["channels"]] ==
          [0.04, 0.4], "means of channels, bytes as 0 .. 1", image)
    text = data("--reader", "arrays", small, "--set", "missing=keep").stdout
    for words in ("5 rows, 90 bytes", "1 NaN in 1 row", "[2]  2 .. 30",
                  "3 classes, from 1 (1) to 3 (0)", "by channel"):
        check(words in text, f"the text says '{words}'", text)

    # ---- the columns of a table have names, and its words counts
    table = command.write(folder + "/people.csv",
                          "age,city,height,sex\n39,Oslo,1.5,m\n17,Rome,1.25,f\n-3,Oslo,100,f\n")
    fields = {field["name"]: field
              for field in as_json("--reader", "table", table)[0]["sources"][0]["fields"]}
    check([e["name"] for e in fields["number"]["entries"]] == ["age", "height"],
          "names of the columns", fields["number"])
    check([(c["name"], c["rows"]) for c in fields["word"]["classes"]] ==
          [("city=Oslo", 2), ("city=Rome", 1), ("sex=f", 2), ("sex=m", 1)], "counts of the words",
          fields["word"])
    text = data("--reader", "table", table).stdout
    for words in ("[0] age  -3 .. 39", "[1] height  1.25 .. 100",
                  "4 classes, from 1 (city=Rome) to 2 (city=Oslo)"):
        check(words in text, f"the text says '{words}'", text)

    # ---- what a source chooses: its counts and its balance are those of the rows that a run sees
    chosen = command.write(folder + "/chosen.cpl",
                           'data a = data.arrays("small", missing = "keep", classes = 2, from = '
                           '0, batch = 2) where index < 4\n'
                           'data b = data.arrays("small", missing = "keep", per_class = 1, seed = '
                           '3, balanced = true)\ndata c = data.arrays("small", missing = "keep", '
                           'part = 0.0 .. 0.5)\n')
    done = data(chosen)
    for words in ('data.arrays("small", missing = "keep", classes = 2) where index < 4',
                  "; 3 of them are looked at", "from 0 (2) to 2 (0)", "3 classes, 1 of each",
                  "part = 0 .. 0.5)",
                  'per_class = 1, seed = 3, balanced = true)'):
        check(words in done.stdout, f"a source that chooses says '{words}'",
              done.stdout + done.stderr)

    # ---- a long word is cut where it is shown, between two characters, and is whole in JSON
    long = command.write(folder + "/long.csv", "a,b\n1," + "ü" * 50000 + "\n2,y\n")
    done = data("--reader", "table", long)
    check(done.returncode == 0 and "b=" + "ü" * 39 + ".." in done.stdout
          and len(done.stdout) < 2000, "a long word is cut", done.stdout[:3000] + done.stderr)
    check(as_json("--reader", "table", long)[0]["sources"][0]["fields"][1]["classes"][1]["name"] ==
          "b=" + "ü" * 50000, "and is whole in JSON")

    # ---- a whole number that a real rounds; a measure may be rounded
    times = command.write(folder + "/times.csv", "t,x\n1700000123,0.1\n16777216,1700000123.5\n")
    done = data("--reader", "table", times)
    check("line 2, column `t`: the whole number 1700000123 is read as 1700000128" in done.stdout,
          "a whole number that is rounded is told", done.stdout + done.stderr)
    source = as_json("--reader", "table", times)[0]["sources"][0]
    check("1700000123 is read as" in source["warning"], "and in JSON")
    done = data("--reader", "table", times, "--set", "words=t")
    check(done.returncode == 0 and "warning" not in done.stdout, "as a word it is not",
          done.stdout + done.stderr)

    # ---- the name of a file is any bytes, and JSON is UTF-8
    odd = folder + "/" + os.fsdecode(b"odd\xff.csv")
    os.rename(times, odd)
    source = as_json("--reader", "table", odd)[0]["sources"][0]
    check(source["path"].endswith("/odd\\xff.csv") and "odd\\xff.csv" in source["source"],
          "bytes of a path that are no UTF-8 are told by number", source)

    # ---- rows that are the same: all fields with axes agree; a label that differs is told
    same = arrays(folder + "/same", x=((6, 2), "<f4", [1, 2, 3, 4, 1, 2, 5, 6, 3, 4, 1, 2]),
                  label=((6,), "<i4", [0, 1, 0, 1, 0, 1]))
    source = as_json("--reader", "arrays", same)[0]["sources"][0]
    check(source["same"] == [["row 0", "row 2"], ["row 1", "row 4"], ["row 0", "row 5"]]
          and source["same_but_unlike"] == 2, "rows that are the same", source)
    text = data("--reader", "arrays", same).stdout
    check("3 rows are the same as an earlier one, and 2 of them have another label" in text,
          "and so says the text", text)

    # ---- pictures that cannot be read, packed copies
    photos = pictures(folder + "/photos", 10)
    done = data("--reader", "images", photos, "--set", "size=6")
    if "not beside this program" in done.stderr:
        print("ok      no module for pictures here: the rest is left out")
        check.finish()
    check(done.returncode == 0 and "10 rows packed" in done.stderr
          and "2 classes, 5 of each" in done.stdout, "pictures are packed and looked at",
          done.stdout + done.stderr)
    again = data("--reader", "images", photos, "--set", "size=6")
    check(again.stdout == done.stdout and "packed" not in again.stderr,
          "the second time from the copy", again.stderr)
    listed = data("--cache").stdout
    check(f"data.images of {os.path.realpath(photos)}, 10 rows" in listed
          and "1 packed copy" in listed, "--cache lists it", listed)

    one = glob.glob(photos + "/cat/*.png")[0]
    before, content = os.stat(one), open(one, "rb").read()
    with open(one, "wb") as file:
        file.write(content)
    os.utime(one, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = data("--reader", "images", photos, "--set", "size=6")
    check("10 rows packed" in again.stderr,
          "a file that was written to is packed again, though its size and time are as before",
          again.stderr)

    with open(photos + "/cat/bad1.png", "wb") as file:
        file.write(png(6, 3)[:40])
    with open(photos + "/cat/bad2.png", "wb") as file:
        file.write(b"not a picture")
    found, done = as_json("--reader", "images", photos, "--set", "size=6")
    source = found["sources"][0]
    check(done.returncode == 1 and len(source["unreadable"]) == 2 and source["held"] == 12
          and source["rows"] == 10, "pictures that cannot be read are listed, exit 1", source)
    check("photos/cat/bad1.png" in source["unreadable"][0]
          and "photos/cat/bad2.png" in source["unreadable"][1], "by their files",
          source["unreadable"])
    check(os.listdir(folder + "/cache/data") and len(os.listdir(folder + "/cache/data")) == 1,
          "the copy of what has changed is replaced", os.listdir(folder + "/cache/data"))

    refused = data("pack", "--reader", "images", photos, "--set", "size=6", "-o", folder + "/out")
    check(refused.returncode == 1 and "bad1.png" in refused.stderr
          and "--skip-bad 2" in refused.stderr
          and not os.path.exists(folder + "/out/images.safetensors"),
          "pack refuses them", refused.stderr)
    packed = data("pack", "--reader", "images", photos, "--set", "size=6", "--skip-bad", 2, "-o",
                  folder + "/out")
    check(packed.returncode == 0 and packed.stderr.count("left out") == 2,
          "--skip-bad leaves them out", packed.stderr)
    there = as_json("--reader", "images", folder + "/out/images.safetensors", "--set",
                    "size=6")[0]["sources"][0]
    check(there["rows"] == 10 and there["fields"] == source["fields"],
          "the file is read in place of the pictures", there)
    as_arrays = as_json("--reader", "arrays", folder + "/out/images.safetensors")[0]["sources"][0]
    check(as_arrays["fields"] == source["fields"],
          "and by data.arrays, with the names of the classes", as_arrays)
    other = data("--reader", "images", folder + "/out/images.safetensors", "--set", "size=7")
    check(other.returncode == 1 and "size = 6" in other.stderr and "size = 7" in other.stderr,
          "and not where the source has other settings", other.stderr)

    # ---- and so is the name of a folder, which is that of a class
    for byte in b"\xe8", b"\xe9":
        old = pictures(folder + "/old/" + os.fsdecode(b"caf" + byte), 2)
        for path in glob.glob(glob.escape(old) + "/*/*.png"):
            os.rename(path, old + "/" + os.path.basename(path))
        os.rmdir(old + "/cat"), os.rmdir(old + "/dog")
    source = as_json("--reader", "images", folder + "/old", "--set", "size=6")[0]["sources"][0]
    check([c["name"] for c in source["fields"][1]["classes"]] == ["caf\\xe8", "caf\\xe9"],
          "folders whose names are no UTF-8 are classes", source["fields"][1])
    data("--cache", "--clear", "old")

    cleared = data("--cache", "--clear", "photos")
    check("1 packed copy removed" in cleared.stdout and os.listdir(folder + "/cache/data") == [],
          "--clear removes copies", cleared.stdout)
    check("0 packed copies" in data("--cache").stdout, "and then there is none")

    # ---- a run that leaves rows out, and one on packed files
    spec = command.write(folder + "/spec.cpl", SPEC)
    refused = command.run(couplet, "train", spec, "--out", folder + "/r0", env=cache)
    check(refused.returncode == 1 and "bad1.png" in refused.stderr and "E607" in refused.stderr,
          "a run does not start on pictures that cannot be read", refused.stderr)
    done = command.run(couplet, "train", spec, "--skip-bad", 2, "--max-steps", 1, "--out",
                       folder + "/r1", env=cache)
    check(done.returncode == 0 and done.stderr.count("left out: ") == 4,
          "--skip-bad 2 leaves two out of each source and lists them", done.stdout + done.stderr)
    times = openings(photos + "/cat", lambda: command.run(
        couplet, "train", spec, "--data", f"test={folder}/out/images.safetensors", "--skip-bad", 2,
        "--max-steps", 1, "--out", folder + "/r5", env=cache))
    check(times == 2, "where rows are left out, a folder is listed twice", times)
    os.rename(photos + "/cat/bad1.png", folder + "/bad1.png")
    os.rename(photos + "/cat/bad2.png", folder + "/bad2.png")
    times = openings(photos + "/cat", lambda: command.run(
        couplet, "train", spec, "--data", f"test={folder}/out/images.safetensors",
        "--max-steps", 1, "--out", folder + "/r6", env=cache))
    check(times == 1, "else once, for the check and the run together", times)
    os.rename(folder + "/bad1.png", photos + "/cat/bad1.png")
    os.rename(folder + "/bad2.png", photos + "/cat/bad2.png")
    with open(folder + "/r1/settings.json") as file:
        record = json.load(file)
    check(record["options"]["skip_bad"] == 2 and record["data"]["train"]["rows"] == 12
          and record["data"]["train"]["used"] == 10, "the record says so", record["options"])
    done = command.run(couplet, "train", spec, "--resume", "--out", folder + "/r1", env=cache)
    check(done.returncode == 0, "and the run goes on by it", done.stderr)
    done = command.run(couplet, "eval", folder + "/r1", env=cache)
    check(done.returncode == 0, "and is evaluated by it", done.stderr)
    first = command.arrays(folder + "/r1")

    listed = data(spec)
    check(listed.returncode == 1 and "2 rows cannot be read" in listed.stdout
          and "8 rows of test are also in train" not in listed.stdout, "the data of the spec",
          listed.stdout)
    check(data("pack", spec, "--skip-bad", 2, "-o", folder + "/packed").returncode == 0,
          "the spec's data are packed")
    places = ["--data", f"train={folder}/packed/train.safetensors", "--data",
              f"test={folder}/packed/test.safetensors"]
    done = command.run(couplet, "train", spec, *places, "--out", folder + "/r2", env=cache)
    check(done.returncode == 0 and command.arrays(folder + "/r2") == first,
          "training on the packed files is the same to the bit", done.stderr)
    used = [json.load(open(f"{folder}/{run}/settings.json"))["data"]["test"]["used"]
            for run in ("r1", "r2")]
    check(used[0] == used[1] < 10, "a part of the rows is the same part", used)
    parts = [as_json(spec, *more)[0]["sources"][1]["fields"] for more in ((), places)]
    check(parts[0] == parts[1], "with the same pictures", parts)
    built = command.run(couplet, "build", spec, *places, "-o", folder + "/program", "--target",
                        "x86-64-v3", env=cache)
    check(built.returncode == 0, "a program is built on the packed files", built.stderr)
    done = command.run(folder + "/program", "train", *places, "--out", folder + "/r3",
                       env={**cache, "LD_DEBUG": "files"})
    check(done.returncode == 0 and "libcouplet_images" not in done.stderr,
          "it trains on them without a module for pictures", done.stderr[-400:])
    done = command.run(folder + "/program", "train", "--skip-bad", 2, "--data", folder, "--out",
                       folder + "/r4", env={**cache, "LD_DEBUG": "files"})
    check(done.returncode == 0 and "libcouplet_images" in done.stderr
          and command.arrays(folder + "/r4") == command.arrays(folder + "/r3"),
          "and on the pictures the same, with --skip-bad",
          done.stderr[-400:])

    # ---- command lines that mean nothing
    for words, args in (("goes with --cache", ["--clear"]),
                        ("goes with `couplet data pack`", ["-o", "x", "f.cpl"]),
                        ("a file is needed", []), ("the path of the data", ["--reader", "images"]),
                        ("one file at a time", ["a", "b"]),
                        ("goes with --clear alone", ["--cache", "--json"])):
        done = data(*args)
        check(done.returncode == 2 and words in done.stderr, f"data {' '.join(args)}: {words}",
              done.stderr)
    for code, words, args in (("E604", "`size` of data.images is a whole number",
                               ["--reader", "images", photos, "--set", "size=0"]),
                              ("E604", "did you mean `size`?",
                               ["--reader", "images", photos, "--set", "sise=3"]),
                              ("E604", "data.images needs `size`", ["--reader", "images", photos]),
                              ("E607", "there is no data reader `imgs`",
                               ["--reader", "imgs", photos]),
                              ("E607", "nowhere",
                               ["--reader", "images", folder + "/nowhere", "--set", "size=3"])):
        done = data(*args)
        check(done.returncode == 1 and code in done.stderr and words in done.stderr,
              f"data {' '.join(args[:2])} ..: {words}", done.stderr)

    # A module that was built from other sources is refused, and nothing of it is called.
    os.mkdir(folder + "/other")
    command.write(folder + "/other/images.c",
                  "const void *couplet_reader_module(const char *name, int version) {\n"
                  "    return version == 4 ? name : 0;\n}\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder + "/other/libcouplet_images.so",
                    folder + "/other/images.c"], check=True)
    done = command.run(couplet, "data", "--reader", "images", photos, "--set", "size=3",
                       env={"COUPLET_MODULES": folder + "/other"})
    check(done.returncode == 1 and "E607" in done.stderr and
          "another version of Couplet" in done.stderr, "a module of other sources", done.stderr)

check.finish()
