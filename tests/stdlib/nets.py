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


def split_norm(x, parts):
    return normed(x, lambda b, c: (b % parts, c))


def group_norm(x, groups):
    size = len(x[0]) // groups
    return normed(x, lambda b, c: (b, c // size))


def standard(kernel, out, eps=1e-5):
    """Each of the `out` kernels with mean 0 and variance 1."""
    rows = nested(kernel, out, len(kernel) // out)
    return [(v - mean(row)) / math.sqrt(mean((u - mean(row)) ** 2 for u in row) + eps)
            for row in rows for v in row]


def convolved(x, w, name, out, stride, size):
    return conv(x, standard(w[name + ".K"], out), (stride, stride), (size, size))


def block_gn(x, w, name, groups, down):
    """With standardised kernels; as the other networks with group normalisation here."""
    out = (2 if down else 1) * len(x[0])
    y = relu(group_norm(convolved(x, w, name + ".body.conv3_1", out, 2 if down else 1, 3), groups))
    y = group_norm(convolved(y, w, name + ".body.conv3_2", out, 1, 3), groups)
    if down:
        x = group_norm(convolved(x, w, name + ".shortcut.conv1_1", out, 2, 1), groups)
    return relu(add(x, y))


def bottleneck_gn(x, w, name, width, stride, groups, change):
    out = 4 * width if change else len(x[0])
    y = relu(group_norm(convolved(x, w, name + ".body.conv1_1", width, 1, 1), groups))
    y = relu(group_norm(convolved(y, w, name + ".body.conv3_1", width, stride, 3), groups))
    y = group_norm(convolved(y, w, name + ".body.conv1_2", out, 1, 1), groups)
    if change:
        x = group_norm(convolved(x, w, name + ".shortcut.conv1_1", out, stride, 1), groups)
    return relu(add(x, y))


def max_pool(x, size, stride):
    n, c, height, width = shape_of(x)

    def element(b, ch, i, j):
        return max(x[b][ch][r][s] for r in range(stride * i - size // 2, stride * i + size // 2 + 1)
                   for s in range(stride * j - size // 2, stride * j + size // 2 + 1)
                   if 0 <= r < height and 0 <= s < width)
    return table((n, c, -(-height // stride), -(-width // stride)), element)


def stem_gn(x, w, width, groups, large):
    if not large:
        return relu(group_norm(convolved(x, w, "f.conv3_1", width, 1, 3), groups))
    y = convolved(x, w, "f.large_stem_gn_1.conv_1", width, 2, 7)
    return max_pool(relu(group_norm(y, groups)), 3, 2)


def over_all(x):
    return [[mean(npy.flatten(plane)) for plane in row] for row in x]


def residual_gn(x, w, width, groups, counts, stages="", large=False):
    x = stem_gn(x, w, width, groups, large)
    same, down = 0, 0
    for stage, count in enumerate(counts):
        for k in range(count):
            halves = stage > 0 and k == 0
            same, down = same + (not halves), down + halves
            name = f"block_down_gn_{down}" if halves else f"block_gn_{same}"
            x = block_gn(x, w, f"f.{stages}{name}", groups, halves)
    return over_all(x)


def bottlenecks_gn(x, w, width, groups, counts, large=False):
    x = stem_gn(x, w, width, groups, large)
    same = 0
    for stage, count in enumerate(counts):
        for k in range(count):
            same += k > 0
            name = f"bottleneck_change_gn_{stage + 1}" if k == 0 else f"bottleneck_gn_{same}"
            x = bottleneck_gn(x, w, f"f.resnet50_stages_gn_1.{name}", width << stage,
                              2 if stage > 0 and k == 0 else 1, groups, k == 0)
    return over_all(x)


def patches_sincos(x, w, patch, width):
    n, c, height, across = shape_of(x)
    kernel = nested(w["f.K"], width, c, patch, patch)
    rows, columns, quarter = height // patch, across // patch, width // 4

    def token(b, r, s):
        def place(d):
            angle = (s if d < 2 * quarter else r) / 10000 ** ((d % quarter) / quarter)
            return math.cos(angle) if d // quarter % 2 else math.sin(angle)
        return [w["f.b"][d] + place(d) + sum(
            x[b][ch][r * patch + i][s * patch + j] * kernel[d][ch][i][j] for ch in range(c)
            for i in range(patch) for j in range(patch)) for d in range(width)]
    return [[list(w["f.first"])] + [token(b, r, s) for r in range(rows) for s in range(columns)]
            for b in range(n)]


def tokens_linear(x, w, name):
    bias = w[name + ".b"]
    weight = nested(w[name + ".W"], len(bias), len(w[name + ".W"]) // len(bias))
    return [[[u + sum(a * v for a, v in zip(row, place)) for u, row in zip(bias, weight)]
             for place in line] for line in x]


def tokens_norm(x, eps=1e-6):
    return [[[(v - mean(place)) / math.sqrt(mean((u - mean(place)) ** 2 for u in place) + eps)
              for v in place] for place in line] for line in x]


def attention(x, w, name, heads):
    q, k, v = (tokens_linear(x, w, f"{name}.tokens_linear_{part}") for part in (1, 2, 3))
    wide = len(q[0][0]) // heads

    def mixed(b, t, d):
        part = slice(d // wide * wide, d // wide * wide + wide)
        shares = softmax([sum(i * j for i, j in zip(q[b][t][part], other[part])) / math.sqrt(wide)
                          for other in k[b]])
        return sum(s * other[d] for s, other in zip(shares, v[b]))
    return tokens_linear(table(shape_of(x), mixed), w, name + ".tokens_linear_4")


def vit_blocks(x, w, heads):
    for k in range(1, 13):
        name = f"f.transformer_block_{k}"
        x = add(x, attention(tokens_norm(x), w, name + ".attention_1", heads))
        y = each(lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2,
                 tokens_linear(tokens_norm(x), w, name + ".map.tokens_linear_1"))
        x = add(x, tokens_linear(y, w, name + ".map.tokens_linear_2"))
    return tokens_norm(x)


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
let y = f(train.all.x)
loss sum[n, {axes}] cos(real({axes.replace(', ', ' + 2*')})) * y[n, {axes}]
train {{ epochs 1, steps 1, optimiser optim.sgd(lr = 0) }}
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
large = gauss(2, 2, 16, 13)
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
    ("batch_norm2d_split()", gauss(5, 2, 3, 4), lambda x, w: split_norm(x, 2)),
    ("batch_norm2d_split(parts = 3)", gauss(6, 2, 3, 4), lambda x, w: split_norm(x, 3)),
    ("conv3(4, stride = 2, standard = true)", picture, lambda x,
     w: convolved(x, w, "f", 4, 2, 3)),
    ("conv1(3, standard = true)", picture, lambda x, w: convolved(x, w, "f", 3, 1, 1)),
    ("conv(3, 5, standard = true)", picture, lambda x, w: convolved(x, w, "f", 3, 1, 5)),
    ("resnet18_gn(width = 2, groups = 2, standard = true)", picture, lambda x,
     w: residual_gn(x, w, 2, 2, (2, 2, 2, 2))),
    ("resnet18_large_gn(width = 2, groups = 2, standard = true)", large, lambda x,
     w: residual_gn(x, w, 2, 2, (2, 2, 2, 2), large=True)),
    ("resnet34_large_gn(width = 2, groups = 2, standard = true)", large, lambda x,
     w: residual_gn(x, w, 2, 2, (3, 4, 6, 3), "resnet34_stages_gn_1.", True)),
    ("resnet50_gn(width = 2, groups = 2, standard = true)", picture, lambda x,
     w: bottlenecks_gn(x, w, 2, 2, (3, 4, 6, 3))),
    ("patches_sincos(2, 8)", gauss(2, 2, 6, 4), lambda x, w: patches_sincos(x, w, 2, 8)),
    ("average_over_patches()", cloud, lambda x,
     w: [[mean(column) for column in zip(*line[1:])] for line in x]),
    ("vit_blocks(2)", gauss(2, 3, 8), lambda x, w: vit_blocks(x, w, 2)),
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

# The running statistics of a split batch move by the mean over its parts, here of 3 and 2 samples.
with tempfile.TemporaryDirectory() as folder:
    x = gauss(5, 2, 3, 4)
    state, _ = run(folder, "batch_norm2d_split()", x)
    for channel in range(2):
        parts = [[v for row in x[part::2] for v in npy.flatten(row[channel])] for part in (0, 1)]
        middle = [mean(part) for part in parts]
        var = [sum((v - m) ** 2 for v in part) / (len(part) - 1) for m, part in zip(middle, parts)]
        for name, value in (("mean", 0.1 * mean(middle)), ("var", 0.9 + 0.1 * mean(var))):
            found = state.get("f.running_" + name, [math.nan] * 2)[channel]
            check(abs(found - value) <= 1e-6, f"running_{name} of a split batch: {found:.7g}",
                  f"expected {value:.9g}")
check.finish()
