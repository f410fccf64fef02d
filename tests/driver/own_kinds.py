#!/usr/bin/env python3
"""own_kinds.py COUPLET ROOT: the examples for folders of sounds, clips and meshes train on such
folders, and learn more than an untrained encoder knows.

The sounds are those of Debian's asterisk-core-sounds-en-wav; clips and meshes are made here, the
clips by ffmpeg."""
import math
import os
import random
import re
import subprocess
import sys
import tempfile

import command

couplet, root = sys.argv[1:3]
check = command.Checks()
PROMPTS = "/usr/share/asterisk/sounds/en_US_f_Allison"


def words(folder):
    """Spoken digits, letters and names of letters."""
    for kind in ("digits", "letters", "phonetic"):
        os.makedirs(f"{folder}/words/{kind}")
        for name in sorted(os.listdir(f"{PROMPTS}/{kind}")):
            os.symlink(f"{PROMPTS}/{kind}/{name}", f"{folder}/words/{kind}/{name}")


def ring(turns, corners, wide, narrow, wave):
    """A ring whose width goes up and down `wave` times."""
    points, faces = [], []
    for i in range(turns):
        for j in range(corners):
            a, b = 2 * math.pi * i / turns, 2 * math.pi * j / corners
            r = narrow * (1 + 0.5 * math.sin(wave * a))
            points.append(((wide + r * math.cos(b)) * math.cos(a),
                           (wide + r * math.cos(b)) * math.sin(a), r * math.sin(b)))
            faces.append([(i + u) % turns * corners + (j + v) % corners for u,
                          v in ((0, 0), (1, 0), (1, 1), (0, 1))])
    return points, faces


def block(x, y, z):
    corners = [(a * x, b * y, c * z) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    return corners, [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4),
                     (1, 5, 7, 3)]


def write_mesh(path, points, faces):
    with open(path, "w") as file:
        if path.endswith(".off"):
            file.write(f"OFF\n{len(points)} {len(faces)} 0\n")
            first, corner, face = "", 0, lambda f: f"{len(f)} "
        elif path.endswith(".ply"):
            file.write(f"ply\nformat ascii 1.0\nelement vertex {len(points)}\nproperty float x\n"
                       f"property float y\nproperty float z\n"
                       f"element face {len(faces)}\nproperty list uchar int vertex_indices\n"
                       f"end_header\n")
            first, corner, face = "", 0, lambda f: f"{len(f)} "
        else:
            first, corner, face = "v ", 1, lambda f: "f "
        file.writelines(f"{first}{x} {y} {z}\n" for x, y, z in points)
        file.writelines(face(f) + " ".join(str(i + corner) for i in f) + "\n" for f in faces)


def shapes(folder):
    draw = random.Random(5)
    for i in range(40):
        stretch = [draw.uniform(0.5, 2) for _ in range(3)]
        kinds = {"block": block(*stretch), "flower": ring(24, 8, 1, 0.4, 5),
                 "ring": ring(16, 6, 1, draw.uniform(0.1, 0.4), 0),
                 "stick": block(1, 0.1, draw.uniform(0.05, 0.2))}
        for kind, (points, faces) in kinds.items():
            os.makedirs(f"{folder}/shapes/{kind}", exist_ok=True)
            points = [tuple(v * s for v, s in zip(p, stretch)) for p in points]
            write_mesh(f"{folder}/shapes/{kind}/{i}{('.obj', '.off', '.ply')[i % 3]}", points,
                       faces)


def actions(folder):
    """A bar that moves across, a bar that moves down, and rings that grow, at many speeds: a
    file for each third of them, and folders of frames."""
    motions = {"across": "mod(X-{v}*N,{w})", "down": "mod(Y-{v}*N,{w})",
               "grow": "mod(hypot(X-24,Y-24)-{v}*N,{w})"}
    for kind, motion in motions.items():
        os.makedirs(f"{folder}/actions/{kind}")
        filters, outputs = [], []
        for i in range(24):
            where = motion.format(v=0.5 + 0.1 * i, w=12 + i % 7)
            path = f"{folder}/actions/{kind}/{i:02}" + ("/%d.png" if i % 3 else ".mp4")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            filters.append(
                f"nullsrc=s=48x48:r=25,geq=lum='if(lt({where},5),220,40)':cb=128:"
                f"cr={100 + 2 * i},trim=end_frame=24[v{i}]")
            outputs += ["-map", f"[v{i}]", "-pix_fmt", "rgb24" if i % 3 else "yuv420p", path]
        done = subprocess.run(["ffmpeg", "-loglevel", "error", "-filter_complex",
                               ";".join(filters), *outputs], capture_output=True, text=True)
        check(done.returncode == 0, f"ffmpeg makes {kind}", done.stderr)


def trains(name, make, epochs, least):
    """`least` is what training must come above: "raw values" or "before training"."""
    with tempfile.TemporaryDirectory() as at:
        make(at)
        done = command.run(couplet, "train", f"{root}/examples/own/{name}.cpl", "--data", at,
                           "--threads", "2", "--epochs", epochs, "--out", f"{at}/run",
                           env={"COUPLET_CACHE": f"{at}/cache"})
        check(done.returncode == 0, f"{name} trains", done.stderr[-3000:])
        found = re.findall(r"^(raw values|before training|after training) +kNN .*? ([0-9.]+) %",
                           done.stderr + done.stdout, re.MULTILINE)
        percent = {when: float(number) for when, number in found}
        check(percent.get("after training", 0) > percent.get(least, 100),
              f"{name}: above {least}: {found}", (found, done.stderr[-2000:]))


if os.path.isdir(PROMPTS):
    trains("sounds", words, 10, "raw values")
trains("meshes", shapes, 4, "raw values")
trains("clips", actions, 15, "before training")
check.finish()
