"""What the tests of readers share: the program dump, and files that NumPy, zip and safetensors
would write."""
import array
import json
import os
import struct
import subprocess
import sys
import zipfile

DUMP = sys.argv[1]
failures = 0


def check(good, what, found=""):
    global failures
    if not good:
        failures += 1
        print(f"FAILED: {what}: {found}"[:2000])


def finish():
    print("failed" if failures else "ok")
    sys.exit(failures > 0)


def dump(reader, path, *arguments, environment=None):
    """The table as a dictionary; {"error": sentence} when it is refused."""
    done = subprocess.run([DUMP, reader, path, *arguments], capture_output=True, timeout=900,
                          env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        check(False, f"dump {reader} {path} {arguments}",
              f"exit {done.returncode}: {done.stderr.decode()[-3000:]}")
        return {"error": "", "rows": 0, "fields": [], "names": []}
    return json.loads(done.stdout)


def field(table, name):
    for f in table.get("fields", []):
        if f["name"] == name:
            return f
    check(False, f"no field {name}", table)
    return {"type": "", "values": [], "classes": -1}


def refused(reader, path, *rest):
    """The last of `rest` are words that stand in the sentence, given as a list; those before
    are arguments."""
    *arguments, words = rest
    sentence = dump(reader, path, *arguments).get("error")
    check(sentence is not None, f"{path} {arguments} is read, and {words} expected")
    for word in words:
        check(word in (sentence or ""), f"{path} {arguments}: `{word}` is missing", sentence)
    return sentence


def npy(descr, shape, data, by_columns=False, version=1):
    """The bytes of an .npy file, aligned to 64 as NumPy does it."""
    header = repr({"descr": descr, "fortran_order": by_columns, "shape": tuple(shape)}).encode()
    start = 10 if version == 1 else 12
    header += b" " * (-(start + len(header) + 1) % 64) + b"\n"
    length = struct.pack("<H", len(header)) if version == 1 else struct.pack("<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


def floats(values, code="f"):
    return array.array(code, values).tobytes()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    return path


def npz(path, arrays, packing=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, data in arrays.items():
            archive.writestr(name if "." in name else name + ".npy", data)
    return path


def tensors(path, arrays, metadata=None, header=None):
    """arrays: name -> (dtype, shape, bytes)."""
    root, at, data = {}, 0, b""
    if metadata:
        root["__metadata__"] = metadata
    for name, (dtype, shape, content) in arrays.items():
        root[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(content)]}
        at += len(content)
        data += content
    text = header if header is not None else json.dumps(root).encode()
    text += b" " * (-len(text) % 8)
    return write(path, struct.pack("<Q", len(text)) + text + data)
