#!/usr/bin/env python3
"""nets.py COUPLET ROOT: layers and networks of clips, maps and points against the same in plain
Python, in float64. Each is the whole method of a run of one step at rate 0: its weights are
in the checkpoint, its loss, a weighted sum of what it gives, in the log."""
import math
import os
import random
import sys
import tempfile

couplet, root = sys.argv[1:3]
sys.path[:0] = [os.path.join(root, "tests", "golden"), os.path.join(root, "tests", "driver")]
import command
import npy

random.seed(7)
check = command.Checks()


def gauss(*shape):
    return [gauss(*shape[1:]) for _ in range(shape[0])] if shape else random.gauss(0, 1)


def nested(values, *shape):
    step = len(values) // shape[0]
    return [nested(values[i * step:(i + 1) * step], *shape[1:])
            for i in range(shape[0])] if len(shape) > 1 else list(values)


def shape_of(x):
    return (len(x),) + shape_of(x[0]) if isinstance(x, list) else ()


def table(shape, f, *at):
    """The array of that shape whose elements are f of their places."""
    return [table(shape[1:], f, *at, i) for i in range(shape[0])] if shape else f(*at)


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def each(f, x):
    return [each(f, y) for y in x] if isinstance(x, list) else f(x)


def add(x, y):
    return [add(a, b) for a, b in zip(x, y)] if isinstance(x, list) else x + y


def relu(x):
    return each(lambda v: max(0.0, v), x)


def sigmoid(v):
    return 1 / (1 + math.exp(-v))


def turned(x):
    """[N, A, B, ..] -> [N, B, A, ..]"""
    return [[list(part) for part in zip(*row)] for row in x]


def joined(x, y):
    """Behind each other along the second axis."""
    return [a + b for a, b in zip(x, y)]


def softmax(row):
    total = sum(math.exp(v) for v in row)
    return [math.exp(v) / total for v in row]


# ---- layers, of [N, C, ..] with any number of axes behind the channels ---------------------------

def conv(x, kernel, strides, sizes):
    """Convolution with zeros outside; kernel is flat, [out, C, sizes..]."""
    n, c, *places = shape_of(x)
    out = len(kernel) // (c * math.prod(sizes))
    offsets = [()]
    for size in sizes:
        offsets = [o + (a,) for o in offsets for a in range(size)]
    weight = nested(kernel, out, c, len(offsets))

    def element(b, o, *at):
        total = 0.0
        for k, offset in enumerate(offsets):
            where = [s * p + a - size // 2 for s, p, a, size in zip(strides, at, offset, sizes)]
            if all(0 <= w < limit for w, limit in zip(where, places)):
                for ch in range(c):
                    v = x[b][ch]
                    for w in where:
                        v = v[w]
                    total += v * weight[o][ch][k]
        return total
    return table((n, out, *(-(-p // s) for p, s in zip(places, strides))), element)


def normed(x, groups, eps=1e-5):
    """Normalised over all elements with one value of groups(sample, channel); gains are 1 and
    shifts 0."""
    found = {}
    for b, row in enumerate(x):
        for c, part in enumerate(row):
            found.setdefault(groups(b, c), []).extend(npy.flatten(part))
    moments = {g: (mean(v), mean((a - mean(v)) ** 2 for a in v)) for g,
               v in ((g, v) for g, v in found.items())}
    return [[each(lambda v, m=moments[groups(b, c)]: (v - m[0]) / math.sqrt(m[1] + eps), part)
             for c, part in enumerate(row)] for b, row in enumerate(x)]


def batch_norm(x):
    return normed(x, lambda b, c: c)


def instance_norm(x):
    return normed(x, lambda b, c: (b, c))


def factored(x, w, name, stride=1, pace=1):
    y = relu(batch_norm(conv(x, w[name + ".body.conv_in_space_1.K"], (1, stride, stride),
                             (1, 3, 3))))
    return conv(y, w[name + ".body.conv_in_time_1.K"], (pace, 1, 1), (3, 1, 1))


def block(x, w, name, kernel, down):
    a, b = kernel
    step = (2, 2) if down else (1, 1)
    y = batch_norm(b(relu(batch_norm(a(x, *step))), 1, 1))
    return relu(add(batch_norm(conv(x, w[name + ".shortcut.conv1_3d_1.K"], (2, 2, 2), (1, 1, 1)))
                    if down else x, y))


def block3d(x, w, name, down):
    return block(x, w, name,
                 [lambda v, s, p, k=k: conv(v, w[f"{name}.body.conv3d_{k}.K"], (p, s, s),
                                            (3, 3, 3)) for k in (1, 2)], down)


def block_factored(x, w, name, down):
    return block(x, w, name,
                 [lambda v, s, p, k=k: factored(v, w, f"{name}.body.conv_factored_{k}", s, p)
                  for k in (1, 2)], down)


def gru_step(x, w, name, hidden, size):
    n, d, height, width = shape_of(x)
    bias = nested(w[name + ".b"], 3, hidden)
    g = conv(x, w[name + ".conv_1.K"], (1, 1), (size, size))
    reset = table(shape_of(x), lambda b, c, i,
                  j: x[b][c][i][j] * (1 if c < d - hidden
                                      else sigmoid(g[b][hidden + c - (d - hidden)][i][j]
                                                   + bias[1][c - (d - hidden)])))
    u = conv(reset, w[name + ".conv_2.K"], (1, 1), (size, size))

    def element(b, e, i, j):
        z = sigmoid(g[b][e][i][j] + bias[0][e])
        return (1 - z) * x[b][d - hidden + e][i][j] + z * math.tanh(u[b][e][i][j] + bias[2][e])
    return table((n, hidden, height, width), element)


def gru(x, w, hidden, size):
    n, steps, _, height, width = shape_of(x)
    h = table((n, hidden, height, width), lambda *at: 0.0)
    for t in range(steps):
        h = gru_step([joined([row[t]], [state])[0] for row, state in zip(x, h)], w,
                     "f.conv_gru_step_1", hidden, size)
    return h


def bilinear(x, factor):
    n, c, height, width = shape_of(x)

    def element(b, ch, i, j):
        r, s = (min(max((k + 0.5) / factor - 0.5, 0), size - 1) for k,
                size in ((i, height), (j, width)))
        a, e = min(int(r), height - 2), min(int(s), width - 2)
        p = x[b][ch]
        return (1 - r + a) * ((1 - s + e) * p[a][e] + (s - e) *
                              p[a][e + 1]) + (r - a) * ((1 - s + e) * p[a + 1][e]
                                                        + (s - e) * p[a + 1][e + 1])
    return table((n, c, factor * height, factor * width), element)


def up_conv(x, w, name, out, factor=2):
    n, c, height, width = shape_of(x)
    kernel, bias = nested(w[name + ".K"], c, out, factor, factor), w[name + ".b"]
    return table((n, out, factor * height, factor * width), lambda b, o, i, j: bias[o] + sum(
        x[b][ch][i // factor][j // factor] * kernel[ch][o][i % factor][j % factor] for ch in range(
            c)))


def pooled(x, size=2):
    n, c, height, width = shape_of(x)
    return table((n, c, height // size, width // size), lambda b, ch, i,
                 j: max(x[b][ch][size * i + a][size * j + e] for a in range(size)
                        for e in range(size)))


def places(x, count):
    """Means over count x count parts side by side, [N, C * count * count]; a rest is left out."""
    n, c, height, width = shape_of(x)
    h, w = height // count, width // count

    def element(b, d):
        ch, p, q = d // count**2, d // count % count, d % count
        return mean(x[b][ch][p * h + i][q * w + j] for i in range(h) for j in range(w))
    return table((n, c * count**2), element)


def convnet_places(x, w):
    for layer, step in (1, 2), (2, 2), (3, 2), (4, 1):
        x = relu(batch_norm(conv(x, w[f"f.conv3_{layer}.K"], (step, step), (3, 3))))
    return batch_norm(places(x, 2))


def double_conv(x, w, name):
    for k in (1, 2):
        x = relu(batch_norm(conv(x, w[f"{name}.conv3_{k}.K"], (1, 1), (3, 3))))
    return x


def unet(x, w, width):
    a = double_conv(x, w, "f.double_conv_1")
    b = double_conv(pooled(a), w, "f.down1.double_conv_1")
    c = double_conv(pooled(b), w, "f.down2.double_conv_1")
    d = double_conv(pooled(c), w, "f.down3.double_conv_1")
    for level, skip in ((3, c), (2, b), (1, a)):
        d = double_conv(joined(up_conv(d, w, f"f.up_conv_{4 - level}", width << (level - 1)),
                               skip), w, f"f.double_conv_{5 - level}")
    return conv(d, w["f.conv1_1.K"], (1, 1), (1, 1))


def slot_memory(x, w, out, slots):
    s = conv(relu(conv(x, w["f.address.conv1_1.K"], (1, 1), (1, 1))), w["f.address.conv1_2.K"],
             (1, 1), (1, 1))
    memory = nested(w["f.M"], slots, out)
    n, _, height, width = shape_of(x)
    return table((n, out, height, width), lambda b, o, i,
                 j: sum(p * m[o] for p, m in zip(softmax([plane[i][j] for plane in s[b]]), memory)))


def edge_conv(x, w, name, out, near):
    d = len(x[0][0])
    own, other, bias = nested(w[name + ".W"], out,
                              d), nested(w[name + ".V"], out, d), w[name + ".b"]

    def point(cloud, p):
        order = sorted(range(len(cloud)),
                       key=lambda q: (sum((a - b) ** 2 for a, b in zip(cloud[p], cloud[q])),
                                      q))[:near]
        return [max(max(0.0, bias[o] + sum(u * a + v * (b - a) for u, v, a,
                                           b in zip(own[o], other[o], cloud[p], cloud[q])))
                    for q in order) for o in range(out)]
    return [[point(cloud, p) for p in range(len(cloud))] for cloud in x]


def points_norm(x):
    return turned(batch_norm(turned(x)))


def dgcnn(x, w, width, near):
    levels = []
    for name, out in (("first", width), ("second", width), ("third", 2 * width),
                      ("fourth", 4 * width)):
        x = points_norm(edge_conv(x, w, f"f.{name}.edge_conv_1", out, near))
        levels.append(x)
    rows = [[sum(parts, []) for parts in zip(*clouds)] for clouds in zip(*levels)]
    weight, bias = nested(w["f.whole.pointwise_1.W"], 16 * width,
                          8 * width), w["f.whole.pointwise_1.b"]
    whole = relu(points_norm([[[bias[o] + sum(u * v for u, v in zip(weight[o], p))
                                for o in range(16 * width)] for p in cloud] for cloud in rows]))
    return [[max(column) for column in zip(*cloud)] for cloud in whole]


# ---- the runs ------------------------------------------------------------------------------------

def run(folder, net, x):
    """The weights of `net` and the weighted sum of what it gives for x."""
    path = os.path.join(folder, "method.cpl")
    npy.write(os.path.join(folder, "x.npy"), shape_of(x), npy.flatten(x))
    for axes in ("c, i, j", "c, t, i, j", "p, c", "c"):
        command.write(path, f"""use nn, optim
data train = data.arrays("x.npy")
net f = nn.{net}
let y = f(train.x)
loss sum[n, {axes}] cos(real({axes.replace(', ', ' + 2*')})) * y[n, {axes}]
train {{ epochs 1, batch {len(x)}, optimiser optim.sgd(lr = 0) }}
""")
        done = command.run(couplet, "check", path)
        if done.returncode == 0:
            break
    done = command.run(couplet, "train", path, "--out", folder + "/run", "--seed", 3, "--threads",
                       1)
    if not check(done.returncode == 0, f"{net}: a step", done.stderr):
        return {}, math.nan
    return command.arrays(folder + "/run"), command.losses(folder + "/run")[0][1]


def weighted(y):
    def walk(v, angle, scale):
        return sum(walk(u, angle + scale * i, 2) for i,
                   u in enumerate(v)) if isinstance(v, list) else math.cos(angle) * v
    return sum(walk(row, 0, 1) for row in y)


picture, clip, cloud = gauss(3, 2, 6, 5), gauss(2, 2, 4, 5, 6), gauss(3, 7, 3)
EVERY = [
    ("instance_norm2d()", picture, lambda x, w: instance_norm(x)),
    ("instance_norm3d()", clip, lambda x, w: instance_norm(x)),
    ("upsample(factor = 3)", picture, lambda x,
     w: table((3, 2, 18, 15), lambda b, c, i, j: x[b][c][i // 3][j // 3])),
    ("upsample_bilinear()", picture, lambda x, w: bilinear(x, 2)),
    ("up_conv(3)", picture, lambda x, w: up_conv(x, w, "f", 3)),
    ("up_conv(2, factor = 3)", picture, lambda x, w: up_conv(x, w, "f", 2, 3)),
    ("max_pool_squares()", picture, lambda x, w: pooled(x)),
    ("average_places()", picture, lambda x, w: places(x, 2)),
    ("average_places(places = 3)", picture, lambda x, w: places(x, 3)),
    ("convnet_places(width = 2)", gauss(3, 2, 18, 17), lambda x, w: convnet_places(x, w)),
    ("double_conv(3)", picture, lambda x, w: double_conv(x, w, "f")),
    ("unet(3, width = 2)", gauss(2, 2, 16, 8), lambda x, w: unet(x, w, 2)),
    ("slot_memory(3, slots = 4)", picture, lambda x, w: slot_memory(x, w, 3, 4)),
    ("conv_in_space(3, stride = 2, size = 5)", clip, lambda x,
     w: conv(x, w["f.K"], (1, 2, 2), (1, 5, 5))),
    ("conv1_3d(3, stride = 2, pace = 2)", clip, lambda x,
     w: conv(x, w["f.K"], (2, 2, 2), (1, 1, 1))),
    ("conv_factored(3, stride = 2)", clip, lambda x, w: factored(x, w, "f", 2)),
    ("block3d()", clip, lambda x, w: block3d(x, w, "f", False)),
    ("block3d_down()", clip, lambda x, w: block3d(x, w, "f", True)),
    ("block_factored()", clip, lambda x, w: block_factored(x, w, "f", False)),
    ("block_factored_down()", clip, lambda x, w: block_factored(x, w, "f", True)),
    ("conv_gru(3)", clip, lambda x, w: gru(x, w, 3, 3)),
    ("conv_gru(2, size = 1)", clip, lambda x, w: gru(x, w, 2, 1)),
    ("conv_gru_step(1)", picture, lambda x, w: gru_step(x, w, "f", 1, 3)),
    ("edge_conv(4, near = 3)", cloud, lambda x, w: edge_conv(x, w, "f", 4, 3)),
    ("dgcnn(width = 2, near = 3)", cloud, lambda x, w: dgcnn(x, w, 2, 3)),
]
for net, x, expected in EVERY:
    with tempfile.TemporaryDirectory() as folder:
        weights, found = run(folder, net, x)
        try:
            value = weighted(expected(x, weights))
        except KeyError as name:
            check(False, f"{net}: its weights", f"{name} is not among {sorted(weights)}")
            continue
        check(abs(found - value) <= 2e-5 * max(1, abs(value)), f"{net}: {found:.7g}",
              f"expected {value:.9g}")
check.finish()
