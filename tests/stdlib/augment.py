#!/usr/bin/env python3
"""augment.py COUPLET ROOT: the augmentations against torchvision and scikit-image
(tests/golden/augment), against plain formulas and against what holds of any
image; then every differentiable one against central differences."""
import math
import os
import random
import sys
import tempfile
import zipfile

couplet, root = sys.argv[1:3]
sys.path[:0] = [os.path.join(root, "tests", "golden"), os.path.join(root, "tests", "driver")]
import command
import npy

FILE = os.path.join(root, "tests", "stdlib", "augment.cpl")
checked = command.run(couplet, "check", FILE)
if checked.returncode:
    sys.exit(checked.stderr)
folder = tempfile.mkdtemp()
failed = tried = 0


def nested(shape, values):
    if len(shape) == 1:
        return list(values)
    step = len(values) // shape[0]
    return [nested(shape[1:], values[k * step:(k + 1) * step]) for k in range(shape[0])]


def check(good, what, detail=""):
    global failed, tried
    tried += 1
    failed += not good
    if not good:
        print(f"FAILED  {what}  {detail}")


def apply(name, shape, **given):
    """The image that a function of augment.cpl gives, of this shape: the gradient of the
    weighed sum by its weights, in float64 (modules.py compares kernels
    with the same evaluator)."""
    weights = nested(shape, [1.0] * math.prod(shape))
    out = tempfile.mkdtemp(dir=folder)
    done = command.run(couplet, "grad", FILE, "--fn", name,
                       *npy.arguments(out, {**given, "w": weights}), "--out", out, "--device",
                       "reference")
    if done.returncode:
        return done.stderr
    found, values = npy.read(os.path.join(out, "grad_w.npy"))
    return values if found == tuple(shape) else f"shape {found}"


def compare(what, found, wanted, tolerance=2e-6):
    wanted = npy.flatten(wanted)
    if isinstance(found, str) or len(found) != len(wanted):
        return check(False, what, found if isinstance(found, str) else f"{len(found)} values")
    worst = max(range(len(wanted)), key=lambda k: abs(found[k] - wanted[k]) if found[k] == found[k]
                else math.inf)
    check(abs(found[worst] - wanted[worst]) <= tolerance, what,
          f"entry {worst} is {found[worst]!r}, wanted {wanted[worst]!r}")


with zipfile.ZipFile(os.path.join(root, "tests", "golden", "augment", "values.npz")) as archive:
    archive.extractall(folder)
known = {name: npy.read(os.path.join(folder, name + ".npy"))
         for name in (f[:-4] for f in os.listdir(folder) if f.endswith(".npy"))}
SHAPE = known["image"][0]
C, H, W = SHAPE
flat = [v / 255 for v in known["image"][1]]
x = nested(SHAPE, flat)

# ---- torchvision and scikit-image. GREY: torchvision's grey begins with 0.2989, PIL's with 0.299.
# ----
GREY = 3e-4
ROWS = [
    ("brightness", "brightness", {"factor": 1.4}, 0),
        ("contrast", "contrast", {"factor": 1.7}, GREY),
        ("saturation", "saturation", {"factor": 0.3}, GREY),
    ("hue", "hue", {"turn": 0.3}, 0), ("hue_back", "hue", {"turn": -0.45}, 0),
        ("solarise", "solarise", {"threshold": 0.4}, 0), ("grey", "grey", {}, GREY),
    ("posterise", "posterise", {"bits": 3}, 0), ("equalise", "equalise", {}, 0),
        ("autocontrast", "autocontrast", {}, 0),
    ("blur", "blur", {"sigma": 1.3, "radius": 3}, 0),
        ("blur_wide", "blur", {"sigma": 2.0, "radius": 4}, 0),
    ("sharpness", "sharpness", {"factor": 2.5}, 0), ("smooth", "sharpness", {"factor": 0.2}, 0),
    ("rotate", "rotate", {"degrees": 33}, 2e-5), ("rotate_half", "rotate", {"degrees": 180}, 2e-5),
    ("affine", "affine", {"degrees": 20, "right": 2, "down": -1, "scale": 1.3, "shear_x": 12,
                          "shear_y": -7, "fill": 0}, 2e-5),
    ("shear_x", "operation", {"op": 1, "strength": 0.7}, 2e-5),
        ("shear_y", "operation", {"op": 2, "strength": 0.7}, 2e-5),
    ("lab", "lab", {}, 2e-3), ("hsv", "hsv", {}, 0),
]
for name, function, given, tolerance in ROWS:
    compare(name, apply(function, SHAPE, x=x, **given), known[name][1], max(tolerance, 4e-6))
compare("resize", apply("resize", (C, 7, 17), x=x, h=7, v=17), known["resize"][1], 4e-6)
for order in ("0123", "3210", "2031", "1302", "13"):
    given = {"order": [int(k) for k in order], "bright": 1.3, "even": 0.6, "vivid": 1.8,
             "turn": 0.15}
    compare("jitter " + order, apply("jitter", SHAPE, x=x, **given), known["jitter_" + order][1],
            2e-3)
# The operations of the policies are those with a parameter of their own.
for op, name in [(0, None), (6, "brightness"), (7, "saturation"), (8, "contrast"),
                 (9, "sharpness"), (11, "solarise"), (12, "autocontrast"), (13, "equalise")]:
    for strength in (0.6, -0.3):
        given = {"factor": 1 + 0.9 *
                 strength} if 6 <= op <= 9 else {"threshold": 1 - abs(strength)} if op == 11 else {}
        wanted = apply(name, SHAPE, x=x, **given) if name else flat
        compare(f"operation {op}", apply("operation", SHAPE, x=x, op=op, strength=strength), wanted)
compare("operation 5", apply("operation", SHAPE, x=x, op=5, strength=0.5),
        apply("rotate", SHAPE, x=x, degrees=15), 2e-5)
for strength, bits in ((0.24, 4), (0.26, 3), (-0.6, 2)):
    compare("AugMix's posterise", apply("operation_of_augmix", SHAPE, x=x, op=10,
                                        strength=strength),
            apply("posterise", SHAPE, x=x, bits=bits))
compare("operation 10", apply("operation", SHAPE, x=x, op=10, strength=0.8),
        apply("posterise", SHAPE, x=x, bits=5))

# ---- plain formulas ----
compare("saturation of one channel", apply("saturation", (1, H, W), x=x[:1], factor=0.1), x[:1])
compare("hue of one channel", apply("hue", (1, H, W), x=x[:1], turn=0.3), x[:1])
compare("back from hsv", apply("hsv_and_back", SHAPE, x=x), flat)
compare("back from lab", apply("lab_and_back", SHAPE, x=x), flat, 2e-3)
centre, deviation = [0.1, 0.2, 0.4], [0.5, 0.25, 2]
compare("normalise", apply("normalise_channels", SHAPE, x=x, centre=centre, deviation=deviation),
        [[[(v - m) / d for v in row] for row in plane] for plane, m,
         d in zip(x, centre, deviation)])
for name, m, d in [("imagenet", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
                   ("cifar10", (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))]:
    compare("normalise_" + name, apply("normalise_" + name, SHAPE, x=x),
            [[[(v - m[c]) / d[c] for v in row] for row in x[c]] for c in range(3)])
compare("channel", apply("channel", (1, H, W), x=x, c=2), x[2:])
compare("channels", apply("channels", (2, H, W), x=x, number=2, **{"from": 1}), x[1:])
compare("invert", apply("invert", SHAPE, x=x), [1 - v for v in flat])
# a height of 13 has a radius of 0
compare("blur by size", apply("blur_by_size", SHAPE, x=x, sigma=1), flat)
large = nested((1, 40, 30), [(37 * k % 256) / 255 for k in range(1200)])
compare("blur by size of 40", apply("blur_by_size", (1, 40, 30), x=large, sigma=1.5),
        apply("blur", (1, 40, 30), x=large, sigma=1.5, radius=2))
square = [[row[:H] + row[:H - W] for row in plane] for plane in x]
turned = square
for k in range(9):
    compare(f"{k} quarters", apply("quarter_turns", (C, H, H), x=square, quarters=k), turned)
    if k < 4:
        compare(f"turn {k}", apply("four_turns", (4, C, H, H),
                                   x=square)[k * C * H * H:(k + 1) * C * H * H], turned)
        compare(f"rotate by {k} quarters", apply("rotate", (C, H, H), x=square, degrees=90 * k),
                turned, 2e-5)
    turned = [[[plane[j][H - 1 - i] for j in range(H)] for i in range(H)] for plane in turned]
compare("a quarter back", apply("quarter_turns", (C, H, H), x=square, quarters=-1),
        apply("quarter_turns", (C, H, H), x=square, quarters=3))
compare("centre", apply("centre", (C, 5, 5), x=x, size=5),
        [[row[3:8] for row in plane[4:9]] for plane in x])
tall = [[row[:9] for row in plane[:12]] for plane in x]
order = [4, 2, 8, 0, 7, 1, 3, 6, 5]
place = lambda t, i, j: (t // 3 * 4 + i, t % 3 * 3 + j)
compare("jigsaw", apply("jigsaw", (C, 12, 9), x=tall, order=order, g=3),
        [[[plane[place(order[i // 4 * 3 + j // 3], i % 4,
                       0)[0]][place(order[i // 4 * 3 + j // 3], 0, j % 3)[1]] for j in range(9)]
          for i in range(12)] for plane in tall])
compare("tiles", apply("tiles", (9, C, 4, 3), x=tall, g=3),
        [[[[plane[t // 3 * 4 + i][t % 3 * 3 + j] for j in range(3)] for i in range(4)]
          for plane in tall] for t in range(9)])
for top, left, h, w in [(2, 3, 4, 5), (-2, 7, 5, 9), (12, 0, 1, 1), (3, 3, 0, 4)]:
    compare("erase", apply("erase", SHAPE, x=x, top=top, left=left, h=h, v=w, fill=0.7),
            [[[0.7 if top <= i < top + h and left <= j < left + w else plane[i][j]
               for j in range(W)] for i in range(H)] for plane in x])
for what, value in [("equalise", 0.4), ("autocontrast", 0.4), ("equalise", 1.0),
                    ("sharpness", 0.4), ("hue", 0.0)]:
    given = {"factor": 3} if what == "sharpness" else {"turn": 0.2} if what == "hue" else {}
    plain = nested(SHAPE, [value] * len(flat))
    compare(f"{what} of one value", apply(what, SHAPE, x=plain, **given), plain)

# ---- other numbers of channels ----
for name, given in [("grey", {}), ("saturation", {"factor": 0.5}), ("hue", {"turn": 0.2}),
                    ("contrast", {"factor": 0.5}), ("lab", {}), ("hsv", {}),
                    ("normalise_imagenet", {})]:
    for channels in (2, 4):
        found = apply(name, (channels, H, W), x=(x + x)[:channels], **given)
        check(isinstance(found, str) and "error[E" in found and "augment" in found,
              f"{name} of {channels} channels", found)

# ---- laws of draws: law_* of augment.cpl give 0 ----
random.seed(4)
batch = [nested(SHAPE, [round(random.random() * 255) / 255 for _ in flat]) for _ in range(3)]
with open(FILE) as file:
    laws = [line.split("(")[0][3:] for line in file if line.startswith("fn law_")]
for law in laws:
    out = tempfile.mkdtemp(dir=folder)
    done = command.run(couplet, "grad", FILE, "--fn", law, *npy.arguments(out, {"x": batch}),
                       "--device", "reference")
    value = [line for line in done.stdout.splitlines() if line.startswith("value:")]
    check(value and abs(float(value[0].split()[1])) <= 2e-5, law, done.stdout + done.stderr)
check(len(laws) > 20, "there are laws")

# ---- gradients ----
SIZES = "C=3,H=7,W=6"
for name, given in [("brightness", ["factor=1.1"]), ("contrast", ["factor=0.7"]),
                    ("saturation", ["factor=0.8"]), ("hue", ["turn=0.2"]), ("grey", []),
                    ("solarise", ["threshold=0.4"]),
                    ("autocontrast", []), ("invert", []), ("lab", []),
                    ("blur", ["sigma=1.1", "radius=2"]), ("sharpness", ["factor=1.4"]),
                    ("affine", ["degrees=21", "right=1.3", "down=0.2", "scale=1.1",
                    "shear_x=5", "shear_y=3", "fill=0"]),
                    ("erase", ["top=1", "left=2", "h=3", "v=2", "fill=0.1"])]:
    settings = [word for g in given for word in ("--set", g)]
    done = command.run(couplet, "gradcheck", FILE, "--fn", name, "--size", SIZES, *settings)
    check(done.returncode == 0, f"gradcheck {name}", done.stdout + done.stderr)

print(f"{tried} checks, {failed} failed")
sys.exit(failed != 0 or tried == 0)
