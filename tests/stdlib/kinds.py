#!/usr/bin/env python3
"""kinds.py COUPLET ROOT: the augmentations of waves, clips, points, columns, tokens and lines of
text. What each gives is compared with the same written in plain Python, or, where draws
decide, with what every draw must obey; forty samples a function, so that draws at both ends are
met."""
import cmath
import colorsys
import math
import os
import random
import sys
import tempfile

couplet, root = sys.argv[1:3]
sys.path[:0] = [os.path.join(root, "tests", "golden"), os.path.join(root, "tests", "driver")]
import command
import npy

B = 40
spec = os.path.join(root, "tests/stdlib/kinds.cpl")
check = command.Checks()
random.seed(5)


def gauss(*shape):
    return [gauss(*shape[1:]) for _ in range(shape[0])] if shape else random.gauss(0, 1)


def pictures(*shape):
    return [pictures(*shape[1:]) for _ in range(shape[0])] if shape else random.random()


def nested(shape, values):
    if len(shape) == 1:
        return list(values)
    step = len(values) // shape[0]
    return [nested(shape[1:], values[i * step:(i + 1) * step]) for i in range(shape[0])]


def shape_of(values):
    return (len(values),) + shape_of(values[0]) if isinstance(values, list) else ()


def given(name, shape, device="cpu", **inputs):
    """What function NAME gives: an array of that shape for each sample."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--out", folder]
        for key, values in {**inputs, "w": nested(shape, [1.0] * math.prod(shape))}.items():
            if not isinstance(values, list):
                arguments += ["--set", f"{key}={values}"]
                continue
            flat = npy.flatten(values)
            whole = all(isinstance(x, int) for x in flat)
            npy.write(os.path.join(folder, f"in_{key}.npy"), shape_of(values), flat,
                      "<i4" if whole else "<f4")
            arguments += ["--in", f"{key}={folder}/in_{key}.npy"]
        done = command.run(couplet, "grad", spec, "--fn", name, "--device", device, *arguments)
        found = [f for f in os.listdir(folder) if f in ("w.npy", "grad_w.npy")]
        if done.returncode or not found:
            check(False, f"{name}, {device}: runs",
                  done.stdout + done.stderr + str(os.listdir(folder)))
            return nested(shape, [math.nan] * math.prod(shape))
        return nested(*npy.read(os.path.join(folder, found[0])))


def near(a, b, tolerance=1e-5):
    a, b = npy.flatten(a) if isinstance(a, list) else [a], npy.flatten(b) if isinstance(
        b, list) else [b]
    return len(a) == len(b) and all(abs(x - y) <= tolerance * max(1, abs(y)) for x, y in zip(a, b))


def every(name, rows, law):
    """The law holds for each sample; prints the first that breaks it."""
    broken = [b for b, row in enumerate(rows) if not law(b, row)]
    check(not broken, f"{name}: {len(rows)} samples", f"sample {broken[0]}: {rows[broken[0]]}"
          if broken else "")


def various(name, found, least):
    check(len(set(found)) >= least, f"{name}: the draws vary ({len(set(found))})", str(found))


def transposed(rows):
    return [list(column) for column in zip(*rows)]


# ---- waves ---------------------------------------------------------------------------------------

T = 24
x = gauss(B, T)

out, starts = given("crop", (B, 9), x=x), []
every("waves.crop", out, lambda b,
      y: starts.extend(s for s in range(T - 8) if near(y, x[b][s:s + 9])) or len(starts) == b + 1)
various("waves.crop", starts, 8)
every("waves.crop of all", given("crop", (B, T), x=x), lambda b, y: near(y, x[b]))

out, by = given("shift", (B, T), x=x), []
every("waves.shift", out, lambda b,
      y: by.extend(s for s in range(T) if near(y, x[b][s:] + x[b][:s])) or len(by) == b + 1)
various("waves.shift", by, 12)

every("waves.gain", given("gain", (B, T), x=x), lambda b, y: near(y, [10 ** 0.3 * v for v in x[b]]))

out = given("noise", (B, T), x=x)
ratios = [sum((p - q) ** 2 for p, q in zip(y, row)) / sum(q * q for q in row) for y,
          row in zip(out, x)]
check(abs(sum(ratios) / B - 0.1) < 0.02,
      f"waves.noise: a tenth of the power ({sum(ratios) / B:.3f})")
check(near(given("noise", (B, T), x=[[0.0] * T] * B), [[0.0] * T] * B),
      "waves.noise: silence stays silent")

out, wide = given("silence", (B, T), x=x), []


def silent(b, y):
    zeros = [t for t in range(T) if y[t] == 0]
    wide.append(len(zeros))
    return (not zeros or zeros ==
            list(range(zeros[0], zeros[-1] + 1))) and all(near(y[t], x[b][t]) for t in range(T)
                                                          if t not in zeros) and len(
                                                              zeros) <= T // 2


every("waves.silence", out, silent)
various("waves.silence", wide, 6)


def read_at(row, place):
    before = math.floor(place)
    value = lambda t: row[t] if 0 <= t < len(row) else 0.0
    return (1 - place + before) * value(before) + (place - before) * value(before + 1)


for factor in (1, 0.8, 1.25):
    out = given("speed", (B, T), x=x, factor=factor)
    every(f"waves.speed {factor}", out, lambda b,
          y: near(y, [read_at(x[b], (t - (T - 1) / 2) * factor + (T - 1) / 2) for t in range(T)],
                  2e-5))

few = gauss(3, 80)
SIZE, HOP = 32, 12
hann = [0.5 - 0.5 * math.cos(2 * math.pi * n / SIZE) for n in range(SIZE)]
powers = [[[abs(sum(hann[n] * row[f * HOP + n] * cmath.exp(-2j * math.pi * n * k / SIZE)
                    for n in range(SIZE))) ** 2 for k in range(SIZE // 2 + 1)]
           for f in range((80 - SIZE) // HOP + 1)] for row in few]
check(near(given("spectrogram", shape_of(powers), x=few), powers, 2e-5),
      "waves.spectrogram: the Fourier transform")
mel_of, hertz_of = lambda h: 2595 * math.log10(1 + h / 700), lambda m: 700 * (10 ** (m / 2595) - 1)
# Half the rate is 500: a `high` above that, and a `high` of 0, mean 500.
for high, top in ((480, 480), (0, 500), (500, 500), (2000, 500)):
    corner = [hertz_of(mel_of(50) + (mel_of(top) - mel_of(50)) * m / 7) for m in range(8)]
    triangle = [[max(0, min((k * 1000 / SIZE - corner[m]) / (corner[m + 1] - corner[m]),
                            (corner[m + 2] - k * 1000 / SIZE) / (corner[m + 2] - corner[m + 1])))
                 for k in range(SIZE // 2 + 1)] for m in range(6)]
    mels = [[[math.log(max(1e-6, sum(p * q for p, q in zip(frame, t)))) for t in triangle]
             for frame in rows] for rows in powers]
    check(near(given("mel", shape_of(mels), x=few, high=high), mels, 1e-4),
          f"waves.mel, high = {high}: triangles on the mel scale up to {top} hertz")

s = gauss(B, 10, 6)
out, sizes = given("mask", (B, 10, 6), s=s), []


def masked(b, y):
    mean = sum(npy.flatten(s[b])) / 60
    hit = [[not near(y[f][m], s[b][f][m], 1e-6) for m in range(6)] for f in range(10)]
    frames, bands = [f for f in range(10)
                     if all(hit[f])], [m for m in range(6) if all(row[m] for row in hit)]
    sizes.append((len(frames), len(bands)))
    whole = all(not hit[f][m] or (f in frames or m in bands) and near(y[f][m], mean)
                for f in range(10) for m in range(6))
    return whole and len(frames) <= 3 and len(bands) <= 2 and frames == list(
        range(min(frames, default=0), min(frames, default=0) + len(frames)))


every("waves.mask", out, masked)
various("waves.mask", sizes, 8)

# ---- points --------------------------------------------------------------------------------------

N = 9
x = gauss(B, N, 3)
dot = lambda a, b: sum(p * q for p, q in zip(a, b))
products = lambda cloud: [[dot(p, q) for q in cloud] for p in cloud]


def determinant(rows):
    (a, b, c), (d, e, f), (g, h, i) = rows
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def unit(cloud):
    middle = [sum(column) / len(cloud) for column in zip(*cloud)]
    moved = [[p - m for p, m in zip(row, middle)] for row in cloud]
    far = max(math.sqrt(dot(p, p)) for p in moved)
    return [[v / max(far, 1e-12) for v in p] for p in moved]


every("points.unit", given("unit", (B, N, 3), x=x), lambda b, y: near(y, unit(x[b])))
check(near(given("unit", (1, N, 3), x=[[[2.0, 3.0, 4.0]] * N]), [[[0.0] * 3] * N]),
      "points.unit: a cloud of one place is 0")
turned = given("turn", (B, N, 3), x=x)
every("points.turn", turned, lambda b, y: near(products(y), products(x[b]), 1e-4)
      and all(near(p[1], q[1]) for p, q in zip(y, x[b])))
various("points.turn", [round(y[0][0], 2) for y in turned], 30)
rotated = given("rotate", (B, N, 3), x=x)
every("points.rotate", rotated, lambda b, y: near(products(y), products(x[b]), 1e-4)
      and determinant(y[:3]) * determinant(x[b][:3]) > 0)
axis = given("rotate", (B, 1, 3), x=[[[0.0, 1.0, 0.0]]] * B)
check(all(abs(sum(y[0][k] for y in axis) / B) < 0.3 for k in range(3)),
      "points.rotate: no direction is preferred")


def scaled(b, y):
    factors = [[p[k] / q[k] for p, q in zip(y, x[b])] for k in range(3)]
    return all(near(f, [f[0]] * N, 1e-4) and 2 / 3 - 1e-5 <= f[0] <= 1.5 + 1e-5 for f in factors)


every("points.scale", given("scale", (B, N, 3), x=x), scaled)
out = given("jitter", (B, N, 3), x=x)
moves = [p - q for p, q in zip(npy.flatten(out), npy.flatten(x))]
check(max(map(abs, moves)) <= 0.05 + 1e-6
      and abs(math.sqrt(dot(moves, moves) / len(moves)) - 0.02) < 0.002,
      "points.jitter: a deviation of 0.02, cut at 0.05")
out, dropped = given("drop", (B, N, 3), x=x), []
every("points.drop", out, lambda b, y: dropped.append(sum(p == y[0] for p in y[1:]))
      or all(near(p, q) or near(p, x[b][0]) for p, q in zip(y, x[b])))
various("points.drop", dropped, 4)


def cropped(b, y):
    at = [n for n in range(N) if near(x[b][n], y[0])]
    order = sorted(range(N), key=lambda n: math.dist(x[b][n], x[b][at[0]])) if at else []
    return bool(at) and near(y, [x[b][order[n % 4]] for n in range(N)])


every("points.crop", given("cloud_crop", (B, N, 3), x=x), cropped)

# CrossPoint's views by the authors' code: the unit cloud times one factor of 0.5 .. 2, turned about
# the upright axis, moved by up to half of its extent, with noise of at most 0.05, and with points
# that the first stands in for. What noise of 0.01 leaves certain is compared.
N, factors = 40, []
x = gauss(B, N, 3)
for b, y in enumerate(given("crosspoint", (B, N, 3), x=x)):
    start, left = unit(x[b]), [n for n in range(1, N) if y[n] != y[0]]
    apart = lambda cloud, a, c: math.dist(cloud[a], cloud[c])
    pairs = [(0, n) for n in left]
    factor = sum(apart(y, *p) for p in pairs) / sum(apart(start, *p) for p in pairs) if pairs else 1
    upright = [y[n][1] - factor * start[n][1] for n in [0] + left]
    extent = factor * (max(p[1] for p in start) - min(p[1] for p in start))
    factors.append((factor, len(left)))
    check(0.48 < factor < 2.05 and all(abs(apart(y, *p) - factor * apart(start, *p)) < 0.2
                                       for p in pairs)
          and max(upright) - min(upright) < 0.15 and abs(sum(upright) / len(upright)) <
          extent / 2 + 0.1, f"points.crosspoint: sample {b}", f"{factor} {upright} {extent}")
check(min(factors)[0] < 0.8 and max(factors)[0] > 1.6 and min(n for _, n in factors) < N / 4
      and max(n for _, n in factors) > 3 * N / 4, "points.crosspoint: factors and counts vary",
      str(factors))

# ---- columns -------------------------------------------------------------------------------------

D, M = 12, 7
rows, x = gauss(M, D), gauss(B, D)
columns = transposed(rows)
out = given("corrupt", (B, D), x=x, rows=rows)
every("columns.corrupt", out, lambda b,
      y: all(near(v, x[b][d], 1e-6) or any(near(v, c, 1e-6) for c in columns[d]) for d,
             v in enumerate(y)))
# Algorithm 1: of 12 columns floor(0.6 * 12) = 7, another set of them for each row.
hit = [[d for d in range(D) if not near(y[d], x[b][d], 1e-6)] for b, y in enumerate(out)]
every("columns.corrupt: seven entries of twelve", hit, lambda b, places: len(places) == 7)
various("columns.corrupt", map(tuple, hit), 30)
counts = [sum(d in places for places in hit) for d in range(D)]
check(min(counts) > 10, f"columns.corrupt: no column is preferred ({counts})")
codes, table = [[random.randrange(5) for _ in range(D)]
                for _ in range(B)], [[10 + r] * D for r in range(M)]
out = given("corrupt_codes", (B, D), x=codes, rows=table)
every("columns.corrupt_codes", out, lambda b,
      y: all(v == codes[b][d] or 10 <= v < 10 + M for d, v in enumerate(y))
      and sum(v >= 10 for v in y) == 7)
various("columns.corrupt_codes", [v for v in npy.flatten(out) if v >= 10], M)


def swapped(b, y):
    sources = {next((r for r in range(M) if near(v, rows[r][d], 1e-6)), None) for d,
               v in enumerate(y) if not near(v, x[b][d], 1e-6)}
    return len(sources) <= 1 and None not in sources


every("columns.swap", given("swap", (B, D), x=x, rows=rows), swapped)
out = given("dropout", (B, D), x=x)
every("columns.dropout", out, lambda b, y: all(v == 0 or near(v, 2 * w) for v, w in zip(y, x[b])))
share = sum(v == 0 for v in npy.flatten(out)) / (B * D)
check(abs(share - 0.5) < 0.08, f"columns.dropout: one of two ({share:.2f})")
for row in rows:
    row[3] = 4.0 # a constant column
columns = transposed(rows)
means = [sum(c) / M for c in columns]
deviations = [math.sqrt(sum((v - m) ** 2 for v in c) / M) for c, m in zip(columns, means)]
standard = [[(v - m) / d if k != 3 else 0.0 for k,
             (v, m, d) in enumerate(zip(row, means, deviations))] for row in x]
check(near(given("standardise", (B, D), x=x, rows=rows), standard, 1e-4),
      "columns.standardise: a constant column is 0")

# ---- tokens --------------------------------------------------------------------------------------

T = 12
length = [random.randrange(T + 1) for _ in range(B)]
length[:3] = [0, 1, T]
text = [[1 + random.randrange(50) if t < length[b] else 0 for t in range(T)] for b in range(B)]
out = given("token_mask", (B, T), x=text, length=length)
every("tokens.mask", out, lambda b, y: all(v == text[b][t] or v == 99 and t < length[b] for t,
                                           v in enumerate(y)))
check(sum(v == 99 for v in npy.flatten(out)) > sum(length) / 4, "tokens.mask: some are masked")


def is_part(some, whole):
    rest = iter(whole)
    return all(any(v == w for w in rest) for v in some)


def shortened(b, y):
    kept = [int(v) for v in y if v]
    return y == kept + [0] * (T - len(kept)) and is_part(kept, text[b][:length[b]]) and (
        len(kept) > 0) == (length[b] > 0)


for chance in (0.3, 1, 0):
    out = given("delete", (B, T), x=text, length=length, chance=chance)
    every(f"tokens.delete {chance}", out, shortened)
    various(f"tokens.delete {chance}", [sum(v != 0 for v in y) for y in out],
            {0.3: 4, 1: 2, 0: 4}[chance])
    if chance != 0.3:
        every(f"tokens.delete {chance}", out, lambda b,
              y: sum(v != 0 for v in y) == (length[b] if chance == 0 else min(1, length[b])))


def stretch(b, y):
    kept = [int(v) for v in y if v]
    inside = any(text[b][s:s + len(kept)] == kept for s in range(length[b] - len(kept) + 1))
    return y == kept + [0] * (T - len(kept)) and inside and len(kept) >= math.floor(0.3 * length[b])


every("tokens.crop", given("token_crop", (B, T), x=text, length=length), stretch)
out = given("token_swap", (B, T), x=text, length=length)
every("tokens.swap", out, lambda b, y: sorted(y[:length[b]]) == sorted(text[b][:length[b]])
      and y[length[b]:] == text[b][length[b]:])
check(any(y != row for y, row in zip(out, text)), "tokens.swap: some change places")

# ---- clips ---------------------------------------------------------------------------------------

T, C, H, W, F = 7, 2, 5, 6, 3
x = pictures(B, T, C, H, W)
found = []
every("clips.cut", given("cut", (B, F, C, H, W), x=x), lambda b,
      y: found.extend(s for s in range(T - F + 1) if near(y, x[b][s:s + F])) or len(found) == b + 1)
various("clips.cut", found, T - F + 1)
lags = []


def two_stretches(b, y):
    places = [[s for s in range(T - F + 1) if near(v, x[b][s:s + F])] for v in y]
    lags.extend(abs(p - q) for p in places[0] for q in places[1])
    return len(lags) == b + 1


every("clips.pair", given("pair", (B, 2, F, C, H, W), x=x), two_stretches)
check(lags.count(0) > lags.count(T - F),
      f"clips.pair: near ones are more often ({[lags.count(d) for d in range(T - F + 1)]})")
steps = []
every("clips.speed", given("clip_speed", (B, F, C, H, W), x=x),
      lambda b, y: steps.extend(k for k in (1, 2, 3) for s in range(T - k * (F - 1))
                                if near(y, x[b][s:s + k * (F - 1) + 1:k])) or len(steps) == b + 1)
various("clips.speed", steps, 3)
check(near(given("clip_speed", (B, T, C, H, W), x=x), x),
      "clips.speed: a clip that is only just long enough stays")
check(near(given("reverse", (B, T, C, H, W), x=x), [clip[::-1] for clip in x]),
      "clips.reverse: backwards")
check(near(given("flip", (B, T, C, H, W), x=x),
           [[[[row[::-1] for row in c] for c in p] for p in clip] for clip in x]),
      "clips.flip: mirrored")
grey = [[[[[(p[0][i][j] + p[1][i][j]) / 2 for j in range(W)] for i in range(H)] for _ in range(C)]
         for p in clip] for clip in x]
check(near(given("grey", (B, T, C, H, W), x=x), grey), "clips.grey: the mean of the channels")
still = [[clip[0]] * T for clip in x]
# what stands still stands still
every("clips.crop", given("clip_crop", (B, T, C, 4, 4), x=still), lambda b, y: near(y, [y[0]] * T))
ramp = [[[[[10.0 * i + j for j in range(W)] for i in range(H)]] * C] * T] * B
flat = npy.flatten(given("clip_crop", (B, T, C, 4, 4), x=ramp))
check(0 <= min(flat) and max(flat) <= 10 * (H - 1) + W - 1, "clips.crop: inside the picture")


def mixed(b, y):
    shares = set()
    for k in range(T):
        pairs = [(v - p, q - p) for v, p,
                 q in zip(npy.flatten(y), npy.flatten(x[b]), npy.flatten([x[b][k]] * T))
                 if abs(q - p) > 1e-2]
        shares |= {k for _ in [0] if near([d / e for d, e in pairs],
                                          [pairs[0][0] / pairs[0][1]] * len(pairs), 1e-3)}
    return len(shares) >= 1


every("clips.mix_background", given("mix_background", (B, T, C, H, W), x=x), mixed)
changes = [[[[[x[b][t + 1][c][i][j] - x[b][t][c][i][j] for j in range(W)] for i in range(H)]
             for c in range(C)] for t in range(T - 1)] for b in range(B)]
check(near(given("differences", (B, T - 1, C, H, W), x=x), changes),
      "clips.differences: one less than pictures")


def fame_blur(values, h, w):
    """The blur of FAME's code, of int(0.1 h) // 2 * 2 + 1 weights, mirrored at the edges."""
    size = h // 10 // 2 * 2 + 1
    weights = [math.exp(-(u - size // 2) ** 2 / (2 * (size / 3) ** 2)) for u in range(size)]
    inside = lambda i, n: n - 1 - abs(n - 1 - abs(i))
    return {(i, j): sum(p * q * values[inside(i + a - size // 2, h), inside(j + b - size // 2, w)]
                        for a, p in enumerate(weights) for b, q in enumerate(weights)) /
            sum(weights) ** 2 for i, j in values}


def fame_places(clip, share):
    """What clips.moving gives at each place, by the code of FAME: 1, 0, or None where rounding may
    decide."""
    h, w = len(clip[0][0]), len(clip[0][0][0])
    places = [(i, j) for i in range(h) for j in range(w)]
    change = fame_blur({(i, j): sum(abs(b[c][i][j] - a[c][i][j]) for a, b in zip(clip, clip[1:])
                                  for c in range(3)) for i, j in places}, h, w)
    picture = {(i, j): [sum(p[c][i][j] for p in clip) / len(clip) for c in range(3)]
               for i, j in places}

    def colour(p):
        hue, saturation, value = colorsys.rgb_to_hsv(*picture[p])
        across = [(saturation * f(2 * math.pi * hue) + 1) / 2 for f in (math.cos, math.sin)]
        return tuple(round(v * 9 + 1) for v in across + [value])

    order = sorted(places, key=change.get)
    colours = {p: colour(p) for p in places}
    front, back = order[h * w - h * w // 2:], order[:h * w // 10]
    share_of = lambda c, some, more: (sum(colours[p] == c for p in some) + more) / (
        len(some) + 1000 * more)
    scores = {c: share_of(c, front, 0) / (share_of(c, front, 0) + share_of(c, back, 1))
              for c in set(colours.values())}
    soft = fame_blur({p: scores[colours[p]] for p in places}, h, w)
    cut = sorted(soft.values())[h * w - math.floor(share * h * w):]
    return {p: None if cut and abs(v - cut[0]) < 1e-6 else float(bool(cut) and v > cut[0])
            for p, v in soft.items()}


H, W, few = 21, 20, 6
# Clips of a few even colours, parts of which flicker.
paint = [[random.random() for _ in range(3)] for _ in range(5)]
tint = [[[paint[random.randrange(5)] for _ in range(W // 4)] for _ in range(H // 3)]
        for _ in range(few)]
restless = [[[random.random() for _ in range(W // 4)] for _ in range(H // 3)] for _ in range(few)]
x = [[[[[tint[b][i // 3][j // 4][c] + 0.2 * restless[b][i // 3][j // 4] * (random.random() - 0.5)
         for j in range(W)] for i in range(H)] for c in range(3)] for _ in range(T)]
     for b in range(few)]
for share in (0.3, 0.5, 1.0):
    found = given("moving", (few, H, W), x=x, share=share)
    wanted = [fame_places(clip, share) for clip in x]
    every(f"clips.moving, {share}", found, lambda b, y: all(
        m is None or y[i][j] == m for (i, j), m in wanted[b].items()))
    every(f"clips.moving, {share}: exactly that many", found, lambda b,
          y: sum(map(sum, y)) == math.floor(share * H * W))
    sure = sum(m is not None for w in wanted for m in w.values()) / (few * H * W)
    check(sure > 0.8, f"clips.moving, {share}: {sure:.2f} of the places are compared")
others_of = x[1:] + x[:1]
front = given("moving", (few, H, W), x=x, share=0.5)
check(near(given("merge", (few, T, 3, H, W), x=x, other=others_of),
           [[[[[(x if front[b][i][j] else others_of)[b][t][c][i][j] for j in range(W)]
               for i in range(H)] for c in range(3)] for t in range(T)] for b in range(few)]),
      "clips.merge: what moves, before another clip")
# A pattern that moves one pixel to the right and a half down.
size, right, down = 16, 1.0, 0.5
moving = [[[[[0.5 + 0.25 * math.sin(0.5 * (j - right * t))
              + 0.25 * math.sin(0.4 * (i - down * t) + 1) for j in range(size)]
             for i in range(size)]] for t in range(3)]]
flow = given("flow", (1, 2, 2, size, size), x=moving)[0]
inner = [(flow[t][0][i][j], flow[t][1][i][j]) for t in range(2) for i in range(4, 12)
         for j in range(4, 12)]
mean = [sum(column) / len(inner) for column in zip(*inner)]
check(abs(mean[0] - right) < 0.2 and abs(mean[1] - down) < 0.15,
      f"clips.flow: right {mean[0]:.2f} of 1, down {mean[1]:.2f} of 0.5")

# ---- lines of text -------------------------------------------------------------------------------

H, W = 6, 20
x = pictures(B, 1, H, W)
check(near(given("straight", (B, 1, H, W), x=x), x), "textlines: without strength all stays")
across, upright = [[[[j / W for j in range(W)]] * H]] * B, [[[[i / H] * W for i in range(H)]]] * B
for name in ("line_crop", "stretch", "perspective", "seqclr"):
    every(f"textlines.{name}: the order stays", given(name, (B, 1, H, W), x=across), lambda b,
          y: all(p <= q + 1e-5 for row in y[0] for p, q in zip(row, row[1:])))
out = given("stretch", (B, 1, H, W), x=across)
various("textlines.stretch", [round(y[0][0][W // 2], 2) for y in out], 8)
every("textlines.stretch: both ends stay near", out, lambda b,
      y: y[0][0][0] < 0.1 and y[0][0][W - 1] > 0.85)
every("textlines.stretch: rows stay", given("stretch", (B, 1, H, W), x=upright), lambda b,
      y: near(y, upright[b]))
every("textlines.perspective: columns stay", given("perspective", (B, 1, H, W), x=across),
      lambda b, y: near(y, across[b]))
check(near(given("contrast", (B, 1, H, W), x=x),
           [[[[0.25 + v / 2 for v in row] for row in y[0]]] for y in x]),
      "textlines.contrast: half of it")
edge = lambda y, i, j: y[max(0, min(H - 1, i))][max(0, min(W - 1, j))]
weights = [(a, b, (2 - abs(a)) * (2 - abs(b)) / 16) for a in (-1, 0, 1) for b in (-1, 0, 1)]
blurred = [[[[sum(w * edge(y[0], i + a, j + b) for a, b, w in weights) for j in range(W)]
             for i in range(H)]] for y in x]
check(near(given("blur", (B, 1, H, W), x=x), blurred),
      "textlines.blur_or_sharpen: the binomial window")

# ---- derivatives ---------------------------------------------------------------------------------

# The sizes that each function needs; those of codes have no gradient, and crops sample between
# pixels where the slope jumps.
SIZES = {"crop": "L=3", "shift": "", "gain": "", "noise": "", "silence": "", "speed": "",
         "spectrogram": "T=44,F=2,K=17", "mel": "T=44,F=2,M=6", "mask": "F=6,M=5", "unit": "",
         "turn": "", "rotate": "", "scale": "", "drop": "", "corrupt": "", "swap": "",
         "dropout": "", "standardise": "", "cut": "T=4,F=3", "pair": "V=2,T=4,F=2",
         "reverse": "", "flip": "", "mix_background": "", "grey": "", "differences": "T=4,S=3",
         "perspective": "C=1,H=3,W=4",
         "contrast": "C=1,H=3,W=4", "blur": "C=1,H=3,W=4", "flow": "T=2,S=1,K=2,H=3,W=3"}
for name, sizes in SIZES.items():
    done = command.run(couplet, "gradcheck", spec, "--fn", name,
                       *(["--size", sizes] if sizes else []))
    check(done.returncode == 0, f"{name}: central differences",
          done.stdout[-600:] + done.stderr[-600:])
check.finish()
