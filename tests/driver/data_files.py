"""What the tests of data share: files of arrays, and small pictures."""
import os
import struct
import zlib


def npy(shape, code, values):
    """The bytes of an .npy file."""
    header = f"{{'descr': '{code}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    header += " " * (63 - (len(header) + 10) % 64) + "\n"
    kind = {"<f4": "f", "<f8": "d", "<i4": "i", "<i8": "q", "|u1": "B"}[code]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack(
        f"<{len(values)}{kind}", *values)


def arrays(folder, **given):
    os.makedirs(folder, exist_ok=True)
    for name, (shape, code, values) in given.items():
        with open(f"{folder}/{name}.npy", "wb") as file:
            file.write(npy(shape, code, values))
    return folder


def grey_png(rows):
    """A picture of these rows of greys."""
    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def png(size, level):
    """A square picture of one grey."""
    return grey_png([[level] * size] * size)


def pictures(folder, count):
    """Two classes; picture i has the grey 10 * i."""
    for i in range(count):
        path = f"{folder}/{'cat' if i % 2 else 'dog'}/{i:03}.png"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(png(6, 10 * i))
    return folder
