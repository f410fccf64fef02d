#!/usr/bin/env python3
"""lean.py COUPLET ROOT: `couplet check --memory` of functions, and with it: which losses of the
library keep an array of as many entries as there are pairs."""
import re
import sys
import tempfile

import command

couplet, root = sys.argv[1], sys.argv[2]
check = command.Checks()
ROWS = 4096
SIZES = f"N={ROWS},K={ROWS},M={ROWS},D=64,E=64,C=64,G=4,V=3,P=16,R=64"
MIB = 2.0 ** 20

# Those that do, with the reason.
STORED = {
    "mmcl": "a matrix of N x N is solved for each sample",
          "mmcl_projected": "its weights are a matrix that rounds are made with",
          "mmcl_given": "its weights are a matrix that is handed over",
    "swav_queue": "scores of two arrays one after the other",
          "swav_crops": "codes of some views weigh the scores of others",
    "hcsc_instance": "what was drawn is kept, a byte for each pair",
    "cluster_contrast": "its rows are as long as there are samples",
          "contrastive_clustering": "its rows are as long as there are samples",
    "dino": "its operands have as many entries",
          "deep_cluster": "its operands have as many entries",
    **dict.fromkeys(("dense_cl", "dense_nce", "dense_predict", "local_global", "local_global_shown",
                     "object_places", "patch_nce", "regions", "regions_from", "sequences"),
                    "its operands have as many entries"),
    **dict.fromkeys(("dice", "judge_squares", "maker_squares", "pixel_cross_entropy"),
                    "its operands have as many entries"),
    "cpc": "its guesses, one for each place and step ahead, have as many entries",
    "soft_nce": "its targets are a matrix that is handed over",
    "tot": "the pairs of each video's frames are one row for the mean over videos"}

# Functions of the library put together, as methods do.
TOGETHER = """
use losses
fn eliminate(z[N, D], w[N, D], support[V, N, D]) = losses.fnc_eliminate(z, w, losses.fnc_detect(z, w, support, 10))
fn attract(z[N, D], w[N, D], support[V, N, D]) = losses.fnc_attract(z, w, losses.fnc_detect(z, w, support, 10))
fn neighbours(q[N, D], k[N, D], bank[K, D], other[N, D], other_bank[K, D], y : int[N],
    bank_y : int[K]) {
  let same[i, j] = y[i] == bank_y[j]
  return losses.mil_nce(q, k, bank, losses.coclr_positives(other, other_bank, same, 5))
}
fn siglip(z[N, D], w[N, D], t, b) {
  let p[i, j] = sigmoid(t * dot(z[i], w[j]) + b)
  return -(mean[i] log(p[i, i])) - mean[i, j | i != j] log(1 - p[i, j])
}
fn bce(z[N, D], w[N, D], tau) {
  let p[i, j] = sigmoid(cos(z[i], w[j]) / tau)
  let y[i < N, j < N] = if i == j then 1.0 else 0.0
  return mean[i, j] -(y[i, j] * log(p[i, j]) + (1 - y[i, j]) * log(1 - p[i, j]))
}
fn bce_labels(z[N, D], y : int[N], tau) {
  let p[i, j] = sigmoid(cos(z[i], z[j]) / tau)
  return mean[i, j | i != j] (if y[i] == y[j] then -log(p[i, j]) else -log(1 - p[i, j]))
}
fn softmax_rest(z[N, D], w[N, D], tau) {
  let p[i, j] = softmax[j] cos(z[i], w[j]) / tau
  return mean[i, j] (if i == j then -log(p[i, j]) else -log(1 - p[i, j]))
}
fn softmax_rest_hand(z[N, D], w[N, D], tau) {
  let e[i, j] = exp(cos(z[i], w[j]) / tau)
  let p[i, j] = e[i, j] / sum[k] e[i, k]
  return mean[i, j] (if i == j then -log(p[i, j]) else -log(1 - p[i, j]))
}
fn softmax_own(z[N, D], w[N, D], tau) {
  let p[i, j] = softmax[j] cos(z[i], w[j]) / tau
  return mean[i] -log(1 - p[i, i])
}
fn focal(z[N, D], w[N, D], tau) {
  let p[i, j] = sigmoid(cos(z[i], w[j]) / tau)
  return mean[i, j] (if i == j then -(1 - p[i, j])^2 * log(p[i, j]) else -p[i, j]^2 * log(1 - p[i, j]))
}
fn many_places(q[N, D], bank[K, D]) {
  let s[i, j] = dot(q[i], bank[j])
  let hard[i, r < 64] = topk[j, r] s[i, j]
  return mean[i] logsumexp[j] s[i, j] + mean[i] logsumexp[r] s[i, hard[i, r]]
}
"""


def needed(done):
    """By function: MiB for all arrays."""
    return {m[1]: float(m[2]) for m in re.finditer(r"^(\w+) and its gradient need ([\d.]+) MiB",
                                                   done.stdout, re.MULTILINE)}


def largest(done):
    """By function: MiB of the largest array that it keeps."""
    found, name = {}, None
    for line in done.stdout.splitlines():
        needs = re.match(r"(\w+) and its gradient need ([\d.]+) MiB", line)
        has = re.match(r"the largest of them has ([\dx ]+) entries, ([\d.]+) MiB", line)
        if needs:
            name = needs[1]
        if has:
            found[name] = float(has[2])
    return found


def passes(name, sizes):
    """How often each streamed array of pairs of a loss is made."""
    done = command.run(couplet, "check", "losses", "--memory", "--fn", name, "--size", sizes)
    return [int(m) for m in re.findall(r"made tile by tile, (\d+) times", done.stdout)]


pairs = 4 * ROWS * ROWS / MIB
done = command.run(couplet, "check", "losses", "--memory", "--size", SIZES)
check(done.returncode == 0, "every loss of the library is looked at",
      done.stdout[-400:] + done.stderr)
found = largest(done)
check(len(found) > 60, "there are losses to look at", len(found))
for name, size in sorted(found.items()):
    stores = size >= pairs / 8
    check(stores == (name in STORED), f"{name}: the largest array has {size} MiB, of {pairs}"
          + (f"; {STORED[name]}" if name in STORED else ""), size)
# As large as the rows of both views are these, the same normalised, and what their gradients are
# made of.
rows = 4 * 2 * ROWS * 64 / MIB
for name in "nt_xent", "dcl", "debiased", "sup_con", "hybrid":
    check(needed(done)[name] < 3.3 * rows, f"{name} keeps three arrays of rows", needed(done)[name])
done = command.run(couplet, "check", "losses", "--memory", "--fn", "dino", "--size",
                   f"N={ROWS // 4},K={ROWS},V=3,G=2")
check(needed(done)["dino"] < 2.1 * largest(done)["dino"],
      "dino's outputs, no product of pairs, stay whole", done.stdout)
# A weight of 0 leaves an infinite log out, and no gradient waits for the value of the log to know
# so.
for name, sizes, times in (("bcl", "N=4096,D=64,C=64", [3]),
                           ("bcl_total", "N=4096,D=64,C=64", [3]),
                           ("paco", "N=4096,K=4096,D=64,C=64", [2]),
                           ("swav", "N=4096,K=4096,D=64", [9, 9])):
    found = passes(name, sizes)
    check(found == times, f"{name} makes its pairs {times} times", found)
with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/together.cpl", TOGETHER)
    done = command.run(couplet, "check", spec, "--memory", "--size", f"N={ROWS},K={ROWS},D=64,V=3")
    found = largest(done)
    check(len(found) == 11 and max(found.values()) < pairs / 8,
          "masks and places of the library's own do not ask for more", done.stdout + done.stderr)
    done = command.run(couplet, "check", spec, "--memory", "--fn", "many_places", "--size",
                       f"N={ROWS},K={ROWS},D=64")
    check(done.returncode == 0 and list(largest(done)) == ["many_places"], "--fn is one of them",
          done.stdout + done.stderr)
    done = command.run(couplet, "check", spec, "--memory", "--fn", "many_place")
    check(done.returncode == 1 and "no function `many_place`" in done.stderr,
          "a function that there is not", done.stdout + done.stderr)
    for options, said in ((("--memory", "--size", "Q=4"), "no function of"),
                          (("--memory", "--fn", "many_places", "--size", "Q=4"),
                           "`many_places` has no such dimension"),
                          (("--size", "N=4"), "go with --memory")):
        done = command.run(couplet, "check", spec, *options)
        check(done.returncode != 0 and said in done.stderr,
              "what says nothing is refused: " + " ".join(options), done.stdout + done.stderr)
    wide = command.write(folder + "/wide.cpl",
                         "fn f(x[N]) = x[0] * (65536 * 65536 * 65536 * 65536)\n")
    done = command.run(couplet, "check", wide, "--memory")
    check(done.returncode == 1 and "error[E004]" in done.stderr,
          "a function that cannot be lowered says why", done.stdout + done.stderr)
    done = command.run(couplet, "check", root + "/examples/simclr.cpl", "--memory", "--fn", "f")
    check(done.returncode == 2 and "trains a method" in done.stderr,
          "a method has no function to look at", done.stdout + done.stderr)
check.finish()
