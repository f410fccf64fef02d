#!/usr/bin/env python3
"""memory.py COUPLET ROOT: what a method keeps from step to step, read from the checkpoints of
single steps."""
import math
import sys
import tempfile

import command

couplet = sys.argv[1]
check = command.Checks()
BATCH = 4
SPEC = """
use nn, augment, optim
data train = data.fashion_mnist("train")
view a = augment.flip(train.image)
net encoder = nn.convnet(width = 2) >> nn.linear(4)
net average = copy encoder
ema average <- encoder rate 0.5 with state
let z = encoder(a)

queue Q[10] { id <- train.index, when[1] <- stamp(train.index) }
bank M[train, 1]
update M[train.index] <- stamp(train.index)
fn stamp(rows : int[N]) {
  let s[i, c < 1] = real(step) + 1 + 0 * real(rows[i])
  return s
}

state last : int[4] = 0, count = 0, before = -1, after = 0
update last <- train.index
update count <- count + 1
update before <- count
update after <- new(count)

param C[3, 4] = normal(0, 1)
update C <- normalise(C)
loss mean[i, c] dot(z[i], C[c])
eval { knn(k = 1, features = average, bank = train, query = train) }
train {
  epochs 1, batch 4
  optimiser optim.sgd(lr = 0.1)
  freeze C while step < 2
}
"""


def close(a, b):
    return len(a) == len(b) and all(math.isclose(x, y, rel_tol=1e-5, abs_tol=1e-6) for x,
                                    y in zip(a, b))


with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/memory.cpl", SPEC)
    data = command.small_data(folder + "/data")
    steps, pushed, written = [], [], {}
    for step in range(1, 5):
        done = command.run(couplet, "train", spec, "--data", data, "--out", folder + "/run",
                           "--max-steps", step, *(["--resume"] if step > 1 else []))
        if not check(done.returncode == 0, f"step {step} exits 0", done.stderr[-2000:]):
            check.finish()
        now = command.arrays(folder + "/run")
        steps.append(now)
        rows = now["last"]
        pushed += rows
        written.update({row: step for row in rows})
        check(now["Q.head"] == [len(pushed) % 10] and now["Q.fill"] == [min(10, len(pushed))],
              f"step {step}: the queue's head and fill", (now["Q.head"], now["Q.fill"]))
        ring = [-1] * 10
        for place, row in enumerate(pushed):
            ring[place % 10] = row
        check(all(a == b for a, b in zip(now["Q.id"], ring) if b >= 0),
              f"step {step}: a ring, the newest in place of the oldest", (now["Q.id"], ring))
        check(all(now["Q.when"][i] == written[ring[i]] for i in range(min(10, len(pushed)))),
              f"step {step}: its columns move together", now["Q.when"])
        bank = [float(written.get(row, 0)) for row in range(512)]
        check(now["M"] == bank, f"step {step}: the bank has what was written, and nothing else")
        check(now["count"] == [step], f"step {step}: a state is renewed")
        check(now["before"] == [step - 1] and now["after"] == [step],
              f"step {step}: updates are simultaneous, and new() looks ahead",
              (now["before"], now["after"]))
        check(all(abs(math.hypot(*now["C"][4 * r : 4 * r + 4]) - 1) < 1e-5 for r in range(3)),
              f"step {step}: the parameter is projected after the step")
    check(close(steps[0]["C"], steps[1]["C"]), "frozen while step < 2")
    check(not close(steps[1]["C"], steps[2]["C"]), "trained from then on")
    for name in ("linear_1.W", "convnet_1.batch_norm2d_1.running_mean"):
        for at in range(1, 4):
            old, new, kept = steps[at]["encoder."
                                       + name], steps[at]["average."
                                                          + name], steps[at - 1]["average." + name]
            check(close(new, [0.5 * a + 0.5 * b for a, b in zip(kept, old)]),
                  f"the average follows {name} in step {at + 1}")
check.finish()
