#!/usr/bin/env python3
"""survey_values.py COUPLET ROOT: losses whose values and gradients are known to ten digits from the
authors' or peer libraries' own code.

The arrays are given by formulas, so that nobody needs a file: A_ij = sin(1 + 5i + j) and so on.
Value, Frobenius norm of the gradient to A and its first
entry, in float64."""
import math
import os
import re
import subprocess
import sys
import tempfile

couplet, root = sys.argv[1:3]
sys.path[:0] = [os.path.join(root, "tests", "golden"), os.path.join(root, "tests", "driver")]
import command
import npy


def unit(row):
    length = math.sqrt(sum(x * x for x in row))
    return [x / length for x in row]


N, D, K, P = 4, 5, 6, 3
A = [[math.sin(1 + 5 * i + j) for j in range(D)] for i in range(N)]
B = [[A[i][j] + 0.5 * math.cos(2 + 3 * i + 2 * j) for j in range(D)] for i in range(N)]
Z1 = [[math.sin(2 + 4 * i + 3 * j) for j in range(D)] for i in range(N)]
Z2 = [[math.cos(1 + 2 * i + 3 * j) for j in range(D)] for i in range(N)]
QUEUE = [unit([math.cos(3 + 7 * k + 2 * j) for j in range(D)]) for k in range(K)]
C = [unit([math.sin(4 + 3 * p + 5 * j) for j in range(D)]) for p in range(P)]
# Samples 0 and 2 are false negatives of each other, in both views.
FALSE_NEG = [[int({i % N, j % N} == {0, 2}) for j in range(2 * N)] for i in range(2 * N)]
OPTAX = [[-1.9540, 1.0780], [0.2380, -0.5703], [1.8745, -0.0195], [-0.6719, -1.9210]]

# PaCo's code takes log(prior + 1e-9).
REALS = {"a": A, "b": B, "z1": Z1, "z2": Z2, "queue": QUEUE, "c": C,
         "prior": [p + 1e-9 for p in (0.5, 0.3, 0.2)], "lambda": [0.3, 0.6], "z": OPTAX}

# function, what it reads, numbers, loss, norm of the gradient, its first entry
CASES = [
    ("nt_xent", "a b", {"tau": 0.5}, {}, 0.6714064650, 0.24178746, -0.01191108),
    ("nt_xent", "a b", {"tau": 0.1}, {}, 0.0108988526, 0.04482885, -0.00149975),
    ("direct", "a b", {}, {}, 0.0420653750, 0.17302773, -0.07936479),
    ("moco", "a b queue", {}, {}, 0.0004743083, 0.00407519, -0.00000789),
    ("moco_v3", "a b z1 z2", {}, {}, 1.1652391360, 0.48716641, -0.00802652),
    ("sup_con", "a b", {}, {"labels": [0, 1, 0, 1]}, 10.7528433293, 1.21526674, 0.04851346),
    ("sup_con_in", "a b", {}, {"labels": [0, 1, 0, 1]}, 1.1095105994, 0.04482825, -0.00149981),
    ("dcl", "a b", {}, {}, -4.7926650995, 3.61009404, -0.18397733),
    ("fnc_eliminate", "a b", {}, {"false_neg": FALSE_NEG}, 0.0108986180, 0.04482879, -0.00149981),
    ("byol", "a b z1 z2", {}, {}, 3.7246084591, 0.61290262, -0.10489783),
    ("simsiam", "a b z1 z2", {}, {}, -0.0688478852, 0.15322565, -0.02622446),
    ("swav", "a b c", {}, {}, 0.3640278298, 0.10575944, -0.00001544),
    ("barlow", "a b", {}, {}, 0.0955162481, 0.17988857, 0.00165367),
    ("paco", "a b queue c prior", {}, {"labels": [0, 1, 2, 0], "queue_labels": [0, 1, 2, 0, 1, 2]},
     6.0859573998, 0.55051452, -0.01221699),
    ("kcl", "a b queue", {}, {"labels": [0, 1, 2, 0], "queue_labels": [0, 1, 2, 0, 1, 2]},
     9.1279951602, 1.58977534, 0.09239321),
    ("mixco", "lambda a b queue", {}, {}, 10.7507663556, 13.22398916, -0.01784123),
    ("curl", "a b", {}, {}, 0.3492150849, 0.27539449, -0.02075980),
]

# SwAV's codes of n(A) C', and the pair-wise form on the vectors that optax publishes; values alone.
VALUES = [
    ("code", "a c", {"rounds": 3, "row": 0, "column": 0}, {}, 0.0057585918, 1e-9),
    ("code", "a c", {"rounds": 3, "row": 0, "column": 1}, {}, 1.2226e-06, 1e-10),
    ("code", "a c", {"rounds": 3, "row": 0, "column": 2}, {}, 0.9942401856, 1e-9),
    ("use_of", "a c", {"rounds": 3, "column": 0}, {}, 0.34866320, 1e-8),
    ("use_of", "a c", {"rounds": 3, "column": 1}, {}, 0.28360757, 1e-8),
    ("use_of", "a c", {"rounds": 3, "column": 2}, {}, 0.36772924, 1e-8),
    ("use_of", "a c", {"rounds": 256, "column": 1}, {}, 1 / 3, 1e-3),
    ("pairs", "z", {}, {"labels": [0, 0, 1, 1]}, 14.01032, 1e-5),
    ("pairs", "z", {}, {"labels": [0, 0, 0, 1]}, 8.968544, 1e-5),
]


def run(folder, name, reals, numbers, ints):
    """The value and, where a is read, the gradient to it."""
    arguments = npy.arguments(folder, {**{key: REALS[key] for key in reals.split()}, **ints,
                                       **numbers})
    spec = os.path.join(root, "tests/stdlib/survey_values.cpl")
    done = command.run(couplet, "grad", spec, "--fn", name, "--device", "reference", "--out",
                       folder, *arguments)
    found = re.search(r"^value: (\S+)$", done.stdout, re.MULTILINE)
    if not found:
        return math.nan, [], done.stderr
    return float(found.group(1)), npy.read(f"{folder}/grad_a.npy")[
        1] if " a " in f" {reals} " else [], ""


check = command.Checks()
for name, reals, numbers, ints, loss, norm, first in CASES:
    with tempfile.TemporaryDirectory() as folder:
        value, gradient, fault = run(folder, name, reals, numbers, ints)
    check(abs(value - loss) <= 1e-9, f"{name} {numbers or ''}: value {value:.10f}",
          fault or f"expected {loss:.10f}")
    found = math.sqrt(sum(g * g for g in gradient))
    check(abs(found - norm) <= 1e-7 * max(1, norm), f"    norm of the gradient {found:.8f}",
          f"expected {norm:.8f}")
    check(gradient and abs(gradient[0] - first) <= 2e-8,
          f"    first entry {gradient[0] if gradient else math.nan:.8f}", f"expected {first:.8f}")
for name, reals, numbers, ints, expected, tolerance in VALUES:
    with tempfile.TemporaryDirectory() as folder:
        value, _, fault = run(folder, name, reals, numbers, ints)
    check(abs(value - expected) <= tolerance, f"{name} {numbers or ints}: {value:.10g}",
          fault or f"expected {expected:.10g}")
check.finish()
