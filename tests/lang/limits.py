#!/usr/bin/env python3
"""limits.py COUPLET ROOT: what lang/limits.h limits is right at the limit and refused with a code
one past it; what it does not limit is
right for many. A value is asked for wherever there is one, since a limit that only cuts off would
pass a test of exit codes."""
import os
import re
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../driver"))
import command

couplet, root = sys.argv[1:3]
check = command.Checks()
folder = tempfile.mkdtemp()

METHOD = """use nn, optim, augment
data train = data.fashion_mnist("train")
data test = data.fashion_mnist("test")
view a = augment.flip(train.image)
net encoder = flatten >> nn.linear(4)
let z = encoder(a)
"""
TRAIN = "train { epochs 1, batch 16, optimiser optim.sgd(lr = 0.1) }\n"
LOSS = "loss mean[i, d] z[i, d]^2\n"


def npy(name, shape, values):
    """A float32 array on disk."""
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }" % "".join(
        f"{n}, " for n in shape)
    header += " " * (-(len(header) + 11) % 64) + "\n"
    path = os.path.join(folder, name + ".npy")
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
                   + struct.pack(f"<{len(values)}f", *values))
    return path


X = npy("x", (4,), (1, 2, 3, 4))


def names(n, prefix="a"):
    return [f"{prefix}{i}" for i in range(n)]


def join(items, between=", "):
    return between.join(map(str, items))


def indices(n, end=1):
    """`i0 < 2, i1 < 1, ..`: n indices, the first over two."""
    return join(f"i{k} < {2 if k == 0 else end}" for k in range(n))


def nested_calls(n):
    lines = ["fn f0(x[N]) = sum[i] x[i]"] + [f"fn f{k}(x[N]) = f{k - 1}(x) + 1"
                                             for k in range(1, n + 1)]
    return "\n".join(lines) + f"\nfn f(x[N]) = f{n}(x)\n"


def open_indices(n):
    """Sums within sums, of eight indices each at most, whose first has two values; none speaks
    of the ones around it."""
    text, outside, group = "1", n, 0
    while outside > 0:
        count = min(8, outside)
        text = f"(sum[{join(f'i{group}_{k} < {2 if k == 0 else 1}' for k in range(count))}] {text})"
        outside -= count
        group += 1
    return f"fn f(x[N]) = x[0] * {text}\n", 2 ** group


# ---- functions: a text for n things, and the value it has for x = 1, 2, 3, 4 ---------------------

def parameters(n):
    head = f"fn g(x[N], {join(names(n))}) = ({join(names(n), ' + ')}) * x[0]\n"
    return head + f"fn f(x[N]) = g(x, {join(range(n))})\n", sum(range(n))


def parameters_by_name(n):
    text, value = parameters(n)
    return text.replace(f"g(x, {join(range(n))})",
                        f"g(x, {join(f'a{k} = {k}' for k in reversed(range(n)))})"), value


def arguments_of_arrays(n):
    return (f"fn g({join(f'{a}[N]' for a in names(n))}) = sum[i] "
            f"({join((f'{a}[i]' for a in names(n)), ' + ')})\n"
           f"fn f(x[N]) = g({join(['x'] * n)})\n", 10 * n)


def dimensions(n):
    rows = join(f"a{k}[D{k}]" for k in range(n))
    return (f"fn g({rows}) = {join((f'a{k}[0] * D{k}' for k in range(n)), ' + ')}\nfn f(x[N]) = "
            f"g({join(['x'] * n)})\n", 4 * n)


def concat(n):
    return (f"fn f(x[N]) {{\n  let u = concat({join(['x'] * n)})\n  return sum[i] u[i] * (i + 1)\n"
            f"}}\n",
        sum((1, 2, 3, 4)[i % 4] * (i + 1) for i in range(4 * n)))


def reshape(n):
    axes = ["N"] + [1] * (n - 1)
    return (f"fn f(x[N]) {{\n  let u = reshape(x, {join(axes)})\n  return sum[i] "
            f"u[i{', 0' * (n - 1)}]\n}}\n", 10)


def reduction(n):
    return f"fn f(x[N]) = sum[{indices(n)}] x[i0]\n", 3


def axes_of_a_let(n):
    return (f"fn f(x[N]) {{\n  let u[{indices(n)}] = x[i0]\n  return u[1{', 0' * (n - 1)}] + "
            f"u[0{', 0' * (n - 1)}]\n}}\n", 3)


def axes_of_a_draw(n):
    return (f"fn f(x[N]) {{\n  draw u[{join([1] * n)}] ~ uniform(0, 1)\n  return x[0] + 0 * "
            f"u[0{', 0' * (n - 1)}]\n}}\n", 1)


def carries(n):
    nexts = "".join(f"    next h{k} = h{(k + 1) % n} + x[0]\n" for k in range(n))
    starts = join(f"h{k} = {k}" for k in range(n))
    return (f"fn f(x[N]) {{\n  scan t < 2 ({starts}) {{\n{nexts}  }}\n  return "
            f"{join(names(n, 'h'), ' + ')}\n}}\n", sum(range(n)) + 2 * n)


def topk(n):
    return (f"fn f(x[N]) {{\n  let near[r < {n}] = topk[j, r] x[j]\n"
            f"  return x[near[{n - 1}]]\n}}\n", 5 - n)


def topk_else(n):
    """Beyond the four that there are, rows are worth 100."""
    return (f"fn f(x[N]) {{\n  let near[r < {n}] = (topk[j, r] x[j] else -1)\n  return sum[r] "
            f"(x[near[r]] else 100)\n}}\n", 10 + 100 * (n - 4))


def rounds(n):
    return (f"fn f(x[N]) {{\n  scan t < {n} (h = 0) {{\n    next h = h + x[0]\n  }}\n  return h\n"
            f"}}\n", n)


def lets(n):
    lines = ["  let a0 = x[0]"] + [f"  let a{k} = a{k - 1} + x[1] * 0.5" for k in range(1, n + 1)]
    return "fn f(x[N]) {\n" + "\n".join(lines) + f"\n  return a{n}\n}}\n", n + 1


def terms(n):
    return f"fn f(x[N]) = sum[i] ({join(['x[i]'] * n, ' + ')})\n", 10 * n


def signs(n):
    return f"fn f(x[N]) = sum[i] ({'- ' * n}x[i])\n", 10 * (-1) ** n


def brackets(n):
    """The one of the sum is one of them, those of the index another."""
    return f"fn f(x[N]) = {'(' * (n - 1)}sum[i] x[i]{')' * (n - 1)}\n", 10


def calls(n):
    return nested_calls(n), 10 + n


def factors(n):
    """A false claim: the n dimensions of `y`, and the last one left out."""
    dims = [f"D{k}" for k in range(n)]
    return (f"fn g({join(f'a{k}[D{k}]' for k in range(n))}) {{\n  let y[i < {join(dims, ' * ')}] "
            f"= 1.0\n  let u : [{join(dims[:-1], ' * ')}] = y\n"
           f"  return sum[i] u[i]\n}}\nfn f(x[N]) = g({join(['x'] * n)})\n", None)


def summands(n):
    return factors(n)[0].replace(" * ", " + "), None


def true_factors(n):
    """The same factors in another order are the same dimension."""
    dims = [f"D{k}" for k in range(n)]
    return (f"fn g({join(f'a{k}[D{k}]' for k in range(n))}) {{\n  let y[i < {join(dims, ' * ')}] "
            f"= 1.0\n  let u : [{join(dims[::-1], ' * ')}] = y\n"
           f"  return u[0]\n}}\nfn f(x[N]) = g({join(['x'] * n)})\n", 1)


def long_name(n):
    return f"fn f(x[N]) {{\n  let {'a' * n} = x[0]\n  return {'a' * n}\n}}\n", 1


def long_comment(n):
    return f"#{'c' * n}\nfn f(x[N]) = x[0]\n", 1


def blank_lines(n):
    return "\n" * n + "fn f(x[N]) = x[0]\n", 1


def long_text(n):
    return f'fn f(x[N]) = x[0] + 0 * real("{"t" * n}")\n', None


def whole(n):
    return f"fn f(x[N]) = x[0] * ({n} - {n - 1})\n", 1


def arrays_of_a_formula(n):
    """Running sums, none of which is computed where it is read."""
    lets = "".join(f"  let a{k}[i < N] = sum[j | j <= i] abs(x[j] - {k})\n" for k in range(n))
    value = sum(abs(x - k) * (4 - i) for i, x in enumerate((1, 2, 3, 4)) for k in range(n))
    terms = join((f"a{k}[i]" for k in range(n)), " + ")
    return f"fn f(x[N]) {{\n{lets}  return sum[i] ({terms})\n}}\n", value


def of_function(text, value):
    """The message's code, or the value that `couplet grad` prints."""
    path = command.write(os.path.join(folder, "f.cpl"), text)
    done = command.run(couplet, "grad", path, "--fn", "f", "--in", f"x={X}", timeout=900)
    code = re.search(r"error\[(E\d+)\]", done.stderr)
    found = re.search(r"value: (\S+)", done.stdout)
    return done, code and code.group(1), found and float(found.group(1))


def right(kind, n, text, value):
    done, code, found = of_function(text, value)
    check(done.returncode == 0 and found == value, f"{n} {kind}: {value}",
          (done.returncode, code, found, done.stderr[-600:]))


def refused(kind, n, text, wanted):
    done, code, found = of_function(text, None)
    place = re.search(r"f\.cpl:[1-9]\d*:[1-9]\d*: error\[", done.stderr)
    check(done.returncode == 1 and code == wanted and place, f"{n} {kind}: {wanted}",
          (done.returncode, code, found, done.stderr[-600:]))


# What is limited: the most that there may be, and the code of one more.
LIMITED = [
    ("places of topk", topk, 4, "E412"),
    ("indices of a reduction", reduction, 8, "E307"), ("axes of a let", axes_of_a_let, 8, "E307"),
           ("axes of a draw", axes_of_a_draw, 8, "E307"),
    ("axes of reshape", reshape, 8, "E307"), ("open indices", open_indices, 32, "E307"),
           ("rounds", rounds, 1024, "E410"),
    ("terms", terms, 1998, "E003"), ("signs", signs, 1997, "E003"),
           ("brackets", brackets, 1000, "E003"), ("nested calls", calls, 254, "E003"),
    ("as a whole number", whole, 2 ** 53 - 1, "E004"),
    ("arrays of a formula", arrays_of_a_formula, 59, "E802"),
]
# What is not: a few and many.
UNLIMITED = [
    ("parameters", parameters, (15, 17, 25, 300)),
             ("parameters by name", parameters_by_name, (17, 40)),
             ("arrays", arguments_of_arrays, (17, 100)),
    ("dimensions", dimensions, (17, 70)),
             ("places of topk with an else", topk_else, (4, 5, 16, 17, 40)),
             ("arrays of concat", concat, (9, 10, 100)), ("carries", carries, (17, 70)),
             ("lets", lets, (300, 3000)),
    ("factors in another order", true_factors, (9, 16)),
             ("letters of a name", long_name, (16383, 16384, 100000)),
    ("letters of a comment", long_comment, (16383, 16384, 100000)),
             ("blank lines", blank_lines, (16384, 100000)),
]
# What must be refused at any number.
FALSE = [("elements",
          lambda n: (f"fn f(x[N]) {{\n  let y[i < {n}, j < {n}] = x[0]\n  return sum[i, j] y[i, "
                     f"j]^2\n}}\n",), (2 ** 25, 2 ** 40, 2 ** 53 - 1), "E309"),
         ("terms", lambda n: (f"fn f(x[N]) = sum[i < {n}, j < {n}, k < {n}] x[0] * i\n",),
          (2 ** 20, 2 ** 40), "E309"),
         ("squared twice", lambda n: (f"fn f(x[N]) = x[0] * ({n} * {n} * {n} * {n})\n",),
          (2 ** 16, 2 ** 50), "E004"),
         ("factors, one left out", factors, (2, 8, 9, 33), "E305"),
         ("summands, one left out", summands, (2, 32, 33, 70), "E305"),
         ("letters of a text", long_text, (16384, 100000), "E303")]

for kind, make, most, code in LIMITED:
    right(kind, most, *make(most))
    refused(kind, most + 1, make(most + 1)[0], code)
for kind, make, counts in UNLIMITED:
    for n in counts:
        right(kind, n, *make(n))
for kind, make, counts, code in FALSE:
    for n in counts:
        refused(kind, n, make(n)[0], code)
for written in ("1e400", "1e39", "1e-50", "99999999999999999999", "9007199254740993", "1" * 200):
    refused("as a number", written, f"fn f(x[N]) = x[0] * {written}\n", "E004")
for kind, n, text in (("missing arguments", 16, "fn f(x[N]) = g(x)\n"
                       + f"fn g(x[N], {join(names(16))}) = a0 + x[0]\n"),
                      ("missing arguments", 20, "fn f(x[N]) = g(x)\n"
                       + f"fn g(x[N], {join(names(20))}) = a0 + x[0]\n")):
    refused(kind, n, text, "E204")
choices = "".join(f"if x[0] > {k} then {k} else " for k in range(10000))
for n, text in ((30000, terms(30000)), (60000, terms(60000)), (10000, brackets(10000)),
                (100000, signs(100000)),
                (10000, (f"fn f(x[N]) = {join(['x[0]'] * 10000, ' ^ ')}\n",)),
                (10000, (f"fn f(x[N]) = {choices}0\n",)), (2000, (nested_calls(2000),))):
    refused("things, one in the other", n, text[0], "E003")


# ---- methods: `couplet check` of a text for n things ---------------------------------------------

def of_method(text):
    path = command.write(os.path.join(folder, "m.cpl"), text)
    done = command.run(couplet, "check", path, timeout=900)
    code = re.search(r"error\[(E\d+)\]", done.stderr)
    return done, code and code.group(1)


def settings_of_a_net(n):
    values = names(n, "w")
    return (METHOD.replace("nn.linear(4)", f"wide({join(range(1, n + 1))})")
            + f"net wide({join(values)})(x[N, D]) {{\n"
        f"  let y[i, k < {values[-1]}] = sum[d] x[i, d]\n  return y\n}}\nlet t : [16, {n}] = z\n"
            + LOSS + TRAIN)


def settings_of_an_optimiser(n):
    values = join(f"s{k} = {k}" for k in range(n))
    return (METHOD + LOSS
            + f"optimiser rule(lr, {values})(p, g) {{\n  update p <- p - lr * g * s{n - 1}\n}}\n"
            + TRAIN.replace("optim.sgd(lr = 0.1)", f"rule({join(['0.1'] * (n + 1))})"))


def parts(n):
    return METHOD.replace("nn.linear(4)",
                          " >> ".join(f"p{k}: nn.linear(4)" for k in range(n))) + LOSS + TRAIN


def optimisers(n):
    nets = "".join(f"net e{k} = flatten >> nn.linear(4)\n" for k in range(n))
    uses = "".join(f"loss mean[i, d] e{k}(a)[i, d]^2\n" for k in range(n))
    rules = ", ".join(f"optimiser optim.sgd(lr = 0.1) on e{k}" for k in range(n))
    return METHOD.replace("net encoder = flatten >> nn.linear(4)\nlet z = encoder(a)\n",
                          "") + nets + uses + f"train {{ epochs 1, batch 16, {rules} }}\n"


def losses(n):
    return METHOD + LOSS * n + TRAIN


def ema_edges(n):
    edges = "".join(f"net t{k} = copy encoder\nema t{k} <- encoder rate 0.9\n" for k in range(n))
    uses = "".join(f"loss mean[i, d] (z[i, d] - stop(t{k}(a))[i, d])^2\n" for k in range(n))
    return METHOD + edges + uses + TRAIN


def columns(n):
    reads = join((f"Q.c{k}[j, 0]" for k in range(n)), " + ")
    return (METHOD + f"queue Q[32] {{\n" + "".join(f"  c{k}[4] <- z\n" for k in range(n)) + "}\n"
            + LOSS + f"loss mean[j] ({reads})\n" + TRAIN)


def hypers(n):
    return (METHOD + "".join(f"hyper h{k} = {k}.5\n" for k in range(n))
            + f"loss mean[i, d] z[i, d]^2 * ({join(names(n, 'h'), ' + ')})\n" + TRAIN)


def views(n):
    return (METHOD.replace("view a = augment.flip(train.image)",
                           f"view g[{n}] = augment.flip(train.image)").replace("encoder(a)",
                                                                               "encoder(g[0])")
            + LOSS + TRAIN)


def view_names(n):
    uses = "".join(f"loss mean[i, d] encoder({v})[i, d]^2\n" for v in names(n, "v"))
    return METHOD.replace("view a =", f"view a, {join(names(n, 'v'))} =") + LOSS + uses + TRAIN


def sources(n):
    datas = "".join(f'data s{k} = data.fashion_mnist("train", batch = 8)\n' for k in range(n))
    uses = "".join(f"loss mean[i, d] encoder(s{k}.image)[i, d]^2\n" for k in range(n))
    return METHOD + datas + LOSS + uses + TRAIN


def phases(n):
    return METHOD + LOSS + "".join(
        f"when epoch >= {k + 1} {{\n  loss 0.5 * mean[i, d] z[i, d]^2\n}}\n"
        for k in range(n)) + TRAIN.replace("epochs 1", f"epochs {n + 2}")


def branches(n):
    return METHOD + LOSS + "".join(f"when epoch >= {k} {{\n"
                                   for k in range(
                                       n)) + "loss 0.5 * mean[i, d] z[i, d]^2\n" + "}\n" * n + TRAIN


def layers(n):
    return METHOD.replace("nn.linear(4)", "nn.linear(4)" + " >> tanh" * n) + LOSS + TRAIN


def bank_axes(n):
    return (METHOD + f"bank M[train{', 1' * (n - 1)}] init zero\n"
            + f"loss mean[i] M[train.index[i]{', 0' * (n - 1)}]\n" + LOSS + TRAIN)


def state_axes(n):
    return METHOD + f"state s[{join([1] * n)}] = 0\n" + f"loss s[{join([0] * n)}]\n" + LOSS + TRAIN


def column_axes(n):
    """A column has the axes of its row and one more."""
    shape = [4] + [1] * (n - 2)
    heads = join(["i"] + [f"d{k} < {s}" for k, s in enumerate(shape)])
    return (METHOD + f"let q[{heads}] = z[i, d0]\nqueue Q[32] {{\n  c[{join(shape)}] <- q\n}}\n"
            + LOSS + f"loss mean[j] Q.c[j{', 0' * (n - 1)}]\n" + TRAIN)


def range_of(n, given):
    """A range of n conditions, all of which 0 fulfils, and -1 all but the last."""
    held = " and ".join(f"a > -{k + 1}" for k in range(n - 1, -1, -1))
    return (f"fn f(x, a = 1 | {held}) = a * x\n" + METHOD
            + f"loss f(mean[i] z[i, 0], a = {given})\n" + LOSS + TRAIN)


METHODS = [
    ("conditions of a range", lambda n: range_of(n, 0), (1, 300, 900), None),
    ("conditions of a range", lambda n: range_of(n, -1), (1, 300, 900), "E414"),
    ("settings of a net", settings_of_a_net, (16, 17, 40), None),
           ("settings of an optimiser", settings_of_an_optimiser, (16, 17, 40), None),
    ("parts", parts, (17, 70), None), ("optimisers", optimisers, (5, 17), None),
           ("losses", losses, (17, 70), None), ("ema edges", ema_edges, (9, 17), None),
    ("queue columns", columns, (9, 17), None), ("hypers", hypers, (17, 130), None),
           ("views along an axis", views, (64,), None),
           ("views along an axis", views, (65,), "E306"),
    ("names of a view", view_names, (17,), None), ("data sources", sources, (9, 17), None),
           ("phases", phases, (17,), None), ("phases", phases, (64,), "E519"),
           ("branches", branches, (17,), None),
    ("layers", layers, (70, 300), None), ("axes of a bank", bank_axes, (8,), None),
           ("axes of a bank", bank_axes, (9,), "E307"), ("axes of a state", state_axes, (8,), None),
    ("axes of a state", state_axes, (9,), "E307"), ("axes of a column", column_axes, (8,), None),
           ("axes of a column", column_axes, (9,), "E307"),
]
for kind, make, counts, wanted in METHODS:
    for n in counts:
        done, code = of_method(make(n))
        fine = done.returncode == (1 if wanted else 0) and code == wanted
        check(fine, f"{n} {kind}: {wanted or 'checked'}",
              (done.returncode, code, done.stderr[-600:]))

check.finish()
