#!/usr/bin/env python3
"""signatures.py COUPLET ROOT: names of the method do not reach into functions, and sizes that a
signature leaves open are compared once they are known."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import command

couplet, root = sys.argv[1:3]

# F, K and M are names of the method and of signatures; a and b, views, are indices in functions.
NAMES = """
use nn, losses, augment, optim
data train = data.fashion_mnist("train")
hyper F = 4, K = 7
bank M[train, 8]
view a, b = augment.simclr(train.image)
fn f(x[F, M]) = mean[a, b] x[a, b]
fn g(x[2 * K, N], y[K]) = mean[i, j] x[i, j] + y[0]
net conv(out)(x[M, C, H, W]) {
  param K[out, C] = normal(0, 1)
  let y[a, o] = sum[b, i, j] x[a, b, i, j] * K[o, b]
  return y
}
net encoder = conv(8)
let z = encoder(a), w = encoder(b)
fn first(z[N, D], count : int) {
  let y[i < count, d] = z[i, d]
  return y
}
fn row(z[N, D]) {
  let y[i < 3] = z[i, 0]
  return y
}
update M[train.index] <- z
loss losses.nt_xent(z, w, 0.2) + f(z) / F + g(first(z, 6), row(z)) / K
train { epochs 1, batch 16, optimiser optim.sgd(lr = 0.1) }
"""

# Halved and doubled again a side may be one longer; whether it is, the size says.
SIZES = """
use nn, losses, augment, optim
data train = data.fashion_mnist("train")
view a, b = augment.resized_crop(train.image, SIZE)
fn up(x[N, C, H, W]) {
  let y[n, c, i < 2 * H, j < 2 * W] = x[n, c, i div 2, j div 2]
  return y
}
fn down(x[N, C, H, W]) {
  let y[n, c, i < ceil(H / 2), j < ceil(W / 2)] = x[n, c, 2 * i, 2 * j]
  return y
}
fn joined(x[N, C, H, W]) = concat(up(down(x)), x, axis = 2)
fn claimed(x[N, C, H, W]) {
  let z : [N, C, H, W] = up(down(x))
  return z + x
}
net encoder = nn.convnet(width = 4)
let z = encoder(FUNCTION(a)), w = encoder(FUNCTION(b))
loss losses.nt_xent(z, w, 0.2)
train { epochs 1, batch 8, optimiser optim.sgd(lr = 0.1) }
"""

check = command.Checks()
with tempfile.TemporaryDirectory() as folder:
    done = command.run(couplet, "check", command.write(folder + "/n.cpl", NAMES))
    check(done.returncode == 0, "names of the method in signatures, and of views as indices",
          done.stderr)
    check("conv(out : int)(x : real[M, C, H, W])" in done.stdout,
          "a signature introduces its names", done.stdout)
    for function, code in (("joined", "E301"), ("claimed", "E305")):
        spec = SIZES.replace("FUNCTION", function)
        done = command.run(couplet, "check",
                           command.write(folder + "/s.cpl", spec.replace("SIZE", "8")))
        check(done.returncode == 0, f"{function} of an even size", done.stderr)
        done = command.run(couplet, "check",
                           command.write(folder + "/s.cpl", spec.replace("SIZE", "7")))
        check(done.returncode == 1 and code in done.stderr and "8" in done.stderr
              and "7" in done.stderr, f"{function} of an odd size: {code} with the numbers",
              done.stderr)
check.finish()
