"""Arrays of the .npy format (version 1 to 3, C order), as a shape and a flat list. No numpy
needed."""
import ast
import math
import struct

CODES = {"<f4": "f", "<f8": "d", "<i4": "i", "<i8": "q", "<u8": "Q", "|b1": "?", "|u1": "B"}


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:6] != b"\x93NUMPY":
        raise ValueError(f"{path}: not a .npy file")
    if data[6] == 1:
        size, start = struct.unpack_from("<H", data, 8)[0], 10
    else:
        size, start = struct.unpack_from("<I", data, 8)[0], 12
    header = ast.literal_eval(data[start:start + size].decode("latin1"))
    if header["fortran_order"] or header["descr"] not in CODES:
        raise ValueError(f"{path}: cannot read {header}")
    shape, code = header["shape"], CODES[header["descr"]]
    count = math.prod(shape)
    body = data[start + size:]
    if len(body) != count * struct.calcsize(code):
        raise ValueError(f"{path}: {len(body)} bytes for shape {shape} of {header['descr']}")
    return shape, list(struct.unpack(f"<{count}{code}", body))


def write(path, shape, values, descr="<f4"):
    header = repr({"descr": descr, "fortran_order": False, "shape": tuple(shape)})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        file.write(struct.pack(f"<{len(values)}{CODES[descr]}", *values))


def flatten(values):
    return [x for v in values for x in flatten(v)] if isinstance(values, list) else [values]


def shape_of(values):
    return (len(values), *shape_of(values[0])) if isinstance(values, list) else ()


def arguments(folder, given):
    """What `couplet grad` is called with: nested lists become files in the folder (of ints
    where all entries are), numbers are set."""
    words = []
    for key, value in given.items():
        if not isinstance(value, list):
            words += ["--set", f"{key}={value}"]
            continue
        flat = flatten(value)
        write(f"{folder}/{key}.npy", shape_of(value), flat,
              "<i4" if all(isinstance(x, int) for x in flat) else "<f8")
        words += ["--in", f"{key}={folder}/{key}.npy"]
    return words
