#!/usr/bin/env python3
"""laws.py COUPLET ROOT: what must hold of losses whatever the features are: values at equal
features, symmetries, orders, limits, edges. In float64."""
import math
import os
import random
import re
import sys
import tempfile

couplet, root = sys.argv[1:3]
sys.path[:0] = [os.path.join(root, "tests", "golden"), os.path.join(root, "tests", "driver")]
import command
import npy

check = command.Checks()
LOSSES, LAWS = os.path.join(root, "stdlib/losses"), os.path.join(root, "tests/stdlib/laws.cpl")
N, D, K = 5, 4, 7
random.seed(1)


def matrix(rows, columns):
    return [[random.gauss(0, 1) for _ in range(columns)] for _ in range(rows)]


def unit_rows(rows):
    return [[x / math.sqrt(sum(y * y for y in row)) for x in row] for row in rows]


class Result:
    def __init__(self, done, gradients):
        found = re.search(r"^value: (\S+)$", done.stdout, re.MULTILINE)
        self.value = float(found.group(1)) if found else math.nan
        self.gradients, self.fault, self.code = gradients, done.stderr, done.returncode


def loss(name, file=LOSSES, **given):
    """Lists are arrays (of ints where all entries are), numbers are numbers."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = npy.arguments(folder, given)
        done = command.run(couplet, "grad", file, "--fn", name, "--device", "reference", "--out",
                           folder, *arguments)
        gradients = {f[5:-4]: npy.read(os.path.join(folder, f))[1] for f in os.listdir(folder)
                     if f.startswith("grad_")}
        return Result(done, gradients)


def equal(a, b, sentence, tolerance=1e-12):
    values = [x.value if isinstance(x, Result) else x for x in (a, b)]
    detail = " ".join(x.fault for x in (a, b) if isinstance(x, Result))
    check(abs(values[0] - values[1]) <= tolerance * max(1, abs(values[1])),
          f"{sentence}: {values[0]:.12g}", f"expected {values[1]:.12g} {detail}")


z, w = matrix(N, D), matrix(N, D)
queue = unit_rows(matrix(K, D))
same = [z[0]] * N

# All features equal.
equal(loss("nt_xent", z=same, w=same), math.log(2 * N - 1),
      "NT-Xent of equal features is log(2N - 1)")
equal(loss("dcl", z=same, w=same), math.log(2 * N - 2), "DCL of equal features is log(2N - 2)")
equal(loss("queue_nce", q=same, k=same, bank=unit_rows([z[0]] * K)), math.log(K + 1),
      "queue InfoNCE of equal features is log(K + 1)")
equal(loss("cross_view", a=same, b=same), math.log(N),
      "cross-view InfoNCE of equal features is log N")
equal(loss("scarf", a=same, b=same), 0, "SCARF, with its 1/N, of equal features is 0")

# Exchange of the views.
for name in ("nt_xent", "dcl", "dclw", "debiased", "vicreg", "vicreg_paper", "barlow",
             "cross_view_both"):
    first, second = ("a", "b") if name == "cross_view_both" else ("z", "w")
    equal(loss(name, **{first: z, second: w}), loss(name, **{first: w, second: z}),
          f"{name} does not see which view is which")

# Invariances.
moved = [[2.5 * x + 3, 0.5 * y - 1, 7 * u, v + 100] for x, y, u, v in z]
equal(loss("barlow", z=moved, w=w), loss("barlow", z=z, w=w),
      "Barlow Twins does not see affine maps of columns", 1e-10)
for name in ("nt_xent", "dcl", "debiased", "sup_con", "regress", "cross_view"):
    names = {"regress": ("p", "t"), "cross_view": ("a", "b")}.get(name, ("z", "w"))
    more = {"labels": [0, 1, 0, 1, 2]} if name == "sup_con" else {}
    found = loss(name, **dict(zip(names, (z, w))), **more)
    gradient = found.gradients[names[0]]
    along = max(abs(sum(gradient[i * D + d] * z[i][d] for d in range(D))) for i in range(N))
    check(along <= 1e-7 * max(map(abs, gradient)),
          f"{name} has no gradient along its features: {along:.1e}")
    equal(loss(name, **dict(zip(names, ([[3 * x for x in row] for row in z], w))), **more), found,
          f"{name} does not see their length")

# SupCon.
equal(loss("sup_con", z=z, w=w, labels=list(range(N))), loss("nt_xent", z=z, w=w),
      "SupCon with a label for each sample is NT-Xent")
equal(loss("sup_con_in", z=z, w=w, labels=list(range(N))), loss("nt_xent", z=z, w=w),
      "and so is its other mean")
for labels in ([0, 0, 1, 1, 1], [0, 0, 0, 0, 0], [0, 1, 0, 1, 2]):
    out, inside = loss("sup_con", z=z, w=w,
                       labels=labels), loss("sup_con_in", z=z, w=w, labels=labels)
    check(out.value >= inside.value, f"L_out {out.value:.6f} is not below L_in {inside.value:.6f}")
equal(loss("sup_con_scaled", z=z, w=w, labels=labels, tau=0.1), 0.1 / 0.07 * out.value,
      "the base temperature is a factor of tau / 0.07")
equal(loss("nt_xent_sum", z=z, w=w), 2 * loss("nt_xent", z=z, w=w).value,
      "the TensorFlow code's sum is twice NT-Xent")

# FNC: nothing to cancel is NT-Xent; DCLW with a flat softmax is DCL.
nothing = [[0] * (2 * N) for _ in range(2 * N)]
equal(loss("fnc_eliminate", z=z, w=w, false_neg=nothing), loss("nt_xent", z=z, w=w),
      "FNC without false negatives is NT-Xent")
equal(loss("fnc_attract", z=z, w=w, false_neg=nothing), loss("nt_xent", z=z, w=w),
      "and so is its attraction")
equal(loss("dclw", z=z, w=z), loss("dcl", z=z, w=z), "DCLW of pairs that agree alike is DCL")
equal(loss("debiased", z=z, w=w, tau_plus=0), loss("nt_xent", z=z, w=w, tau=0.5),
      "debiased with a class probability of 0 is NT-Xent")

# DirectCLR on all columns, and on few.
equal(loss("direct_nce", h=z, g=w, d0=D), loss("cross_view_both", a=z, b=w),
      "DirectCLR on all columns is cross-view InfoNCE")
found = loss("direct_nce", h=z, g=w, d0=2)
check(all(found.gradients["h"][i * D + d] == 0 for i in range(N) for d in (2, 3)),
      "and has no gradient beyond d0")

# Feature transformation: a queue of zero vectors shows the similarity of the moved pair.
lam, s = 1.7, sum(a * b for a, b in zip(*unit_rows([z[0], w[0]])))
found = loss("ft_given", q=[z[0]], k=[w[0]], bank=[[0.0] * D], **{"lambda": [lam]}, mu=[0.5],
             perm=[0], tau=1)
moved = 2 * lam * (1 - lam) + (lam ** 2 + (1 - lam) ** 2) * s
equal(found, math.log(1 + math.exp(-moved)),
      "FT draws positives apart: 2 lam (1 - lam) + (lam^2 + (1 - lam)^2) s")

# Mixtures.
equal(loss("mochi_off_sphere", LAWS, q=z, bank=queue), 0, "MoCHi's mixtures are unit vectors")
equal(loss("mixco", mixed=z[:2], **{"lambda": [1.0, 1.0]}, q=z[:4], k=w[:4], bank=queue,
           tau_mix=0.2, beta=1).value - loss("queue_nce", q=z[:4], k=w[:4], bank=queue,
                                             tau=0.2).value,
      loss("own_key", LAWS, q=z[:2], k=w[:2], bank=unit_rows(w[2:4]) + queue, tau=0.2),
      "MixCo with lambda 1 is the plain cross-entropy")

# Sinkhorn.
scores = matrix(6, 3)
scores = [[x / 4 for x in row] for row in scores]
for rounds in (1, 3, 20):
    equal(loss("rows_off", LAWS, scores=scores, rounds=rounds), 0,
          f"Sinkhorn's rows sum to 1 after {rounds} rounds")
off = [loss("columns_off", LAWS, scores=scores, rounds=rounds).value
       for rounds in (1, 10, 100, 250)]
check(off[0] > off[1] > off[2] and off[3] < 1e-4,
      f"and columns come to N/K: off by {', '.join(f'{x:.1e}' for x in off)}")

# Where the gradient goes.
found = loss("simsiam", p1=z, p2=w, z1=w, z2=z[::-1])
check(max(map(abs, found.gradients["p1"])) > 1e-3
      and not any(found.gradients["z1"] + found.gradients["z2"]),
      "SimSiam's gradient reaches the predictions and not the targets")
found = loss("byol", p=z, z=w, q=w, y=z[::-1])
check(max(map(abs, found.gradients["p"])) > 1e-3
      and not any(found.gradients["z"] + found.gradients["y"]), "nor BYOL's")
found = loss("queue_nce", q=z, k=w, bank=queue)
check(max(map(abs, found.gradients["q"])) > 1e-3
      and not any(found.gradients["k"] + found.gradients["bank"]), "nor a queue's keys")

# VICReg's two forms.
code, paper = loss("vicreg", z=z, w=w, invariance=0,
                   covariance=0), loss("vicreg_paper", z=z, w=w, invariance=0, covariance=0)
equal(paper, 2 * code.value, "VICReg's paper has twice the code's variance term")
code, paper = loss("vicreg", z=z, w=w, variance=0,
                   covariance=0), loss("vicreg_paper", z=z, w=w, variance=0, covariance=0)
equal(paper, D * code.value, "and D times its distance")

# HCSC's two readings differ by 1 for each row that is not kept.
keep = [[int((i + j) % 2) for j in range(K)] for i in range(1)]
apart = [math.exp(loss(name, q=[z[0]], k=[w[0]], bank=queue, keep=keep).value)
         for name in ("hcsc_instance_code", "hcsc_instance_given")]
own = math.exp(sum(a * b for a, b in zip(*unit_rows([z[0], w[0]]))) / 0.2)
equal((apart[0] - apart[1]) * own, K - sum(keep[0]),
      "HCSC's code counts 1 for each row that it means to leave out", 1e-9)

# HiMulCon on one level is SupCon, up to its weight.
equal(loss("himulcon", z=z, w=w, path=[[y] for y in (0, 0, 1, 1, 1)]),
      math.e * loss("sup_con", z=z, w=w, labels=[0, 0, 1, 1, 1]).value,
      "HiMulCon on one level is e times SupCon")
paths = [[0, 0], [0, 1], [1, 2], [1, 2], [1, 3]]
check(loss("himulcon_constrained", z=z, w=w,
           path=paths).value >= loss("himulcon", z=z, w=w, path=paths).value,
      "its constrained form is not below the plain one")

# Edges: a value, or an error with its line; never a silent NaN.
equal(loss("nt_xent", z=z[:1], w=w[:1]), 0, "NT-Xent of one sample is 0")
found = loss("dcl", z=z[:1], w=w[:1])
check(found.code == 1 and found.fault, "DCL of one sample has no negatives and says so",
      found.value)
equal(loss("sup_con", z=z[:1], w=w[:1], labels=[0]), 0,
      "SupCon of one sample, whose only candidate is its positive, is 0")
zeros = [[0.0] * D] + z[1:]
found = loss("nt_xent", z=zeros, w=w)
check(math.isfinite(found.value) and all(map(math.isfinite, found.gradients["z"]))
      and not any(found.gradients["z"][:D]), "a zero vector has similarity 0 and no gradient")
equal(loss("deep_cluster_v2", z=z, centroids=queue, assigned=[-1] * N), 0,
      "DeepCluster v2 of a batch without assignments is 0")
found = loss("dino", student=[matrix(N, 3)], teacher=[matrix(N, 3)], centre=[0.0] * 3)
check(found.code == 1 and "no `v`, `u` fulfils the guard" in found.fault,
      "DINO of one crop on each side has no pair and says so", found.fault)
found = loss("cross_entropy", logits=matrix(2, 3), labels=[0, 3])
check(found.code == 1 and "labels[1] is 3" in found.fault,
      "a label outside the classes is an error", found.fault)
check.finish()
