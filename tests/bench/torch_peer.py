#!/usr/bin/python3
"""torch_peer.py ROW THREADS [DEVICE]: torch's side of one row of torch_rows.py, or on DEVICE (cuda)
of tools/bench_opencl.py. It says "ready" when it is
warm; then each line with a number of seconds on its standard input is answered with a line of JSON:
the seconds of each run that began within that time,
the memory that runs took beyond their inputs, and the cores in use meanwhile."""
import json
import math
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

# ---- losses, as they are written with torch ------------------------------------------------------


def similarities(z, w, tau):
    u = F.normalize(torch.cat([z, w]), dim=1)
    return u @ u.T / tau


def nt_xent(z, w, tau):
    s, n = similarities(z, w, tau), len(z)
    s.fill_diagonal_(-math.inf)
    return F.cross_entropy(s, (torch.arange(2 * n) + n) % (2 * n))


def sup_con(z, w, labels, tau):
    s, y = similarities(z, w, tau), torch.cat([labels, labels])
    self = torch.eye(len(y), dtype=torch.bool)
    positive = (y[:, None] == y[None, :]) & ~self
    log_p = s - torch.logsumexp(s.masked_fill(self, -math.inf), dim=1, keepdim=True)
    return -((positive * log_p).sum(1) / positive.sum(1)).mean()


def debiased(z, w, tau, tau_plus=0.1):
    n = len(z)
    e = torch.exp(similarities(z, w, tau))
    i = torch.arange(2 * n)
    positive = e[i, (i + n) % (2 * n)]
    mask = torch.ones_like(e, dtype=torch.bool)
    mask[i, i] = False
    mask[i, (i + n) % (2 * n)] = False
    count = 2 * n - 2
    negative = (e * mask).sum(1)
    g = torch.clamp((negative - tau_plus * count * positive) / (1 - tau_plus),
                    min=count * math.exp(-1 / tau))
    return -torch.log(positive / (positive + g)).mean()


def own_invention(z, w, labels, tau):
    t = torch.tanh(F.normalize(z, dim=1) @ F.normalize(w, dim=1).T / tau)
    same = labels[:, None] == labels[None, :]
    m = t.masked_fill(same, -math.inf).amax(1)
    return ((F.softplus(m[:, None] - t) * same).sum(1)).mean() + torch.sqrt(
        1 + (t * t).sum(0)).mean()


def loss_step(function, n, labelled, tau):
    z, w = torch.randn(n, 128, requires_grad=True), torch.randn(n, 128, requires_grad=True)
    labels = [torch.arange(n) * 7 % 10] if labelled else []

    def step():
        z.grad = w.grad = None
        function(z, w, *labels, tau).backward()
    return step


# ---- networks ------------------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self, inside, out, stride):
        super().__init__()
        self.body = nn.Sequential(*layer(inside, out, stride),
                                  nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out))
        self.shortcut = nn.Identity() if stride == 1 else nn.Sequential(
            nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def layer(inside, out, stride):
    return [nn.Conv2d(inside, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]


def convnet():
    return nn.Sequential(*layer(1, 32, 1), *layer(32, 64, 2), *layer(64, 128, 2),
                         *layer(128, 256, 2), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten()), (1, 28, 28), 256


def resnet18():
    layers, inside = layer(3, 64, 1), 64
    for out, stride in [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
                        (512, 1)]:
        layers.append(Block(inside, out, stride))
        inside = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), (3, 32, 32), 512


def training_step(network, batch):
    """Channels last, torch's faster layout here. The views are there already: augmentation is
    not in torch's time, though it is in ours."""
    trunk, shape, features = network()
    net = nn.Sequential(trunk, nn.Linear(features, features), nn.ReLU(),
                        nn.Linear(features, 128)).to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9)
    x, y = (torch.rand(batch, *shape).contiguous(memory_format=torch.channels_last)
            for _ in range(2))

    def step():
        optimiser.zero_grad()
        nt_xent(net(x), net(y), 0.5).backward()
        optimiser.step()
    return step


STEPS = {
    "nt_xent": lambda n: loss_step(nt_xent, n, False, 0.5),
    "sup_con": lambda n: loss_step(sup_con, n, True, 0.5),
    "debiased": lambda n: loss_step(debiased, n, False, 0.5),
    "own_invention": lambda n: loss_step(own_invention, n, True, 0.5),
    "convnet": lambda n: training_step(convnet, 256),
    "resnet18": lambda n: training_step(resnet18, 64),
}


def make_step(row):
    """ROW is a key of STEPS, and for the losses a number of pairs: nt_xent_8192."""
    name, _, pairs = row.rpartition("_")
    return STEPS[name](int(pairs)) if pairs.isdigit() else STEPS[row](None)


def peak_mib(device):
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def answer(step, seconds, before, device):
    runs, begin, processor = [], time.perf_counter(), time.process_time()
    while not runs or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        step()
        runs.append(time.perf_counter() - start)
    cores = (time.process_time() - processor) / (time.perf_counter() - begin)
    print(json.dumps({"seconds": runs, "mib": peak_mib(device) - before, "cores": cores}),
          flush=True)


def use(device):
    """Everything on the card, in float32 as ours is: torch would round what goes into its
    convolutions to tf32."""
    if device == "cuda":
        torch.set_default_device(device)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def ended(step, device):
    def run():
        step()
        torch.cuda.synchronize()
    return run if device == "cuda" else step


def main():
    device = sys.argv[3] if len(sys.argv) > 3 else "cpu"
    torch.manual_seed(0)
    torch.set_num_threads(int(sys.argv[2]))
    use(device)
    step = ended(make_step(sys.argv[1]), device)
    before = peak_mib(device)
    step()
    print("ready", torch.__version__, flush=True)
    for line in sys.stdin:
        answer(step, float(line), before, device)


if __name__ == "__main__":
    main()
