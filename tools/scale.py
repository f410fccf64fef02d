#!/usr/bin/env python3
"""scale.py [--ranks 1,2,4,..] [--network SPEC ..] [what the step is, see --help]

What a training step costs on several machines, by a model of their network: bytes and messages that
a rank sends, memory for the embeddings of all, seconds, and the fraction of the ideal speed.
Nothing
is run; docs/machines.md says what the model leaves out.

A step computes for samples * seconds-of-a-sample, and for all pairs of its rows. Each rank has its
share of both. Then ranks exchange

  - the embeddings: each rank's rows go to all others, and so do the sums that the loss keeps of
    them (forward, and their gradients backward);
  - the statistics of the batch: two sums forward and two backward for each layer that has them;
  - the gradients: each rank adds up its part of every parameter over all ranks and sends the sum
    back to all, hidden behind the backward pass as far as that goes;
  - one word on which all agree.

An exchange in which each rank sends b bytes to every other takes latency + (ranks - 1) * overhead
+ (ranks - 1) * b / rate. A SPEC is a name or LATENCY_us,GBIT[,OVERHEAD_us]."""
import argparse

NETWORKS = { # latency and overhead of a message in seconds, bytes a second
    "lan": (50e-6, 1e9 / 8, 5e-6),
    "slow": (1e-3, 1e9 / 8, 5e-6),
    "10g": (20e-6, 10e9 / 8, 2e-6),
    "100g": (2e-6, 100e9 / 8, 0.5e-6),
}
FLOAT = 4


def network(text):
    if text in NETWORKS:
        return NETWORKS[text]
    words = [float(word) for word in text.split(",")]
    if len(words) not in (2, 3) or min(words) <= 0:
        raise argparse.ArgumentTypeError(f"{text}: a name ({', '.join(NETWORKS)}) or "
                                         "LATENCY_us,GBIT[,OVERHEAD_us]")
    return words[0] * 1e-6, words[1] * 1e9 / 8, (words + [1])[2] * 1e-6


def exchange(ranks, each, link):
    """Seconds, bytes and messages of a rank that sends `each` bytes to every other."""
    if ranks == 1:
        return 0, 0, 0
    latency, rate, overhead = link
    others = ranks - 1
    return latency + others * (overhead + each / rate), others * each, others


def step(o, ranks, link):
    """What a step costs a rank."""
    rows = o.views * o.batch
    passes = 3 # the products of all pairs: forward, and backward to both sides
    network_of = o.samples_seconds * o.batch / ranks
    pairs = passes * 2 * rows * rows * o.width / ranks / (o.gflops * 1e9)
    backward = (network_of + pairs) * 2 / 3
    parts = {
        "embeddings": [exchange(ranks, rows / ranks * o.width * FLOAT, link)] * 2 +
                      [exchange(ranks, rows / ranks * FLOAT, link)] * 2,
        "statistics": [exchange(ranks, o.channels * FLOAT, link)] * (4 * o.statistics),
        "gradients": [exchange(ranks, o.parameters / ranks * FLOAT, link)] * 2,
    }
    if ranks > 1:
        rounds = (ranks - 1).bit_length()
        parts["agreement"] = [(link[0], 8, 1)] * rounds
    seconds = {name: sum(one[0] for one in found) for name, found in parts.items()}
    seconds["gradients"] = max(0, seconds["gradients"] - backward)
    every = [one for found in parts.values() for one in found]
    compute = network_of + pairs
    return {"compute": compute, "waits": sum(seconds.values()),
            "bytes": sum(one[1] for one in every), "messages": sum(one[2] for one in every),
            "memory": rows * o.width * FLOAT, "parts": seconds}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--ranks", default="1,2,4,8,16,64,256,1024")
    parser.add_argument("--network", type=network, default=network("10g"))
    parser.add_argument("--batch", type=int, default=4096, help="samples of a step, on all ranks")
    parser.add_argument("--views", type=int, default=2, help="views of a sample")
    parser.add_argument("--width", type=int, default=128, help="of an embedding")
    parser.add_argument("--parameters", type=float, default=11.2e6)
    parser.add_argument("--statistics", type=int, default=20, help="layers of batch statistics")
    parser.add_argument("--channels", type=int, default=512, help="of such a layer")
    parser.add_argument("--samples-seconds", type=float, default=0.02,
                        help="seconds of a sample on one rank: a step's time by its batch")
    parser.add_argument("--gflops", type=float, default=500, help="of a rank, on products of pairs")
    o = parser.parse_args()
    alone = step(o, 1, o.network)["compute"]
    print(f"{'ranks':>6} {'samples':>8} {'MB sent':>9} {'messages':>8} {'MB of all':>9} "
          f"{'compute s':>10} {'waits s':>9} {'of ideal':>8}")
    for ranks in [int(word) for word in o.ranks.split(",")]:
        s = step(o, ranks, o.network)
        total = s["compute"] + s["waits"]
        print(f"{ranks:6} {o.batch / ranks:8.0f} {s['bytes'] / 1e6:9.2f} {s['messages']:8} "
              f"{s['memory'] / 1e6:9.1f} {s['compute']:10.4g} {s['waits']:9.3g} "
              f"{alone / ranks / total:8.2f}")


if __name__ == "__main__":
    main()
