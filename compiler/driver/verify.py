"""The other side of `couplet verify`: calls a Python loss on arrays that lie in .npy files.

Started as: python3 -c THIS MODULE:FUNCTION. Each line of standard input is a case, in JSON:
{"folder": .., "arguments": [{"name", "kind", "value" | "file"}]}. The answer is a line of JSON: the
value, how the gradients were made, and the number of arguments; gradients lie in
FOLDER/grad_NAME.npy. A failure is {"error": ..}. What the function itself prints goes to standard
error."""
import importlib
import importlib.util
import inspect
import json
import os
import sys

os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
np = None  # a python3 without it says so in its answer


def find_function(text):
    where, _, name = text.rpartition(":")
    if where.endswith(".py"):
        spec = importlib.util.spec_from_file_location(os.path.basename(where)[:-3], where)
        module = importlib.util.module_from_spec(spec)
        sys.path.insert(0, os.path.dirname(os.path.abspath(where)))
        spec.loader.exec_module(module)
    else:
        sys.path.insert(0, os.getcwd())
        module = importlib.import_module(where)
    found = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


def read_arguments(case):
    arguments = {}
    for a in case["arguments"]:
        if "file" in a:
            array = np.load(a["file"])
            kinds = {"real": np.float64, "int": np.int64, "bool": np.bool_}
            arguments[a["name"]] = array.astype(kinds[a["kind"]])
        else:
            arguments[a["name"]] = float(a["value"]) if a["kind"] == "real" else int(a["value"])
    return arguments


def call(function, arguments):
    """By name where the function has all the names, else in order."""
    try:
        names = inspect.signature(function).parameters
        known = all(name in names for name in arguments)
    except (TypeError, ValueError):
        known = False
    return function(**arguments) if known else function(*arguments.values())


def module_of(value):
    return type(value).__module__.split(".")[0]


def by_differences(function, arguments, reals):
    """Central differences; 0-d arrays are given as numbers."""
    gradients = {}
    for name in reals:
        at = np.array(arguments[name], np.float64)
        gradient = np.zeros(at.shape)
        for i in range(at.size):
            step = 6e-6 * max(1.0, abs(at.flat[i]))
            values = []
            for sign in (1, -1):
                moved = at.copy()
                moved.flat[i] += sign * step
                moved = moved if at.ndim else float(moved)
                values.append(float(call(function, {**arguments, name: moved})))
            gradient.flat[i] = (values[0] - values[1]) / (2 * step)
        gradients[name] = gradient
    return gradients


def try_torch(function, arguments, reals):
    import torch
    given = {name: torch.as_tensor(a) if isinstance(a, np.ndarray) else a
             for name, a in arguments.items()}
    for name in reals:
        given[name] = torch.tensor(arguments[name], dtype=torch.float64, requires_grad=True)
    value = call(function, given)
    if not isinstance(value, torch.Tensor):
        raise TypeError("no tensor")
    if not value.requires_grad:
        return float(value), {name: np.zeros(np.shape(arguments[name])) for name in reals}
    found = torch.autograd.grad(value, [given[name] for name in reals], allow_unused=True)
    return float(value.detach()), {
        name: np.zeros(np.shape(arguments[name])) if g is None else g.detach().cpu().numpy()
        for name, g in zip(reals, found)}


def try_jax(function, arguments, reals):
    import jax
    import jax.numpy as jnp
    given = {name: jnp.asarray(a) if isinstance(a, np.ndarray) else a
             for name, a in arguments.items()}

    def of(parts):
        return call(function, {**given, **parts})

    parts = {name: jnp.asarray(arguments[name]) for name in reals}
    value, found = jax.value_and_grad(of)(parts)
    return float(value), {name: np.asarray(g) for name, g in found.items()}


def is_of(function, package):
    """Whether the function speaks of a package, by the names that it sees."""
    names = getattr(inspect.unwrap(function), "__globals__", {})
    owner = getattr(function, "__module__", "") or ""
    mro = [c.__module__ for c in type(function).__mro__] + [owner]
    return any(m.split(".")[0] == package for m in mro) or any(
        getattr(v, "__name__", "").split(".")[0] == package for v in list(names.values())
        if inspect.ismodule(v))


def evaluate(function, arguments, reals):
    for package, attempt in (("torch", try_torch), ("jax", try_jax)):
        if not is_of(function, package):
            continue
        try:
            return (*attempt(function, arguments, reals), package)
        except TypeError as error:
            if "no tensor" not in str(error):
                raise
    own = getattr(function, "value_and_grad", None)
    if own is not None:
        value, found = call(own, arguments)
        if not isinstance(found, dict):
            found = dict(zip(reals, found if isinstance(found, (tuple, list)) else [found]))
        return float(value), {name: found[name] for name in reals if name in found}, "its own"
    value = call(function, arguments)
    if np.ndim(value) != 0:
        raise TypeError(f"a loss is one number; this has the shape {np.shape(value)}")
    return float(value), by_differences(function, arguments, reals), "differences"


def describe(error):
    """One line: what went wrong, and where in a file of the user."""
    import traceback
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename[0] != "<"]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    global np
    try:
        np = importlib.import_module("numpy")
    except ImportError as error:
        reason = f"{sys.executable}, the python3 on PATH, has no numpy ({error})"
        answers.write(json.dumps({"error": reason}) + "\n")
        return
    try:
        function = find_function(sys.argv[1])
    except BaseException as error:
        answers.write(json.dumps({"error": describe(error)}) + "\n")
        return
    for line in sys.stdin:
        case = json.loads(line)
        try:
            arguments = read_arguments(case)
            reals = [a["name"] for a in case["arguments"] if a["kind"] == "real" and a["moves"]]
            value, gradients, way = evaluate(function, arguments, reals)
            for name, gradient in gradients.items():
                np.save(os.path.join(case["folder"], f"grad_{name}.npy"),
                        np.ascontiguousarray(gradient, np.float64))
            answer = {"value": repr(value), "way": way, "gradients": sorted(gradients)}
        except BaseException as error:
            answer = {"error": describe(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main()
