#!/usr/bin/env python3
"""weights.py COUPLET ROOT: `start PART from "FILE"`. Whose names are found, which types are read,
what is refused with which shapes, what a run keeps of the file; and `export --torch`, which writes
what `start` reads."""
import json
import math
import os
import random
import struct
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()

SPEC = """use nn, optim, losses
data train = data.fashion_mnist("train")
data test  = data.fashion_mnist("test")
net flat(out)(x[N, C, H, W]) {
  param K[out, C, H, W] = normal(0, 0.1)
  state seen = 0
  let y[n, o] = sum[c, i, j] x[n, c, i, j] * K[o, c, i, j]
  return y
}
net encoder = trunk: flat(6) >> head: nn.linear(4)
net target = copy encoder
ema target <- encoder rate 0.5 with state
START
loss losses.nt_xent(encoder(train.image), stop(target(train.image)), 0.2)
train { epochs 1, batch 16, optimiser optim.sgd(lr = 0.1), freeze encoder.trunk }
eval { knn(k = 3, features = encoder.trunk, bank = train, query = test) }
"""
SHAPES = {"trunk.K": [6, 1, 28, 28], "trunk.seen": [], "head.W": [4, 6], "head.b": [4]}

RESNET = """use nn, optim, losses
data train = data.fashion_mnist("train")
net encoder = nn.large_stem(2) >> nn.block() >> nn.block_down() >> nn.global_average_pool()
START
let z = encoder(train.image)
loss losses.nt_xent(z, z, 0.2)
train { epochs 1, batch 4, optimiser optim.sgd(lr = 0.1) }
"""
# torchvision's names for that network, as its ResNet names its first blocks
TORCH = {"conv1.weight": [2, 1, 7, 7],
         **{f"layer1.0.conv{i}.weight": [2, 2, 3, 3] for i in (1, 2)},
         "layer2.0.conv1.weight": [4, 2, 3, 3], "layer2.0.conv2.weight": [4, 4, 3, 3],
         "layer2.0.downsample.0.weight": [4, 2, 1, 1]}
for norm, width in (("bn1", 2), ("layer1.0.bn1", 2), ("layer1.0.bn2", 2), ("layer2.0.bn1", 4),
                    ("layer2.0.bn2", 4), ("layer2.0.downsample.1", 4)):
    for last in ("weight", "bias", "running_mean", "running_var"):
        TORCH[f"{norm}.{last}"] = [width]
OURS = {"conv1.weight": "large_stem_1.conv_1.K", "bn1.bias": "large_stem_1.batch_norm2d_1.shift",
        "layer1.0.bn2.running_var": "block_1.body.batch_norm2d_2.running_var",
        "layer2.0.conv2.weight": "block_down_1.body.conv3_2.K",
        "layer2.0.downsample.0.weight": "block_down_1.shortcut.conv1_1.K"}

VIT = """use nn, optim, losses
data train = data.fashion_mnist("train")
net encoder = nn.patches(14, 6) >> nn.transformer_block(2, 2) >>
              nn.tokens_norm() >> nn.first_token()
start encoder from "vit.safetensors"
let z = encoder(train.image)
loss losses.nt_xent(z, z, 0.2)
train { epochs 1, batch 4, optimiser optim.sgd(lr = 0.1) }
"""
TIMM = {"cls_token": [1, 1, 6], "pos_embed": [1, 5, 6], "patch_embed.proj.weight": [6, 1, 14, 14],
        "patch_embed.proj.bias": [6], "blocks.0.norm1.weight": [6], "blocks.0.norm1.bias": [6],
        "blocks.0.attn.qkv.weight": [18, 6], "blocks.0.attn.qkv.bias": [18],
        "blocks.0.attn.proj.weight": [6, 6], "blocks.0.attn.proj.bias": [6],
        "blocks.0.norm2.weight": [6], "blocks.0.norm2.bias": [6],
        "blocks.0.mlp.fc1.weight": [12, 6], "blocks.0.mlp.fc1.bias": [12],
        "blocks.0.mlp.fc2.weight": [6, 12], "blocks.0.mlp.fc2.bias": [6],
        "norm.weight": [6], "norm.bias": [6], "head.weight": [10, 6], "head.bias": [10]}


def bfloat(values):
    return b"".join(struct.pack("<f", v)[2:] for v in values)


PACK = {"F32": lambda v: struct.pack(f"<{len(v)}f", *v), "BF16": bfloat,
        "F64": lambda v: struct.pack(f"<{len(v)}d", *v),
        "F16": lambda v: struct.pack(f"<{len(v)}e", *v)}


def write_tensors(path, shapes, types=("F32",), change=None):
    """Arrays of numbers that every type holds exactly. Returns them by name."""
    draw, header, data, values = random.Random(3), {}, b"", {}
    for i, (name, shape) in enumerate(shapes.items()):
        values[name] = [draw.randrange(-64, 64) / 32 for _ in range(math.prod(shape))]
        if change and name in change:
            values[name][0] = change[name]
        dtype = types[i % len(types)]
        packed = PACK[dtype](values[name])
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
    return values


def read_tensors(path):
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header, data = json.loads(file.read(length)), file.read()
    header.pop("__metadata__", None)
    return {name: (e["shape"],
                   list(struct.unpack(f"<{(e['data_offsets'][1] - e['data_offsets'][0]) // 4}f",
                                                  data[slice(*e["data_offsets"])])))
            for name, e in header.items() if e["dtype"] == "F32"}


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data", train=64, test=20)

    def train(spec, name, *more):
        """Paths of files begin in the folder of the spec; --data SOURCE=PATH leaves them there."""
        command.write(f"{folder}/{name}.cpl", spec)
        places = [f"train={data}"] + ([f"test={data}"] if "data test" in spec else [])
        return command.run(couplet, "train", f"{folder}/{name}.cpl",
                           *[word for place in places for word in ("--data", place)],
                           "--out", f"{folder}/{name}", *more)

    def begins(name):
        return read_tensors(f"{folder}/{name}/start.safetensors")

    # a whole part by its own names, in all types; the copy begins alike
    own = write_tensors(f"{folder}/own.safetensors", SHAPES | {"other": [2, 3]},
                        ("F16", "BF16", "F64", "F32"))
    done = train(SPEC.replace("START", 'start encoder from "own.safetensors"'), "own",
                 "--max-steps", 1)
    left = "encoder: `other` [2, 3] of own.safetensors is left out"
    check(done.returncode == 0 and left in done.stdout,
          "begins with a file, and names what is left out", done.stdout + done.stderr)
    start = begins("own")
    check(all(start[f"{net}.{n}"][1] == v for n, v in own.items() for net in ("encoder", "target")
              if n != "other"), "every array of the part and of its copy, from every type")
    after = command.arrays(f"{folder}/own")
    check(after["encoder.trunk.K"] == own["trunk.K"] and after["encoder.head.W"] != own["head.W"],
          "what is frozen stays, and the rest is trained")
    weights = command.settings(f"{folder}/own")["weights"]["encoder"]
    check(weights["path"] == "own.safetensors" and len(weights["hash"]) == 16,
          "the record has the hash", weights)
    os.rename(f"{folder}/own.safetensors", f"{folder}/moved.safetensors")
    done = train(SPEC.replace("START", 'start encoder from "own.safetensors"'), "own", "--resume")
    check(done.returncode == 0, "goes on without the file", done.stdout + done.stderr)
    check(command.settings(f"{folder}/own")["weights"]["encoder"] == weights, "and keeps the hash")
    done = command.run(couplet, "eval", f"{folder}/own")
    check(done.returncode == 0 and "before training" in done.stdout,
          "is evaluated without the file",
          done.stdout + done.stderr)

    # names by hand; a part of a network
    hand = write_tensors(f"{folder}/hand.safetensors", {"fc.weight": [4, 6], "fc.bias": [4]})
    by_hand = ('start encoder.head from "hand.safetensors" {\n'
               '  W <- "fc.weight"\n  b <- "fc.bias"\n}')
    done = train(SPEC.replace("START", by_hand), "hand", "--max-steps", 1)
    check(done.returncode == 0 and begins("hand")["encoder.head.W"][1] == hand["fc.weight"],
          "names by hand",
          done.stdout + done.stderr)

    # what is refused
    write_tensors(f"{folder}/short.safetensors", {k: v for k, v in SHAPES.items() if k != "head.b"})
    write_tensors(f"{folder}/wide.safetensors", SHAPES | {"head.W": [5, 6]})
    write_tensors(f"{folder}/nan.safetensors", SHAPES, change={"head.b": math.nan})
    command.write(f"{folder}/text.safetensors", "no tensors")
    cases = [("encoder", "short", "there is no `encoder.head.b`", "[4]"),
             ("encoder", "wide", "`head.W` is [5, 6], and `encoder.head.W` is [4, 6]"),
             ("encoder", "nan", "entry 0 of `head.b` is nan"), ("encoder", "text", "safetensors"),
             ("encoder", "nowhere", "nowhere.safetensors"),
             ("encoder.trunk", "wide", None)]
    for part, file, *words in cases:
        done = train(SPEC.replace("START", f'start {part} from "{file}.safetensors"'), "refused",
                     "--max-steps", 1)
        if words[0]:
            check.refused(f"{part} from {file}", done, "refused.cpl:13:1", *words)
            check(not os.path.exists(f"{folder}/refused"), "and nothing is written")
    done = train(SPEC.replace("START",
                              'start encoder from "moved.safetensors" { head.V <- "x" }'), "named")
    check.refused("a name that is none", done, "`encoder` has no array `head.V`")
    done = train(SPEC.replace("START", 'start coder from "moved.safetensors"'), "unknown")
    check.refused("a part that is none", done, "`coder` is not known")

    # torchvision's names, and the way back
    theirs = write_tensors(f"{folder}/resnet.safetensors", TORCH | {"fc.weight": [10, 4]})
    done = train(RESNET.replace("START", 'start encoder from "resnet.safetensors"'), "resnet",
                 "--max-steps", 1)
    start = begins("resnet") if done.returncode == 0 else {}
    check(start and all(start[f"encoder.{ours}"][1] == theirs[name] for name, ours in OURS.items()),
          "torchvision's names", done.stdout + done.stderr)
    check("named as torchvision's ResNets" in done.stdout and "`fc.weight` [10, 4]" in done.stdout,
          "are said, and what is left out", done.stdout)
    done = command.run(couplet, "export", f"{folder}/resnet", "--part", "encoder", "--torch",
                       f"{folder}/out.safetensors")
    check.refused("a network that torchvision does not have", done, "E615",
                  "`large_stem_1.conv_1.K` is [2, 1, 7, 7]")

    # a network that torchvision has: its names, in a folder that has a checkpoint
    def block(ours, theirs, change):
        names = {f"{ours}.body.conv3_{i}.K": (f"{theirs}.conv{i}.weight", [2, 2, 3, 3])
                 for i in (1, 2)}
        norms = [(f"{ours}.body.batch_norm2d_{i}", f"{theirs}.bn{i}") for i in (1, 2)]
        if change:
            names[f"{ours}.shortcut.conv1_1.K"] = (f"{theirs}.downsample.0.weight", [2, 2])
            norms.append((f"{ours}.shortcut.batch_norm2d_1", f"{theirs}.downsample.1"))
        for mine, other in norms:
            names |= {f"{mine}.{a}": (f"{other}.{b}", [2]) for a, b in LASTS.items()}
        return names

    LASTS = {"gain": "weight", "shift": "bias",
             "running_mean": "running_mean", "running_var": "running_var"}
    names = {"e.large_stem_1.conv_1.K": ("conv1.weight", [64, 3, 7, 7])}
    names |= {f"e.large_stem_1.batch_norm2d_1.{a}": (f"bn1.{b}", [2]) for a, b in LASTS.items()}
    plain = iter(range(1, 9))
    for stage in range(1, 5):
        change = stage > 1
        first = f"e.block_down_{stage - 1}" if change else f"e.block_{next(plain)}"
        names |= block(first, f"layer{stage}.0", change)
        names |= block(f"e.block_{next(plain)}", f"layer{stage}.1", False)
    os.makedirs(f"{folder}/r18")

    def export(changes):
        values = write_tensors(f"{folder}/r18/checkpoint.safetensors",
                               {name: shape for name, (_, shape) in (names | changes).items()})
        done = command.run(couplet, "export", f"{folder}/r18", "--part", "e", "--torch",
                           f"{folder}/r18.safetensors")
        return values, done

    values, done = export({})
    made = read_tensors(f"{folder}/r18.safetensors") if done.returncode == 0 else {}
    check(made and all(made[theirs][1] == values[ours] for ours, (theirs, _) in names.items())
          and len(made) == len(names) and "torchvision's resnet18" in done.stdout,
          "writes resnet18 by torchvision's names", done.stdout + done.stderr)
    check(made and made["layer2.0.downsample.0.weight"][0] == [2, 2, 1, 1], "with their axes")
    done = export({"e.large_stem_1.conv_1.K": ("", [2, 3, 7, 7])})[1]
    check.refused("a narrow one", done, "`large_stem_1.conv_1.K` is [2, 3, 7, 7]", "[64, 3, 7, 7]")
    done = export({"e.mlp_1.W": ("", [2, 2])})[1]
    check.refused("a layer that has no name there", done, "`mlp_1.W` has no name there")

    # timm's, whose queries, keys and values lie in one array
    theirs = write_tensors(f"{folder}/vit.safetensors", TIMM)
    done = train(VIT, "vit", "--max-steps", 1)
    start = begins("vit") if done.returncode == 0 else {}
    qkv = theirs["blocks.0.attn.qkv.weight"]
    mix = "encoder.transformer_block_1.attention_1.tokens_linear_"
    check(start and all(start[f"{mix}{i + 1}.W"][1] == qkv[36 * i:][:36]
                        for i in range(3)), "timm's names",
          done.stdout + done.stderr)
check.finish()
