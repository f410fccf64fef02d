#!/usr/bin/env python3
"""images.py READ_TABLE MODULES: data.images beside PIL, picture by picture: every kind of file,
damaged files, folders, lists and classes."""
import io
import os
import random
import struct
import time
import zlib

from tables import Table, check, end, folder, place, refused, write
import numpy as np
from PIL import Image, ImageOps

rng = np.random.RandomState(3)


# ---- what pictures are made of -------------------------------------------------------------------


def scene(width, height, channels=3):
    """A smooth picture with some edges, so that a wrong filter, order of channels or turn shows."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = [127 + 90 * np.sin(x / (5 + 3 * c) + c) * np.cos(y / (7 + 2 * c))
              + 30 * ((x + 2 * y) % (40 + 9 * c) < 12) for c in range(channels)]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(rows, width, height, bits, colours, interlace=0, extra=b""):
    """A PNG file of scan lines, each with its filter byte, that PIL cannot write."""
    head = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR",
                                        head) + extra + chunk(b"IDAT",
                                                              zlib.compress(rows)) + chunk(b"IEND",
                                                                                           b"")


def packed_bits(values, bits):
    """[height, width] numbers as scan lines of so many bits each."""
    rows = b""
    for line in values:
        text = "".join(format(v, f"0{bits}b") for v in line)
        text += "0" * (-len(text) % 8)
        rows += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")
    return rows


def interlaced(pixels):
    """Adam7 of an 8-bit RGB picture."""
    rows = b""
    for x, y, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                         (1, 0, 2, 2), (0, 1, 1, 2)]:
        part = pixels[y::dy, x::dx]
        if part.size:
            rows += b"".join(b"\0" + line.tobytes() for line in part)
    return png(rows, pixels.shape[1], pixels.shape[0], 8, 2, 1)


# ---- what is expected ----------------------------------------------------------------------------


def on_white(image):
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image, mask=image.getchannel("A"))
    return white


def fitted(image, size):
    """The middle square, by PIL."""
    width, height = image.size
    side = min(width, height)
    x, y = (width - side) / 2, (height - side) / 2
    return np.asarray(image.resize((size, size), Image.BILINEAR,
                                   box=(x, y, x + side, y + side))).astype(int)


count = 0


def read_bytes(data, size, ending, *settings):
    global count
    count += 1
    path = write(data, f"one-{count}{ending}")
    table = Table("images", path, f"size={size}", *settings)
    os.remove(path)
    return table


def same(name, data, size, ending, wanted, most=0, mean=None, *settings):
    """The picture that is read differs by at most so much in any byte from what is wanted."""
    table = read_bytes(data, size, ending, *settings)
    check(name, not table.error and not table.bad and not table.stderr,
          table.error or table.bad or table.stderr)
    if table.error or table.bad:
        return
    far = np.abs(table.pictures()[0].astype(int) - wanted)
    check(name, far.max() <= most and (mean is None or far.mean() <= mean),
          f"differs by up to {far.max()}, {far.mean():.2f} on average")


# ---- kinds of files ------------------------------------------------------------------------------


def kinds_of_files():
    size = 40
    photo = Image.fromarray(scene(size, size))
    exact = np.asarray(photo)
    same("png", encoded(photo, "PNG"), size, ".png", exact)
    same("webp lossless", encoded(photo, "WEBP", lossless=True), size, ".webp", exact)
    for name, options in [("4:4:4", {"subsampling": 0}), ("4:2:2", {"subsampling": 1}),
                          ("4:2:0", {"subsampling": 2}), ("progressive", {"progressive": True}),
                          ("optimised", {"optimize": True}), ("quality 5", {"quality": 5})]:
        data = encoded(photo, "JPEG", **options)
        same("jpeg " + name, data, size, ".jpg", np.asarray(Image.open(io.BytesIO(data))))
    data = encoded(photo, "WEBP", quality=80)
    same("webp lossy", data, size, ".webp",
         np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), 3)
    same("content, not the name", encoded(photo, "PNG"), size, ".jpg", exact)
    same("upper case", encoded(photo, "PNG"), size, ".PNG", exact)

    lines = b"".join(b"\0" + line.tobytes() for line in exact)
    packed = zlib.compress(lines)
    pieces = b"".join(chunk(b"IDAT", packed[i:i + 50]) for i in range(0, len(packed), 50))
    whole = png(lines, size, size, 8, 2)
    start, end_of = whole.index(b"IDAT") - 4, whole.index(b"IEND") - 4
    same("png in pieces", whole[:start] + pieces + whole[end_of:], size, ".png", exact)
    for width in (1, 2, 5, 16, 39):
        for mode in ("L", "RGB", "RGBA"):
            noise = Image.fromarray(np.cumsum(rng.randint(0, 9, (51, width, 4)),
                                              1).astype(np.uint8), "RGBA").convert(mode)
            for level in (1, 9):
                same(f"png of {mode}, {width} wide", encoded(noise, "PNG", compress_level=level),
                     width, ".png", fitted(on_white(noise), width))

    grey = photo.convert("L")
    three = np.repeat(np.asarray(grey)[:, :, None], 3, 2)
    same("grey png", encoded(grey, "PNG"), size, ".png", three)
    data = encoded(grey, "JPEG")
    same("grey jpeg", data, size, ".jpg",
         np.repeat(np.asarray(Image.open(io.BytesIO(data)))[:, :, None], 3, 2))
    same("grey = true of grey", encoded(grey, "PNG"), size, ".png", np.asarray(grey)[:, :, None],
         0, None, "grey=1")
    same("grey = true of colours", encoded(photo, "PNG"), size, ".png",
         np.asarray(photo.convert("L"))[:, :, None], 0, None, "grey=1")

    clear = Image.fromarray(scene(size, size, 4), "RGBA")
    same("rgba png", encoded(clear, "PNG"), size, ".png", np.asarray(on_white(clear)))
    same("rgba webp", encoded(clear, "WEBP", lossless=True, exact=True), size, ".webp",
         np.asarray(on_white(clear)))
    la = Image.merge("LA", [grey, clear.getchannel("A")])
    same("grey with alpha", encoded(la, "PNG"), size, ".png", np.asarray(on_white(la)))
    palette = photo.quantize(64)
    same("palette", encoded(palette, "PNG"), size, ".png", np.asarray(palette.convert("RGB")))
    data = encoded(palette, "PNG", transparency=5)
    same("palette with a clear colour", data, size, ".png",
         np.asarray(on_white(Image.open(io.BytesIO(data)))))
    data = encoded(photo, "PNG", transparency=tuple(int(v) for v in exact[0, 0]))
    same("a clear colour", data, size, ".png", np.asarray(on_white(Image.open(io.BytesIO(data)))))

    for bits in (1, 2, 4):
        values = rng.randint(0, 1 << bits, (size, size))
        wanted = np.repeat((values * 255 // ((1 << bits) - 1))[:, :, None], 3, 2)
        same(f"grey of {bits} bits", png(packed_bits(values, bits), size, size, bits, 0), size,
             ".png", wanted)
        colours = rng.randint(0, 256, (1 << bits, 3)).astype(np.uint8)
        extra = chunk(b"PLTE", colours.tobytes())
        same(f"palette of {bits} bits",
             png(packed_bits(values, bits), size, size, bits, 3, 0, extra), size, ".png",
             colours[values])
    deep = rng.randint(0, 65536, (size, size, 3))
    rows = b"".join(b"\0" + line.astype(">u2").tobytes() for line in deep)
    same("16 bits", png(rows, size, size, 16, 2), size, ".png", np.round(deep * 255 / 65535))
    rows = b"".join(b"\0" + line.astype(">u2").tobytes() for line in deep[:, :, :1])
    same("grey of 16 bits", png(rows, size, size, 16, 0), size, ".png",
         np.repeat(np.round(deep[:, :, :1] * 255 / 65535), 3, 2))
    for width, height in [(40, 40), (1, 1), (3, 5), (9, 2)]:
        pixels = scene(width, height)
        same(f"interlaced {width} x {height}", interlaced(pixels), 40, ".png",
             fitted(Image.fromarray(pixels), 40), 1)

    cmyk = Image.fromarray(scene(size, size, 4), "CMYK")
    data = encoded(cmyk, "JPEG", quality=95)
    same("cmyk jpeg", data, size, ".jpg", np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))

    frames = [Image.fromarray(np.roll(exact, k * 9, 0)) for k in range(4)]
    same("animated webp", encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:],
                                  lossless=True, duration=50), size, ".webp", exact)
    same("animated png", encoded(frames[0], "PNG", save_all=True, append_images=frames[1:],
                                 duration=50), size, ".png", exact)
    same("a colour profile is not looked at",
         encoded(photo, "PNG", icc_profile=b"no profile" * 20), size, ".png", exact)
    same("after the picture", encoded(photo, "JPEG", quality=90) + b"more" * 50, size, ".jpg",
         np.asarray(Image.open(io.BytesIO(encoded(photo, "JPEG", quality=90)))))
    data = encoded(photo, "JPEG")
    same("filler before the end", data[:-2] + b"\0" * 7 + data[-2:], size, ".jpg",
         np.asarray(Image.open(io.BytesIO(data))))


def turned_by_exif():
    size = 24
    photo = Image.fromarray(scene(36, 30))
    for kind, ending, options, most in [("JPEG", ".jpg", {"quality": 95, "subsampling": 0}, 1),
                                        ("PNG", ".png", {}, 1),
                                        ("WEBP", ".webp", {"lossless": True}, 1)]:
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = orientation
            data = encoded(photo, kind, exif=exif, **options)
            upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
            same(f"{kind} turned by EXIF {orientation}", data, size, ending, fitted(upright, size),
                 most)
    for value in (0, 9, 77):
        exif = Image.Exif()
        exif[0x0112] = value
        same(f"EXIF {value}", encoded(photo, "PNG", exif=exif), size, ".png", fitted(photo, size),
             1)
    little = b"Exif\0\0II*\0" + struct.pack("<IHHHIHH", 8, 1, 0x0112, 3, 1, 6, 0)
    data = encoded(photo, "PNG")
    wanted = fitted(photo.transpose(Image.ROTATE_270), size)
    at = data.index(b"IDAT") - 4
    same("EXIF, with JPEG's word", data[:at] + chunk(b"eXIf", little) + data[at:], size, ".png",
         wanted, 1)
    same("EXIF, damaged", data[:at] + chunk(b"eXIf", b"XX*") + data[at:], size, ".png",
         fitted(photo, size), 1)
    deep = png(packed_bits(np.zeros((2, 2), int), 4), 2, 2, 4, 0)
    same("EXIF, damaged, of 4 bits", deep[:33] + chunk(b"eXIf", b"XX*") + deep[33:], 2, ".png",
         np.zeros((2, 2, 3)))
    same("EXIF, little endian", data[:at] + chunk(b"eXIf", little[6:]) + data[at:], size, ".png",
         wanted, 1)


def sizes():
    """Every shape against PIL, which rounds to bytes between the two directions."""
    for width, height, size in [(1, 1, 1), (1, 1, 7), (1, 5000, 5), (5000, 1, 5), (2, 3, 9),
                                (33, 100, 16), (100, 33, 16), (37, 41, 64), (640, 480, 31),
                                (300, 300, 1),
                                (64, 64, 63), (200, 100, 100), (3, 2000, 3)]:
        photo = Image.fromarray(scene(width, height))
        same(f"png {width} x {height} to {size}", encoded(photo, "PNG"), size, ".png",
             fitted(photo, size), 1)
    for width, height, size in [(1, 1, 1), (7, 9, 5), (640, 480, 224), (640, 480, 100),
                                (480, 640, 60), (1000, 333, 40), (333, 1000, 41), (1500, 1100, 64),
                                (800, 801, 16),
                                (2000, 1501, 5), (257, 263, 32), (1601, 400, 100),
                                (400, 1601, 100), (1999, 250, 125)]:
        for options in ({}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}):
            data = encoded(Image.fromarray(scene(width, height)), "JPEG", quality=92, **options)
            wanted = fitted(Image.open(io.BytesIO(data)), size)
            most, mean = (1, 0.5) if min(width, height) < 4 * size else (16, 2)
            same(f"jpeg {width} x {height} to {size} {options}", data, size, ".jpg", wanted, most,
                 mean)
    big = Image.fromarray(scene(900, 700))
    data = encoded(big, "WEBP", quality=90)
    same("webp, smaller", data, 50, ".webp",
         fitted(Image.open(io.BytesIO(data)).convert("RGB"), 50), 3, 1)


# ---- damage --------------------------------------------------------------------------------------


def damaged_files():
    photo = Image.fromarray(scene(48, 40))
    tall = Image.fromarray(scene(24, 300))
    files = {"jpeg": (encoded(photo, "JPEG"), ".jpg"), "tall": (encoded(tall, "JPEG"), ".jpg"),
             "tall progressive": (encoded(tall, "JPEG", progressive=True), ".jpg"),
             "wide": (encoded(Image.fromarray(scene(300, 24)), "JPEG"), ".jpg"),
             "progressive": (encoded(photo, "JPEG", progressive=True), ".jpg"),
             "png": (encoded(photo, "PNG"), ".png"),
             "interlaced": (interlaced(scene(48, 40)), ".png"),
             "webp": (encoded(photo, "WEBP", quality=50), ".webp"),
             "lossless": (encoded(photo, "WEBP", lossless=True), ".webp")}
    for name, (data, ending) in files.items():
        cut = sorted(set([1, 2, 3, 5, 8, 12, 20, len(data) - 1, len(data) - 2, len(data) - 3]
                         + list(range(30, len(data), 1 + len(data) // 40))))
        for i, length in enumerate(cut):
            write(data[:length], f"cut-{name}", f"{i:04d}{ending}")
        table = Table("images", os.path.join(folder, f"cut-{name}"), "size=8")
        check(f"cut {name}", len(table.bad) == len(cut) and not table.stderr,
              f"{len(table.bad)} of {len(cut)} refused: {table.names[:5]} {table.stderr[-200:]}")
        check(f"cut {name}", all(f"cut-{name}/" in b for b in table.bad), table.bad[:1])
        noise = random.Random(5)
        for i in range(60):
            bad = bytearray(data)
            for _ in range(noise.choice([1, 1, 3, 20])):
                bad[noise.randrange(len(bad))] = noise.randrange(256)
            write(bytes(bad), f"hit-{name}", f"{i:04d}{ending}")
        table = Table("images", os.path.join(folder, f"hit-{name}"), "size=8")
        check(f"hit {name}", table.code == 0 and len(table.bad) + len(table.names) == 60
              and not table.stderr, f"code {table.code}: {table.stderr[-300:]}")
    bad = bytearray(files["png"][0])
    bad[-20] ^= 1
    refused("png with a wrong sum", read_bytes(bytes(bad), 8, ".png"),
            "PNG file cannot be decoded", "near byte")
    bad = bytearray(encoded(Image.fromarray(rng.randint(0, 256, (64, 64, 3)).astype(np.uint8)),
                            "JPEG"))
    middle = bytes(bad[:len(bad) // 2]) + b"\xff\xd9"
    refused("jpeg that ends in its middle", read_bytes(middle, 8, ".jpg"),
            "JPEG file cannot be decoded", "premature end")
    refused("jpeg without its end", read_bytes(bytes(bad[:-2]), 8, ".jpg"),
            "the JPEG file ends at byte")


def no_pictures():
    refused("empty", read_bytes(b"", 8, ".jpg"), "the file is empty", ".jpg:")
    refused("html", read_bytes(b"<!DOCTYPE html><html>404</html>", 8, ".jpg"),
            "a text in XML or HTML", "JPEG, PNG or WebP was expected")
    refused("gif with another name", read_bytes(b"GIF89a" + bytes(30), 8, ".png"), "a GIF picture")
    refused("tiff with another name",
            read_bytes(encoded(Image.new("RGB", (4, 4)), "TIFF"), 8, ".png"), "a TIFF picture")
    refused("zeros", read_bytes(bytes(100), 8, ".webp"), "begins with the bytes 00 00 00 00")
    refused("sound in RIFF", read_bytes(b"RIFF" + bytes(4) + b"WAVEfmt " + bytes(40), 8, ".webp"),
            "no picture")
    head = struct.pack(">IIBBBBB", 65535, 65535, 8, 2, 0, 0, 0)
    refused("png bomb", read_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
                                   + chunk(b"IDAT", zlib.compress(bytes(1000))), 8, ".png"),
            "65535 x 65535 pixels", "at most")
    head = struct.pack(">IIBBBBB", 100000, 1, 8, 0, 0, 0, 0)
    refused("wide png", read_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
                                   + chunk(b"IDAT", zlib.compress(bytes(1000))), 8, ".png"),
            "100000 x 1 pixels")
    head = struct.pack(">IIBBBBB", 0, 5, 8, 0, 0, 0, 0)
    refused("png without pixels", read_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head), 8,
                                             ".png"), "PNG file cannot be decoded")
    data = bytearray(encoded(Image.new("RGB", (16, 16)), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5:at + 9] = struct.pack(">HH", 65000, 65000)
    refused("jpeg bomb", read_bytes(bytes(data), 8, ".jpg"), "65000 x 65000 pixels")
    data = encoded(Image.fromarray(scene(64, 64)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    refused("scans without end", read_bytes(data[:last] + data[last:-2] * 300 + data[-2:], 8,
                                            ".jpg"), "JPEG")


# ---- folders -------------------------------------------------------------------------------------

dot = encoded(Image.new("RGB", (2, 2), (9, 9, 9)), "PNG")


def folders():
    for name in ["b/2.png", "b/10.png", "a/z.png", "a/A.png", "a-c/x.png", "b/.hidden.png",
                 ".git/x.png", "b/notes.txt", "labels.csv", "Thumbs.db"]:
        write(dot, "classes", name)
    root = os.path.join(folder, "classes")
    table = Table("images", root, "size=2")
    check("class folders", table.fields == {"image": "u8[3, 2, 2]", "label": "int"}, table.fields)
    check("names of classes", table.classes["label"] == ["a", "a-c", "b"]
          and table.class_count["label"] == 3, table.classes)
    check("rows by path", [os.path.relpath(n, root) for n in table.names] ==
          ["a-c/x.png", "a/A.png", "a/z.png", "b/10.png", "b/2.png"], table.names)
    check("labels", table.column() == ["1", "0", "0", "2", "2"], table.column())
    check("the same folder has the same key",
          Table("images", root + "/", "size=2").key == table.key)
    check("another size has another key", Table("images", root, "size=3").key != table.key)
    os.utime(os.path.join(root, "b/2.png"), (1, 1))
    check("another time has another key", Table("images", root, "size=2").key != table.key)
    key, path = Table("images", root, "size=2").key, os.path.join(root, "b/2.png")
    for colour in range(4):
        time.sleep(0.02) # packing waits as long, so that a write is seen in the times
        other = encoded(Image.new("RGB", (2, 2), (9, 9, colour)), "PNG")
        check("content of the same size", len(other) == len(dot))
        write(other, "classes", "b/2.png")
        os.utime(path, (1, 1))
        last, key = key, Table("images", root, "size=2").key
        check("whose time is put back has another key", key != last)

    write(dot, "classes", "lone.png")
    refused("beside class folders", Table("images", root, "size=2"), "classes/lone.png",
            "beside the class folders")
    os.remove(os.path.join(root, "lone.png"))
    os.makedirs(os.path.join(root, "empty"))
    refused("an empty class", Table("images", root, "size=2"), "classes/empty",
            "no picture in this folder")
    write(b"\xef\xbb\xbfb\r\na\r\n\r\na-c \r\nnever\n", "classes", "names.txt")
    table = Table("images", root, "size=2", "names=names.txt")
    check("listed classes", table.classes.get("label") == ["b", "a", "a-c", "never"]
          and table.column() == ["2", "1", "1", "0", "0"], (table.error, table.classes))
    write(b"b\na\n", "classes", "names.txt")
    refused("an unlisted class", Table("images", root, "size=2", "names=names.txt"), "classes/a-c",
            "no class of")
    write(b"b\na\nb\n", "classes", "names.txt")
    refused("a class twice", Table("images", root, "size=2", "names=names.txt"), "names.txt",
            "`b` is in it twice")
    write(b"\n \n", "classes", "names.txt")
    refused("no class", Table("images", root, "size=2", "names=names.txt"),
            "there is no name in it")
    refused("no list of classes", Table("images", root, "size=2", "names=none.txt"), "none.txt")

    for name in ["animals/cats/1.png", "animals/dogs/1.png", "plants/oaks/1.png",
                 "plants/cats/2.png"]:
        write(dot, "nested", name)
    table = Table("images", os.path.join(folder, "nested"), "size=2")
    check("levels", table.classes == {"image": [], "label": ["animals", "plants"],
                                      "label2": ["animals/cats", "animals/dogs", "plants/cats",
                                                 "plants/oaks"]}, table.classes)
    check("labels of levels", table.values == [["0", "0"], ["0", "1"], ["1", "2"], ["1", "3"]],
          table.values)
    write(dot, "nested", "plants/bare.png")
    table = Table("images", os.path.join(folder, "nested"), "size=2")
    check("uneven levels", list(table.fields) == ["image", "label"]
          and table.column() == ["0", "0", "1", "1", "1"], (table.fields, table.values))

    for name in ["@eaDir/1.png", "__MACOSX/a/1.png", "a/1.png", "a/@eaDir/1.png/thumb.png"]:
        write(dot, "systems", name)
    table = Table("images", os.path.join(folder, "systems"), "size=2")
    check("folders of systems are no samples", table.classes.get("label") == ["a"]
          and len(table.names) == 1, (table.error, table.names))

    for name in ["train/a/1.png", "Test/a/1.png"]:
        write(dot, "parts", name)
    parts = os.path.join(folder, "parts")
    refused("parts of a data set", Table("images", parts, "size=2"), "`Test` and `train`",
            "parts of the data", "parts/Test", "rename")
    write(b"train\nTest\n", "parts", "names.txt")
    table = Table("images", parts, "size=2", "names=names.txt")
    check("or classes, if they are said to be", table.column() == ["1", "0"], table.error)
    for name in ["train/1.png", "test/1.png"]:
        write(dot, "vehicles", name)
    table = Table("images", os.path.join(folder, "vehicles"), "size=2")
    check("without folders below they are classes", len(table.names) == 2, table.error)

    numbered = [f"{a}/{b}/1.png" for a in (10, 2, 0) for b in ("x", "3")]
    for name in numbered + ["2/20/1.png"]:
        write(dot, "numbered", name)
    table = Table("images", os.path.join(folder, "numbered"), "size=2")
    check("folders called by numbers are in their order",
          table.classes.get("label") == ["0", "2", "10"], (table.error, table.classes))
    check("rows stay by path", [row[0] + row[1] for row in table.values]
          == ["00", "01", "25", "26", "12", "13", "14"], table.values)
    check("and below them", table.classes.get("label2")
          == ["0/3", "0/x", "2/20", "2/3", "2/x", "10/3", "10/x"], table.classes)

    for name in ["1.png", "2.PNG", "3.webp"]:
        write(dot, "flat", name)
    table = Table("images", os.path.join(folder, "flat"), "size=2")
    check("no classes", table.fields == {"image": "u8[3, 2, 2]"} and len(table.names) == 3,
          table.fields)
    refused("names of no classes", Table("images", os.path.join(folder, "flat"), "size=2",
                                         "names=x.txt"), "there are none")
    table = Table("images", os.path.join(folder, "flat", "1.png"), "size=2")
    check("one file", table.names == [os.path.join(folder, "flat", "1.png")],
          (table.error, table.names))
    write(b"GIF89a", "flat", "4.gif")
    refused("a kind that is not read", Table("images", os.path.join(folder, "flat"), "size=2"),
            "flat/4.gif", "not read", "convert it")

    refused("no folder", Table("images", os.path.join(folder, "nowhere"), "size=2"), "nowhere",
            "No such file")
    os.makedirs(os.path.join(folder, "void"))
    refused("an empty folder", Table("images", os.path.join(folder, "void"), "size=2"),
            "there is no picture in it", ".jpg")
    write(b"x", "void", "a.txt")
    refused("a folder of texts", Table("images", os.path.join(folder, "void"), "size=2"),
            "none of its 1 files", "`.txt`")
    refused("a folder that is called like a picture",
            Table("images", write(dot, "odd", "x.png", "a.txt")[:-6], "size=2"),
            "there is no picture")


def links():
    write(dot, "linked", "a", "1.png")
    root = os.path.join(folder, "linked")
    os.symlink(os.path.join(root, "a"), os.path.join(root, "b"))
    os.symlink("1.png", os.path.join(root, "a", "2.png"))
    table = Table("images", root, "size=2")
    check("links are followed", [os.path.relpath(n, root) for n in table.names] ==
          ["a/1.png", "a/2.png", "b/1.png", "b/2.png"], (table.error, table.names))
    os.remove(os.path.join(root, "b"))
    os.symlink(root, os.path.join(root, "a", "up"))
    refused("a loop", Table("images", root, "size=2"), "/up", "leads to a folder that it lies in")
    os.remove(os.path.join(root, "a", "up"))
    os.symlink("nothing.png", os.path.join(root, "a", "3.png"))
    refused("a link to nothing", Table("images", root, "size=2"), "a/3.png", "No such file")
    os.remove(os.path.join(root, "a", "3.png"))
    os.mkfifo(os.path.join(root, "a", "4.png"))
    refused("a pipe", Table("images", root, "size=2"), "a/4.png", "this is no file")
    os.remove(os.path.join(root, "a", "4.png"))
    odd = "a b'\n\u00e4\"c.png"
    write(dot, "linked", "a", odd)
    table = Table("images", root, "size=2")
    check("odd names", not table.error and len(table.bad) == 0, table.error)
    if os.geteuid() == 0:
        return # root reads everything
    os.chmod(os.path.join(root, "a"), 0)
    refused("a closed folder", Table("images", root, "size=2"), "the folder cannot be read")
    os.chmod(os.path.join(root, "a"), 0o700)


def lists():
    root = os.path.join(folder, "list")
    for i in range(4):
        write(encoded(Image.new("RGB", (2, 2), (i, i, i)), "PNG"), "list", "pictures", f"{i}.png")

    def listed(text):
        write(text if isinstance(text, bytes) else text.encode(), "list", "labels.csv")
        return Table("images", root, "size=2", "list=labels.csv")

    table = listed("file,label\npictures/3.png,cat\npictures/0.png,dog\npictures/1.png,cat\n")
    check("a list", table.fields == {"image": "u8[3, 2, 2]", "label": "int"}
          and table.classes["label"] == ["cat", "dog"], (table.error, table.fields))
    check("rows as in the list", [n[-5] for n in table.names] == ["3", "0", "1"]
          and table.column() == ["0", "1", "0"], (table.names, table.values))
    check("pictures of the list", list(table.pictures()[:, 0, 0, 0]) == [3, 0, 1])
    table = listed(
        b'\xef\xbb\xbfage,file,"label",score\r\n'
        b'7,"pictures/1.png","a, ""b""",0.5\r\n8,pictures/2.png,c,1e3\r\n')
    check("columns", table.fields == {"image": "u8[3, 2, 2]", "age": "int", "label": "int",
                                      "score": "real"}, (table.error, table.fields))
    check("cells", table.values == [["7", "0", "0.5"], ["8", "1", "1000"]]
          and table.classes["label"] == ['a, "b"', "c"] and table.class_count["age"] == 9,
          (table.values, table.classes, table.class_count))
    table = listed("file,label\npictures/1.png,0\npictures/2.png,2\n")
    check("numbers as labels", table.class_count["label"] == 3 and table.classes["label"] == []
          and table.column() == ["0", "2"], table.class_count)
    check("negative numbers", listed("file,y\npictures/1.png,-1\n").class_count["y"] == 0)
    table = listed(f"file\n{root}/pictures/2.png\npictures/1.png\n")
    check("a path from the root of the disk", list(table.pictures()[:, 0, 0, 0]) == [2, 1]
          and table.names[0] == root + "/pictures/2.png", (table.error, table.names))
    table = Table("images", root, "size=2", f"list={root}/labels.csv")
    check("a list from the root of the disk", len(table.names) == 2, table.error)
    check("files alone", list(listed("file\npictures/1.png\n").fields) == ["image"])
    check("no last line end", len(listed("file,label\npictures/1.png,a").names) == 1)
    refused("an empty list", listed(""), "labels.csv:1", "the list is empty")
    refused("no header", listed("pictures/1.png,cat\n"), "labels.csv:1",
            "no column is called `file`")
    refused("a header alone", listed("file,label\n"), "names no file")
    refused("a file that is not there", listed("file,label\npictures/1.png,a\npictures/9.png,a\n"),
            "labels.csv:3", "9.png", "No such file")
    refused("a file twice",
            listed("file,label\npictures/1.png,a\npictures/2.png,a\npictures/1.png,b\n"),
            "labels.csv:4", "in line 2")
    refused("a ragged row", listed("file,label\npictures/1.png,a\npictures/2.png\n"),
            "labels.csv:3", "1 cells", "2 columns")
    refused("an empty cell", listed("file,label\npictures/1.png,\n"), "labels.csv:2",
            "`label` is empty")
    refused("a word among numbers", listed("file,y\npictures/1.png,1\npictures/2.png,two\n"),
            "labels.csv:3", "`two`", "a number was expected")
    refused("nan among numbers", listed("file,y\npictures/1.png,1.5\npictures/2.png,nan\n"),
            "labels.csv:3", "`nan`")
    refused("a large number", listed("file,y\npictures/1.png,12345678901\n"), "labels.csv:2",
            "32 bits")
    refused("an open quote", listed('file,label\npictures/1.png,"a\n'), "labels.csv",
            "quotation mark")
    refused("a zero byte", listed(b"file,label\npictures/1.png,a\0b\n"), "zero byte")
    refused("a column like a field", listed("file,image\npictures/1.png,a\n"), "`image`", "rename")
    refused("a column that is no name", listed("file,class id\npictures/1.png,a\n"), "`class id`",
            "rename it")
    refused("two columns of a name", listed("file,y,y\npictures/1.png,1,2\n"), "two columns")
    refused("a folder in the list", listed("file\npictures\n"), "labels.csv:2", "no file")
    refused("list and names", Table("images", root, "size=2", "list=labels.csv", "names=x.txt"),
            "one of the two")


kinds_of_files()
turned_by_exif()
sizes()
damaged_files()
no_pictures()
folders()
links()
lists()
end()
