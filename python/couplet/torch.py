"""A formula as a torch.nn.Module: its forward and backward are compiled kernels that read torch's
own memory.

    loss = couplet.torch.loss("mine.cpl", "nt_xent", tau=0.5)
    loss(z1, z2).backward()

Arrays of pairs (N x N) are made tile by tile and never stored, forward or backward. The gradients
are computed with the value, in one pass, when some argument needs one; what is kept for the
backward pass is as large as those arguments.
"""

import numbers

import torch

from . import _library as c
from ._formula import File, Kernels, Slot, declared
from .errors import CoupletError

_INT32 = torch.iinfo(torch.int32)
_REALS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_WHOLES = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)

_SECOND = (
    "the loss `%s` of %s has no second derivative here: its gradient was computed by compiled "
    "kernels, and how it depends on the arguments is not known. Write the term that needs it (a "
    "gradient penalty, for instance) in torch"
)


def loss(path, function, *, threads=0, seed=0, memory=0, finite=True, **settings):
    """The function of a file of formulas as a module.

    Settings are its parameters by name, numbers or tensors, and values of the file's hypers; the
    other parameters are the arguments of forward, in the order of the declaration. A setting that
    is a torch.nn.Parameter learns. `path`, `threads`, `seed` and `memory` are as in couplet.load.
    A result that is not finite is a CoupletError that says where it arose; with finite=False it is
    returned, as a scaler of gradients wants it.
    """
    return Loss(path, function, threads, seed, memory, finite, settings)


class Loss(torch.nn.Module):
    """See loss()."""

    def __init__(self, path, function, threads, seed, memory, finite, settings):
        super().__init__()
        self._function = function
        self._options = (threads, seed, memory)
        self.finite = finite
        self.step = 0  # counts the calls in training: each draws anew
        names = {p.name for p in declared(File(path), function)}
        self._open(File(path, None, {n: v for n, v in settings.items() if n not in names}))
        self._settings = [name for name in settings if name in names]
        for name in self._settings:
            if hasattr(self, name):
                raise TypeError("the parameter `%s` is given to forward: a module has a "
                                "member of this name" % name)
            setattr(self, name, settings[name])

    def _open(self, file):
        self._file = file
        self._declared = declared(file, self._function)
        self._kernels = Kernels(file, self._function, *self._options)

    def forward(self, *args, **kwargs):
        if torch.jit.is_tracing():
            raise TypeError("`%s` is made of compiled kernels, which torch.jit cannot trace: the "
                            "network alone can be traced" % self._function)
        given = self._bind(args, kwargs)
        slots = [_slot(p, given[p.name]) for p in self._declared if p.name in given]
        tensors = [given.pop(s.name) for s in slots]
        slots += [Slot(name, constant=0.0) for name in given]  # which the library refuses
        records = torch.is_grad_enabled()
        needed = [records and isinstance(t, torch.Tensor) and t.requires_grad for t in tensors]
        self._kernels.step = self.step
        if self.training:
            self.step += 1
        if any(needed):
            return _Streamed.apply(self, slots, needed, *tensors)
        return _result(self._run(slots, {}), tensors)

    def _bind(self, args, kwargs):
        free = [p.name for p in self._declared if p.name not in self._settings]
        if len(args) > len(free):
            words = "`%s` takes %d arguments, and %d were given"
            raise TypeError(words % (self._function, len(free), len(args)))
        given = {name: getattr(self, name) for name in self._settings}
        given.update(zip(free, args))
        for name, value in kwargs.items():
            if name in free[: len(args)]:
                raise TypeError("`%s` got `%s` twice" % (self._function, name))
            given[name] = value
        return given

    def _run(self, slots, gradients):
        def has_infinity():
            return any(isinstance(s.keep, torch.Tensor) and s.keep.isinf().any() for s in slots)

        return self._kernels.run(slots, gradients, not self.finite, has_infinity)

    def extra_repr(self):
        settings = ["%s=%s" % (name, getattr(self, name)) for name in self._settings]
        return ", ".join([repr(self._file.path), repr(self._function)] + settings)

    # ---- copies -------------------------------------------------------------------------------

    def __getstate__(self):
        """What a copy is made of: the text of the file as it was read, and no machine code."""
        state = dict(self.__dict__)
        del state["_kernels"], state["_declared"]
        state["_file"] = (self._file.path, self._file.text, self._file.hypers)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        self._open(File(*state["_file"]))

    def _replicate_for_data_parallel(self):
        raise RuntimeError(
            "a loss over pairs is no mean over parts of the batch: torch.nn.DataParallel may wrap "
            "the network, and not this module, which takes the gathered features"
        )


def _result(value, tensors):
    """As wide as the widest argument, and never less than float32."""
    wide = any(isinstance(t, torch.Tensor) and t.dtype == torch.float64 for t in tensors)
    return torch.tensor(value, dtype=torch.float64 if wide else torch.float32)


# ---- arguments --------------------------------------------------------------------------------


def _slot(parameter, value):
    if not isinstance(value, torch.Tensor):
        if not isinstance(value, numbers.Real):
            words = "`%s` is given a %s; a tensor or a number is expected"
            raise TypeError(words % (parameter.name, type(value).__name__))
        if parameter.kind != c.REAL:
            return Slot(parameter.name, constant=float(value))
        value = torch.tensor(value, dtype=torch.float32)
    if parameter.is_number and parameter.kind != c.REAL and value.dtype in (*_WHOLES, torch.bool):
        if value.numel() == 1 and value.dim() == 0:
            return Slot(parameter.name, constant=float(value))
    if value.layout != torch.strided or value.device.type != "cpu":
        dense = value.layout == torch.strided
        where = "on %s" % value.device if dense else "of layout %s" % value.layout
        words = "`%s` is a tensor %s; a dense tensor on the CPU is expected"
        raise TypeError(words % (parameter.name, where))
    with torch.no_grad():
        memory = _memory(parameter, value.detach())
    element = c.FLOAT32 if memory.dtype == torch.float32 else c.INT32
    try:
        address = memory.data_ptr()
    except RuntimeError:  # which these hand over
        words = ("`%s` has no memory of its own: torch.func and torch.export cannot look into "
                 "compiled kernels")
        raise TypeError(words % parameter.name) from None
    return Slot(parameter.name, element, tuple(memory.shape), address, memory)


def _memory(parameter, tensor):
    """The tensor as the library reads it: itself, where it is dense and of the right kind."""
    if tensor.dtype in _WHOLES and parameter.kind == c.REAL and tensor.dim() == 0:
        tensor = tensor.to(torch.float32)  # a number, as 1 is
    if tensor.dtype in _REALS:
        return tensor.to(torch.float32).resolve_neg().contiguous()
    if tensor.dtype == torch.bool and parameter.kind == c.BOOL:
        return tensor.to(torch.int32).contiguous()
    if tensor.dtype not in _WHOLES:
        raise TypeError("`%s` is given a tensor of %s" % (parameter.name, tensor.dtype))
    if tensor.dtype == torch.int64 and parameter.kind != c.REAL and tensor.numel():
        low, high = int(tensor.min()), int(tensor.max())
        if low < _INT32.min or high > _INT32.max:
            words = "`%s` holds %d, and whole numbers of 32 bits are expected: %d to %d"
            value = low if low < _INT32.min else high
            raise CoupletError(words % (parameter.name, value, _INT32.min, _INT32.max))
    return tensor.to(torch.int32).contiguous()


# ---- the tape ---------------------------------------------------------------------------------


class _Streamed(torch.autograd.Function):
    """The value, with the gradients of it, which wait for the backward pass."""

    @staticmethod
    def forward(ctx, module, slots, needed, *tensors):
        gradients = {
            slot.name: torch.empty(slot.shape, dtype=torch.float32)
            for slot, is_needed in zip(slots, needed)
            if is_needed
        }
        value = module._run(slots, {name: g.data_ptr() for name, g in gradients.items()})
        ctx.needed = needed
        ctx.words = (module._function, module._file.path)
        # Their values may change meanwhile, since nobody reads them.
        ctx.arguments = [t for t, is_needed in zip(tensors, needed) if is_needed]
        kept = [g.to(t.dtype) for g, t in zip(gradients.values(), ctx.arguments)]
        ctx.save_for_backward(*kept)
        return _result(value, tensors)

    @staticmethod
    def backward(ctx, upstream):
        gradients = ctx.saved_tensors
        if torch.is_grad_enabled():
            both = gradients + tuple(ctx.arguments)
            scaled = iter(_Scaled.apply(ctx.words, upstream, len(gradients), *both))
        else:
            scaled = iter([g * upstream.to(g.dtype) for g in gradients])
        return (None, None, None) + tuple(next(scaled) if n else None for n in ctx.needed)


class _Scaled(torch.autograd.Function):
    """The gradients times what comes from behind the loss, with create_graph=True. They depend on
    the arguments, and how is not known, so whoever differentiates them by these is told."""

    @staticmethod
    def forward(ctx, words, upstream, count, *gradients_and_arguments):
        ctx.words = words
        return tuple(g * upstream.to(g.dtype) for g in gradients_and_arguments[:count])

    @staticmethod
    def backward(ctx, *upstream):
        raise CoupletError(_SECOND % ctx.words)


# A compiler of torch's own cannot look into compiled kernels: it calls the module as it is.
_compiler = getattr(torch, "compiler", None)
if _compiler is not None and hasattr(_compiler, "disable"):
    Loss.forward = _compiler.disable(Loss.forward)
