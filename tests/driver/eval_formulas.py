#!/usr/bin/env python3
"""eval_formulas.py COUPLET ROOT: features that are a formula of several fields, and networks that
are given a formula of a field: in a run, for new samples, in a built program
and through the library's interface; and what such a formula may not be."""
import ctypes
import os
import struct
import sys
import tempfile

import command
import data_files

couplet, root = sys.argv[1:3]
check = command.Checks()
FLAGS = os.environ.get("COUPLET_TEST_CFLAGS", "")
ROWS = 70

HEAD = """
use nn, losses, optim
data train = data.arrays("cells")
data test = data.arrays("cells") where index < 60
net waves = nn.linear(5)
net codes = nn.bag_of_tokens(8, 3)
let z = normalise(waves(train.wave)), w = normalise(codes(train.code))
fn doubled(x[D]) {
  let y[d] = 2 * x[d]
  return y
}
fn noisy(x[D]) {
  draw r[D] ~ normal(0, 1)
  let y[d] = x[d] + r[d]
  return y
}
fn joined(a[N, D], b[N, E]) = concat(a, b, axis = 2)
fn centred(x[N, D]) {
  let y[n, d] = x[n, d] - mean[m] x[m, d]
  return y
}
fn with_next(x[N, D]) {
  let y[n, d] = x[n, d] + (x[n + 1, d] else 0)
  return y
}
fn in_pairs(x[N, D]) {
  let y[n, d] = x[n, d] + x[2 * (n div 2), d]
  return y
}
fn ranks(x[N, D]) {
  let t = argsort(transpose(x))
  let y[n, d] = real(t[d, n])
  return y
}
# These look at one sample, however they put samples together and take them apart.
fn in_halves(x[N, D]) {
  let h[k < 2*N, d < D div 2] = x[k div 2, d + (D div 2) * (k mod 2)]
  let g[k, d] = h[k, d] - mean[b] h[k, b]
  let y[n < N, d < D div 2] = g[2*n, d] + g[2*n + 1, d]
  return y
}
fn twice(x[N, D]) {
  let both = concat(x, 2 * x), order = argsort(x)
  let y[n < N, d] = both[n, order[n, d]] + both[n + N, d]
  return y
}
state seen = 0
update seen <- seen + 1
loss mean[i] (z[i, 0] - 1)^2 + mean[i] w[i, 1]
train { epochs 1, batch 16, optimiser optim.sgd(lr = 0.1) }
"""


def cells(folder, factor=1.0, first=0):
    rows = range(first, first + ROWS)
    data_files.arrays(folder, wave=((ROWS, 6), "<f4",
                                    [factor * ((r * 31 + d * 17) % 23 / 23 - 0.5) for r in rows
                                     for d in range(6)]),
                      code=((ROWS, 4), "<i4", [(r * 5 + t) % 8 for r in rows for t in range(4)]),
                      label=((ROWS,), "<i4", [r % 3 for r in rows]))


def features(path):
    with open(path, "rb") as file:
        bytes_ = file.read()
    start = 10 + struct.unpack("<H", bytes_[8:10])[0]
    width = int(bytes_[10:start].decode().split("'shape': (")[1].split(")")[0].split(",")[1])
    values = struct.unpack(f"<{(len(bytes_) - start) // 4}f", bytes_[start:])
    return [list(values[i:i + width]) for i in range(0, len(values), width)]


with tempfile.TemporaryDirectory() as folder:
    cells(folder + "/cells")
    cells(folder + "/twice", factor=2.0)
    cells(folder + "/new", first=1000)
    cells(folder + "/part")
    os.remove(folder + "/part/code.npy")

    def spec(name, options):
        return command.write(f"{folder}/{name}.cpl",
                             HEAD + f"eval {{ knn(k = 3, bank = train, query = test, {options}) "
                                    f"}}\n")

    def embed(name, options, *arguments):
        """A run's features, of its own data or of other."""
        run = f"{folder}/run_{name}"
        if not os.path.exists(run):
            done = command.run(couplet, "train", spec(name, options), "--out", run)
            check(done.returncode == 0, f"{name}: it trains and is evaluated",
                  done.stdout + done.stderr)
        done = command.run(couplet, "embed", run, "-o", f"{folder}/{name}.npy", *arguments)
        check(done.returncode == 0, f"{name}: it embeds", done.stdout + done.stderr)
        return features(f"{folder}/{name}.npy") if done.returncode == 0 else []

    both = "features = joined(waves(train.wave), codes(train.code))"
    plain = [embed("waves", "features = waves, of = train.wave"),
             embed("codes", "features = codes, of = train.code")]
    joined = embed("both", both)
    check(len(joined) == ROWS and joined == [a + b for a, b in zip(*plain)],
          "the formula of two networks is the features of one beside those of the other")
    check(joined == embed("built_in",
                          "features = concat(waves(train.wave), codes(train.code), axis = 2)"),
          "a built-in is such a formula")
    doubled = embed("doubled", "features = waves, of = doubled(train.wave)")
    check(doubled == embed("waves", "", "--data", folder + "/twice") and doubled != plain[0],
          "a network that is given a formula of a field has the features of that array")
    check(embed("both", both, "--data", folder + "/new") != joined,
          "new samples are read with all fields")
    results = command.rows(folder + "/run_both/metrics.jsonl")
    check({row.get("of") for row in results} >= {"raw values", "before training",
                                                 "after training"}, "all three are measured",
          results)
    check(command.run(couplet, "eval", folder + "/run_both").returncode == 0,
          "a run is evaluated anew")
    fields = embed("fields", "features = train.wave")
    check(len(fields[0]) == 6 and abs(fields[0][1] - (17 / 23 - 0.5)) < 1e-6,
          "a field is a formula", fields[:1])

    # Two evaluations of one meaning have one plan; several formulas are told apart by what is
    # written.
    two = spec("two", both
               + "), knn(k = 3, bank = train, query = test, features = waves, of = "
                 "doubled(train.wave)), knn(k = 3, bank = train, query = test, features = waves, "
                 "of = train.wave")
    done = command.run(couplet, "train", two, "--out", folder + "/run_two")
    check(done.returncode == 0 and all(words in done.stdout
                                       for words in (
                                           "joined(waves(train.wave), codes(train.code))",
                                           "waves of wave")), "several evaluations have names",
          done.stdout + done.stderr)

    # A built program, and the interface of the library.
    done = command.run(couplet, "build", folder + "/both.cpl", "--embed-weights",
                       folder + "/run_both", "-o", folder + "/program")
    check(done.returncode == 0, "it is built", done.stderr)
    done = command.run(folder + "/program", "embed", "--data", folder + "/cells", "--out",
                       folder + "/built.npy")
    check(done.returncode == 0 and features(folder + "/built.npy") == joined,
          "a built program has the same features", done.stdout + done.stderr)
    done = command.run(folder + "/program", "embed", "--samples", folder + "/cells/wave.npy",
                       "--out", folder + "/built.npy")
    check.refused("one array for two fields", done, "`wave`, `code`", "one array")
    done = command.run(couplet, "embed", folder + "/run_both", "--data", folder + "/part", "-o",
                       folder + "/x.npy")
    check.refused("data that lacks a field", done, "`code`")

    if "-fsanitize" not in FLAGS and command.run(couplet, "build", folder + "/both.cpl",
                                                 "--embed-weights", folder + "/run_both", "--emit",
                                                 "lib", "-o", folder + "/method").returncode == 0:
        library = ctypes.CDLL(os.path.join(os.path.dirname(couplet), "runtime", "libcouplet.so"),
                              mode=ctypes.RTLD_GLOBAL)
        method = ctypes.addressof(ctypes.c_char.in_dll(ctypes.CDLL(folder + "/libmethod.so"),
                                                       "couplet_both"))

        class Shape(ctypes.Structure):
            _fields_ = [("name", ctypes.c_char_p), ("element", ctypes.c_int),
                        ("rank", ctypes.c_int), ("extent", ctypes.c_int64 * 8)]

        class Input(ctypes.Structure):
            _fields_ = [("name", ctypes.c_char_p), ("data", ctypes.c_void_p),
                        ("count", ctypes.c_int64)]

        library.couplet_model_error.restype = ctypes.c_char_p
        method, model, shapes = ctypes.c_void_p(method), ctypes.c_void_p(), [Shape(), Shape(),
                                                                             Shape()]
        found = [library.couplet_method_field(method, i, ctypes.byref(shape)) for i,
                 shape in enumerate(shapes)]
        check(found == [1, 1, 0] and library.couplet_method_field_count(method) == 2
              and not library.couplet_method_sample(method, ctypes.byref(shapes[2])),
              "the fields of a sample are listed", found)
        check([(s.name, s.element, s.rank, s.extent[0]) for s in shapes[:2]] ==
              [(b"wave", 0, 1, 6), (b"code", 1, 1, 4)], "with element and shape")
        check(library.couplet_model_new(method, None, ctypes.byref(model), None,
                                        ctypes.c_size_t(0)) == 0, "a model is made")

        def raw(name, kind):
            with open(f"{folder}/cells/{name}.npy", "rb") as file:
                bytes_ = file.read()
            return (kind * ((len(bytes_) - 128) // 4)).from_buffer_copy(bytes_[128:])

        arrays = {"wave": raw("wave", ctypes.c_float), "code": raw("code", ctypes.c_int32)}
        out = (ctypes.c_float * (ROWS * 8))()

        def by_fields(*names, count=ROWS, elements=None):
            given = (Input * max(len(names),
                                 1))(*(Input(name.encode(),
                                             ctypes.cast(arrays[name], ctypes.c_void_p),
                                             elements or len(arrays[name])) for name in names))
            status = library.couplet_model_embed_fields(model, given, len(names),
                                                        ctypes.c_int64(count), out)
            return status, library.couplet_model_error(model).decode()

        check(by_fields("code", "wave") == (0, "")
              and list(out) == [x for row in joined for x in row],
              "features of fields in any order are those of the run")
        arrays["colour"] = arrays["code"]
        for names, options, words in ((("wave",), {}, "field `code`, which was not given"),
                                      (("wave", "code", "wave"), {}, "given twice"),
                                      (("wave", "code", "colour"), {}, "no field `colour`"),
                                      (("wave", "code"), {"elements": 7},
                                       "has 7 elements, and 420 are expected"),
                                      (("wave", "code"), {"count": -1}, "-1 samples")):
            status, said = by_fields(*names, **options)
            check(status == 4 and words in said, "refused: " + words, said)
        status = library.couplet_model_embed(model, arrays["wave"], ctypes.c_int64(1), out)
        check(status == 4 and b"couplet_model_embed_fields" in library.couplet_model_error(model),
              "one array for two fields is refused")
        library.couplet_model_free(model)

    for options in ("features = in_halves(train.wave)", "features = twice(waves(train.wave))"):
        done = command.run(couplet, "check", spec("alone", options))
        check(done.returncode == 0, options + " looks at one sample", done.stderr)

    # What is none.
    for options, words in (
            ("features = waves, of = noisy(train.wave)", "this formula draws"),
                           ("features = joined(waves(train.wave), codes(test.code))",
                            "`test.code` is no field of the bank"),
            ("features = waves(z)", "`z` belongs to a step"),
                           ("features = waves, of = train.wave * seen",
                            "`seen` belongs to a step"),
                           ("features = waves(train.all.wave)", "`train.all` is the whole source"),
            ("features = waves, of = train.index * 2", "number of a row"),
                           ("features = waves, of = 3", "reads no field"),
                           ("features = waves(train.wave), of = train.wave",
                            "names its fields itself"),
            ("features = waves(train.wav)", "did you mean `train.wave`"),
                           ("features = train.label", "real[60, D]; this is int[60]"),
                           ("features = train", "a whole source"),
            ("features = centred(waves(train.wave))", "looks at several"),
                           ("features = with_next(train.wave)", "looks at several"),
            ("features = in_pairs(waves(train.wave))",
             "let y[n, d] = x[n, d] + x[2 * (n div 2), d]"),
                           ("features = ranks(train.wave)", "these features are made of it"),
            ("features = nn.linear(3)", "reads no field"),
                           ("features = waves, of = train.code * 1.0", "6 entries"),
                           ("features = joined(waves(train.wave), codes(train.code", "")):
        done = command.run(couplet, "check",
                           spec("wrong", options.replace("bank = train", "bank = test")))
        check.refused(options, done, words.replace("60", str(ROWS)))
check.finish()
