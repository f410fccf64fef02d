#!/usr/bin/env python3
"""plain.py COUPLET ROOT: the losses of the library against the same formulas written out in plain
Python, loop by loop, in float64.

One row a loss: what it is called with, and a Python function of the same arguments."""
import itertools
import math
import os
import random
import re
import sys
import tempfile
from math import exp, log, sqrt

couplet, root = sys.argv[1:3]
sys.path[:0] = [os.path.join(root, "tests", "golden"), os.path.join(root, "tests", "driver")]
import command
import npy

N, D, K, C, M = 6, 5, 8, 3, 4
random.seed(11)


# ---- small things --------------------------------------------------------------------------------

def gauss(*shape):
    return [gauss(*shape[1:]) for _ in range(shape[0])] if shape else random.gauss(0, 1)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def unit(row):
    length = max(sqrt(dot(row, row)), 1e-12)
    return [x / length for x in row]


def units(rows):
    return [unit(row) for row in rows]


def cos(a, b):
    return dot(unit(a), unit(b))


def mix(t, a, b):
    return [t * x + (1 - t) * y for x, y in zip(a, b)]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def softmax(row):
    total = sum(exp(x) for x in row)
    return [exp(x) / total for x in row]


def cross_entropy(logits, labels):
    return mean(-log(softmax(row)[y]) for row, y in zip(logits, labels))


def soft_cross_entropy(logits, target):
    return mean(-sum(t * log(p) for t, p in zip(q, softmax(row))) for row, q in zip(logits, target))


def others(i, count):
    return [j for j in range(count) if j != i]


def transpose(rows):
    return [list(column) for column in zip(*rows)]


# ---- two views of a batch ------------------------------------------------------------------------

def cross_view(a, b, tau):
    return mean(-log(exp(cos(a[i], b[i]) / tau) / sum(exp(cos(a[i], y) / tau) for y in b))
                for i in range(len(a)))


def both(a, b, tau):
    return (cross_view(a, b, tau) + cross_view(b, a, tau)) / 2


def anchors(z, w):
    """(i, other view, indices of other samples) over z above w."""
    n = len(z)
    return z + w, [(i, (i + n) % (2 * n), [j for j in range(2 * n) if j % n != i % n])
                   for i in range(2 * n)]


def nt_xent(z, w, tau):
    u, rows = anchors(z, w)
    return mean(-log(exp(cos(u[i], u[p]) / tau) /
                     sum(exp(cos(u[i], u[j]) / tau) for j in others(i, len(u)))) for i, p,
                _ in rows)


def dclw(z, w, tau, sigma):
    u, rows = anchors(z, w)
    share = softmax([cos(a, b) / sigma for a, b in zip(z, w)])
    weight = [2 - len(z) * p for p in share]
    return mean(-weight[i % len(z)] * cos(u[i], u[p]) / tau
                + log(sum(exp(cos(u[i], u[j]) / tau) for j in far)) for i, p, far in rows)


def debiased(z, w, tau, tau_plus):
    u, rows = anchors(z, w)
    total = 0
    for i, p, far in rows:
        hit, rest = exp(cos(u[i], u[p]) / tau), sum(exp(cos(u[i], u[j]) / tau) for j in far)
        mass = max((rest - tau_plus * len(far) * hit) / (1 - tau_plus), len(far) * exp(-1 / tau))
        total -= log(hit / (hit + mass))
    return total / len(rows)


def fnc_eliminate(z, w, false_neg, tau):
    u, rows = anchors(z, w)
    total = 0
    for i, p, _ in rows:
        kept = [j for j in others(i, len(u)) if j == p or not false_neg[i][j]]
        total -= log(exp(cos(u[i], u[p]) / tau) / sum(exp(cos(u[i], u[j]) / tau) for j in kept))
    return total / len(rows)


def fnc_detect(z, w, support, top, threshold):
    """As in the FNC code: all views of the anchor's image against each view of the others."""
    u, n = z + w, len(z)
    mask = [[0] * (2 * n) for _ in range(2 * n)]
    for i in range(n):
        score = [max(cos(x[i], b) for x in (z, w, *support)) if j % n != i else -1e9
                 for j, b in enumerate(u)]
        for j in sorted(range(2 * n), key=lambda j: -score[j])[:top]:
            mask[i][j] = mask[i + n][j] = int(score[j] > threshold)
    return mask


def fnc_attract(z, w, false_neg, tau):
    u, rows = anchors(z, w)
    total = 0
    for i, p, _ in rows:
        mass = sum(exp(cos(u[i], u[j]) / tau) for j in others(i, len(u)))
        total += mean(-log(exp(cos(u[i], u[q]) / tau) / mass) for q in others(i, len(u)) if q == p
                      or false_neg[i][q])
    return total / len(rows)


def scarf(a, b, tau):
    return mean(-log(exp(cos(a[i], b[i]) / tau) /
                     (sum(exp(cos(a[i], y) / tau) for y in b) / len(b))) for i in range(len(a)))


# ---- queues --------------------------------------------------------------------------------------

def queue_nce(q, k, bank, tau):
    return mean(-log(softmax([cos(a, b) / tau] + [dot(unit(a), n) / tau for n in bank])[0]) for a,
                b in zip(q, k))


def ft_given(q, k, bank, lam, mu, perm, tau):
    total = 0
    for a, b, t in zip(units(q), units(k), lam):
        x, y = mix(t, a, b), mix(t, b, a)
        far = [mix(mu[j], bank[j], bank[perm[j]]) for j in range(len(bank))]
        total -= log(softmax([dot(x, y) / tau] + [dot(x, n) / tau for n in far])[0])
    return total / len(q)


def coclr_positives(other, bank, same, top):
    chosen = []
    for a, own in zip(units(other), same):
        rest = sorted((j for j in range(len(bank)) if not own[j]), key=lambda j: -dot(a, bank[j]))
        chosen.append([int(own[j] or j in rest[:top]) for j in range(len(bank))])
    return chosen


def mil_nce(q, k, bank, positive, tau):
    total = 0
    for i, a in enumerate(units(q)):
        share = softmax([dot(a, unit(k[i])) / tau] + [dot(a, n) / tau for n in bank])
        total -= log(share[0] + sum(share[1 + j] for j in range(len(bank)) if positive[i][j]))
    return total / len(q)


# ---- labels --------------------------------------------------------------------------------------

def kcl_given(q, k, bank, chosen, tau):
    total = 0
    for i, a in enumerate(units(q)):
        share = softmax([dot(a, unit(k[i])) / tau] + [dot(a, n) / tau for n in bank])
        total += mean(-log(share[j]) for j in range(len(share)) if j == 0 or chosen[i][j - 1])
    return total / len(q)


def tsc_given(q, k, bank, chosen, targets, own, weight, tau):
    total = 0
    for i, a in enumerate(units(q)):
        share = softmax([dot(a, unit(k[i])) / tau] + [dot(a, n) / tau for n in bank]
                        + [dot(a, t) / tau for t in targets])
        near = [0] + [1 + j for j in range(len(bank)) if chosen[i][j]]
        sample = sum(-log(share[j]) for j in near) - weight * log(share[1 + len(bank) + own[i]])
        total += sample / (len(near) + 1)
    return total / len(q)


def bcl(z, w, labels, centres, tau):
    u, y = units(z + w + centres), labels + labels + list(range(len(centres)))
    total = 0
    for i in range(2 * len(z)):
        mass = 0
        for c in range(len(centres)):
            members = [a for a in others(i, len(u)) if y[a] == c]
            mass += mean(exp(dot(u[i], u[a]) / tau) for a in members)
        total += mean(-log(exp(dot(u[i], u[p]) / tau) / mass) for p in others(i, len(u))
                      if y[p] == y[i])
    return total / (2 * len(z))


def prototype_sup_con(z, labels, prototypes, tau):
    return mean(-cos(a, prototypes[y]) / tau
                + log(sum(exp(cos(a, p) / tau) for c, p in enumerate(prototypes) if c != y)) for a,
                y in zip(z, labels))


def sup_con(z, w, labels, tau):
    u, y = z + w, labels + labels
    total = 0
    for i in range(len(u)):
        mass = sum(exp(cos(u[i], u[j]) / tau) for j in others(i, len(u)))
        near = [p for p in others(i, len(u)) if y[p] == y[i]]
        total += mean(-log(exp(cos(u[i], u[p]) / tau) / mass) for p in near) if near else 0
    return total / len(u)


def prefixes(path, length):
    names = [tuple(p[:length]) for p in path]
    return [names.index(name) for name in names]


def himulcon(z, w, path, tau, constrained=False):
    depth = len(path[0])
    level = [sup_con(z, w, prefixes(path, l + 1), tau) for l in range(depth)]
    if constrained:
        level = [max(level[l:]) for l in range(depth)]
    return mean(exp(1 / (depth - l)) * level[l] for l in range(depth))


def himulcon_code(z, w, path, tau):
    """Fine to coarse; after each level one sample of each group goes on. The code's paths have a
    last entry that is no level, and it divides by their length."""
    depth, total, kept = len(path[0]), 0, list(range(len(path)))
    for l in range(depth - 1, -1, -1):
        names = [tuple(path[i][:l + 1]) for i in kept]
        total += 2 ** (1 / (depth - l)) * sup_con([z[i] for i in kept], [w[i] for i in kept],
                                                  [names.index(n) for n in names], tau)
        kept = [i for place, i in enumerate(kept) if names.index(names[place]) == place]
    return total / (depth + 1)


# ---- no negatives --------------------------------------------------------------------------------

def variance_hinge(z, eps):
    total = 0
    for column in transpose(z):
        m = mean(column)
        total += max(0, 1 - sqrt(sum((x - m) ** 2 for x in column) / (len(z) - 1) + eps))
    return total / len(z[0])


def covariance_penalty(z):
    columns = [[x - mean(column) for x in column] for column in transpose(z)]
    return sum((dot(a, b) / (len(z) - 1)) ** 2 for i, a in enumerate(columns) for j,
               b in enumerate(columns) if i != j) / len(columns)


def vicreg(z, w):
    gap = mean((x - y) ** 2 for a, b in zip(z, w) for x, y in zip(a, b))
    return 25 * gap + 25 * (variance_hinge(z, 1e-4)
                            + variance_hinge(w, 1e-4)) / 2 + covariance_penalty(
                                z) + covariance_penalty(w)


# ---- prototypes ----------------------------------------------------------------------------------

def sinkhorn(scores, eps=0.05, rounds=3):
    """As in the SwAV code: prototypes are rows there."""
    q = transpose([[exp(s / eps) for s in row] for row in scores])
    total = sum(map(sum, q))
    q = [[x / total for x in row] for row in q]
    for _ in range(rounds):
        q = [[x / sum(row) / len(q) for x in row] for row in q]
        sums = [sum(column) for column in zip(*q)]
        q = [[x / sums[j] / len(sums) for j, x in enumerate(row)] for row in q]
    return transpose([[x * len(scores) for x in row] for row in q])


def scores_of(z, prototypes):
    return [[cos(a, p) for p in prototypes] for a in z]


def scaled(rows, tau):
    return [[x / tau for x in row] for row in rows]


def swav_queue(z, w, prototypes, past_z, past_w, tau):
    s, t = scores_of(z, prototypes), scores_of(w, prototypes)
    q = sinkhorn(s + scores_of(past_z, prototypes))[:len(z)]
    r = sinkhorn(t + scores_of(past_w, prototypes))[:len(z)]
    return (soft_cross_entropy(scaled(s, tau), r) + soft_cross_entropy(scaled(t, tau), q)) / 2


def swav_crops(crops, prototypes, tau):
    s = [scores_of(crop, prototypes) for crop in crops]
    return mean(mean(soft_cross_entropy(scaled(s[u], tau), sinkhorn(s[v]))
                     for u in others(v, len(s))) for v in (0, 1))


def dino(student, teacher, centre, ts, tt):
    total = []
    for v, view in enumerate(teacher):
        code = [softmax([(x - c) / tt for x, c in zip(row, centre)]) for row in view]
        total += [soft_cross_entropy(scaled(student[u], ts), code) for u in range(len(student))
                  if u != v]
    return mean(total)


def deep_cluster_v2(z, centroids, assigned, tau):
    return mean(-log(softmax([cos(a, c) / tau for c in centroids])[y]) for a,
                y in zip(z, assigned) if y >= 0)


def proto_term(v, centroids, phi, member):
    return mean(-log(softmax([cos(a, c) / f for c, f in zip(centroids, phi)])[y]) for a,
                y in zip(v, member))


def proto_term_code(v, centroids, phi, member, drawn):
    candidates = member + drawn
    return mean(-log(softmax([cos(a, centroids[c]) / phi[c] for c in candidates])[i]) for i,
                a in enumerate(v))


def hcsc_prototype(v, centroids, phi, member, keep):
    total = 0
    for i, a in enumerate(v):
        near = [member[i]] + [c for c in others(member[i], len(centroids)) if keep[i][c]]
        total -= log(softmax([cos(a, centroids[c]) / phi[c] for c in near])[0])
    return total / len(v)


def cld(z, w, groups_z, groups_w, member_z, member_w, tau):
    """As in the CLD code: features of length 1 times centroids as they are."""
    s, t = ([[dot(unit(a), m) for m in groups] for a in x]
            for x, groups in ((z, groups_w), (w, groups_z)))
    return (cross_entropy(scaled(s, tau), member_w) + cross_entropy(scaled(t, tau), member_z)) / 2


def batch_groups(x, groups, rounds):
    """The CLD code's KMeans: labels of the last assignment, and the means of what it grouped."""
    u = units(x)
    centres = u[:groups]
    for _ in range(rounds):
        member = [min(range(groups), key=lambda g: distance(a, centres[g])) for a in u]
        lists = [[a for a, m in zip(u, member) if m == g] for g in range(groups)]
        centres = [[mean(column) for column in zip(*rows)] if rows else [0] * len(u[0])
                   for rows in lists]
    return member, centres


def cld_in_batch(z, w, groups, rounds, tau):
    (member_z, first), (member_w, second) = (batch_groups(x, groups, rounds) for x in (z, w))
    return cld(z, w, first, second, member_z, member_w, tau)


def cluster_contrast(p, r, tau):
    a, b = [softmax(row) for row in p], [softmax(row) for row in r]
    balance = sum(log(len(x[0])) + sum(mean(column) * log(mean(column)) for column in transpose(x))
                  for x in (a, b))
    return nt_xent(transpose(a), transpose(b), tau) + balance


# ---- pseudo-labels -------------------------------------------------------------------------------

def fixmatch(guess, confidence, logits, threshold):
    return mean(-log(softmax(o)[y]) if c >= threshold else 0
                for y, c, o in zip(guess, confidence, logits))


def comatch_aligned(logits, mean_p):
    raw = [[x / m for x, m in zip(softmax(o), mean_p)] for o in logits]
    return [[x / sum(row) for x in row] for row in raw]


def comatch_labels(p, f, bank, bank_p, keep, tau):
    smooth = []
    for row, a in zip(p, f):
        share = softmax([dot(unit(a), b) / tau for b in bank])
        near = [sum(s * q[c] for s, q in zip(share, bank_p)) for c in range(len(row))]
        smooth.append(mix(keep, row, near))
    return smooth


def consistency(p, logits, threshold):
    return mean(-sum(x * log(y) for x, y in zip(row, softmax(o))) if max(row) >= threshold else 0
                for row, o in zip(p, logits))


def graph_contrast(p, a, b, threshold, tau, eps):
    total = 0
    for i in range(len(a)):
        edges = [1 if i == j else dot(p[i], p[j]) for j in range(len(a))]
        edges = [e if e >= threshold else 0 for e in edges]
        share = softmax([cos(a[i], y) / tau for y in b])
        total -= sum(e / sum(edges) * log(s + eps) for e, s in zip(edges, share))
    return total / len(a)


def ccssl(z, w, guess, confidence, push, tau):
    u, rows = anchors(z, w)
    y, c = guess + guess, confidence + confidence
    total = 0
    for i, pos, _ in rows:
        share = {j: exp(cos(u[i], u[j]) / tau) for j in others(i, len(u))}
        weight = {j: 1 if j == pos else c[i] * c[j] * (y[i] == y[j] and min(c[i], c[j]) >= push)
                  for j in share}
        total += sum(-x * log(share[j] / sum(share.values())) for j,
                     x in weight.items()) / sum(weight.values())
    return total / len(rows)


def pico_contrast(q, k, guess, bank, bank_guess, tau):
    near, y = units(q) + units(k) + bank, guess + guess + bank_guess
    total = 0
    for i in range(len(q)):
        share = {j: exp(dot(near[i], near[j]) / tau) for j in others(i, len(near))}
        total += mean(-log(share[j] / sum(share.values())) for j in share if y[j] == y[i])
    return total / len(q)


# ---- margins -------------------------------------------------------------------------------------

def distance(a, b):
    return sqrt(sum((x - y) ** 2 for x, y in zip(a, b)))


def pair_contrast(a, b, different, margin):
    return mean(max(0, margin - distance(x, y)) ** 2 / 2 if apart else distance(x, y) ** 2 / 2
                for x, y, apart in zip(a, b, different))


def n_pair(a, p, lam):
    n = len(a)
    return mean(log(1 + sum(exp(dot(a[i], p[j]) - dot(a[i], p[i])) for j in others(i, n)))
                for i in range(n)) + lam * mean(dot(x, x) + dot(y, y) for x, y in zip(a, p))


def kernel(a, b, sigma):
    return exp(-distance(unit(a), unit(b)) ** 2 / sigma)


def mmcl_given(x, z, alpha, sigma):
    return mean(sum(alpha[i][j] * (kernel(x[j], z[i], sigma) - kernel(x[i], z[i], sigma))
                    for j in others(i, len(x))) for i in range(len(x)))


def solved(matrix, right):
    """Gauss, with pivots."""
    a = [row + [b] for row, b in zip(matrix, right)]
    for c in range(len(a)):
        best = max(range(c, len(a)), key=lambda r: abs(a[r][c]))
        a[c], a[best] = a[best], a[c]
        for r in others(c, len(a)):
            a[r] = [x - a[r][c] / a[c][c] * y for x, y in zip(a[r], a[c])]
    return [row[-1] / row[i] for i, row in enumerate(a)]


def mmcl(x, z, limit, reg, sigma):
    alpha = [[0.0] * len(x) for _ in x]
    for i in range(len(x)):
        rest = others(i, len(x))
        m = [[1 + reg * (j == l) + kernel(x[j], x[l], sigma) - kernel(x[i], x[j], sigma) -
              kernel(x[i], x[l], sigma) for l in rest] for j in rest]
        for j, a in zip(rest, solved(m, [2.0] * len(rest))):
            alpha[i][j] = max(0, min(limit, a))
    return mmcl_given(x, z, alpha, sigma)


def tsc(q, k, labels, bank, bank_labels, targets, centroids, tau):
    places = max(itertools.permutations(range(C)),
                 key=lambda p: sum(dot(centroids[c], targets[p[c]]) for c in range(C)))
    chosen = [[int(a == b) for b in bank_labels] for a in labels]
    return tsc_given(q, k, bank, chosen, targets, [places[a] for a in labels], 0.2, tau)


def concentration(v, centroids, member, tau):
    raw = []
    for c, centre in enumerate(centroids):
        apart = [distance(a, centre) for a, m in zip(v, member) if m == c]
        raw.append(mean(apart) / log(len(apart) + 10) if len(apart) > 1 else None)
    most = max(x for x in raw if x is not None)
    raw = [most if x is None else x for x in raw]
    ordered = sorted(raw)

    def percentile(p):
        at = p * (len(ordered) - 1)
        low = int(at)
        return ordered[low] + (at - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])

    clipped = [max(percentile(0.1), min(percentile(0.9), x)) for x in raw]
    return [tau * x / mean(clipped) for x in clipped]


def pico_prototypes(prototypes, q, guess, keep):
    now = [list(row) for row in prototypes]
    for a, y in zip(units(q), guess):
        now[y] = mix(keep, now[y], a)
    return units(now)


def pico_prototypes_paper(prototypes, q, guess, keep):
    now = [list(row) for row in prototypes]
    for a, y in zip(units(q), guess):
        now[y] = unit(mix(keep, now[y], a))
    return now


# ---- places and frames ---------------------------------------------------------------------------

def own_against(own, far):
    """-log of the share of one score among itself and others."""
    return log(1 + sum(exp(f - own) for f in far))


def dense_nce(r, k, match, bank, tau):
    return mean(own_against(cos(a, k[i][match[i][p]]) / tau, [dot(unit(a), b) / tau for b in bank])
                for i, row in enumerate(r) for p, a in enumerate(row))


def patch_nce(q, k, tau):
    return mean(own_against(cos(a, k[i][p]) / tau,
                            [cos(a, k[i][r]) / tau for r in others(p, len(row))]) for i,
                row in enumerate(q) for p, a in enumerate(row))


def dense_predict(a, f):
    flat = [(i, p, x) for i, row in enumerate(f) for p, x in enumerate(row)]
    return mean(own_against(dot(x, f[i][p]), [dot(x, y) for j, r, y in flat if (j, r) != (i, p)])
                for i, row in enumerate(a) for p, x in enumerate(row))


def regions(z, w, tau):
    def one(x, y):
        return mean(own_against(cos(a, y[i][p]) / tau,
                                [cos(a, v[i][r]) / tau for v in (x, y)
                                 for r in others(p, len(row))]) for i, row in enumerate(x) for p,
                    a in enumerate(row))
    return (one(z, w) + one(w, z)) / 2


def volume_parts(z, w, part, tau, own_view=False):
    u, c, n = z + w, part + part, len(z)
    far = [[cos(a, b) / tau for b, d in zip(u, c) if d != own] for a, own in zip(u, c)]
    pairs = [[p for p in others(i, 2 * n) if (p - i) % n == 0 or (c[p] == c[i] and not own_view)]
             for i in range(2 * n)]
    return mean(mean(own_against(cos(u[i], u[p]) / tau, far[i]) for p in row) for i,
                row in enumerate(pairs))


def dice(logits, labels, eps):
    pixels = [(softmax([plane[i][j] for plane in picture]), labels[n][i][j]) for n,
              picture in enumerate(logits) for i in range(len(picture[0]))
              for j in range(len(picture[0][0]))]
    shares = [(2 * sum(p[c] for p, y in pixels if y == c) + eps) /
              (sum(p[c] ** 2 for p, _ in pixels) + sum(y == c for _, y in pixels) + eps)
              for c in range(len(pixels[0][0]))]
    return 1 - mean(shares)


def local_global(g, l, tau):
    return mean(own_against(cos(g[i], a) / tau,
                            [cos(g[i], b) / tau for j in others(i, len(l)) for b in l[j]]) for i,
                row in enumerate(l) for a in row)


def local_global_shown(g, l, shown, tau):
    inside = [[a for a, m in zip(row, marks) if m] for row, marks in zip(l, shown)]
    return mean(mean(own_against(cos(g[i], a) / tau,
                                 [cos(g[i], b) / tau for j in others(i, len(l)) for b in inside[j]])
                     for a in row) if row else 0 for i, row in enumerate(inside))


def object_places(x, front, tau):
    total = 0
    for row, marks in zip(x, front):
        inside = [unit(a) for a, m in zip(row, marks) if m]
        if inside:
            share = softmax([cos([mean(c) for c in zip(*inside)], a) / tau for a in row])
            total += mean(-log(s) for s, m in zip(share, marks) if m)
    return total / len(x)


# ---- several kinds -------------------------------------------------------------------------------

def bank_nce(q, k, negatives, partition, count, tau):
    noise = len(negatives) / count
    total = 0
    for a, b in zip(q, k):
        near = exp(cos(a, b) / tau) / partition
        total -= log(near / (near + noise))
        total -= sum(log(noise / (exp(dot(unit(a), n) / tau) / partition + noise))
                     for n in negatives)
    return total / len(q)


def cocon(x, y, margin, sync, sim):
    pairs = [(a, b) for a in range(len(x)) for b in others(a, len(x))]
    agree = mean((cos(x[a], x[b]) - cos(y[a], y[b])) ** 2 for a, b in pairs)
    near = mean(1 - cos(a, b) for a, b in zip(x, y))
    far = mean(max(0, margin - (1 - cos(x[a], y[b]))) for a, b in pairs)
    return sync * agree + sim * near + sim * far


def self_con(z, w, labels, tau):
    """Anchors are the side branch's; candidates both exits, backbone last, but the anchor."""
    both, y = w + z, labels + labels
    total = 0
    for i, own in enumerate(labels):
        shares = {a: exp(cos(w[i], both[a]) / tau) for a in others(i, len(both))}
        mass = sum(shares.values())
        total += mean(-log(s / mass) for a, s in shares.items() if y[a] == own)
    return total / len(labels)


def soft_nce(q, k, target, tau):
    return mean(-sum(t * log(s) for t, s in zip(row, softmax([dot(unit(a), b) / tau for b in k])))
                for a, row in zip(q, target))


def tot(videos, near, prototypes, sigma, eps, tau):
    """Codes are balanced over all videos; pairs are those of one video."""
    s, n, k = [], len(videos[0]), len(prototypes)
    for z in videos:
        s += scores_of(z, prototypes)
    prior = [[exp(-((i / n - j / k) ** 2 / (1 / n ** 2 + 1 / k ** 2)) / (2 * sigma ** 2))
              for j in range(k)] for i in range(n)] * len(videos)
    q = sinkhorn([[a + eps * log(g) for a, g in zip(row, p)] for row, p in zip(s, prior)], eps)
    return soft_cross_entropy(scaled(s, tau), q) + mean(cross_view(z, w, tau) for z,
                                                        w in zip(videos, near))


def ncl(q, k, bank, top, alpha, tau):
    total = 0
    for a, b in zip(q, k):
        scores = [cos(a, b) / tau] + [dot(unit(a), n) / tau for n in bank]
        share = softmax(scores)
        near = sorted(range(1, len(scores)), key=lambda j: -scores[j])[:top]
        total -= alpha * log(share[0]) + (1 - alpha) * mean(log(share[j]) for j in near)
    return total / len(q)


# ---- spread --------------------------------------------------------------------------------------

def uniformity(z, t):
    return log(mean(exp(-t * distance(unit(z[i]), unit(z[j])) ** 2) for i in range(len(z))
                    for j in others(i, len(z))))


def sig_lip(z, w, t, b):
    return sum(log(1 + exp((-1 if i == j else 1) * (t * cos(x, y) + b))) for i,
               x in enumerate(z) for j, y in enumerate(w)) / len(z)


def nn_clr(z, w, bank, tau):
    def one(x, y):
        near = [max(bank, key=lambda n: dot(unit(a), n)) for a in x]
        return mean(-log(softmax([dot(n, unit(b)) / tau for b in y])[i]) for i,
                    n in enumerate(near))
    return (one(z, w) + one(w, z)) / 2


def w_mse(z, w, eps):
    u = z + w
    middle = [mean(c) for c in transpose(u)]
    x = [[a - m for a, m in zip(row, middle)] for row in u]
    room = eps * mean(sum(row[d] ** 2 for row in x) / (len(u) - 1) for d in range(len(middle)))
    c = [[sum(row[d] * row[e] for row in x) / (len(u) - 1) + room * (d == e)
          for e in range(len(middle))] for d in range(len(middle))]
    y = [solved([list(r) for r in c], row) for row in x]
    n = len(z)
    return mean(2 - 2 * dot(x[i], y[i + n]) / sqrt(dot(x[i], y[i]) * dot(x[i + n], y[i + n]))
                for i in range(n))


def tico(z, w, memory, rho):
    form = lambda a: sum(a[d] * memory[d][e] * a[e] for d in range(len(a)) for e in range(len(a)))
    return 1 - mean(cos(a, b) for a, b in zip(z, w)) + rho * mean(form(unit(a)) for a in z)


# ---- the rows ------------------------------------------------------------------------------------

z, w, bank = gauss(N, D), gauss(N, D), units(gauss(K, D))
y, bank_y = [0, 1, 2, 0, 1, 1], [0, 1, 2, 0, 1, 2, 2, 0]
coin = [[random.randrange(2) for _ in range(K)] for _ in range(N)]
marks = [[int(i % N != j % N and (i + j) % N in (1, 3)) for j in range(2 * N)]
         for i in range(2 * N)]
centres, logits, more = gauss(C, D), gauss(N, C), gauss(N, C)
prior, phi, lam, mu, sure = [0.5, 0.3, 0.2], [0.2, 0.3,
                                              0.25], [random.random()
                                                      for _ in range(N)], [random.random()
                                                                           for _ in range(K)], [
                                                                               random.random()
                                                                               for _ in range(N)]
path = [[0, 0, 0], [0, 0, 0], [0, 1, 2], [1, 2, 3], [1, 2, 4], [1, 3, 5]]
weights = gauss(N, N)
keep_c = [[1, 0, 1], [1, 1, 1], [0, 0, 0], [0, 1, 1], [1, 0, 0], [1, 1, 0]]
p_sure = [softmax([6 * x for x in row]) for row in logits]

# ---- tasks beside a contrast ---------------------------------------------------------------------

def cpc(c, z, w):
    places, total = [f for row in z for f in row], []
    for matrix_number, matrix in enumerate(w):
        for n, row in enumerate(c):
            for t in range(len(row) - len(w)):
                guess = [dot(column, row[t]) for column in matrix]
                total.append(-log(softmax([dot(guess, f)
                                           for f in places])[n * len(row) + t + matrix_number + 1]))
    return mean(total)


def collapsed(path):
    """Repetitions, then blanks, left out."""
    return [c for t, c in enumerate(path) if c != 0 and (t == 0 or c != path[t - 1])]


def ctc(scores, words):
    """Over every path there is."""
    total = []
    for frames, word in zip(scores, words):
        chances, spelt = [softmax(row) for row in frames], [c for c in word if c]
        whole = sum(math.prod(row[c] for row, c in zip(chances, path))
                    for path in itertools.product(range(len(frames[0])), repeat=len(frames))
                    if collapsed(path) == spelt)
        total.append(-log(whole) if whole else 0)
    return mean(total)


def tcl(v, w, v2, w2, past_v, past_w, alpha, tau):
    def side(q, slow, own, past):
        keys = own + past
        targets = [[alpha * p + (1 - alpha) * (i == j) for j,
                    p in enumerate(softmax([dot(row, key) / tau for key in keys]))] for i,
                   row in enumerate(slow)]
        return soft_nce(q, keys, targets, tau)

    def within(q, own, past):
        return mean(-log(softmax([dot(unit(row), key) / tau for key in own + past])[i])
                    for i, row in enumerate(q))

    return (side(v, v2, w2, past_w) + side(w, w2, v2, past_v) + within(v, v2, past_v)
            + within(w, w2, past_w)) / 2


def episode_scores(z, ways, shots):
    rows = len(z) // ways
    known = [[mean(column) for column in zip(*z[w * rows:w * rows + shots])] for w in range(ways)]
    return [[-sum((a - b) ** 2 for a, b in zip(row, m)) for m in known] for row in z]


def prototypical(z, ways, shots):
    rows, scores = len(z) // ways, episode_scores(z, ways, shots)
    asked = [j for j in range(len(z)) if j % rows >= shots]
    return cross_entropy([scores[j] for j in asked], [j // rows for j in asked])


def class_mean_nce(z, w, labels, tau):
    u, y, total = units(z + w), labels + labels, 0
    for i, row in enumerate(u):
        m = [mean(column) for column in zip(*[u[p] for p in others(i, len(u)) if y[p] == y[i]])]
        total -= log(exp(dot(row, m) / tau) / sum(exp(dot(row, u[a]) / tau)
                                                  for a in others(i, len(u))))
    return total / len(u)


def double_q(q, action, reward, done, q_next, slow_next, discount):
    total = []
    for n, values in enumerate(q):
        x = values[action[n]] - reward[n] - discount * (1 - done[n]) * slow_next[n][
            q_next[n].index(max(q_next[n]))]
        total.append(x * x / 2 if abs(x) < 1 else abs(x) - 0.5)
    return mean(total)


P = 3
places, other_places = gauss(N, P, D), gauss(N, P, D)
match = [[random.randrange(P) for _ in range(P)] for _ in range(N)]
front = [[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 0], [0, 1, 1]]
three, pair_weight = [z, w, gauss(N, D)], gauss(3, 3)
targets = [softmax(row) for row in gauss(N, K)]
memory = gauss(D, D)
masks, tissues = gauss(2, C, 3, 4), [[[random.randrange(C) for _ in range(4)] for _ in range(3)]
                                     for _ in range(2)]
flat = lambda rows: [a for row in rows for a in row]

contexts, encoded, steps_ahead = gauss(N, 5, M), gauss(N, 5, D), gauss(2, D, M)
frames, words = gauss(N, 5, C), [[1, 2], [1, 1], [2, 0], [0, 0], [2, 1], [2, 2]]
hidden = [[1, 0, 1, 0, 0], [0, 0, 0, 0, 0]] + [[0, 1, 0, 0, 1]] * (N - 2)
deep, made = gauss(2, 1, 3, 2), gauss(2, 1, 3, 2)
numbers = [x for image in deep for row in image[0]
           for x in row], [x for image in made for row in image[0] for x in row]

ROWS = [
    ("cpc", dict(c=contexts, z=encoded, w=steps_ahead), cpc(contexts, encoded, steps_ahead)),
    ("ctc", dict(scores=frames, word=words), ctc(frames, words)),
    ("ctc", dict(scores=[row[:2] for row in frames], word=words),
     ctc([row[:2] for row in frames], words)), # `1 1` and `2 2` do not fit into two frames
    ("masked_words", dict(scores=frames, word=[[0, 1, 2, 1, 0]] * N, hidden=hidden),
     mean(-log(softmax(frames[n][t])[[0, 1, 2, 1, 0][t]]) for n in range(N) for t in range(5)
          if hidden[n][t])),
    ("masked_words", dict(scores=frames, word=[[0, 1, 2, 1, 0]] * N, hidden=[[0] * 5] * N), 0),
    ("tcl", dict(v=z, w=w, v2=units(w), w2=units(z[::-1]), past_v=bank, past_w=bank[::-1],
                 alpha=0.3, tau=0.2),
     tcl(z, w, units(w), units(z[::-1]), bank, bank[::-1], 0.3, 0.2)),
    ("prototypical", dict(z=z, ways=2, shots=1), prototypical(z, 2, 1)),
    ("prototypical", dict(z=z + w, ways=3, shots=2), prototypical(z + w, 3, 2)),
    ("class_mean_nce", dict(z=z, w=w, labels=y, tau=0.3), class_mean_nce(z, w, y, 0.3)),
    ("judge_squares", dict(real=deep, made=made),
     mean((x - 1) ** 2 for x in numbers[0]) / 2 + mean(x * x for x in numbers[1]) / 2),
    ("maker_squares", dict(made=made), mean((x - 1) ** 2 for x in numbers[1])),
    ("double_q", dict(q=logits, action=y, reward=mu[:N], done=[0.0, 1.0, 0.0, 0.0, 1.0, 0.0],
                      q_next=more, slow_next=logits[::-1], discount=0.9),
     double_q(logits, y, mu[:N], [0.0, 1.0, 0.0, 0.0, 1.0, 0.0], more, logits[::-1], 0.9)),
    ("dense_nce", dict(r=places, k=other_places, match=match, bank=bank, tau=0.3),
     dense_nce(places, other_places, match, bank, 0.3)),
    ("dense_cl", dict(q=z, k=w, bank=bank, r=places, d=other_places, match=match,
                      dense_bank=bank[::-1], lam=0.3, tau=0.3),
     0.7 * queue_nce(z, w, bank, 0.3) + 0.3 *
     dense_nce(places, other_places, match, bank[::-1], 0.3)),
    ("patch_nce", dict(q=places, k=other_places, tau=0.2), patch_nce(places, other_places, 0.2)),
    ("dense_predict", dict(a=places, f=other_places), dense_predict(places, other_places)),
    ("regions", dict(z=places, w=other_places, tau=0.3), regions(places, other_places, 0.3)),
    ("sequences", dict(z=places, w=other_places, tau=0.3),
     nt_xent(flat(places), flat(other_places), 0.3)),
    ("volume_parts", dict(z=z, w=w, part=y, tau=0.3), volume_parts(z, w, y, 0.3)),
    ("volume_views", dict(z=z, w=w, part=y, tau=0.3), volume_parts(z, w, y, 0.3, True)),
    ("volume_parts", dict(z=z, w=w, part=[1] * N, tau=0.3), 0),
    ("dice", dict(logits=masks, labels=tissues), dice(masks, tissues, 1)),
    ("dice", dict(logits=masks, labels=tissues, eps=0.1), dice(masks, tissues, 0.1)),
    ("pixel_cross_entropy", dict(logits=masks, labels=tissues),
     mean(-log(softmax([plane[i][j] for plane in masks[n]])[tissues[n][i][j]]) for n in range(2)
          for i in range(3) for j in range(4))),
    ("local_global", dict(g=z, l=places, tau=0.3), local_global(z, places, 0.3)),
    ("local_global_shown", dict(g=z, l=places, shown=front, tau=0.3),
     local_global_shown(z, places, front, 0.3)),
    ("object_places", dict(x=places, front=front, tau=0.7), object_places(places, front, 0.7)),
    ("bank_nce", dict(q=z, k=w, negatives=bank, log_partition=log(37.5), count=500, tau=0.3),
     bank_nce(z, w, bank, 37.5, 500, 0.3)),
    ("nce_log_partition", dict(q=z, negatives=bank, count=500, tau=0.3),
     log(500 * mean(exp(dot(unit(a), n) / 0.3) for a in z for n in bank))),
    ("pirl", dict(f=z, g=z[::-1], m=w, negatives=bank, log_partition=log(37.5), count=500, lam=0.3,
                  tau=0.3),
     0.3 * bank_nce(z[::-1], w, bank, 37.5, 500, 0.3) + 0.7 * bank_nce(z, w, bank, 37.5, 500, 0.3)),
    ("cmc", dict(a=z, b=w, bank_a=bank, bank_b=bank[::-1], tau=0.3),
     queue_nce(z, w, bank[::-1], 0.3) + queue_nce(w, z, bank, 0.3)),
    ("cmc_full", dict(z=three, tau=0.3),
     sum(cross_view(three[a], three[b], 0.3) for a in range(3) for b in others(a, 3))),
    ("weighted_pairs", dict(z=three, weight=pair_weight, tau=0.3),
     sum(pair_weight[a][b] * both(three[a], three[b], 0.3) for a in range(3)
         for b in range(a + 1, 3))),
    ("cross_point", dict(z=z, w=w, h=z[::-1], tau=0.3),
     nt_xent(z, w, 0.3) + nt_xent([mix(0.5, a, b) for a, b in zip(z, w)], z[::-1], 0.3)),
    ("soft_nce", dict(q=z, k=bank, target=targets, tau=0.3), soft_nce(z, bank, targets, 0.3)),
    ("cocon", dict(x=z, y=w, margin=0.8, sync=3, sim=0.7), cocon(z, w, 0.8, 3, 0.7)),
    ("self_con", dict(z=z, w=w, labels=y, tau=0.3), self_con(z, w, y, 0.3)),
    ("geography", dict(q=z, k=w, bank=bank, logits=logits, cluster=y, tau=0.3),
     queue_nce(z, w, bank, 0.3) + cross_entropy(logits, y)),
    ("distil", dict(student=logits, teacher=more, tau=2),
     soft_cross_entropy(scaled(logits, 2), [softmax(r) for r in scaled(more, 2)])),
    ("tot", dict(z=[z, w], w=[w, z[::-1]], prototypes=centres, tau=0.3, tau_pair=0.3),
     tot([z, w], [w, z[::-1]], centres, 1.5, 0.08, 0.3)),
    ("ncl", dict(q=z, k=w, bank=bank, top=3, tau=0.3), ncl(z, w, bank, 3, 0.2, 0.3)),
    ("alignment", dict(z=z, w=w, alpha=3),
     mean(distance(unit(a), unit(b)) ** 3 for a, b in zip(z, w))),
    ("uniformity", dict(z=z), uniformity(z, 2)),
    ("sig_lip", dict(z=z, w=w, t=3, b=-1), sig_lip(z, w, 3, -1)),
    ("nn_clr", dict(z=z, w=w, bank=bank, tau=0.3), nn_clr(z, w, bank, 0.3)),
    ("w_mse", dict(z=z, w=w), w_mse(z, w, 0.01)),
    ("koleo", dict(z=z), mean(-log(min(distance(unit(a), unit(z[j])) for j in others(i, N)) + 1e-8)
                              for i, a in enumerate(z))),
    ("tico", dict(z=z, w=w, memory=memory), tico(z, w, memory, 8)),
    ("nt_xent", dict(z=z, w=w, tau=0.3), nt_xent(z, w, 0.3)),
    ("cross_view_both", dict(a=z, b=w, tau=0.3), both(z, w, 0.3)),
    ("dclw", dict(z=z, w=w, tau=0.3, sigma=0.5), dclw(z, w, 0.3, 0.5)),
    ("debiased", dict(z=z, w=w, tau=0.5, tau_plus=0.1), debiased(z, w, 0.5, 0.1)),
    ("debiased", dict(z=z, w=z, tau=0.1, tau_plus=0.3), debiased(z, z, 0.1, 0.3)),
    ("fnc_eliminate", dict(z=z, w=w, false_neg=marks, tau=0.3), fnc_eliminate(z, w, marks, 0.3)),
    ("fnc_attract", dict(z=z, w=w, false_neg=marks, tau=0.3), fnc_attract(z, w, marks, 0.3)),
    ("direct_nce", dict(h=z, g=w, d0=2, tau=0.3),
     both([r[:2] for r in z], [r[:2] for r in w], 0.3)),
    ("scarf", dict(a=z, b=w, tau=0.7), scarf(z, w, 0.7)),
    ("queue_nce", dict(q=z, k=w, bank=bank, tau=0.2), queue_nce(z, w, bank, 0.2)),
    ("ft_given", {"q": z, "k": w, "bank": bank, "lambda": [1 + x for x in lam], "mu": mu,
                  "perm": [3, 0, 1, 2, 7, 6, 5, 4], "tau": 0.2},
     ft_given(z, w, bank, [1 + x for x in lam], mu, [3, 0, 1, 2, 7, 6, 5, 4], 0.2)),
    ("mil_nce", dict(q=z, k=w, bank=bank, positive=coin, tau=0.2), mil_nce(z, w, bank, coin, 0.2)),
    ("kcl_given", dict(q=z, k=w, bank=bank, chosen=coin, tau=0.2),
     kcl_given(z, w, bank, coin, 0.2)),
    ("kcl_all", dict(q=z, k=w, labels=y, bank=bank, bank_labels=bank_y, tau=0.2),
     kcl_given(z, w, bank, [[int(a == b) for b in bank_y] for a in y], 0.2)),
    ("tsc_given", dict(q=z, k=w, bank=bank, chosen=coin, targets=units(centres), own=y, tau=0.2),
     tsc_given(z, w, bank, coin, units(centres), y, 0.2, 0.2)),
    ("bcl", dict(z=z, w=w, labels=y, centres=centres, tau=0.3), bcl(z, w, y, centres, 0.3)),
    ("logit_adjusted", dict(logits=logits, labels=y, prior=prior),
     cross_entropy([[x + log(p) for x, p in zip(row, prior)] for row in logits], y)),
    ("sup_con", dict(z=z, w=w, labels=y, tau=0.3), sup_con(z, w, y, 0.3)),
    ("hybrid", dict(z=z, w=w, labels=y, logits=logits, alpha=0.3, tau=0.3),
     0.3 * sup_con(z, w, y, 0.3) + 0.7 * cross_entropy(logits, y)),
    ("prototype_sup_con", dict(z=z, labels=y, prototypes=centres, tau=0.3),
     prototype_sup_con(z, y, centres, 0.3)),
    ("himulcon", dict(z=z, w=w, path=path, tau=0.3), himulcon(z, w, path, 0.3)),
    ("himulcon_constrained", dict(z=z, w=w, path=path, tau=0.3), himulcon(z, w, path, 0.3, True)),
    ("himulcon_code", dict(z=z, w=w, path=path, tau=0.3), himulcon_code(z, w, path, 0.3)),
    ("vicreg", dict(z=z, w=w), vicreg(z, w)),
    ("e_ssl", dict(z=z, w=w, logits=logits, turns=y),
     both(z, w, 0.2) + 0.4 * cross_entropy(logits, y)),
    ("swav_queue", dict(z=z, w=w, prototypes=centres, past_z=bank, past_w=bank[::-1]),
     swav_queue(z, w, centres, bank, bank[::-1], 0.1)),
    ("swav_crops", dict(crops=[z, w, z[::-1], w[::-1]], prototypes=centres),
     swav_crops([z, w, z[::-1], w[::-1]], centres, 0.1)),
    ("dino", dict(student=[logits, more, logits[::-1]], teacher=[more, logits], centre=prior),
     dino([logits, more, logits[::-1]], [more, logits], prior, 0.1, 0.04)),
    ("deep_cluster_v2", dict(z=z, centroids=centres, assigned=[0, -1, 2, 1, -1, 0], tau=0.3),
     deep_cluster_v2(z, centres, [0, -1, 2, 1, -1, 0], 0.3)),
    ("proto_term", dict(v=z, centroids=centres, phi=phi, member=y), proto_term(z, centres, phi, y)),
    ("proto_term_code", dict(v=z, centroids=units(bank), phi=mu, member=y, drawn=[5, 7]),
     proto_term_code(z, bank, mu, y, [5, 7])),
    ("proto_nce", dict(q=z, k=w, bank=bank, centroids=centres, phi=phi, member=y),
     queue_nce(z, w, bank, 0.2) + proto_term(z, centres, phi, y)),
    ("hcsc_prototype_given", dict(v=z, centroids=centres, phi=phi, member=y, keep=keep_c),
     hcsc_prototype(z, centres, phi, y, keep_c)),
    ("cld_given", dict(z=z, w=w, groups_z=centres, groups_w=bank[:C], member_z=y, member_w=y[::-1],
                       tau=0.3), cld(z, w, centres, bank[:C], y, y[::-1], 0.3)),
    ("cld", dict(z=bank + z, w=bank[::-1] + w, groups=4, rounds=5, tau=0.3),
     cld_in_batch(bank + z, bank[::-1] + w, 4, 5, 0.3)),
    ("cluster_contrast", dict(p=logits, r=more), cluster_contrast(logits, more, 1)),
    ("contrastive_clustering", dict(z=z, w=w, p=logits, r=more),
     nt_xent(z, w, 0.5) + cluster_contrast(logits, more, 1)),
    ("fixmatch", dict(guess=y, confidence=sure, logits=more, threshold=0.5),
     fixmatch(y, sure, more, 0.5)),
    ("consistency", dict(p=p_sure, logits=more, threshold=0.9), consistency(p_sure, more, 0.9)),
    ("graph_contrast", dict(p=p_sure, a=z, b=w, threshold=0.6, tau=0.3),
     graph_contrast(p_sure, z, w, 0.6, 0.3, 0)),
    ("graph_contrast", dict(p=p_sure, a=z, b=w, threshold=0.6, tau=0.3, eps=1e-7),
     graph_contrast(p_sure, z, w, 0.6, 0.3, 1e-7)),
    ("comatch", dict(logits=logits, labels=y, p=p_sure, strong=more, a=z, b=w, confident=0.9,
                     threshold=0.6),
     cross_entropy(logits, y) + consistency(p_sure, more, 0.9)
     + graph_contrast(p_sure, z, w, 0.6, 0.2, 0)),
    ("ccssl", dict(z=z, w=w, guess=y, confidence=sure, tau=0.3), ccssl(z, w, y, sure, 0, 0.3)),
    ("ccssl", dict(z=z, w=w, guess=y, confidence=sure, tau=0.3, push=0.4),
     ccssl(z, w, y, sure, 0.4, 0.3)),
    ("ccssl_total", dict(logits=logits, labels=y, strong=more, z=z, w=w, guess=y[::-1],
                         confidence=sure, confident=0.5, push=0.4, tau=0.3),
     cross_entropy(logits, y) + fixmatch(y[::-1], sure, more, 0.5)
     + ccssl(z, w, y[::-1], sure, 0.4, 0.3)),
    ("pico_contrast", dict(q=z, k=w, guess=y, bank=bank, bank_guess=bank_y, tau=0.2),
     pico_contrast(z, w, y, bank, bank_y, 0.2)),
    ("pico", dict(logits=logits, target=p_sure, q=z, k=w, guess=y, bank=bank, bank_guess=bank_y,
                  tau=0.2),
     soft_cross_entropy(logits, p_sure) + 0.5 * pico_contrast(z, w, y, bank, bank_y, 0.2)),
    ("pair_contrast", dict(a=z, b=w, different=[1, 0, 1, 0, 0, 1], margin=3),
     pair_contrast(z, w, [1, 0, 1, 0, 0, 1], 3)),
    ("triplet", dict(a=z, p=w, n=z[::-1], margin=0.2),
     mean(max(0, distance(unit(a), unit(p)) ** 2 - distance(unit(a), unit(n)) ** 2 + 0.2) for a, p,
          n in zip(z, w, z[::-1]))),
    ("triplet_distance", dict(a=z, p=w, n=z[::-1], margin=1),
     mean(max(0, distance(a, p) - distance(a, n) + 1) for a, p, n in zip(z, w, z[::-1]))),
    ("n_pair", dict(a=z, p=w, lam=0.02), n_pair(z, w, 0.02)),
    ("mmcl_given", dict(x=z, z=w, alpha=weights, sigma=0.7), mmcl_given(z, w, weights, 0.7)),
    ("mmcl", dict(x=z, z=w, limit=0.8, reg=0.1, sigma=0.7), mmcl(z, w, 0.8, 0.1, 0.7)),
    ("tsc", dict(q=z, k=w, labels=y, bank=bank, bank_labels=bank_y, targets=units(centres),
                 centroids=bank[2:5], top=K, tau=0.2),
     tsc(z, w, y, bank, bank_y, units(centres), bank[2:5], 0.2)),
    ("uniform_targets", dict(targets=centres),
     mean(log(sum(exp(cos(a, b) / 0.07) for b in centres)) for a in centres)),
]
# What is no number, through functions of laws.cpl that pick an entry.
ENTRIES = [("concentration_entry", dict(v=z, centroids=bank[:C + 1], member=[0, 1, 2, 0, 1, 1],
                                        c=c), x)
           for c, x in enumerate(concentration(z, bank[:C + 1], [0, 1, 2, 0, 1, 1], 0.2))]
nought = [[0.0] * D for _ in range(C)]
ENTRIES += [("pico_prototypes_entry", dict(prototypes=units(centres), q=z, guess=y, c=c, d=1),
             row[1]) for c, row in enumerate(pico_prototypes(units(centres), z, y, 0.99))]
ENTRIES += [("pico_prototypes_entry", dict(prototypes=nought, q=z, guess=y, c=c, d=1), row[1])
            for c, row in enumerate(pico_prototypes(nought, z, y, 0.99))]
ENTRIES += [("pico_prototypes_paper_entry", dict(prototypes=start, q=z, guess=y, c=c, d=1), row[1])
            for start in (units(centres), nought)
            for c, row in enumerate(pico_prototypes_paper(start, z, y, 0.99))]
aligned = comatch_aligned(logits, prior)
ENTRIES += [("comatch_aligned_entry", dict(logits=logits, mean_p=prior, i=i, c=c), aligned[i][c])
            for i, c in ((0, 1), (4, 2))]
bank_p = [[float(c == label) for c in range(C)] for label in bank_y]
ENTRIES += [("comatch_labels_entry", dict(p=p_sure, f=z, bank=bank, bank_p=bank_p, i=i, c=c),
             comatch_labels(p_sure, z, bank, bank_p, 0.9, 0.2)[i][c]) for i, c in ((0, 1), (4, 2))]
nearly = [[1] * (K - 1) + [0]] * N  # one row of the queue is of another video
ENTRIES += [("coclr_positives_entry", dict(other=z, other_bank=bank, same=same, i=i, j=j),
             coclr_positives(z, bank, same, 3)[i][j])
            for same in (coin, nearly) for i in (0, 5) for j in range(K)]
keys = units(z) + bank
ENTRIES += [("slow_targets_entry", dict(q=units(w), k=keys, i=i, j=j, tau=0.3),
             0.4 * softmax([cos(w[i], x) / 0.3 for x in keys])[j] + 0.6 * (i == j)) for i,
            j in ((1, 1), (2, 7))]
ENTRIES += [("dense_match_entry", dict(a=places, b=other_places, i=i, p=p),
             max(range(P), key=lambda r: cos(places[i][p], other_places[i][r]))) for i,
            p in ((0, 1), (3, 2))]
read = [[0, 1, 1, 0, 1], [2, 2, 0, 2, 1], [0, 0, 0, 0, 0]]
loud = [[[float(c == best) for c in range(C)] for best in row] for row in read]
ENTRIES += [("ctc_read_entry", dict(scores=loud, n=n, g=g),
             float((collapsed(read[n]) + [0] * 5)[g])) for n in range(3) for g in (0, 1, 2)]
ENTRIES += [("episode_scores_entry", dict(z=z + w, ways=3, shots=2, j=j, w=c),
             episode_scores(z + w, 3, 2)[j][c]) for j, c in ((0, 0), (11, 1))]
ENTRIES += [("tico_memory_entry", dict(memory=memory, z=z, d=1, e=3),
             0.9 * memory[1][3] + 0.1 * mean(unit(a)[1] * unit(a)[3] for a in z))]


support = [gauss(N, D), gauss(N, D)]
found = fnc_detect(z, w, support, 3, 0.7)
assert any(sum(row) == 3 for row in found) and any(sum(row) < 3 for row in found)
ENTRIES += [("fnc_detect_entry", dict(z=z, w=w, support=support, i=i, j=j), float(found[i][j]))
            for i in range(2 * N) for j in (0, 3, 8)]


check = command.Checks()
for name, given, expected in ROWS + ENTRIES:
    with tempfile.TemporaryDirectory() as folder:
        arguments = npy.arguments(folder, given)
        file = os.path.join(root, "tests/stdlib/laws.cpl" if (name, given, expected) in ENTRIES
                            else "stdlib/losses")
        done = command.run(couplet, "grad", file, "--fn", name, "--device", "reference", *arguments)
    found = re.search(r"^value: (\S+)$", done.stdout, re.MULTILINE)
    value = float(found.group(1)) if found else math.nan
    check(abs(value - expected) <= 1e-10 * max(1, abs(expected)), f"{name}: {value:.12g}",
          f"expected {expected:.12g} {done.stderr}")
check.finish()
