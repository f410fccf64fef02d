"""The operators of ONNX that `couplet export` uses, computed with NumPy in float64: for the tests,
where onnxruntime is not installed. By https://onnx.ai/onnx/operators, operator set 17."""
import itertools
import math

import numpy as np
from onnx import numpy_helper

erf = np.vectorize(math.erf)


def windows(x, sides, strides, dilations, pads, outside):
    """[rows, channels, places.., sides..]: what each window reads."""
    n = len(sides)
    x = np.pad(x, [(0, 0)] * 2 + [(pads[i], pads[n + i]) for i in range(n)],
               constant_values=outside)
    counts = [(x.shape[2 + i] - dilations[i] * (sides[i] - 1) - 1) // strides[i] + 1
              for i in range(n)]
    out = np.empty(x.shape[:2] + tuple(counts) + tuple(sides), x.dtype)
    for at in itertools.product(*map(range, sides)):
        cut = tuple(slice(at[i] * dilations[i],
                          at[i] * dilations[i] + strides[i] * (counts[i] - 1) + 1, strides[i])
                    for i in range(n))
        out[(slice(None),) * (2 + n) + at] = x[(slice(None),) * 2 + cut]
    return out


def conv(x, k, strides, dilations, kernel_shape, pads, group):
    n = len(strides)
    seen = windows(x, kernel_shape, strides, dilations, pads, 0)
    inner, outer = x.shape[1] // group, k.shape[0] // group
    axes = (1,) + tuple(range(2 + n, 2 + 2 * n))
    parts = [np.tensordot(seen[:, g * inner:(g + 1) * inner], k[g * outer:(g + 1) * outer],
                          (axes, (1,) + tuple(range(2, 2 + n)))) for g in range(group)]
    return np.moveaxis(np.concatenate(parts, axis=-1), -1, 1)


def max_pool(x, strides, dilations, kernel_shape):
    n = len(strides)
    seen = windows(x, kernel_shape, strides, dilations, [0] * 2 * n, -np.inf)
    return seen.max(axis=tuple(range(2 + n, 2 + 2 * n)))


def slices(x, starts, ends, axes, steps=(1,)):
    cut = [slice(None)] * x.ndim
    for a, begin, end, step in zip(axes, starts, ends, steps):
        cut[a] = slice(begin, None if end < -x.shape[a] else end, step)
    return x[tuple(cut)]


def gather_nd(x, places, batch_dims=0):
    assert places.shape[-1] == 1
    out = np.empty(places.shape[:-1] + x.shape[batch_dims + 1:], x.dtype)
    for at in np.ndindex(places.shape[:-1]):
        out[at] = x[at[:batch_dims]][inside(places[at][0], x.shape[batch_dims])]
    return out


def inside(places, extent):
    if np.any(np.asarray(places) >= extent) or np.any(np.asarray(places) < -extent):
        raise IndexError("a place outside")
    return places


def reshape(x, shape):
    return x.reshape([x.shape[i] if s == 0 else s for i, s in enumerate(shape)])


def expand(x, shape):
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(shape)))


def top(x, count, largest=1):
    order = np.argsort(-x if largest else x, axis=-1, kind="stable")[..., :count[0]]
    return np.take_along_axis(x, order, -1), order


def reduced(f):
    return lambda x, axes, keepdims=1: f(x, axis=tuple(axes), keepdims=bool(keepdims))


OPERATORS = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Neg": np.negative, "Abs": np.abs,
    "Div": lambda a, b: a / b if a.dtype.kind == "f" else np.trunc(a / b).astype(np.int64),
    "Mod": np.mod, "Pow": np.power, "Max": np.maximum, "Min": np.minimum, "Exp": np.exp,
    "Log": np.log, "Sqrt": np.sqrt, "Tanh": np.tanh, "Sin": np.sin, "Cos": np.cos,
    "Atanh": np.arctanh, "Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "Erf": erf,
    "Softplus": lambda x: np.logaddexp(x, 0), "Reciprocal": np.reciprocal, "Sign": np.sign,
    "Floor": np.floor, "Ceil": np.ceil, "Round": np.round, "Less": np.less,
    "LessOrEqual": np.less_equal, "Equal": np.equal, "And": np.logical_and, "Or": np.logical_or,
    "Not": np.logical_not, "IsInf": np.isinf, "IsNaN": np.isnan, "Where": np.where,
    "Identity": lambda x: x, "Reshape": reshape, "Expand": expand, "Slice": slices,
    "Cast": lambda x, to: x.astype({1: float, 7: np.int64, 9: bool, 11: float}[to]),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, tuple(axes)),
    "Transpose": lambda x, perm: np.transpose(x, perm),
    "Gather": lambda x, at, axis: np.take(x, inside(at, x.shape[axis]), axis),
    "GatherElements": lambda x, at, axis: np.take_along_axis(x, at, axis),
    "GatherND": gather_nd, "Pad": lambda x, pads, value: np.pad(
        x, list(zip(pads[:x.ndim], pads[x.ndim:])), constant_values=value),
    "Einsum": lambda *xs, equation: np.einsum(equation, *xs), "MatMul": np.matmul,
    "ReduceSum": reduced(np.sum), "ReduceMax": reduced(np.max), "ReduceMin": reduced(np.min),
    "ReduceProd": reduced(np.prod), "Conv": conv, "MaxPool": max_pool, "TopK": top,
    "ArgMax": lambda x, axis, keepdims: np.argmax(x, axis),
    "ArgMin": lambda x, axis, keepdims: np.argmin(x, axis)}


def attributes(node):
    return {a.name: {2: a.i, 3: a.s.decode(), 7: list(a.ints)}[a.type] for a in node.attribute}


def wide(x):
    return x.astype(float) if x.dtype == np.float32 else x


def run(model, inputs):
    """The output of a model, and the names of the operators that made it."""
    values = {t.name: wide(numpy_helper.to_array(t)) for t in model.graph.initializer}
    values |= {name: wide(x) for name, x in inputs.items()}
    with np.errstate(all="ignore"):
        for node in model.graph.node:
            made = OPERATORS[node.op_type](*(values[name] for name in node.input),
                                           **attributes(node))
            for name, x in zip(node.output, made if isinstance(made, tuple) else (made,)):
                values[name] = np.asarray(x)
    return values[model.graph.output[0].name], {node.op_type for node in model.graph.node}
