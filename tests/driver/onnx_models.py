#!/usr/bin/env python3
"""onnx_models.py COUPLET ROOT: `export --onnx`. Networks of the library and formulas whose reads
and
reductions have different forms, compared with `couplet embed` for several numbers of samples: the
model is checked by Debian's python3-onnx, computed by onnx_values.py and, where Python has it, by
onnxruntime. What is refused, with its place."""
import os
import random
import re
import subprocess
import sys
import tempfile

import command
from data_files import arrays

couplet = sys.argv[1]
check = command.Checks()

try:
    import numpy as np
    import onnx
    import onnx_values
except ImportError as missing:
    print(f"left out: {missing} (Debian's python3-onnx has it)")
    sys.exit(77)
try:
    import onnxruntime
except ImportError:
    onnxruntime = None

SPEC = """use nn, optim, losses
data train = data.arrays("train")
data test = data.arrays("test")
hyper scale = 2
%s
net other = nn.linear(4)
loss losses.nt_xent(other(train.row), other(train.row), 0.5)
train { epochs 1, batch 8, optimiser optim.sgd(lr = 0.01) }
eval { uniformity(features = %s, bank = train, query = test) }
"""
# Networks of the library that have each kind of layer, with the field that each is given.
NETWORKS = [
    ("map", "nn.large_stem(2) >> nn.block_down() >> nn.block_gn(2) >> nn.global_average_pool()"),
    ("map", "nn.bottleneck_change(2, stride = 2) >> nn.average_pool(2) >> nn.group_norm2d(2) >> "
            "nn.global_average_pool() >> nn.mlp_bn(8, 4)"),
    ("map", "nn.unet(2, width = 2) >> nn.instance_norm2d() >> nn.upsample_bilinear(2) >> "
            "nn.global_average_pool()"),
    ("map", "nn.patches(4, 4) >> nn.transformer_block(2) >> nn.tokens_norm() >> nn.first_token()"),
    ("map", "nn.conv(3, size = 5, stride = 2) >> nn.slot_memory(2, slots = 3) >> "
            "nn.global_average_pool()"),
    ("wave", "nn.convnet1d(width = 2)"),
    ("clip", "nn.channels_first() >> nn.conv3d(2) >> nn.conv_factored(2) >> nn.batch_norm3d() >> "
             "nn.global_average_pool3d()"),
    ("clip", "nn.conv_gru(2) >> nn.global_average_pool()"),
    ("seq", "nn.gru(3)"),
    ("seq", "nn.lstm_both(2) >> nn.average_over_tokens()"),
    ("points", "nn.edge_conv(3, near = 2) >> nn.batch_norm_points() >> nn.max_over_points()"),
    ("code", "nn.words(9, 4) >> nn.transformer_block(2) >> nn.average_over_tokens()"),
    ("code", "nn.bag_of_tokens(9, 3)"),
    ("row", "nn.layer_norm() >> nn.linear_weight_norm(3) >> nn.dropout(0.5) >> relu"),
]
# Formulas: y[n, d < D] of x[N, D] (row), or of x[N, T] (code).
FORMULAS = [
    ("row", "x[n, D - 1 - d] * scale"),
    ("row", "x[n, 2 * (d div 2)] + x[n, 3]"),
    ("row", "(x[n, d - 2] else -1) + (x[n, d + 1] else x[n, 0])"),
    ("row", "sum[e | e != d] x[n, e] * real(e)"),
    ("row", "logsumexp[e | e <= d] x[n, e] * 3"),
    ("row", "(max[e | e > d] x[n, e] else 7)"),
    ("row", "min[e, f | e + f == d] x[n, e] * x[n, f]"),
    ("row", "real(argmax[e < D] x[n, (e + d) mod D])"),
    ("row", "real(argmin[e < D, f < 2] x[n, (e + f + d) mod D])"),
    ("row", "prod[e < 3] x[n, (e + d) mod D]"),
    ("row", "if any[e] (x[n, e] > 1 + real(d) / 4) then 1 else real(d)"),
    ("row", "if all[e | e < d] (x[n, e] < 1) then x[n, d] else -2"),
    ("row", "real(count[e | x[n, e] > x[n, d]])"),
    ("row", "expm1(x[n, d] / 100) + log1p(abs(x[n, d]) / 100) + erf(x[n, d]) + log1p(5)"),
    ("row", "sigmoid(x[n, d]) + softplus(x[n, d]) + round(x[n, d]) + floor(x[n, d])"),
    ("row", "sin(x[n, d]) + cos(x[n, d]) + tanh(x[n, d]) + sign(x[n, d])"),
    ("row", "sqrt(abs(x[n, d])) / (1 + x[n, d]^2) + abs(x[n, d])^1.5 + ceil(x[n, d])"),
    ("row", "x[n, d] + sum[e < 3] 1.5"),
    ("row", "logsumexp[e < 3] x[n, d]"),
    ("row", "sum[e, f] x[n, e] * x[n, f] * real(e == (d + f) mod D)"),
    ("row", "real(argsort_of(x)[n, d])"),
    ("row", "real(topk_of(x)[n, d div 4])"),
    ("code", "real(x[n, (d + 1) mod T] mod 5) + real((x[n, d] - 4) div 3)"),
    ("code", "real((x[n, x[n, d] - 1] else -3))"),
    ("code", "x[n, x[n, d] mod T] * 1.0 + (if x[n, d] != 3 or d == 2 then 1 else 0)"),
]
HELPERS = """
fn topk_of(x[N, D]) {
  let t[i, r < 2] = topk[d, r] x[i, d]
  return t
}
fn argsort_of(x[N, D]) {
  let t[i, d] = argsort(x[i])[d]
  return t
}
"""
# Windows: sizes and steps of both kinds, a step between the terms, a kernel for each channel.
WINDOWS = """
net windows()(x[N, C, H, W]) {
  param K[2, C, 2, 3] = normal(0, 1), L[C, 2, 3, 3] = normal(0, 1), P[2, 3] = normal(0, 1)
  let a[n, o, i < 5, j < 7] =
      sum[c, p, q] (x[n, c, 3*i + 2*p - 2, 2*j + q + 1] else 0) * K[o, c, p, q]
  let b[n, c, o, i < H, j < W] = sum[p, q] (x[n, c, i + p - 1, j + q - 1] else 0) * L[c, o, p, q]
  let m[n, c, i < 4, j < 8] = max[p < 2, q < 3] (x[n, c, 3*i + 2*p - 1, 2*j + q - 1] else 0.5)
  let v[n, c, i < 6, j < 9] = sum[p, q] x[n, c, i + p, j + q] * P[p, q]
  let y[n, d < 4] = if d == 0 then sum[o, i, j] a[n, o, i, j] * real(i + j)
                    else if d == 1 then sum[c, o, i, j] b[n, c, o, i, j] * real(i + o)
                    else if d == 2 then sum[c, i, j] m[n, c, i, j] * real(i + j)
                    else sum[c, i, j] v[n, c, i, j]
  return y
}
"""
REFUSED = [  # the formula of y[n, d], words of the message
    ("row", "x[n, d] + real(n)", ["E615", "its place among the others"]),
    ("row", "mean[e | x[n, e] > 0] x[n, e]", ["E615", "no term"]),
    ("code", "real(x[n, d] * x[n, d] * x[n, d])", ["E615", "may leave 64 bits"]),
    ("code", "real(4 div x[n, d])", ["E615", "divisor may be 0"]),
]


def formula(number, text, field):
    kind, axis = ("x : int[N, T]", "T") if field == "code" else ("x[N, D]", "D")
    return (f"net f{number}()({kind}) {{\n  let y[n, d < {axis}] = {text}\n  return y\n}}\n"
            f"net g{number} = f{number}()\n")


def make(folder, split, count, draw):
    def reals(*shape):
        entries = count * int(np.prod(shape))
        return ((count,) + shape, "<f4", [draw.gauss(0, 1) for _ in range(entries)])

    arrays(f"{folder}/{split}", row=reals(8), map=reals(2, 16, 16), wave=reals(24),
           clip=reals(3, 2, 8, 8), seq=reals(4, 3), points=reals(6, 3),
           code=((count, 6), "<i4", [draw.randrange(0, 9) for _ in range(6 * count)]))


def train(folder, name, parts, features):
    spec = command.write(f"{folder}/{name}.cpl", SPEC % (HELPERS + parts, features))
    return command.run(couplet, "train", spec, "--max-steps", 1, "--out", f"{folder}/{name}",
                       "--quiet")


def export(folder, name, *more):
    return command.run(couplet, "export", f"{folder}/{name}", "--onnx", f"{folder}/{name}.onnx",
                       *more)


def computed(path, model, inputs):
    yield "by NumPy", onnx_values.run(model, inputs)[0]
    if onnxruntime:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        yield "by onnxruntime", session.run(None, inputs)[0]


def compare(folder, name):
    """The features of the test samples: all of them, then the first alone."""
    path = f"{folder}/{name}.onnx"
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    done = command.run(couplet, "embed", f"{folder}/{name}", "--data", f"{folder}/test", "-o",
                       f"{folder}/{name}.npy")
    if not check(done.returncode == 0, f"{name}: embedded", done.stderr[-500:]):
        return model
    wanted = np.load(f"{folder}/{name}.npy")
    scale = np.maximum(1, np.abs(wanted).max(axis=0))
    for count in (len(wanted), 1):
        inputs = {}
        for i in model.graph.input:
            x = np.load(f"{folder}/test/{i.name}.npy")[:count]
            inputs[i.name] = x.astype(np.int64) if x.dtype == np.int32 else x
        for how, found in computed(path, model, inputs):
            off = np.abs(found - wanted[:count]) / scale
            check(found.shape == (count, wanted.shape[1]) and off.max() < 1e-5,
                  f"{name}: {count} samples {how}", f"off by {off.max()} at {off.max(axis=0)}")
    return model


with tempfile.TemporaryDirectory() as folder:
    draw = random.Random(2)
    make(folder, "train", 16, draw)
    make(folder, "test", 5, draw)

    # One model for all: its features are those of all networks side by side.
    parts = WINDOWS + "net w = windows()\n"
    terms = ["w(train.map)"]
    for i, (field, net) in enumerate(NETWORKS):
        parts += f"net n{i} = {net}\n"
        terms.append(f"n{i}(train.{field})")
    for i, (field, text) in enumerate(FORMULAS):
        parts += formula(i, text, field)
        terms.append(f"g{i}(train.{field})")
    done = train(folder, "all", parts, f"concat({', '.join(terms)}, axis = 2)")
    check(done.returncode == 0, "the networks and formulas train", done.stderr)
    done = export(folder, "all")
    if check(done.returncode == 0, "and are a model", done.stderr):
        model = compare(folder, "all")
        used = {node.op_type for node in model.graph.node}
        check({"Conv", "MaxPool", "MatMul", "Einsum", "Gather", "GatherND", "Slice"} <= used,
              "of operators that runtimes are quick at", sorted(used))
        check(sorted(i.name for i in model.graph.input) ==
              ["clip", "code", "map", "points", "row", "seq", "wave"], "with the fields as inputs")
        check(any(t.name == "n0.large_stem_1.conv_1.K" for t in model.graph.initializer),
              "and the parameters by their names")
        check(any(re.search(r"stdlib/nn/images.cpl:\d+", n.doc_string)
                  for n in model.graph.node), "and places of formulas")

    for i, (field, text, words) in enumerate(REFUSED):
        done = train(folder, f"no{i}", formula(0, text, field), f"g0(train.{field})")
        if done.returncode == 0:
            done = export(folder, f"no{i}")
        check.refused(text, done, f"/no{i}", "cpl:", *words)
        check(not os.path.exists(f"{folder}/no{i}.onnx"), "and no file is left")

    # the command
    run = f"{folder}/all"
    check.refused("another network", export(folder, "all", "--part", "nothing"), "E615",
                  "no evaluation is of the features `nothing`")
    check.refused("no file", command.run(couplet, "export", run), "--onnx FILE", status=2)
    check.refused("two files", command.run(couplet, "export", run, "--onnx", "a", "--torch", "b"),
                  "--onnx FILE", status=2)
    check.refused("a folder that is no run", command.run(couplet, "export", folder, "--onnx",
                                                         f"{folder}/x.onnx"), "E608")
    check.refused("a path that cannot be written",
                  command.run(couplet, "export", run, "--onnx", f"{folder}/none/x.onnx"), "none")
check.finish()
