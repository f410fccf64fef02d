"""Functions of numpy arrays."""

import numbers

import numpy as np

from . import _library as c
from ._formula import Kernels, Slot
from .errors import CoupletError

INT32 = np.iinfo(np.int32)


def number_slot(parameter, value):
    """A real is handed over at each run, so that another one compiles nothing anew; a whole number
    is part of the code."""
    if parameter.kind == c.REAL:
        memory = np.array(value, np.float32)
        return Slot(parameter.name, c.FLOAT32, (), memory.ctypes.data, memory)
    return Slot(parameter.name, constant=float(value))


def is_number(value):
    """Whether it is one number, also as an array without axes."""
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "fiub"
    return isinstance(value, (numbers.Real, np.generic))


def whole_numbers(array, name):
    """The same numbers in 32 bits."""
    if array.size and (array.min() < INT32.min or array.max() > INT32.max):
        wide = (array < INT32.min) | (array > INT32.max)
        at = np.unravel_index(np.argmax(wide), array.shape)
        place = "%s[%s]" % (name, ", ".join(str(int(i)) for i in at))
        raise CoupletError(
            "%s is %d, and whole numbers of 32 bits are expected: %d to %d"
            % (place, array[at], INT32.min, INT32.max)
        )
    return array.astype(np.int32)


def array_of(value, parameter):
    """The array as the library reads it; the caller's own memory where that is as it must be."""
    wants_reals = parameter.kind == c.REAL
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError("`%s` is a masked array, and masks are not heeded" % parameter.name)
    is_list = isinstance(value, (list, tuple))
    array = np.asarray(value)
    if is_list and wants_reals and array.dtype.kind in "iu":
        array = array.astype(np.float32)
    kind = array.dtype.kind
    if kind == "f" or (kind == "V" and array.dtype.name == "bfloat16"):
        with np.errstate(over="ignore"):
            array = array.astype(np.float32, copy=False)
    elif kind == "b" and parameter.kind != c.BOOL:
        words = "`%s` takes %s, and truth values were given"
        raise TypeError(words % (parameter.name, _kind_text(parameter)))
    elif kind in "bui":
        if array.dtype != np.int32 or not array.dtype.isnative:
            array = whole_numbers(array, parameter.name)
    else:
        words = "`%s` is given an array of %s; numbers are expected"
        raise TypeError(words % (parameter.name, array.dtype))
    return np.require(array, None, ["C_CONTIGUOUS", "ALIGNED"])


def _kind_text(parameter):
    texts = {c.REAL: "reals", c.INT: "whole numbers", c.BOOL: "truth values"}
    return texts.get(parameter.kind, "no arrays")


def array_slot(parameter, value):
    if parameter.is_number and is_number(value):
        return number_slot(parameter, value)
    array = array_of(value, parameter)
    element = c.FLOAT32 if array.dtype == np.float32 else c.INT32
    return Slot(parameter.name, element, array.shape, array.ctypes.data, array)


def bind(parameters, function, args, kwargs):
    """Values by parameter, as Python binds arguments. Names that no parameter has stay with the
    others: the library's message for them suggests the nearest."""
    if len(args) > len(parameters):
        words = "`%s` takes %d arguments, and %d were given"
        raise TypeError(words % (function, len(parameters), len(args)))
    given = dict(zip((p.name for p in parameters), args))
    for name, value in kwargs.items():
        if name in given:
            raise TypeError("`%s` got `%s` twice" % (function, name))
        given[name] = value
    return given


def make_result(element, shape):
    """An array of truth values is made of bytes of 0 and 1, as numpy's are."""
    dtype = {c.FLOAT32: np.float32, c.INT32: np.int32}.get(element, np.bool_)
    array = np.empty(shape, dtype)
    return array, array.ctypes.data


class Function:
    """A formula as a function of arrays.

    Call it with arrays in the order of its parameters, or by name; numbers may be Python's. The
    value is a float, or an array where the formula gives one. `value_and_grad` gives the gradients,
    too. It is compiled for the shapes that it is called with, once for each.
    """

    def __init__(self, file, name, threads=0, seed=0, memory=0, finite=True):
        self.file = file
        self.name = self.__name__ = name
        self.parameters = file.parameters(name)
        self._finite = finite
        self.__doc__ = file.about(name)
        self._kernels = Kernels(file, name, threads, seed, memory)

    @property
    def step(self):
        """What the formula draws at random depends on the seed and this number: a call with the
        same two draws the same."""
        return self._kernels.step

    @step.setter
    def step(self, step):
        self._kernels.step = step

    def __repr__(self):
        return "<couplet function %s of %s>" % (self.__doc__.split("\n")[0], self.file.path)

    def _slots(self, args, kwargs):
        given = bind(self.parameters, self.name, args, kwargs)
        slots = [array_slot(p, given.pop(p.name)) for p in self.parameters if p.name in given]
        return slots + [Slot(name, constant=0.0) for name in given]  # the library refuses them

    def __call__(self, *args, **kwargs):
        return self._run(self._slots(args, kwargs), {})

    def value_and_grad(self, *args, wrt=None, **kwargs):
        """(value, gradients): the gradients by name of parameter, float32 arrays of the arguments'
        shapes. `wrt` is a name or several; without it all arrays of reals are meant that are given,
        and no numbers."""
        slots = self._slots(args, kwargs)
        wanted = self._wanted(slots, wrt)
        results = {s.name: np.empty(s.shape, np.float32) for s in slots if s.name in wanted}
        value = self._run(slots, {name: array.ctypes.data for name, array in results.items()})
        return value, results

    def grad(self, *args, wrt=None, **kwargs):
        """The gradients alone."""
        return self.value_and_grad(*args, wrt=wrt, **kwargs)[1]

    def _wanted(self, slots, wrt):
        reals = [s.name for s in slots if s.element == c.FLOAT32 and s.constant is None]
        if wrt is None:
            return [s.name for s in slots if s.name in reals and s.shape]
        names = [wrt] if isinstance(wrt, str) else list(wrt)
        for name in names:
            if name not in reals:
                others = "it has some for " + ", ".join(reals) if reals else "nothing real is given"
                raise TypeError("`%s` has no gradient for `%s`: %s" % (self.name, name, others))
        return names

    def _run(self, slots, gradients):
        def has_infinity():
            reals = [s.keep for s in slots if s.element == c.FLOAT32 and s.keep is not None]
            return any(np.isinf(array).any() for array in reals)

        finite = self._finite
        return self._kernels.run(slots, gradients, not finite, has_infinity, make_result)
