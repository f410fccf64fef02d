#!/usr/bin/python3
"""table_torch.py METHOD DATA --out FOLDER [--data FOLDER] [--seed N] [--epochs N] [--threads N]: a
method of tools/table.py in torch, with the network, initial weights, views, batches, optimiser and
schedule of its spec. METHOD is simclr, byol or vicreg; DATA is fashion, or pictures, which lie in
--data as train/CLASS/* and test/CLASS/*. Writes the features of the trained trunk, as train.npz and
test.npz with x and label. Draws are torch's, so figures agree with Couplet's within deviations."""
import argparse
import copy
import gzip
import math
import os

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

FASHION = "/usr/share/datasets/fashion-mnist"
BATCH, WARMUP, RATE, DECAY = 256, 50, 0.003, 1e-6
TAU, AVERAGE = {1: 0.1, 3: 0.2}, 0.99  # by channels
WIDTH = 512  # of the trunk

# ---- data --------------------------------------------------------------------------------------


def read_idx(name):
    with gzip.open(os.path.join(FASHION, name)) as file:
        data = file.read()
    axes = data[3]
    shape = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(axes)]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def fashion(split):
    name = {"train": "train", "test": "t10k"}[split]
    images = read_idx(f"{name}-images-idx3-ubyte.gz")[:, None]
    return images, read_idx(f"{name}-labels-idx1-ubyte.gz")


def pictures(folder, split):
    from PIL import Image

    images, labels = [], []
    root = os.path.join(folder, split)
    classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    for label, name in enumerate(classes):
        place = os.path.join(root, name)
        for file in sorted(os.listdir(place)):
            image = Image.open(os.path.join(place, file)).convert("RGB").resize((32, 32))
            images.append(np.asarray(image).transpose(2, 0, 1))
            labels.append(label)
    return np.stack(images), np.array(labels)


# ---- views: stdlib/augment, over a batch -------------------------------------------------------


def uniform(count, low, high):
    return torch.rand(count) * (high - low) + low


def per_image(values):
    return values[:, None, None, None]


def crop(x, low):
    """`crop` of stdlib/augment/geometry.cpl: bilinear sampling of a random box."""
    n, _, height, width = x.shape
    area, ratio = uniform(n, low, 1), torch.exp(uniform(n, math.log(3 / 4), math.log(4 / 3)))
    h, w = torch.sqrt(area / ratio).clamp(max=1), torch.sqrt(area * ratio).clamp(max=1)
    top, left = torch.rand(n) * (1 - h), torch.rand(n) * (1 - w)
    rows = (torch.arange(height) + 0.5) / height
    columns = (torch.arange(width) + 0.5) / width
    down = 2 * (top[:, None] + h[:, None] * rows) - 1
    right = 2 * (left[:, None] + w[:, None] * columns) - 1
    down = down[:, :, None].expand(n, height, width)
    right = right[:, None, :].expand(n, height, width)
    places = torch.stack([right, down], 3)
    return F.grid_sample(x, places, padding_mode="border", align_corners=False)


def flip(x):
    return torch.where(per_image(torch.rand(len(x)) < 0.5), x.flip(3), x)


def brightness_contrast(x, low=0.6, high=1.4):
    brightness, contrast = (per_image(uniform(len(x), low, high)) for _ in range(2))
    centre = brightness * x.mean((1, 2, 3), keepdim=True)
    return ((brightness * x - centre) * contrast + centre).clamp(0, 1)


def luma(x):
    return (x * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def turned(x, turn):
    """The hue turned by so many turns, in HSV."""
    r, g, b = x[:, 0], x[:, 1], x[:, 2]
    top = x.amax(1)
    span = top - x.amin(1)
    d = torch.where(span == 0, torch.ones_like(span), span)
    below = torch.where(top == g, 2 + (b - r) / d, 4 + (r - g) / d)
    hue = torch.where(top == r, (g - b) / d, below)
    k = torch.tensor([5.0, 3.0, 1.0])[:, None, None] + (hue + 6 * turn[:, 0])[:, None]
    m = k % 6
    return top[:, None] - span[:, None] * torch.minimum(m, 4 - m).clamp(0, 1)


def jitter(x, strength=0.4, hue=0.1, chance=0.8):
    n = len(x)
    on = torch.rand(n) < chance
    order = torch.rand(n, 4).argsort(1)
    bright, even, vivid = (per_image(uniform(n, 1 - strength, 1 + strength)) for _ in range(3))
    turn = per_image(uniform(n, -hue, hue))
    for place in range(4):
        l = luma(x)
        done = [
            (bright * x).clamp(0, 1),
            (even * x + (1 - even) * l.mean((2, 3), keepdim=True)).clamp(0, 1),
            (vivid * x + (1 - vivid) * l).clamp(0, 1),
            turned(x, turn),
        ]
        for operation, y in enumerate(done):
            x = torch.where(per_image(on & (order[:, place] == operation)), y, x)
    return x


def random_grey(x, chance=0.2):
    return torch.where(per_image(torch.rand(len(x)) < chance), luma(x).expand_as(x), x)


def view(x):
    if x.shape[1] == 1:
        return brightness_contrast(flip(crop(x, 0.7)))
    return random_grey(jitter(flip(crop(x, 0.2))))


# ---- networks: stdlib/nn -----------------------------------------------------------------------


def layer(inside, out, stride):
    return [nn.Conv2d(inside, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]


def convnet_places(channels, width=32):
    layers, inside = [], channels
    for out, stride in ((width, 2), (2 * width, 2), (4 * width, 2), (4 * width, 1)):
        layers += layer(inside, out, stride)
        inside = out
    return nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.BatchNorm1d(WIDTH))


def mlp(inside, hidden, out, norm):
    between = [nn.BatchNorm1d(hidden)] if norm else []
    return nn.Sequential(nn.Linear(inside, hidden), *between, nn.ReLU(), nn.Linear(hidden, out))


def begin(module):
    """The library's initial weights: normal with variance 1 / (3 fan_in), biases 0."""
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Conv2d)):
            nn.init.normal_(part.weight, 0, math.sqrt(1 / (3 * part.weight[0].numel())))
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    return module


# ---- methods: the examples ---------------------------------------------------------------------


class SimCLR(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.trunk, self.head = convnet_places(channels), mlp(WIDTH, 256, 128, False)
        self.tau = TAU[channels]

    def loss(self, a, b, _):
        u = F.normalize(torch.cat([self.head(self.trunk(a)), self.head(self.trunk(b))]), dim=1)
        s, n = u @ u.T / self.tau, len(a)
        s.fill_diagonal_(-math.inf)
        return F.cross_entropy(s, (torch.arange(2 * n) + n) % (2 * n))

    def follow(self, _):
        pass


class VICReg(SimCLR):
    def __init__(self, channels):
        super().__init__(channels)
        self.head = mlp(WIDTH, 256, 128, True)

    def loss(self, a, b, _):
        z, w = self.head(self.trunk(a)), self.head(self.trunk(b))
        spread = sum(F.relu(1 - torch.sqrt(x.var(0) + 1e-4)).mean() for x in (z, w)) / 2
        return 25 * F.mse_loss(z, w) + 25 * spread + self.covariance(z) + self.covariance(w)

    @staticmethod
    def covariance(z):
        z = z - z.mean(0)
        c = z.T @ z / (len(z) - 1)
        return (c.pow(2).sum() - c.diagonal().pow(2).sum()) / z.shape[1]


class BYOL(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.trunk, self.head = convnet_places(channels), mlp(WIDTH, 256, 128, True)
        self.predict = mlp(128, 256, 128, True)

    def begin(self):
        self.online = nn.Sequential(self.trunk, self.head)
        self.target = copy.deepcopy(self.online).requires_grad_(False)

    def loss(self, a, b, _):
        p, q = self.predict(self.online(a)), self.predict(self.online(b))
        with torch.no_grad():
            s, t = self.target(a), self.target(b)
        return 4 - 2 * (F.cosine_similarity(p, t).mean() + F.cosine_similarity(q, s).mean())

    def follow(self, part):
        """The target's parameters follow; its batch statistics are its own."""
        rate = 1 + (AVERAGE - 1) * (1 + math.cos(math.pi * part)) / 2
        with torch.no_grad():
            for old, new in zip(self.target.parameters(), self.online.parameters()):
                old.mul_(rate).add_(new, alpha=1 - rate)


METHODS = {"simclr": SimCLR, "byol": BYOL, "vicreg": VICReg}

# ---- training ----------------------------------------------------------------------------------


def batches(images, steps):
    """Full batches of a shuffle; what is left of an epoch is dropped."""
    while steps:
        order = torch.randperm(len(images))
        for first in range(0, len(images) - BATCH + 1, BATCH):
            if not steps:
                return
            yield images[order[first:first + BATCH]].float() / 255
            steps -= 1


def train(method, images, epochs):
    model = begin(METHODS[method](images.shape[1]))
    parameters = list(model.parameters())
    if method == "byol":
        model.begin()
    optimiser = torch.optim.Adam(parameters, RATE, weight_decay=DECAY)
    steps = max(1, math.floor(epochs * (len(images) // BATCH) + 1e-9))
    for step, x in enumerate(batches(images, steps)):
        part = step / steps
        rate = RATE * (1 + math.cos(math.pi * part)) / 2 * min(1, (step + 1) / WARMUP)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad()
        value = model.loss(view(x), view(x), part)
        if not torch.isfinite(value):
            raise SystemExit(f"table_torch.py: the loss of step {step} is {value.item()}")
        value.backward()
        optimiser.step()
        model.follow(part)
    return model.trunk.eval()


def write_features(trunk, images, labels, path):
    with torch.no_grad():
        rows = [trunk(images[i:i + 500].float() / 255) for i in range(0, len(images), 500)]
    np.savez(path, x=torch.cat(rows).numpy(), label=labels.astype(np.int32))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("kind", choices=("fashion", "pictures"))
    parser.add_argument("--data")
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    if given.kind == "pictures" and not given.data:
        parser.error("pictures need --data FOLDER")
    torch.manual_seed(given.seed)
    torch.set_num_threads(given.threads)

    def read(split):
        images, labels = fashion(split) if given.kind == "fashion" else pictures(given.data, split)
        return torch.from_numpy(images.copy()), labels

    rows, labels = read("train")
    if len(rows) < BATCH:
        parser.error(f"a batch has {BATCH} pictures, and there are {len(rows)}")
    trunk = train(given.method, rows, given.epochs)
    write_features(trunk, rows, labels, os.path.join(given.out, "train.npz"))
    rows, labels = read("test")
    write_features(trunk, rows, labels, os.path.join(given.out, "test.npz"))


if __name__ == "__main__":
    main()
