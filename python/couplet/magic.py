"""The cell magic %%couplet of IPython and Jupyter.

    %load_ext couplet

    %%couplet
    fn pull(a[N, D], b[N, D]) = mean[i] sum[d] (a[i, d] - b[i, d])^2

From here on `pull` is a function of arrays. `%%couplet NAME` binds NAME to all functions of the
cell instead, as couplet.load gives them; HYPER=NUMBER sets a hyper of the cell."""

from ._formula import File
from .errors import CoupletError


class CellError(CoupletError):
    """A mistake in a cell, of which the notebook shows the messages alone."""

    def _render_traceback_(self):
        return [str(self)]


def _arguments(line):
    """(name or None, hypers)."""
    name, hypers = None, {}
    for word in line.split():
        left, equals, right = word.partition("=")
        try:
            if equals:
                hypers[left] = float(right)
        except ValueError:
            raise CellError("%%%%couplet: `%s` is no HYPER=NUMBER" % word) from None
        if equals:
            continue
        if name is not None or not word.isidentifier():
            words = "%%%%couplet takes one name and HYPER=NUMBER, and `%s` was given"
            raise CellError(words % word)
        name = word
    return name, hypers


def register(shell):
    """Makes the magic known to a shell of IPython."""

    def couplet(line, cell):
        from . import Formulas

        name, hypers = _arguments(line)
        try:
            formulas = Formulas(File("In[%s]" % shell.execution_count, cell, hypers))
        except CoupletError as error:
            raise CellError(*error.__reduce__()[1]) from None
        if formulas.warnings:
            print(formulas.warnings)
        if name:
            shell.user_ns[name] = formulas
            return
        for function in formulas._file.functions():
            shell.user_ns[function] = formulas[function]

    shell.register_magic_function(couplet, magic_kind="cell")
