"""python_peers.py [--markdown] [--sizes 1024,4096,8192] [--rounds 7] [--batch 256] [--jax]:
couplet's modules beside the same loss written with torch (with --jax: with JAX), in one run.

NT-Xent of two views of N samples with 128 features, value and gradients. `eager` is torch as it
is, `compile` is torch.compile, which torch has from 2 on. Times are medians over rounds in which
all take their turns; memory is the peak of a process of its own, less what it held before the first
call. Then a ResNet-18 of torchvision trains on made-up pictures with either loss.

Run it with the Python whose torch is meant, couplet on its path. All heed OMP_NUM_THREADS."""
import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time

D, TAU = 128, 0.5
THREADS = int(os.environ.get("OMP_NUM_THREADS", "0")) or len(os.sched_getaffinity(0))


# ---- the loss, as it is written with torch and with JAX -------------------------------------


def torch_loss(z, w):
    import torch
    import torch.nn.functional as F

    n = len(z)
    u = F.normalize(torch.cat([z, w]), dim=1)
    s = u @ u.T / TAU
    s = s.masked_fill(torch.eye(2 * n, dtype=torch.bool), float("-inf"))
    return F.cross_entropy(s, (torch.arange(2 * n) + n) % (2 * n))


def jax_loss(z, w):
    import jax
    import jax.numpy as jnp

    n = len(z)
    u = jnp.concatenate([z, w])
    u = u / jnp.linalg.norm(u, axis=1, keepdims=True)
    s = jnp.where(jnp.eye(2 * n, dtype=bool), -jnp.inf, u @ u.T / TAU)
    at = jnp.arange(2 * n)
    return -jax.nn.log_softmax(s)[at, (at + n) % (2 * n)].mean()


# ---- one call ---------------------------------------------------------------------------------


def torch_call(n, loss):
    import torch

    torch.manual_seed(0)
    z, w = torch.randn(n, D, requires_grad=True), torch.randn(n, D, requires_grad=True)

    def call():
        z.grad = w.grad = None
        value = loss(z, w)
        value.backward()
        return float(value.detach())

    return call


def jax_call(n, loss):
    import jax

    keys = jax.random.split(jax.random.PRNGKey(0))
    z, w = (jax.random.normal(key, (n, D)) for key in keys)
    step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))

    def call():
        value, gradients = step(z, w)
        jax.block_until_ready(gradients)
        return float(value)

    return call


def make(peer, n):
    import couplet

    if peer == "couplet in JAX":
        return jax_call(n, couplet.jax.loss("losses", "nt_xent", tau=TAU, threads=THREADS))
    if peer == "JAX":
        return jax_call(n, jax_loss)
    import torch

    torch.set_num_threads(THREADS)
    if peer == "couplet":
        return torch_call(n, couplet.torch.loss("losses", "nt_xent", tau=TAU, threads=THREADS))
    return torch_call(n, torch.compile(torch_loss) if peer == "compile" else torch_loss)


def peers(with_jax):
    if with_jax:
        return ["couplet in JAX", "JAX"]
    import torch

    return ["couplet", "eager"] + (["compile"] if hasattr(torch, "compile") else [])


# ---- measuring --------------------------------------------------------------------------------


def status(key):
    """In MiB, of this process: VmRSS or VmHWM."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(key + ":"))


def print_memory(peer, n):
    """What the first calls add to the peak, after some of a small problem."""
    small = make(peer, 64)
    small()
    small()
    call = make(peer, n)
    before = status("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    call()
    call()
    print(json.dumps(status("VmHWM") - before))


def memory(peer, n):
    done = subprocess.run(
        [sys.executable, __file__, "--memory-of", peer, str(n)], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def losses(arguments):
    for n in arguments.sizes:
        calls = {peer: make(peer, n) for peer in peers(arguments.jax)}
        values = {peer: call() for peer, call in calls.items()}  # compiled, warm
        low, high = min(values.values()), max(values.values())
        assert high - low < 1e-4 * abs(high), values
        seconds = {peer: [] for peer in calls}
        for _ in range(arguments.rounds):
            for peer, call in calls.items():
                seconds[peer].append(timed(call))
        del calls
        gc.collect()
        row = {peer: (statistics.median(s) * 1e3, memory(peer, n)) for peer, s in seconds.items()}
        first = next(iter(row))
        for peer, (ms, mib) in row.items():
            ratio = ms / row[first][0], mib / max(1, row[first][1])
            show(arguments, "N = %d" % n, peer, "%.1f ms" % ms, "%.1f MiB" % mib, *ratio)


def resnet(arguments):
    import torch
    import torchvision

    import couplet

    torch.set_num_threads(THREADS)
    batch = arguments.batch
    ours = couplet.torch.loss("losses", "nt_xent", tau=TAU, threads=THREADS)
    runs = {}
    for peer, loss in (("couplet", ours), ("eager", torch_loss)):
        torch.manual_seed(0)
        net = torchvision.models.resnet18(num_classes=D)
        runs[peer] = (net, torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9), loss, [], [])
    for step in range(arguments.rounds):
        pictures = torch.randn(2 * batch, 3, 32, 32)
        for net, optimiser, loss, seconds, values in runs.values():
            start = time.perf_counter()
            z, w = net(pictures).split(batch)
            value = loss(z, w)
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            seconds.append(time.perf_counter() - start)
            values.append(float(value.detach()))
    first = [run[4][0] for run in runs.values()]
    assert abs(first[0] - first[1]) < 1e-4 * first[1], first  # later ones part, as rounding does
    after = {peer: statistics.median(run[3][1:]) * 1e3 for peer, run in runs.items()}
    for peer, run in runs.items():
        ratio = after[peer] / after["couplet"]
        show(arguments, "ResNet-18, batch %d" % batch, peer, "%.0f ms" % after[peer], "", ratio,
             None)


def show(arguments, what, peer, ms, other, times, memories):
    ratios = ["%.2f" % r if r is not None else "" for r in (times, memories)]
    cells = [what, peer, ms, other] + ratios
    print("| " + " | ".join(cells) + " |" if arguments.markdown else "\t".join(cells), flush=True)


def numbers(text):
    return [int(n) for n in text.split(",") if n]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--sizes", type=numbers, default=[1024, 4096, 8192])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--jax", action="store_true")
    parser.add_argument("--memory-of", nargs=2)
    arguments = parser.parse_args()
    if arguments.memory_of:
        return print_memory(arguments.memory_of[0], int(arguments.memory_of[1]))
    if arguments.markdown:
        print("| what | by | time | peak memory | time, couplet = 1 | memory, couplet = 1 |")
        print("| --- | --- | --- | --- | --- | --- |")
    losses(arguments)
    if not arguments.jax and arguments.batch:
        resnet(arguments)


main()
