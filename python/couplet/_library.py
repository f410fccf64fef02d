"""The C library (couplet_formula.h): where it is, its types and its functions."""

import ctypes
import os
import threading

from .errors import CoupletError

OK, MEMORY, FILE, WEIGHTS, ARGUMENT, NUMBERS, PROCESSOR, TEXT, STOPPED = range(9)
FLOAT32, INT32 = 0, 1
REAL, INT, BOOL, OTHER = range(4)
PLAIN, GRADIENT, CONSTANT = range(3)
MOST_AXES = 8

c_handle = ctypes.c_void_p


class Value(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_double)]


class Parameter(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("rank", ctypes.c_int),
        ("has_default", ctypes.c_int),
    ]


class Argument(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("element", ctypes.c_int),
        ("rank", ctypes.c_int),
        ("extent", ctypes.c_int64 * MOST_AXES),
        ("holds_infinity", ctypes.c_int),
        ("use", ctypes.c_int),
        ("value", ctypes.c_double),
    ]


class Options(ctypes.Structure):
    _fields_ = [
        ("threads", ctypes.c_int),
        ("allows_infinity", ctypes.c_int),
        ("seed", ctypes.c_uint64),
        ("memory_bytes", ctypes.c_int64),
    ]


class Shape(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("element", ctypes.c_int),
        ("rank", ctypes.c_int),
        ("extent", ctypes.c_int64 * MOST_AXES),
    ]


class ModelOptions(ctypes.Structure):
    _fields_ = [
        ("threads", ctypes.c_int),
        ("seed", ctypes.c_uint64),
        ("total_steps", ctypes.c_int64),
        ("steps_per_epoch", ctypes.c_int64),
        ("arena", ctypes.c_void_p),
        ("arena_bytes", ctypes.c_size_t),
    ]


class Input(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("data", ctypes.c_void_p), ("count", ctypes.c_int64)]


class Rows(ctypes.Structure):
    _fields_ = [
        ("values", ctypes.c_void_p),
        ("labels", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("width", ctypes.c_int64),
    ]


_handle_out = ctypes.POINTER(c_handle)
_text = ctypes.c_char_p
_functions = {
    "couplet_version": (_text, []),
    "couplet_problem_text": (_text, [c_handle]),
    "couplet_problem_sentence": (_text, [c_handle]),
    "couplet_problem_code": (_text, [c_handle]),
    "couplet_problem_file": (_text, [c_handle]),
    "couplet_problem_line": (ctypes.c_int, [c_handle]),
    "couplet_problem_column": (ctypes.c_int, [c_handle]),
    "couplet_problem_free": (None, [c_handle]),
    "couplet_file_open": (
        ctypes.c_int,
        [_text, _text, ctypes.POINTER(Value), ctypes.c_int, _handle_out, _handle_out],
    ),
    "couplet_file_free": (None, [c_handle]),
    "couplet_file_warnings": (_text, [c_handle]),
    "couplet_file_function": (_text, [c_handle, ctypes.c_int]),
    "couplet_file_hyper": (_text, [c_handle, ctypes.c_int]),
    "couplet_file_about": (ctypes.c_int64, [c_handle, _text, _text, ctypes.c_size_t]),
    "couplet_file_parameter": (
        ctypes.c_int,
        [c_handle, _text, ctypes.c_int, ctypes.POINTER(Parameter)],
    ),
    "couplet_formula_new": (
        ctypes.c_int,
        [c_handle, _text, ctypes.POINTER(Argument), ctypes.c_int, ctypes.POINTER(Options)]
        + [_handle_out, _handle_out],
    ),
    "couplet_formula_run": (
        ctypes.c_int,
        [c_handle, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_void_p)]
        + [ctypes.POINTER(ctypes.c_double), _handle_out],
    ),
    "couplet_formula_result": (ctypes.c_int, [c_handle, ctypes.POINTER(Shape)]),
    "couplet_formula_run_array": (
        ctypes.c_int,
        [c_handle, ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p, _handle_out],
    ),
    "couplet_formula_set_step": (ctypes.c_int, [c_handle, ctypes.c_int64]),
    "couplet_formula_draws": (ctypes.c_int, [c_handle]),
    "couplet_formula_stop": (None, [c_handle]),
    "couplet_formula_operations": (ctypes.c_double, [c_handle]),
    "couplet_formula_bytes": (ctypes.c_int64, [c_handle]),
    "couplet_formula_kernels": (ctypes.c_int, [c_handle]),
    "couplet_formula_was_cached": (ctypes.c_int, [c_handle]),
    "couplet_formula_free": (None, [c_handle]),
    "couplet_method_open": (
        ctypes.c_int,
        [_text, _text, ctypes.POINTER(Value), ctypes.c_int, _handle_out, _handle_out],
    ),
    "couplet_method_close": (None, [c_handle]),
    "couplet_score_knn": (
        ctypes.c_double,
        [ctypes.POINTER(Rows), ctypes.POINTER(Rows), ctypes.c_int, ctypes.c_int64]
        + [ctypes.c_double, ctypes.c_int],
    ),
    "couplet_score_linear": (
        ctypes.c_double,
        [ctypes.POINTER(Rows), ctypes.POINTER(Rows), ctypes.c_int, ctypes.c_double, ctypes.c_int],
    ),
    # Of couplet.h.
    "couplet_method_name": (_text, [c_handle]),
    "couplet_method_batch": (ctypes.c_int64, [c_handle]),
    "couplet_method_feature_width": (ctypes.c_int64, [c_handle]),
    "couplet_method_parameter_count": (ctypes.c_int64, [c_handle]),
    "couplet_method_input_count": (ctypes.c_int, [c_handle]),
    "couplet_method_input": (ctypes.c_int, [c_handle, ctypes.c_int, ctypes.POINTER(Shape)]),
    "couplet_method_field_count": (ctypes.c_int, [c_handle]),
    "couplet_method_field": (ctypes.c_int, [c_handle, ctypes.c_int, ctypes.POINTER(Shape)]),
    "couplet_model_new": (
        ctypes.c_int,
        [c_handle, ctypes.POINTER(ModelOptions), _handle_out, _text, ctypes.c_size_t],
    ),
    "couplet_model_free": (None, [c_handle]),
    "couplet_model_load": (ctypes.c_int, [c_handle, _text]),
    "couplet_model_save": (ctypes.c_int, [c_handle, _text]),
    "couplet_model_step": (
        ctypes.c_int,
        [c_handle, ctypes.POINTER(Input), ctypes.c_int, ctypes.POINTER(ctypes.c_float)],
    ),
    "couplet_model_steps": (ctypes.c_int64, [c_handle]),
    "couplet_model_embed_fields": (
        ctypes.c_int,
        [c_handle, ctypes.POINTER(Input), ctypes.c_int, ctypes.c_int64]
        + [ctypes.POINTER(ctypes.c_float)],
    ),
    "couplet_model_error": (_text, [c_handle]),
}

_NAME = "libcouplet_formula.so"


def _candidates():
    """Where the library may be: where the environment says, in this package, or built beside it."""
    named = os.environ.get("COUPLET_LIBRARY")
    if named:
        yield named
    here = os.path.dirname(os.path.abspath(__file__))
    yield os.path.join(here, _NAME)
    tree = os.path.dirname(os.path.dirname(here))
    for preset in ("release", "dev"):
        yield os.path.join(tree, "build", preset, _NAME)


def _open():
    tried = []
    for path in _candidates():
        tried.append(path)
        if not os.path.exists(path):
            if path == os.environ.get("COUPLET_LIBRARY"):
                raise ImportError("COUPLET_LIBRARY names `%s`, which is not there" % path)
            continue
        try:
            return ctypes.CDLL(path)
        except OSError as error:
            words = "%s cannot be loaded: %s. The library needs LLVM 19 (Debian's libllvm19)."
            raise ImportError(words % (path, error)) from None
    try:
        return ctypes.CDLL(_NAME + ".0")  # installed for the whole machine
    except OSError:
        pass
    raise ImportError(
        "%s is not there; looked for: %s. `pip install ./python` in Couplet's tree builds it, and "
        "the environment variable COUPLET_LIBRARY may name it." % (_NAME, ", ".join(tried))
    )


def _declare(library):
    for name, (result, arguments) in _functions.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            words = "%s has no %s: it is older than this package, and has to be built anew"
            raise ImportError(words % (library._name, name)) from None
        function.restype = result
        function.argtypes = arguments
    return library


_lock = threading.Lock()
_loaded = None


def library():
    """The library, which is loaded when it is first needed."""
    global _loaded
    if _loaded is None:
        with _lock:
            if _loaded is None:
                _loaded = _declare(_open())
    return _loaded


def problem_error(status, problem):
    """The exception for a status that is not OK. Frees the problem."""
    lib = library()
    if not problem:
        return MemoryError("couplet: out of memory")

    def words(name):
        return getattr(lib, "couplet_problem_" + name)(problem).decode("utf-8", "replace")

    try:
        text, message = words("text").rstrip("\n"), words("sentence")
        code, file = words("code") or None, words("file") or None
        line = lib.couplet_problem_line(problem) or None
        column = lib.couplet_problem_column(problem) or None
    finally:
        lib.couplet_problem_free(problem)
    if status == MEMORY:
        return MemoryError(text)
    return CoupletError(text, message, code, file, line, column)
