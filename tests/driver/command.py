"""What the tests of the command line share: running couplet, a small data set, a small spec."""
import gzip
import json
import os
import resource
import struct
import subprocess
import sys

REAL_DATA = "/usr/share/datasets/fashion-mnist"

# A linear map of whole images, for specs of few kernels,
FLAT = """net flat(out)(x[N, C, H, W]) {
  param K[out, C, H, W] = normal(0, 0.1)
  let y[n, o] = sum[c, i, j] x[n, c, i, j] * K[o, c, i, j]
  return y
}
"""
# and one of eight features; `k` is what it gives.
FLAT_NET = FLAT + """net f = flat(8)
let k = f(train.image)
"""

# Small enough that a step takes milliseconds; every kind of state is in it: batch norm, momentum, a
# queue, an ema.
SMALL_SPEC = """
use nn, augment, optim, anneal
data train = data.fashion_mnist("train")
data test  = data.fashion_mnist("test")
hyper tau = 0.2 | tau > 0
hyper m = 0.99 | m >= 0 and m <= 1
view a, b = augment.simclr(train.image)
net online = trunk: nn.convnet(width = 4) >> head: nn.mlp_bn(16, 8)
net target = copy online
ema target <- online rate m
let q = normalise(online(a))
let k = stop(normalise(target(b)))
queue Q[96, 8] <- k init unit_normal
let pos[i] = dot(q[i], k[i]) / tau
loss mean[i] -log(exp(pos[i]) / (exp(pos[i]) + sum[j] exp(dot(q[i], Q[j]) / tau)))
train {
  epochs 2, batch 32
  optimiser optim.sgd(lr = anneal.warmup_cosine(0.1, 5), momentum = 0.9, decay = 5e-4)
}
eval { knn(k = 5, temperature = 0.07, features = online.trunk, bank = train, query = test) }
"""


# The rest of what a method may keep and do: two sources, a bank, queues, phases, parts, a parameter
# that is projected, an average.
RICH_SPEC = """
use nn, augment, optim, anneal, losses
data train = data.fashion_mnist("train")
data few   = data.fashion_mnist("train", fraction = 0.25, seed = 1, batch = 8, balanced = true)
data test  = data.fashion_mnist("test")
hyper tau = 0.2 | tau > 0
view g[2] = augment.simclr(train.image)
view x = augment.flip(few.image)
net online = trunk: nn.convnet(width = 4) >> head: nn.mlp_bn(16, 8)
net average = copy online
ema average <- online rate 0.9 with state before forward
net classify = nn.linear(10)
param C[6, 8] = normal(0, 1)
update C <- normalise(C)
let q = normalise(online(g[0])), k = stop(normalise(online(g[1])))
bank M[train, 8] init unit_normal
update M[train.index] <- k
queue Q[48] { feat[8] <- k, label <- train.label } init unit_normal read after push
state seen : int[train] = 0, centre[8] = 0
update centre <- 0.9 * centre + 0.1 * mean_row(k)
fn mean_row(x[N, D]) {
  let m[d] = mean[i] x[i, d]
  return m
}
loss losses.cross_entropy(classify(online.trunk(x)), few.label) trains classify
when epoch >= 1 {
  let s[i, c] = dot(q[i], C[c]) / tau
  loss losses.queue_nce(q, k, Q.feat, tau) + mean[i] (logsumexp[c] s[i, c] - max[c] s[i, c])
} else {
  loss mean[i] (1 - dot(q[i], k[i])) + mean[i, j] dot(q[i], M[j]) / 10
}
state centres[6, 8] = 0, member : int[train] = 0
every epoch {
  over train { update M[train.index] <- normalise(online(train.image)) }
  update centres, member <- kmeans(M, 6)
}
loss mean[i] -dot(q[i], centres[member[train.index[i]]]) / 10
train {
  epochs 2, batch 32, clip 5
  optimiser optim.sgd(lr = anneal.warmup_cosine(0.1, 5), momentum = 0.9) on online, C
  optimiser optim.sgd(lr = 0.2) on rest
  freeze C while step < 20
}
eval { knn(k = 5, features = average.trunk, bank = train, query = test) }
"""


class Checks:
    """Collects faults, so that one run shows all of them."""

    def __init__(self):
        self.faults = 0

    def __call__(self, truth, sentence, detail=""):
        print(("ok      " if truth else "FAILED  ") + sentence)
        if not truth:
            self.faults += 1
            if detail:
                print("        " + str(detail).strip().replace("\n", "\n        "))
        return truth

    def refused(self, what, done, *words, status=1):
        """A finished command with this exit code, whose output has each of the words."""
        text = done.stdout + done.stderr
        good = done.returncode == status and all(word in text for word in words)
        return self(good, f"{what}: refused, with {', '.join(words)}",
                    f"[{done.returncode}] {text}")

    def finish(self):
        sys.exit(1 if self.faults else 0)


def run(couplet, *arguments, timeout=900, env=None):
    environment = {**os.environ, **(env or {})}
    return subprocess.run([couplet, *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout, env=environment)


def processor_seconds():
    """Those of the programs that have ended. A busy machine changes them less than those on the
    wall."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(couplet, *arguments, timeout=900):
    """Runs a command: what it gave, and the seconds of the processor that it took."""
    before = processor_seconds()
    done = run(couplet, *arguments, timeout=timeout)
    return done, processor_seconds() - before


def grows_within(seconds, few, many, bound, tries=5):
    """Compares what two sizes of one thing cost. `seconds(n)` measures size n, and `bound(s)` is
    the most that `many` may take where `few` takes s. The least seconds of both sizes, and whether
    they are within the bound.

    A busy machine makes single measurements several times as long as others, of the processor's
    time too, and never makes them shorter. So what is not within the bound is measured again, and
    the least of each size counts."""
    shortest, longest = seconds(few), seconds(many)
    for _ in range(1, tries):
        if longest <= bound(shortest):
            break
        shortest, longest = min(shortest, seconds(few)), min(longest, seconds(many))
    return shortest, longest, longest <= bound(shortest)


def settings(out):
    """What a run folder records of its settings."""
    with open(out + "/settings.json") as file:
        return json.load(file)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    return path


def small_data(folder, train=512, test=128):
    """The first images of the real data, in the same four files."""
    os.makedirs(folder, exist_ok=True)
    for split, count in (("train", train), ("t10k", test)):
        with gzip.open(f"{REAL_DATA}/{split}-images-idx3-ubyte.gz") as file:
            file.read(16)
            images = file.read(count * 784)
        with gzip.open(f"{REAL_DATA}/{split}-labels-idx1-ubyte.gz") as file:
            file.read(8)
            labels = file.read(count)
        with gzip.open(f"{folder}/{split}-images-idx3-ubyte.gz", "wb", compresslevel=1) as file:
            file.write(struct.pack(">4I", 0x803, count, 28, 28) + images)
        with gzip.open(f"{folder}/{split}-labels-idx1-ubyte.gz", "wb", compresslevel=1) as file:
            file.write(struct.pack(">2I", 0x801, count) + labels)
    return folder


def checkpoints(folder):
    """The checkpoint files of a run folder by relative name."""
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".safetensors"):
                path = os.path.join(base, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, folder)] = file.read()
    return found


def last_checkpoint(folder):
    """The bytes of the newest checkpoint, or None."""
    paths = []
    for base, _, names in os.walk(folder):
        paths += [os.path.join(base, name) for name in names if name.endswith(".safetensors")]
    if not paths:
        return None
    newest = max(paths, key=lambda path: os.stat(path).st_mtime_ns)
    with open(newest, "rb") as file:
        return file.read()


def losses(folder):
    """The (step, loss) pairs of metrics.jsonl."""
    found = []
    with open(os.path.join(folder, "metrics.jsonl")) as file:
        for line in file:
            row = json.loads(line)
            if "loss" in row and "step" in row:
                found.append((row["step"], row["loss"]))
    return found


def arrays(folder):
    """The arrays of a run's checkpoint by name, as flat lists."""
    with open(os.path.join(folder, "checkpoint.safetensors"), "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        data = file.read()
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        code = {"F32": "f", "I32": "i", "U8": "B"}[entry["dtype"]]
        found[name] = list(struct.unpack(f"<{(end - begin) // struct.calcsize(code)}{code}",
                                         data[begin:end]))
    return found


def metadata(folder):
    """What a run's checkpoint says of itself."""
    with open(os.path.join(folder, "checkpoint.safetensors"), "rb") as file:
        return json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))["__metadata__"]


def rows(path):
    """The rows of a file of JSON lines, without what is of time."""
    with open(path) as file:
        return [{key: value for key, value in json.loads(line).items()
                 if key not in ("views_per_second", "time")} for line in file]


def everything(folder):
    """Every file below a folder by relative name, with its bytes."""
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


def images(folder, count, split="train"):
    with gzip.open(f"{folder}/{split}-images-idx3-ubyte.gz") as file:
        file.read(16)
        return [file.read(784) for _ in range(count)]


def labels(folder, count, split="train"):
    with gzip.open(f"{folder}/{split}-labels-idx1-ubyte.gz") as file:
        file.read(8)
        return list(file.read(count))
