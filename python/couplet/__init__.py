"""Couplet: losses written as formulas, compiled, differentiated and streamed, from Python.

    import couplet
    losses = couplet.load("losses.cpl")
    value = losses.nt_xent(z1, z2, tau=0.5)
    value, gradients = losses.nt_xent.value_and_grad(z1, z2, tau=0.5)

`couplet.torch.loss("losses.cpl", "nt_xent", tau=0.5)` is the same as a torch.nn.Module.
docs/python.md is the manual.
"""

import importlib

from . import _library
from ._arrays import Function
from ._formula import File, declared
from .errors import CoupletError
from .method import Method, Model, knn, linear_probe

__all__ = ["CoupletError", "Formulas", "Method", "Model", "compile", "knn", "linear_probe"]
__all__ += ["load", "load_text", "version"]


def version():
    """Of the C library: "0.2.0"."""
    return _library.library().couplet_version().decode()


class Formulas:
    """The functions of a file, as attributes; those of a module that it uses by
    formulas["losses.nt_xent"]."""

    def __init__(self, file, threads=0, seed=0, memory=0, finite=True):
        self._file = file
        self._options = (threads, seed, memory, finite)
        self._functions = {}

    def __getitem__(self, name):
        if name not in self._functions:
            declared(self._file, name)
            self._functions[name] = Function(self._file, name, *self._options)
        return self._functions[name]

    def __getattr__(self, name):
        if name.startswith("__") or name in ("_file", "_functions", "_options"):
            raise AttributeError(name)
        return self[name]

    def __dir__(self):
        return sorted(set(object.__dir__(self)) | set(self._file.functions()))

    def __repr__(self):
        names = ", ".join(self._file.functions())
        return "<couplet formulas of %s: %s>" % (self._file.path, names)

    def __reduce__(self):
        return _again, (self._file.path, self._file.text, self._file.hypers, self._options)

    @property
    def warnings(self):
        """What the check warned of, as text; "" where there is nothing."""
        return self._file.warnings


def _again(path, text, hypers, options):
    return Formulas(File(path, text, hypers), *options)


def load(path, threads=0, seed=0, memory=0, finite=True, **hypers):
    """The functions of a file of formulas, of a folder of such files, or of a module of the
    library ("losses").

    The file is read and checked once, now; what it says later is seen by the next `load`. Other
    keywords are values of its hypers. `threads` is how many a run uses (0: one for each core),
    `seed` that of what formulas draw at random, `memory` the bytes that the arrays of a run may
    take (0: any number). A result that is not finite is a CoupletError that says where it arose;
    with finite=False it is returned.
    """
    return Formulas(File(path, None, hypers), threads, seed, memory, finite)


def load_text(text, name="<text>", threads=0, seed=0, memory=0, finite=True, **hypers):
    """The same of a text; `name` stands for the file in messages."""
    return Formulas(File(name, text, hypers), threads, seed, memory, finite)


def compile(path, **hypers):
    """A whole method of a spec, to be trained, embedded with and evaluated on arrays: a file with a
    `loss` and a `train { .. }`. Keywords are values of its hypers."""
    return Method(path, None, hypers)


def __getattr__(name):
    if name in ("torch", "jax", "magic"):
        return importlib.import_module("." + name, __name__)
    raise AttributeError("module 'couplet' has no attribute '%s'" % name)


def load_ipython_extension(shell):
    """%load_ext couplet: the cell magic %%couplet."""
    from .magic import register

    register(shell)
