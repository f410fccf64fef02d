"""A formula as a function of JAX arrays: its value and gradients are one call of compiled kernels.

    loss = couplet.jax.loss("mine.cpl", "nt_xent", tau=0.5)
    jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(z1, z2)

The call is a target of XLA's foreign functions (jax.ffi) on the CPU, which hands over the memory of
the arrays. Shapes are checked while JAX traces. vmap makes one call after the other; a second
derivative is refused.
"""

import atexit
import ctypes
import hashlib
import math
import time

import jax
import jax.numpy as jnp
import numpy as np

from . import _library as c
from ._arrays import whole_numbers
from ._formula import File, Kernels, Slot, declared, end_runs
from .errors import CoupletError

# ---- XLA's interface in C (xla/ffi/api/c_api.h), as far as it is needed ------------------------


class _Extension(ctypes.Structure):
    pass


_Extension._fields_ = [
    ("struct_size", ctypes.c_size_t),
    ("type", ctypes.c_int),
    ("next", ctypes.POINTER(_Extension)),
]
_HEAD = [("struct_size", ctypes.c_size_t), ("extension_start", ctypes.POINTER(_Extension))]


class _Version(ctypes.Structure):
    _fields_ = _HEAD + [("major", ctypes.c_int), ("minor", ctypes.c_int)]


class _Metadata(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("version", _Version)]


class _MetadataExtension(ctypes.Structure):
    _fields_ = [("base", _Extension), ("metadata", ctypes.POINTER(_Metadata))]


class _Buffer(ctypes.Structure):
    _fields_ = _HEAD + [
        ("dtype", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("rank", ctypes.c_int64),
        ("dims", ctypes.POINTER(ctypes.c_int64)),
    ]


class _Buffers(ctypes.Structure):
    _fields_ = _HEAD + [
        ("size", ctypes.c_int64),
        ("types", ctypes.c_void_p),
        ("items", ctypes.POINTER(ctypes.POINTER(_Buffer))),
    ]


class _ErrorArguments(ctypes.Structure):
    _fields_ = _HEAD + [("message", ctypes.c_char_p), ("code", ctypes.c_int)]


_make_error = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_ErrorArguments))


class _Api(ctypes.Structure):
    _fields_ = _HEAD + [
        ("version", _Version),
        ("internal", ctypes.c_void_p),
        ("make_error", _make_error),
    ]


class _Frame(ctypes.Structure):
    _fields_ = _HEAD + [
        ("api", ctypes.POINTER(_Api)),
        ("context", ctypes.c_void_p),
        ("stage", ctypes.c_int),
        ("arguments", _Buffers),
        ("results", _Buffers),
    ]


_METADATA, _EXECUTE, _INVALID_ARGUMENT = 1, 3, 3
_handler_type = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_Frame))
_handlers = {}  # by name: XLA keeps their addresses


_calls, _is_ending = [], []  # one entry for each call that is under way; one once the program ends


@atexit.register
def _end_calls():
    """XLA's threads call Python, which must be there until they are done."""
    _is_ending.append(True)
    while _calls:
        end_runs()
        time.sleep(0.001)
    time.sleep(0.01)  # for their way out


def _answers_metadata(frame):
    """XLA asks each handler once for the version that it was made for: that of whoever asks."""
    extension = frame.extension_start
    while extension:
        if extension.contents.type == _METADATA:
            about = ctypes.cast(extension, ctypes.POINTER(_MetadataExtension)).contents.metadata
            about.contents.version.major = frame.api.contents.version.major
            about.contents.version.minor = frame.api.contents.version.minor
            return True
        extension = extension.contents.next
    return False


def _error(frame, text):
    words = _ErrorArguments(ctypes.sizeof(_ErrorArguments), None, text.encode(), _INVALID_ARGUMENT)
    return frame.api.contents.make_error(ctypes.byref(words))


def _handler(call):
    """A handler that gives the addresses of arguments and results to `call`."""

    def handle(frame):
        frame = frame.contents
        if _answers_metadata(frame) or frame.stage != _EXECUTE:
            return None
        _calls.append(None)
        try:
            if _is_ending:
                raise RuntimeError("the program ends")
            sides = (frame.arguments, frame.results)
            call(*[[side.items[i].contents.data for i in range(side.size)] for side in sides])
        except BaseException as error:  # nothing may leave a callback
            return _error(frame, str(error) or type(error).__name__)
        finally:
            _calls.pop()
        return None

    return _handler_type(handle)


# ---- the function -------------------------------------------------------------------------------


def loss(path, function, *, threads=0, seed=0, memory=0, **settings):
    """The function of a file of formulas as a function of JAX arrays.

    Settings are its parameters by name, numbers or arrays, and values of the file's hypers; the
    other parameters are the arguments, in the order of the declaration. Whole numbers are compiled
    in. `path`, `threads`, `seed` and `memory` are as in couplet.load.
    """
    names = {p.name for p in declared(File(path), function)}
    file = File(path, None, {n: v for n, v in settings.items() if n not in names})
    formula = _Formula(file, function, (threads, seed, memory))
    settings = {n: v for n, v in settings.items() if n in names}

    def call(*args, **kwargs):
        return formula(formula.bind(args, kwargs, settings))

    call.__name__ = function
    call.__doc__ = file.about(function)
    return call


class _Formula:
    def __init__(self, file, function, options):
        self.file = file
        self.function = function
        self.options = options
        self.declared = declared(file, function)
        self.kernels = Kernels(file, function, *options)

    def bind(self, args, kwargs, settings):
        free = [p.name for p in self.declared if p.name not in settings]
        if len(args) > len(free):
            words = "`%s` takes %d arguments, and %d were given"
            raise TypeError(words % (self.function, len(free), len(args)))
        given = dict(settings)
        given.update(zip(free, args))
        for name, value in kwargs.items():
            if name in free[: len(args)]:
                raise TypeError("`%s` got `%s` twice" % (self.function, name))
            given[name] = value
        return given

    def __call__(self, given):
        constants, operands = [], []
        for p in self.declared:
            if p.name not in given:
                continue
            value = given.pop(p.name)
            is_known = not isinstance(value, jax.core.Tracer)
            if p.kind != c.REAL and p.is_number and is_known and np.ndim(value) == 0:
                constants.append((p.name, float(value)))
            else:
                operands.append((p, _operand(p, value)))
        constants += [(name, 0.0) for name in given]  # which the library refuses
        plan = _Plan(self, tuple(constants), tuple(p for p, _ in operands))
        return _call(plan, *[value for _, value in operands])


# Types whose numbers may not fit into 32 bits with a sign.
_WIDE = (np.dtype(np.uint32), np.dtype(np.int64), np.dtype(np.uint64))


def _operand(parameter, value):
    """As the kernels read it, but for whole numbers of a wide type, which are looked at when they
    are known. JAX knows how to lead a gradient through a change of type."""
    if parameter.kind != c.REAL and not isinstance(value, jax.Array):
        value = np.asarray(value)
        if value.dtype.kind in "iu":  # JAX would cut them to 32 bits
            value = whole_numbers(value, parameter.name)
    value = jnp.asarray(value)
    if parameter.kind == c.REAL:
        if not jnp.issubdtype(value.dtype, jnp.floating) and not parameter.is_number:
            words = "`%s` is made of reals, and an array of %s was given"
            raise TypeError(words % (parameter.name, value.dtype))
        return value.astype(jnp.float32)
    is_masked = value.dtype == bool and parameter.kind != c.BOOL
    if jnp.issubdtype(value.dtype, jnp.inexact) or is_masked:
        words = "`%s` holds whole numbers, and an array of %s was given"
        if parameter.kind == c.BOOL:
            words = "`%s` holds truth values, and an array of %s was given"
        raise TypeError(words % (parameter.name, value.dtype))
    return value if value.dtype in _WIDE else value.astype(jnp.int32)


class _Plan:
    """A call, up to the values of its operands. Equal ones are one to JAX."""

    def __init__(self, formula, constants, parameters):
        self.formula = formula
        self.constants = constants
        self.parameters = parameters

    def _key(self):
        return (id(self.formula), self.constants, tuple(p.name for p in self.parameters))

    def __eq__(self, other):
        return isinstance(other, _Plan) and self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    def slots(self, shapes, addresses=None):
        addresses = addresses or [None] * len(shapes)
        found = [
            Slot(p.name, c.FLOAT32 if p.kind == c.REAL else c.INT32, tuple(shape), address)
            for p, shape, address in zip(self.parameters, shapes, addresses)
        ]
        return found + [Slot(name, constant=value) for name, value in self.constants]

    def run(self, values, wanted):
        """[value, gradients of the operands in `wanted`..], which the kernels compute."""
        shapes = [v.shape for v in values]
        names = [self.parameters[i].name for i in wanted]
        kernels = self.formula.kernels
        if kernels.compiled(self.slots(shapes), frozenset(names)).shape:  # mistakes are said now
            words = "`%s` gives an array, and one number is expected here"
            raise CoupletError(words % self.formula.function)
        target = self._register(shapes, [v.dtype for v in values], names)
        results = [jax.ShapeDtypeStruct((), jnp.float32)]
        results += [jax.ShapeDtypeStruct(shapes[i], jnp.float32) for i in wanted]
        call = jax.custom_jvp(jax.ffi.ffi_call(target, results, vmap_method="sequential"))
        call.defjvp(self._refuse_derivative)
        return call(*values)

    def _refuse_derivative(self, primals, tangents):
        words = "`%s` has a value and a gradient, and no second derivative"
        raise CoupletError(words % self.formula.function)

    def _narrow(self, shapes, types, addresses):
        """For each operand of a wide type its numbers in 32 bits, for each other None."""
        return [
            whole_numbers(_memory(address, shape, dtype), p.name) if dtype in _WIDE else None
            for p, shape, dtype, address in zip(self.parameters, shapes, types, addresses)
        ]

    def _register(self, shapes, types, names):
        formula = self.formula
        about = (formula.file.path, formula.file.text, formula.file.hypers, formula.function)
        about += (formula.options, self.constants, [p.name for p in self.parameters], shapes, names)
        about += ([str(dtype) for dtype in types],)
        name = hashlib.sha256(repr(about).encode("utf-8", "replace")).hexdigest()[:32]
        target = "couplet_" + name
        if target in _handlers:
            return target

        def call(arguments, results):
            def has_infinity():
                return any(_has_infinity(s) for s in slots if s.element == c.FLOAT32 and s.address)

            kept = self._narrow(shapes, types, arguments)
            slots = self.slots(shapes, [a if k is None else k.ctypes.data
                                        for a, k in zip(arguments, kept)])
            value = formula.kernels.run(slots, dict(zip(names, results[1:])), False, has_infinity)
            ctypes.c_float.from_address(results[0]).value = value

        _handlers[target] = _handler(call)
        capsule = jax.ffi.pycapsule(_handlers[target])
        jax.ffi.register_ffi_target(target, capsule, platform="cpu")
        return target


def _memory(address, shape, dtype):
    """XLA's own memory as an array of numpy."""
    count = math.prod(shape)
    if count == 0:
        return np.empty(shape, dtype)
    memory = (ctypes.c_char * (count * dtype.itemsize)).from_address(address)
    return np.frombuffer(memory, dtype, count).reshape(shape)


def _has_infinity(slot):
    return bool(np.isinf(_memory(slot.address, slot.shape, np.dtype(np.float32))).any())


def _value(plan, *values):
    return plan.run(values, ())[0]


_call = jax.custom_vjp(_value, nondiff_argnums=(0,))


def _forward(plan, *values):
    """What the gradient is asked for is computed with the value."""
    reals = [i for i, p in enumerate(plan.parameters) if p.kind == c.REAL]
    wanted = tuple(i for i in reals if values[i].perturbed)
    value, *gradients = plan.run([v.value for v in values], wanted)
    kept = dict(zip(wanted, gradients))
    return value, [kept.get(i) for i in range(len(values))]


def _backward(plan, gradients, upstream):
    if isinstance(upstream, jax.custom_derivatives.SymbolicZero):
        return tuple(None for _ in gradients)
    return tuple(None if g is None else g * upstream for g in gradients)


_call.defvjp(_forward, _backward, symbolic_zeros=True)
