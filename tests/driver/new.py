#!/usr/bin/env python3
"""new.py COUPLET ROOT: `couplet new`: a project for each kind of data, which checks, is laid out
as `fmt` has it, and trains a few steps; and what is refused."""
import glob
import math
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import wave
import zlib

import command

couplet = sys.argv[1]
check = command.Checks()
draw = random.Random(1)


def picture(path, size, colour):
    row = b"\0" + bytes(c + draw.randrange(40) for _ in range(size) for c in colour)
    chunks = [(b"IHDR", struct.pack(">2I5B", size, size, 8, 2, 0, 0, 0)),
              (b"IDAT", zlib.compress(row * size)), (b"IEND", b"")]
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks))


def sound(path, pitch):
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", int(8000 * math.sin(pitch * i / 8000 * 6.28)))
                                  for i in range(4000)))


def array(path, code, shape, values):
    head = f"{{'descr': '{code}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        file.write(struct.pack(f"<{len(values)}{'f' if code == '<f4' else 'i'}", *values))


def folders(folder, write, ending, kinds=("a", "b"), count=20):
    for number, kind in enumerate(kinds):
        os.makedirs(f"{folder}/{kind}", exist_ok=True)
        for i in range(count):
            write(f"{folder}/{kind}/{i}{ending}", number)


def mesh(path, number):
    with open(path, "w") as file:
        for i in range(8):
            tall = (i >> 2) * draw.uniform(0.5, 1)
            file.write(f"v {i & 1} {(i >> 1 & 1) * (1 + number)} {tall}\n")
        file.write("f 1 2 4 3\nf 5 6 8 7\nf 1 2 6 5\n")


def videos(folder):
    """Two kinds of motion, in one call of ffmpeg."""
    filters, outputs = [], []
    for kind, where in (("across", "X"), ("down", "Y")):
        os.makedirs(f"{folder}/{kind}")
        for i in range(15):
            filters.append(f"nullsrc=s=32x32:r=25,geq=lum='if(lt(mod({where}-N,{8 + i % 4}),4),"
                           f"220,40)':cb=128:cr=128,trim=end_frame=20[{kind}{i}]")
            outputs += ["-map", f"[{kind}{i}]", "-pix_fmt", "yuv420p", f"{folder}/{kind}/{i}.mp4"]
    return subprocess.run(["ffmpeg", "-loglevel", "error", "-filter_complex", ";".join(filters),
                           *outputs], capture_output=True, text=True)


def make_data(top):
    folders(f"{top}/pictures", lambda path, n: picture(path, 32, (60 + 120 * n, 90, 120)), ".png")
    for part in ("train", "test"):
        folders(f"{top}/split/{part}", lambda path, n: picture(path, 20, (60, 90 + 90 * n, 9)),
                ".png")
    folders(f"{top}/sounds", lambda path, n: sound(path, 300 + 400 * n), ".wav")
    folders(f"{top}/meshes", mesh, ".obj")
    os.makedirs(f"{top}/arrays")
    array(f"{top}/arrays/x.npy", "<f4", (60, 9), [draw.gauss(0, 1) for _ in range(540)])
    array(f"{top}/arrays/label.npy", "<i4", (60,), [i % 3 for i in range(60)])
    command.write(f"{top}/table.csv", "size,weight,class\n" + "".join(
        f"{draw.random():.3f},{draw.random():.3f},{'red' if i % 2 else 'blue'}\n"
        for i in range(80)))
    command.write(f"{top}/lines.txt", "".join(
        " ".join(draw.choice(("cat", "dog", "bird", "tree",
                              "sky")) for _ in range(6)) + "\n" for _ in range(90)))


KINDS = {"pictures": ("data.images", "part = 0.0 .. 0.8", "knn("), "split": ("split/train",
                                                                             "split/test", "knn("),
         "sounds": ("data.sounds", "waves.", "knn("), "meshes": ("data.points", "nn.pointnet",
                                                                 "knn("),
         "arrays": ("data.arrays", "columns.dropout(train.x", "knn("),
         "table.csv": ("data.table", 'label = "class"', "knn("), "lines.txt": ("data.lines",
                                                                               "tokens.",
                                                                               "no labels")}

with tempfile.TemporaryDirectory() as folder:
    def run(*arguments):
        words = [word if isinstance(word, bytes) else str(word) for word in arguments]
        return subprocess.run([couplet, *words], cwd=folder, capture_output=True, text=True,
                              errors="replace")

    make_data(folder)
    modules = os.path.join(os.path.dirname(os.path.abspath(couplet)), "runtime")
    if shutil.which("ffmpeg") and glob.glob(f"{modules}/libcouplet_clips.so"):
        made = videos(f"{folder}/videos")
        check(made.returncode == 0, "ffmpeg makes videos", made.stderr)
        KINDS["videos"] = ("data.clips", "nn.convnet3d", "knn(")
    for kind, words in KINDS.items():
        name = "of_" + kind.split(".")[0]
        done = run("new", name, "--data", kind)
        if not check(done.returncode == 0, f"new --data {kind}", done.stdout + done.stderr):
            continue
        with open(f"{folder}/{name}/{name}.cpl") as file:
            text = file.read()
        check(all(word in text for word in words), f"{kind}: the spec has {', '.join(words)}", text)
        done = run("fmt", "--check", f"{name}/{name}.cpl")
        check(done.returncode == 0, f"{kind}: is laid out as fmt has it", done.stderr)
        done = run("train", f"{name}/{name}.cpl", "--max-steps", 2, "--out", f"runs_{name}")
        check(done.returncode == 0, f"{kind}: trains", done.stdout + done.stderr)
        check(sorted(os.listdir(f"{folder}/{name}")) == [".gitignore", "README.md", f"{name}.cpl"],
              f"{kind}: the three files")
    done = run("new", "plain")
    check(done.returncode == 0 and run("check", "plain/plain.cpl").returncode == 0,
          "without data", done.stderr)
    # However the folders are written, the path in the spec leads from the project to the data.
    os.makedirs(f"{folder}/here/deep")
    os.symlink(f"{folder}/here/deep", f"{folder}/link")
    os.symlink("pictures", f"{folder}/seen")
    top = os.path.realpath(folder)
    places = [("./w1", "pictures", "../pictures"), ("here/../w2", "pictures", "../pictures"),
              ("here//deep/w3", "./pictures/", "../../../pictures"),
              ("w4/", "pictures", "../pictures"), ("link/w5", "pictures", "../../../pictures"),
              (f"../{os.path.basename(top)}/w6", "here/.././seen", "../seen"),
              ("w7", "link/../../pictures", "../pictures"), ("w8", f"{top}/seen", f"{top}/seen"),
              (f"{top}/w9", "pictures", f"{top}/pictures"), ("gone/../w10", "seen", "../seen"),
              ("w11", "pictures//a/..", "../pictures")]
    for project, data, path in places:
        made = run("new", project, "--data", data)
        spec = f"{project.rstrip('/')}/{project.rstrip('/').rsplit('/')[-1]}.cpl"
        text = open(f"{folder}/{spec}" if spec[0] != "/" else spec).read() if (
            made.returncode == 0) else ""
        done = run("check", spec)
        check(f'data train = data.images("{path}",' in text and done.returncode == 0,
              f"new {project} --data {data} reads {path}", made.stderr + text[:600] + done.stderr)
    os.symlink("pictures", f"{folder}/a\"b")
    os.symlink("pictures", f"{folder}/caf\xe9".encode("latin-1"))
    wide = ",".join(f"column_of_numbers_{i:04}" for i in range(300))
    wide = wide[:4090] + "," + wide[4091:]
    command.write(f"{folder}/wide.csv", wide.replace("column_of_numbers_0299", "class") + "\n"
                  + 40 * (",".join(["1"] * (wide.count(",") + 1)) + "\n"))
    done = run("new", "wide", "--data", "wide.csv")
    check(done.returncode == 0 and 'label = "class"' in open(f"{folder}/wide/wide.cpl").read(),
          "the label of a table with a long first line", done.stdout + done.stderr)
    os.makedirs(f"{folder}/empty")
    os.makedirs(f"{folder}/mixed")
    picture(f"{folder}/mixed/a.png", 8, (1, 2, 3))
    sound(f"{folder}/mixed/a.wav", 300)
    for i in range(3):
        command.write(f"{folder}/few.csv", "a,b\n1,2\n")
    array(f"{folder}/last.npy", "<f4", (20, 8, 8, 3), [0.5] * (20 * 192))
    refused = [(("new", "q", "--data", "last.npy"), 1, "have their channels first, [C, H, W]"),
               (("new", "plain"), 1, "is there already"), (("new", "a/b c"), 2, "names no project"),
               (("new", "q", "--data", "nowhere"), 1, "`nowhere`: No such file"),
               (("new", "q", "--data", "empty"), 1, "holds no file that a reader is known for"),
               (("new", "q", "--data", "mixed"), 1, "several kinds: 1 of sounds, 1 of pictures"),
               (("new", "q", "--data", 'a"b'), 1, "a path in a spec is UTF-8 without quotes"),
               (("new", "q", "--data", b"caf\xe9"), 1, "a path in a spec is UTF-8 without quotes"),
               (("new", "q", "--data", "few.csv"), 1, "has 1 samples")]
    for arguments, status, word in refused:
        check.refused(" ".join(map(str, arguments)), run(*arguments), word, status=status)
    check(not os.path.exists(f"{folder}/q"), "what is refused writes nothing")
check.finish()
