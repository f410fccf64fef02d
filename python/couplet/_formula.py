"""Files, their functions, and functions compiled for shapes. Knows memory by address: numpy and
torch come on top."""

import atexit
import ctypes
import difflib
import os
import signal
import threading
import time
import weakref
from collections import OrderedDict

from . import _library as c
from .errors import CoupletError

MOST_KEPT = 32  # compiled shapes of a function; the one that was not used for longest goes
MOST_BYTES = 1 << 30  # that their arrays take together, where they are several
LONG_RUN = 2e9  # operations, some 20 milliseconds, from which on Ctrl-C ends a run in its middle


class Parameter:
    """A parameter of a function: its name, kind, axes, and whether it has a default."""

    __slots__ = ("name", "kind", "rank", "has_default")

    def __init__(self, raw):
        self.name = raw.name.decode()
        self.kind = raw.kind
        self.rank = raw.rank
        self.has_default = bool(raw.has_default)

    @property
    def is_number(self):
        return self.rank == 0


class Slot:
    """What one parameter is given: a number that is compiled in, or memory of a shape."""

    __slots__ = ("name", "element", "shape", "constant", "address", "keep")

    def __init__(self, name, element=c.FLOAT32, shape=(), address=None, keep=None, constant=None):
        self.name = name
        self.element = element
        self.shape = shape
        self.address = address
        self.keep = keep  # whoever owns the memory
        self.constant = constant


class Compiled:
    """A function compiled for one set of shapes."""

    def __init__(self, file, function, slots, wanted, holds_infinity, options):
        lib = c.library()
        arguments = (c.Argument * max(1, len(slots)))()
        for argument, slot in zip(arguments, slots):
            argument.name = slot.name.encode()
            argument.element = slot.element
            argument.holds_infinity = holds_infinity
            argument.use = c.GRADIENT if slot.name in wanted else c.PLAIN
            if slot.constant is not None:
                argument.use, argument.value = c.CONSTANT, slot.constant
                continue
            argument.rank = len(slot.shape)
            for axis, extent in enumerate(slot.shape[: c.MOST_AXES]):
                argument.extent[axis] = extent
        handle, problem = c.c_handle(), c.c_handle()
        status = lib.couplet_formula_new(
            file.handle, function.encode(), arguments, len(slots), options, handle, problem
        )
        if status != c.OK:
            raise c.problem_error(status, problem)
        self._handle = handle
        self._free = weakref.finalize(self, lib.couplet_formula_free, handle)
        self._free.atexit = False  # what the process holds, goes with it
        result = c.Shape()
        lib.couplet_formula_result(handle, result)
        self.element = result.element
        self.shape = tuple(result.extent[: result.rank])  # of the result; () of a number
        self.draws = bool(lib.couplet_formula_draws(handle))
        self.operations = lib.couplet_formula_operations(handle)
        self.bytes = lib.couplet_formula_bytes(handle)
        self.kernels = lib.couplet_formula_kernels(handle)
        self.was_cached = bool(lib.couplet_formula_was_cached(handle))

    def run(self, slots, gradients, result=None, step=0):
        """The value; gradients is by slot the address that its gradient goes to, or None. A result
        that is an array goes to the address `result`. What is drawn is that of `step`."""
        lib, handle = c.library(), self._handle
        if self.draws and lib.couplet_formula_set_step(handle, step) != c.OK:
            raise CoupletError("the step is %s, and 0 to 2147483647 is expected" % step)
        addresses = (ctypes.c_void_p * max(1, len(slots)))(*[slot.address for slot in slots])
        places = (ctypes.c_void_p * max(1, len(slots)))(*gradients)
        value, problem = ctypes.c_double(), c.c_handle()

        def work():
            if result is not None:
                return lib.couplet_formula_run_array(handle, addresses, result, problem)
            return lib.couplet_formula_run(handle, addresses, places, value, problem)

        is_main = threading.current_thread() is threading.main_thread()
        long = is_main and self.operations >= LONG_RUN
        _under_way.append(self)
        try:
            status = _interruptibly(work, self.stop) if long else work()
        finally:
            _under_way.remove(self)
        if status != c.OK:
            raise Failure(status, problem)
        return value.value


    def stop(self):
        """Ends the runs that are under way."""
        c.library().couplet_formula_stop(self._handle)


_under_way = []  # a run in each


def end_runs():
    """Ends all runs, and waits until they have ended: a thread that comes back from one when the
    interpreter is gone finds nothing to come back to."""
    while _under_way:
        for compiled in list(_under_way):
            compiled.stop()
        time.sleep(0.001)


atexit.register(end_runs)


def _interruptibly(work, stop):
    """What `work` gives. Signals reach the main thread between steps of Python alone, so another
    thread does the work. What the handler of Ctrl-C raises ends it early, and is raised here when
    it has ended: until then nobody may give back the memory that the work is about."""
    old, raised = signal.getsignal(signal.SIGINT), []

    def handle(number, frame):
        try:
            old(number, frame)
        except BaseException as error:
            raised.append(error)
            stop()

    if callable(old):
        signal.signal(signal.SIGINT, handle)
    try:
        answer = _in_a_thread(work, stop, raised)
    finally:
        if callable(old):
            signal.signal(signal.SIGINT, old)
    if raised:
        raise raised[0]
    return answer


def _in_a_thread(work, stop, raised):
    """`raised` is not empty once the work shall end. So it shall when an exception arrives here, by
    another signal for instance, which is raised when it has ended."""
    answer, error = [], None
    thread = threading.Thread(target=lambda: answer.append(work()), name="couplet", daemon=True)
    started = False
    while not started or thread.is_alive():
        try:
            if not started:
                started = True
                thread.start()
            thread.join(0.05)
            if raised or error is not None:
                stop()
        except BaseException as other:
            error = error or other
    if error is not None:
        raise error
    return answer[0]


class Failure(Exception):
    """A run that failed, before it is known who asks."""

    def __init__(self, status, problem):
        super().__init__()
        self.status = status
        self.problem = problem

    def error(self):
        return c.problem_error(self.status, self.problem)


class File:
    """A checked file of formulas; see couplet.load."""

    def __init__(self, path, text=None, hypers=None):
        lib = c.library()
        self.path = os.fspath(path)
        self.hypers = dict(hypers or {})
        self.text = read_text(self.path) if text is None else text
        values, count = values_of(self.hypers)
        handle, problem = c.c_handle(), c.c_handle()
        raw = raw_text(self.path, self.text)
        status = lib.couplet_file_open(
            os.fsencode(self.path), raw, values, count, handle, problem
        )
        if status != c.OK:
            raise c.problem_error(status, problem)
        self.handle = handle
        self._free = weakref.finalize(self, lib.couplet_file_free, handle)
        self._free.atexit = False  # what the process holds, goes with it
        self.warnings = lib.couplet_file_warnings(handle).decode("utf-8", "replace").rstrip("\n")

    def functions(self):
        return self._names("couplet_file_function")

    def hyper_names(self):
        return self._names("couplet_file_hyper")

    def _names(self, function):
        names = []
        while True:
            name = getattr(c.library(), function)(self.handle, len(names))
            if name is None:
                return names
            names.append(name.decode())

    def about(self, function):
        """The head of a function, and below it the comment above it."""
        ask = c.library().couplet_file_about
        length = ask(self.handle, function.encode(), None, 0)
        text = ctypes.create_string_buffer(max(1, length + 1))
        ask(self.handle, function.encode(), text, len(text))
        return text.value.decode("utf-8", "replace").rstrip("\n")

    def parameters(self, function):
        """Of a function of the file or of a module that it uses; empty where there is none."""
        found, raw = [], c.Parameter()
        ask = c.library().couplet_file_parameter
        while ask(self.handle, function.encode(), len(found), raw):
            found.append(Parameter(raw))
        return found


def raw_text(path, text):
    """The bytes of a text for the library; None where it reads the path itself."""
    if text is None:
        return None
    if "\0" in text:
        raise CoupletError("%s: a NUL stands in the text, which is no text then" % path)
    return text.encode("utf-8", "surrogateescape")


def values_of(hypers):
    """Hypers as the library takes them, and how many they are."""
    hypers = hypers or {}
    values = (c.Value * max(1, len(hypers)))()
    for value, (name, number) in zip(values, hypers.items()):
        try:
            value.name, value.value = name.encode(), float(number)
        except (TypeError, ValueError):
            words = "`%s` is a number, and %s was given"
            raise TypeError(words % (name, type(number).__name__)) from None
    return values, len(hypers)


def declared(file, function):
    """The parameters of a function, which is there."""
    found = file.parameters(function)
    if found or function in file.functions():
        return found
    near = difflib.get_close_matches(function, file.functions(), 1)
    hint = "; did you mean `%s`?" % near[0] if near else ""
    raise AttributeError("`%s` has no function `%s`%s" % (file.path, function, hint))


def read_text(path):
    """The text of a file; None for a folder, and for what is not there and may be a module of the
    library."""
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


class Kernels:
    """The compiled shapes of one function, by shape. May be used by several threads at once."""

    def __init__(self, file, function, threads=0, seed=0, memory=0):
        self.file = file
        self.function = function
        self.options = (threads, seed, memory)
        self.step = 0  # of the runs to come: what they draw at random depends on it
        self._kept = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self):
        return len(self._kept)

    def compiled(self, slots, wanted, allows_infinity=False, holds_infinity=False):
        """The function for these shapes, with the gradients of the slots named in `wanted`."""
        shapes = tuple((s.name, s.element, s.shape, s.constant) for s in slots)
        key = (shapes, wanted, allows_infinity, holds_infinity)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        threads, seed, memory = self.options
        options = c.Options(threads, allows_infinity, seed, memory)
        made = Compiled(self.file, self.function, slots, wanted, holds_infinity, options)
        with self._lock:
            self._kept[key] = made
            while self._holds_too_much():
                self._kept.popitem(last=False)
        return made

    def _holds_too_much(self):
        held = sum(compiled.bytes for compiled in self._kept.values())
        return len(self._kept) > MOST_KEPT or (len(self._kept) > 1 and held > MOST_BYTES)

    def run(self, slots, gradients, allows_infinity=False, has_infinity=None, make_result=None):
        """The value. `gradients` is by name the address for a gradient. `has_infinity` tells, if a
        run gave no number, whether its arrays hold infinities: logs and softmaxes are then guarded
        for them. `make_result` is given the element and the shape of a result that is an array, and
        gives that array and its address; without it such a result is refused."""
        wanted = frozenset(gradients)
        places = [gradients.get(slot.name) for slot in slots]
        compiled = self.compiled(slots, wanted, allows_infinity, False)
        if compiled.shape and make_result is None:
            words = "`%s` gives an array, and one number is expected here"
            raise CoupletError(words % self.function)
        array, address = None, None
        if compiled.shape:
            array, address = make_result(compiled.element, compiled.shape)
        try:
            value = compiled.run(slots, places, address, self.step)
        except Failure as failure:
            if failure.status != c.NUMBERS or has_infinity is None or not has_infinity():
                raise failure.error() from None
            c.library().couplet_problem_free(failure.problem)
            compiled = self.compiled(slots, wanted, allows_infinity, True)
            try:
                value = compiled.run(slots, places, address, self.step)
            except Failure as failure:
                raise failure.error() from None
        return value if array is None else array
