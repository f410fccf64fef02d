"""A whole method of a spec: trained, embedded with and evaluated on arrays.

    method = couplet.compile("simclr.cpl", tau=0.2)
    model = method.train({"train": {"image": pictures}}, epochs=5, seed=1)
    features = model.embed(pictures)
"""

import ctypes
import os
import weakref

import numpy as np

from . import _library as c
from ._formula import raw_text, read_text, values_of
from .errors import CoupletError

_DTYPES = (np.float32, np.int32, np.uint8)


class Array:
    """An array that a method reads: its name ("train.image"), dtype and shape, samples first."""

    def __init__(self, raw):
        self.name = raw.name.decode()
        self.dtype = np.dtype(_DTYPES[raw.element])
        self.shape = tuple(raw.extent[: raw.rank])

    def __repr__(self):
        return "%s %s%s" % (self.name, self.dtype, list(self.shape))

    def take(self, value, shape):
        """The value as the library reads it."""
        if isinstance(value, np.ma.MaskedArray):
            raise CoupletError("`%s` is a masked array, and masks are not heeded" % self.name)
        array = np.asarray(value)
        if array.dtype != self.dtype:
            array = _as(array, self.dtype, self.name)
        if array.shape != tuple(shape):
            words = "`%s` has the shape %s, and %s is expected"
            raise CoupletError(words % (self.name, list(array.shape), list(shape)))
        return np.require(array, None, ["C_CONTIGUOUS", "ALIGNED"])


def _as(array, dtype, name):
    """Of another dtype, where no value changes but by rounding to float32."""
    if dtype == np.float32 and array.dtype.kind == "f":
        return array.astype(np.float32)
    if dtype.kind in "iu" and array.dtype.kind in "iub":
        limits = np.iinfo(dtype)
        if not array.size or (array.min() >= limits.min and array.max() <= limits.max):
            return array.astype(dtype)
    words = "`%s` is made of %s, and an array of %s was given"
    raise CoupletError(words % (name, dtype, array.dtype))


class Method:
    """See couplet.compile."""

    def __init__(self, path, text=None, hypers=None):
        lib = c.library()
        self.path = os.fspath(path)
        text = read_text(self.path) if text is None else text
        raw = raw_text(self.path, text)
        values, count = values_of(hypers)
        handle, problem = c.c_handle(), c.c_handle()
        where = os.fsencode(self.path)
        status = lib.couplet_method_open(where, raw, values, count, handle, problem)
        if status != c.OK:
            raise c.problem_error(status, problem)
        self.handle = handle
        self._free = weakref.finalize(self, lib.couplet_method_close, handle)
        self._free.atexit = False  # what the process holds, goes with it
        self.name = lib.couplet_method_name(handle).decode()
        self.batch = lib.couplet_method_batch(handle)
        self.feature_width = lib.couplet_method_feature_width(handle)
        self.parameter_count = lib.couplet_method_parameter_count(handle)
        self.inputs = self._arrays("input")
        self.fields = self._arrays("field")

    def __repr__(self):
        inputs = ", ".join(map(repr, self.inputs))
        return "<couplet method %s: a step reads %s>" % (self.name, inputs)

    def _arrays(self, kind):
        lib, raw = c.library(), c.Shape()
        count = getattr(lib, "couplet_method_%s_count" % kind)(self.handle)
        ask = getattr(lib, "couplet_method_" + kind)
        return [Array(raw) for number in range(count) if ask(self.handle, number, raw)]

    def model(self, steps=0, steps_per_epoch=0, seed=0, threads=0):
        """A model with its initial weights. A training has so many steps, which schedules span."""
        return Model(self, steps, steps_per_epoch, seed, threads)

    def train(self, data, epochs=1, seed=0, threads=0, on_step=None):
        """A model trained on arrays. `data` has for each source of the spec its fields: {"train":
        {"image": array}}. Each source is read in an order of its own that `seed` draws, anew when
        it is at its end; an epoch is one pass over the first, whole batches only. `on_step` is
        called with the number of each step, from 1, and its loss."""
        feed = _Feed(self, data, seed)
        steps = int(epochs * feed.steps_per_epoch)
        model = self.model(max(1, steps), feed.steps_per_epoch, seed, threads)
        for number in range(1, steps + 1):
            loss = model.step(feed.next())
            if on_step is not None:
                on_step(number, loss)
        return model


class _Feed:
    """The batches of a training."""

    def __init__(self, method, data, seed):
        self.rng = np.random.default_rng(seed)
        self.inputs = method.inputs
        self.columns, self.rows, self.orders = {}, {}, {}
        for entry in self.inputs:
            source, field = entry.name.split(".", 1)
            if source not in data:
                words = "the method reads `%s`, and `data` has no `%s`"
                raise CoupletError(words % (entry.name, source))
            fields = data[source]
            if field != "index":
                if field not in fields:
                    words = "the method reads `%s`, and the data of `%s` has no `%s`"
                    raise CoupletError(words % (entry.name, source, field))
                array = np.asarray(fields[field])
                self.columns[entry.name] = entry.take(array, (len(array),) + entry.shape[1:])
            self._count(source, fields, entry.shape[0])
        first = self.inputs[0].name.split(".", 1)[0] if self.inputs else None
        batch = self.inputs[0].shape[0] if self.inputs else 1
        self.steps_per_epoch = self.rows[first] // batch if first else 1

    def _count(self, source, fields, batch):
        counts = {name: len(array) for name, array in fields.items()}
        if len(set(counts.values())) != 1:
            raise CoupletError("the fields of `%s` have unequal lengths: %s" % (source, counts))
        rows = next(iter(counts.values()))
        if rows < batch:
            raise CoupletError("`%s` has %d rows, and a batch takes %d" % (source, rows, batch))
        self.rows[source] = rows
        self.orders.setdefault(source, np.empty(0, np.int64))

    def next(self):
        taken, batch = {}, {}
        for entry in self.inputs:
            source, field = entry.name.split(".", 1)
            if source not in taken:
                taken[source] = self._take(source, entry.shape[0])
            at = taken[source]
            batch[entry.name] = at if field == "index" else self.columns[entry.name][at]
        return batch

    def _take(self, source, count):
        if len(self.orders[source]) < count:
            self.orders[source] = self.rng.permutation(self.rows[source])
        at, self.orders[source] = self.orders[source][:count], self.orders[source][count:]
        return at


class Model:
    """A method with its states: weights, running statistics, queues. For one thread at a time."""

    def __init__(self, method, steps, steps_per_epoch, seed, threads):
        lib = c.library()
        self.method = method
        options = c.ModelOptions(threads, seed, steps, steps_per_epoch, None, 0)
        handle, words = c.c_handle(), ctypes.create_string_buffer(1024)
        status = lib.couplet_model_new(method.handle, options, handle, words, len(words))
        if status != c.OK:
            raise CoupletError(words.value.decode("utf-8", "replace"))
        self.handle = handle
        self._free = weakref.finalize(self, _free_model, lib, handle, method)
        self._free.atexit = False  # what the process holds, goes with it

    def _check(self, status):
        if status == c.OK:
            return
        text = c.library().couplet_model_error(self.handle).decode("utf-8", "replace")
        raise MemoryError(text) if status == c.MEMORY else CoupletError(text)

    @property
    def steps(self):
        """Completed steps."""
        return c.library().couplet_model_steps(self.handle)

    def step(self, arrays):
        """One step of training on a batch, {"train.image": array, ..}; the loss."""
        known = {entry.name: entry for entry in self.method.inputs}
        keep = {}
        for name, value in arrays.items():  # the library refuses names that it does not know
            entry = known.get(name)
            keep[name] = entry.take(value, entry.shape) if entry else np.asarray(value)
        raw = _inputs(keep)
        loss = ctypes.c_float()
        self._check(c.library().couplet_model_step(self.handle, raw, len(keep), loss))
        return loss.value

    def embed(self, samples):
        """Features [count, width] of samples: an array, or where they have several fields a dict of
        one for each."""
        fields = self.method.fields
        if not isinstance(samples, dict):
            if len(fields) != 1:
                names = ", ".join(f.name for f in fields) or "no fields"
                raise CoupletError("features are made of %s: give a dict of arrays" % names)
            samples = {fields[0].name: samples}
        known = {field.name: field for field in fields}
        keep, count = {}, 0
        for name, value in samples.items():
            if name not in known:
                words = "there is no field `%s`; features are made of %s"
                raise CoupletError(words % (name, ", ".join(known)))
            count = len(value)
            keep[name] = known[name].take(value, (count,) + known[name].shape)
        raw = _inputs(keep)
        out = np.empty((count, self.method.feature_width), np.float32)
        embed = c.library().couplet_model_embed_fields
        place = out.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        self._check(embed(self.handle, raw, len(keep), count, place))
        return out

    def save(self, path):
        """All states as a checkpoint, as `couplet train` writes them."""
        self._check(c.library().couplet_model_save(self.handle, os.fsencode(path)))

    def load(self, path):
        """All states from a checkpoint of this method."""
        self._check(c.library().couplet_model_load(self.handle, os.fsencode(path)))


def _inputs(arrays):
    raw = (c.Input * max(1, len(arrays)))()
    for entry, (name, array) in zip(raw, arrays.items()):
        entry.name, entry.data, entry.count = name.encode(), array.ctypes.data, array.size
    return raw


def _free_model(lib, handle, method):
    """The model first, then the method, whose code it runs."""
    lib.couplet_model_free(handle)
    del method


# ---- what features are worth -------------------------------------------------------------------


def _rows(features, labels, name):
    values = np.ascontiguousarray(features, np.float32)
    if values.ndim != 2 or not values.size:
        words = "the features of the %s have the shape %s; rows are expected"
        raise CoupletError(words % (name, list(values.shape)))
    marks = np.asarray(labels)
    if marks.dtype.kind not in "iub" or marks.shape != values.shape[:1]:
        words = "the labels of the %s are %s%s; %d whole numbers are expected"
        raise CoupletError(words % (name, marks.dtype, list(marks.shape), len(values)))
    if not np.isfinite(values).all():
        raise CoupletError("the features of the %s hold what is no finite number" % name)
    return values, marks


def _score(call, bank, bank_labels, query, query_labels, *how):
    a, b = _rows(bank, bank_labels, "bank"), _rows(query, query_labels, "query")
    if a[0].shape[1] != b[0].shape[1]:
        words = "the bank's features have %d numbers and the query's %d"
        raise CoupletError(words % (a[0].shape[1], b[0].shape[1]))
    classes, marks = np.unique(np.concatenate([a[1], b[1]]), return_inverse=True)
    marks = marks.astype(np.int32)
    sides = (a[0], marks[: len(a[1])]), (b[0], marks[len(a[1]) :])
    raw = [c.Rows(v.ctypes.data, m.ctypes.data, v.shape[0], v.shape[1]) for v, m in sides]
    percent = call(raw[0], raw[1], len(classes), *how)
    if percent < 0:
        raise MemoryError("couplet: out of memory in an evaluation")
    return percent


def knn(bank, bank_labels, query, query_labels, k=20, temperature=0.07, threads=0):
    """Percent of queries whose label the weighted vote of their k nearest neighbours gives, as
    `eval { knn(..) }` has it."""
    if not 1 <= k <= len(bank) or not temperature > 0:
        words = "k is 1 to the %d rows of the bank, and the temperature above 0"
        raise CoupletError(words % len(bank))
    call = c.library().couplet_score_knn
    return _score(call, bank, bank_labels, query, query_labels, int(k), float(temperature), threads)


def linear_probe(bank, bank_labels, query, query_labels, decay=1e-4, threads=0):
    """Percent of queries that a linear classifier of the bank gets right, as `eval { linear(..) }`
    has it."""
    if not 0 <= decay < float("inf"):
        raise CoupletError("the decay is finite and at least 0, and %g was given" % decay)
    call = c.library().couplet_score_linear
    return _score(call, bank, bank_labels, query, query_labels, float(decay), threads)
