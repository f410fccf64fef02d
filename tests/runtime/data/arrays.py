"""arrays.py DUMP: data.arrays reads .npy, .npz, safetensors and folders of .npy, or says what is
wrong with them."""
import json
import os
import struct
import tempfile
import zipfile

from dump import check, dump, field, finish, floats, npy, npz, refused, tensors, write


def same(table, name, type, values, what):
    f = field(table, name)
    check(f["type"] == type, f"{what}: type of {name}", f)
    check(f["values"] == values, f"{what}: values of {name}", (f["values"][:20], values[:20]))


def kinds_of_files(at):
    x, y = npy("<f4", (3, 2), floats([0, 1, 2, 3, 4, 5])), npy("<i8", (3,),
                                                               struct.pack("<3q", 2, 0, 1))
    picture = npy("|u1", (3, 2, 2), bytes(range(12)))
    packed = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}
    hashes = set()
    for name, packing in packed.items():
        t = dump("arrays", npz(f"{at}/{name}.npz", {"x": x, "y": y, "p": picture}, packing))
        check(t["rows"] == 3 and len(t["fields"]) == 3, name, t)
        same(t, "x", "real[2]", [0, 1, 2, 3, 4, 5], name)
        same(t, "y", "int", [2, 0, 1], name)
        check(field(t, "y")["classes"] == 3, "classes are counted", t)
        same(t, "p", "u8[2, 2]", list(range(12)), name)
        hashes.add(t["hash"])
    os.mkdir(f"{at}/folder")
    os.mkdir(f"{at}/folder/more")
    for name, data in {"x": x, "y": y, "p": picture, ".hidden": b"nothing"}.items():
        write(f"{at}/folder/{name}.npy", data)
    write(f"{at}/folder/notes.txt", "no array")
    t = dump("arrays", f"{at}/folder")
    check([f["name"] for f in t["fields"]] == ["p", "x", "y"], "a folder is by name", t)
    same(t, "x", "real[2]", [0, 1, 2, 3, 4, 5], "folder")
    check(t["mapped"], "float32 is mapped", t)
    t = dump("arrays", tensors(f"{at}/t.safetensors",
                               {"x": ("F32", (3, 2), floats(range(6))),
                                "y": ("I64", (3,), struct.pack("<3q", 2, 0, 1)),
                                "p": ("U8", (3, 2, 2), bytes(range(12)))}))
    hashes.add(t["hash"])
    check(len(hashes) == 1, "the same content has the same hash", hashes)
    same(t, "y", "int", [2, 0, 1], "safetensors")
    t = dump("arrays", write(f"{at}/one.npy", x))
    same(t, "x", "real[2]", [0, 1, 2, 3, 4, 5], "one .npy")
    t = dump("arrays", f"{at}/one.npy", "{cells:real:2}")
    same(t, "cells", "real[2]", [0, 1, 2, 3, 4, 5], "one .npy, claimed")
    refused("arrays", f"{at}/one.npy", "{cells:real:3}", ["real[2]", "real[3]", "expected"])
    t = dump("arrays", f"{at}/stored.npz", "--open")
    check(t["rows"] == 3 and "values" not in t["fields"][0], "open reads headers", t)


def element_types(at):
    half = [0x3C00, 0xC000, 0x7BFF, 0x0001]
    cases = [
        ("<f2", struct.pack("<4H", *half), [1.0, -2.0, 65504.0, 2.0**-24]),
             (">f2", struct.pack(">4H", *half), [1.0, -2.0, 65504.0, 2.0**-24]),
        ("<f4", floats([1, -2, 3.5, 0]), [1.0, -2.0, 3.5, 0.0]),
             (">f4", struct.pack(">4f", 1, -2, 3.5, 0), [1.0, -2.0, 3.5, 0.0]),
        ("<f8", floats([1, -2, 3.5, 0], "d"), [1.0, -2.0, 3.5, 0.0]),
             (">f8", struct.pack(">4d", 1, -2, 3.5, 0), [1.0, -2.0, 3.5, 0.0]),
        ("|i1", struct.pack("4b", -128, 127, 0, 1), [-128, 127, 0, 1]),
             ("<i2", struct.pack("<4h", -32768, 32767, 0, 1), [-32768, 32767, 0, 1]),
        (">i2", struct.pack(">4h", -32768, 32767, 0, 1), [-32768, 32767, 0, 1]),
             ("<i4", struct.pack("<4i", -2**31, 2**31 - 1, 0, 1), [-2**31, 2**31 - 1, 0, 1]),
        (">i4", struct.pack(">4i", -2**31, 2**31 - 1, 0, 1), [-2**31, 2**31 - 1, 0, 1]),
             ("<i8", struct.pack("<4q", -2**31, 2**31 - 1, 0, 1), [-2**31, 2**31 - 1, 0, 1]),
        (">i8", struct.pack(">4q", -2**31, 2**31 - 1, 0, 1), [-2**31, 2**31 - 1, 0, 1]),
             ("|u1", bytes([0, 255, 1, 2]), [0, 255, 1, 2]),
        ("<u2", struct.pack("<4H", 0, 65535, 1, 2), [0, 65535, 1, 2]),
             ("<u4", struct.pack("<4I", 0, 2**31 - 1, 1, 2), [0, 2**31 - 1, 1, 2]),
        ("<u8", struct.pack("<4Q", 0, 2**31 - 1, 1, 2), [0, 2**31 - 1, 1, 2]),
             ("|b1", bytes([0, 1, 1, 0]), [0, 1, 1, 0]),
    ]
    for descr, data, values in cases:
        kind = "real" if "f" in descr else "int"
        by_rows = dump("arrays", write(f"{at}/rows.npy", npy(descr, (2, 2), data)))
        same(by_rows, "x", f"{kind}[2]", values, descr)
        by_columns = dump("arrays", write(f"{at}/columns.npy", npy(descr, (2, 2), data, True)))
        same(by_columns, "x", f"{kind}[2]", [values[i] for i in (0, 2, 1, 3)],
             descr + " by columns")
        for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            t = dump("arrays",
                     npz(f"{at}/a.npz",
                         {"abc": npy(descr, (2, 2), data, True),
                          "de": npy(descr, (2, 2), data, False, 2)}, packing))
            same(t, "abc", f"{kind}[2]", [values[i] for i in (0, 2, 1, 3)],
                 descr + " in an archive by columns")
            same(t, "de", f"{kind}[2]", values, descr + " in an archive")
    brain = struct.pack("<4H", 0x3F80, 0xC000, 0x4060, 0)
    t = dump("arrays", tensors(f"{at}/b.safetensors",
                               {"x": ("BF16", (2, 2), brain), "y": ("BOOL", (2,), b"\1\0"),
                                "h": ("F16", (2,), struct.pack("<2H", 0x3C00, 0xC000))}))
    same(t, "x", "real[2]", [1.0, -2.0, 3.5, 0.0], "bfloat16")
    same(t, "h", "real", [1.0, -2.0], "float16")
    same(t, "y", "int", [1, 0], "bool")
    # many axes, column by column, more elements than a piece
    shape, count = (5, 7, 11, 13), 5 * 7 * 11 * 13
    order = [((i * 7 + j) * 11 + k) * 13 + l for l in range(13) for k in range(11)
             for j in range(7) for i in range(5)]
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        t = dump("arrays",
                 npz(f"{at}/many.npz",
                     {"x": npy("<i4", shape, struct.pack(f"<{count}i", *order), True)}, packing))
        same(t, "x", "int[7, 11, 13]", list(range(count)), "four axes by columns")
    count = 50000
    values = [i * 3 - 7 for i in range(count)]
    t = dump("arrays",
             npz(f"{at}/long.npz",
                 {"x": npy("<i8", (count, 1), struct.pack(f"<{count}q", *values))},
                 zipfile.ZIP_DEFLATED))
    same(t, "x", "int[1]", values, "more than a piece")


def what_values_must_be(at):
    def one(descr, data, shape=(2, 2)):
        return write(f"{at}/v.npy", npy(descr, shape, data))
    refused("arrays", one("<i8", struct.pack("<4q", 0, 1, 2**31, 0)),
            ["array x", "row 1, [0]", "2147483648", "32 bits"])
    refused("arrays", one("<u8", struct.pack("<4Q", 0, 1, 0, 2**64 - 1)),
            ["row 1, [1]", "18446744073709551615"])
    refused("arrays", one("<u4", struct.pack("<2I", 0, 2**32 - 1), (2,)), ["row 1 is 4294967295"])
    refused("arrays", one("<f8", floats([0, 1, 1e300, 0], "d")),
            ["row 1, [0]", "1.0000000000000001e+300", "32 bits"])
    refused("arrays", one("<f4", floats([0, float("nan"), 1, 0])),
            ["row 0, [1]", "nan", "missing = \"keep\""])
    refused("arrays", one("<f8", floats([0, 0, float("-inf"), 0], "d")), ["row 1, [0]", "-inf"])
    refused("arrays", one("<f2", struct.pack("<4H", 0, 0, 0, 0x7E00)), ["row 1, [1]", "nan"])
    t = dump("arrays", one("<f4", floats([0, float("nan"), float("inf"), 0])), "missing:keep")
    check([str(v) for v in field(t, "x")["values"]] == ["0.0", "nan", "inf", "0.0"], "kept", t)
    t = dump("arrays", one("<f8", floats([0, float("nan"), float("inf"), 0], "d")), "missing:keep")
    check([str(v) for v in field(t, "x")["values"]] == ["0.0", "nan", "inf", "0.0"],
          "kept of float64", t)
    refused("arrays", one("<f8", floats([1e300, 0, 0, 0], "d")), "missing:keep",
            ["row 0, [0]", "32 bits"])
    refused("arrays", one("<f4", floats([0] * 4)), "missing:drop",
            ["missing", "refuse", "keep", "drop"])
    # a place far inside, in a mapped array
    values = [0.0] * 30000
    values[20001] = float("nan")
    refused("arrays", one("<f4", floats(values), (100, 3, 100)), ["row 66, [2, 1] is nan"])
    # claims choose the type
    t = dump("arrays", one("|u1", bytes([0, 255, 1, 2])), "{x:u8:2}")
    same(t, "x", "u8[2]", [0, 255, 1, 2], "bytes claimed")
    same(dump("arrays", one("|u1", bytes([0, 255, 1, 2])), "{x:real:2}"), "x", "real[2]",
         [0.0, 255.0, 1.0, 2.0], "bytes as reals")
    same(dump("arrays", one("|u1", bytes(8), (2, 2, 2)), "{x:int:2,2}"), "x", "int[2, 2]", [0] * 8,
         "bytes as ints")
    same(dump("arrays", one("<f8", floats([0, 1, 2, 9], "d"), (4,)), "{y:int:}"), "y", "int",
         [0, 1, 2, 9], "whole reals as ints")
    refused("arrays", one("<f8", floats([0, 1.5, 2, 9], "d"), (4,)), "{y:int:}",
            ["row 1 is 1.5", "whole"])
    refused("arrays", one("<f4", floats([0, float("nan"), 2, 9]), (4,)), "{y:int:}",
            ["row 1 is nan", "whole"])
    same(dump("arrays", one("<i8", struct.pack("<4q", 2**24, 2**40, -3, 0)), "{x:real:2}"), "x",
         "real[2]", [2.0**24, 2.0**40, -3.0, 0.0], "ints as reals")
    refused("arrays", one("<i8", struct.pack("<4q", 0, 2**24 + 1, -3, 0)), "{x:real:2}",
            ["row 0, [1]", "16777217"])
    refused("arrays", one("<i4", bytes(16)), "{x:u8:2}", ["int[2]", "u8[2]"])
    t = dump("arrays", one("<i4", struct.pack("<4i", -1, 0, 5, 3), (4,)))
    check(field(t, "x")["classes"] == 0, "negative numbers are no classes", t)


def names_and_claims(at):
    x, y, other = npy("<f4", (3, 2), floats(range(6))), npy("<i8", (3,),
                                                            struct.pack("<3q", 2, 0,
                                                                        1)), npy("<f4", (4, 2),
                                                                                 floats(range(8)))
    path = npz(f"{at}/n.npz", {"x": x, "y": y, "mean": npy("<f8", (), floats([1], "d")),
                               "names": npy("<U3", (3,), bytes(36)), "z": other})
    refused("arrays", path, ["mean", "single number", "claim"])
    same(dump("arrays", path, "{y:int:}"), "y", "int", [2, 0, 1], "claims choose")
    t = dump("arrays", path, "{y:int:}", "{x:real:2}")
    check([f["name"] for f in t["fields"]] == ["x", "y"], "claims choose", t)
    refused("arrays", path, "{y:int:}", "{z:real:2}",
            ["disagree", "y [3] of int64", "z [4, 2] of float32"])
    refused("arrays", path, "{w:int:}", ["no array `w`", "it has x, y"])
    refused("arrays", path, "{y:int:}", "{w:real:2}",
            ["no array `w`", "it has x, y, mean, names, z"])
    refused("arrays", path, "{names:int:}", ["names", "text"])
    path = npz(f"{at}/odd.npz", {"a-b": x, "2d": x, "index": y, "all": y, "données": x, "dir/x": x})
    t = dump("arrays", path)
    check([f["name"] for f in t["fields"]] == ["a_b", "_2d", "index_", "all_", "donn__es",
                                               "dir_x"], "names of fields", t)
    refused("arrays", npz(f"{at}/two.npz", {"a-b": x, "a_b": x}), ["a_b", "two"])
    refused("arrays", npz(f"{at}/text.npz", {"x": x, "read.me": b"hello"}), ["read.me", "no array"])
    refused("arrays", npz(f"{at}/none.npz", {}), ["no arrays"])
    os.mkdir(f"{at}/empty")
    refused("arrays", f"{at}/empty", ["no .npy files", "data.images"])
    refused("arrays", f"{at}/nothing", ["nothing", "No such file"])
    refused("arrays", write(f"{at}/zero.npy", b""), ["empty"])
    refused("arrays", write(f"{at}/z.npy", npy("<f4", (0, 2), b"")), ["axis 1", "0 entries"])
    refused("arrays", write(f"{at}/h.h5", b"\x89HDF\r\n\x1a\n" + bytes(100)),
            ["HDF5", "numpy.savez"])
    refused("arrays", write(f"{at}/p.pkl", b"\x80\x04\x95" + bytes(100)), ["pickle"])
    refused("arrays", write(f"{at}/x.npy.gz", b"\x1f\x8b\x08" + bytes(100)), ["gzipped"])
    refused("arrays", write(f"{at}/t.csv", "a,b\n1,2\n"), ["data.table"])
    refused("arrays", write(f"{at}/c.npy", npy("<c8", (2,), bytes(16))), ["complex"])
    os.mkfifo(f"{at}/pipe")
    refused("arrays", f"{at}/pipe", ["no file on a disk"])


def class_names(at):
    label = struct.pack("<3i", 0, 2, 1)
    t = dump("arrays", tensors(f"{at}/k.safetensors", {"label": ("I32", (3,), label)},
                               {"classes.label": '["cat", "dog", "\\u00e4ffchen", "bird"]'}))
    f = field(t, "label")
    check(f["classes"] == 4 and f["names"] == ["cat", "dog", "äffchen", "bird"],
          "names of classes", f)
    check(field(dump("arrays", tensors(f"{at}/k.safetensors", {"label": ("I32", (3,), label)},
                                       {"classes.label": "12"})), "label")["classes"] == 12,
          "a number of classes")
    refused("arrays", tensors(f"{at}/k.safetensors", {"label": ("I32", (3,), label)},
                              {"classes.label": '["cat", "dog"]'}),
            ["label", "row 1 is 2", "0 to 1"])
    refused("arrays", tensors(f"{at}/k.safetensors", {"word": ("I32", (3, 1), label)},
                              {"classes.word": '["cat", "dog"]'}), ["word", "row 1 is 2", "0 to 1"])
    for wrong in ("cat", "[]", "[1, 2]", '{"a": 1}', "0", "-3", "[null]"):
        refused("arrays", tensors(f"{at}/k.safetensors", {"label": ("I32", (3,), label)},
                                  {"classes.label": wrong}),
                ["classes.label", "JSON list of names"])
    t = dump("arrays", tensors(f"{at}/f.safetensors",
                               {"x": ("F32", (1,), floats([1])),
                                "__fill": ("U8", (60,), bytes(60)), "y": ("I32", (1,), bytes(4))}))
    check([f["name"] for f in t["fields"]] == ["x", "y"], "what fills up is no field", t)


def names_beside(at):
    def texts(code, *items):
        width = max(map(len, items))
        if code == "S":
            return npy(f"|S{width}", (len(items),),
                       b"".join(i.encode().ljust(width, b"\0") for i in items))
        return npy(f"{code}U{width}", (len(items),),
                   b"".join(i.ljust(width, "\0").encode("utf-32-le" if code == "<"
                                                        else "utf-32-be") for i in items))
    label, x = npy("<i8", (3,), struct.pack("<3q", 0, 2, 1)), npy("<f4", (3, 1), bytes(12))
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for code, names in (("<", ["cat", "Äffchen", "鳥", "😀"]), (">", ["cat", "Äffchen", "b"]),
                            ("S", ["cat", "dog", "x y"])):
            path = npz(f"{at}/n.npz", {"x": x, "label": label, "label_names": texts(code, *names)},
                       packing)
            for claim in ((), ("{label:int:}", "{x:real:1}")):
                t = dump("arrays", path, *claim)
                check(sorted(f["name"] for f in t["fields"]) == ["label", "x"]
                      and field(t, "label").get("names") == names, f"names beside a label {code}",
                      t)
    os.mkdir(f"{at}/folder")
    for name, data in {"label": label, "label_names": texts("<", "a", "b", "c"),
                       "other_names": npy("<f4", (3,), bytes(12))}.items():
        write(f"{at}/folder/{name}.npy", data)
    t = dump("arrays", f"{at}/folder")
    check([f["name"] for f in t["fields"]] == ["label", "other_names"]
          and field(t, "label")["names"] == ["a", "b", "c"], "names in a folder", t)
    refused("arrays", npz(f"{at}/f.npz", {"label": label, "label_names": texts("<", "a", "b")}),
            ["label", "row 1 is 2", "0 to 1"])
    refused("arrays",
            npz(f"{at}/t.npz", {"label": label, "label_names": npy("<U2", (2, 2), bytes(32))}),
            ["label_names", "list of texts"])
    refused("arrays",
            npz(f"{at}/t.npz", {"label": label, "label_names": npy("<U2", (3,), bytes(16))}),
            ["label_names", "cut short"])
    refused("arrays",
            npz(f"{at}/t.npz", {"label": label, "label_names": npy("<U1", (3,), b"\xff" * 12)}),
            ["label_names", "text 0", "character"])
    refused("arrays", npz(f"{at}/t.npz", {"label": label, "note": texts("<", "hello")}),
            ["note", "text"])


def damage(at):
    x, y = npy("<f4", (30, 2), floats(range(60))), npy("<i8", (30,), bytes(240))
    for name, packing in {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}.items():
        whole = open(npz(f"{at}/d.npz", {"x": x, "y": y}, packing), "rb").read()
        for length in range(0, len(whole) - 1, 7):
            check("error" in dump("arrays", write(f"{at}/cut.npz", whole[:length])),
                  f"{name} cut at {length}")
        changed = 0
        for at_byte in range(0, len(whole), 5):
            bent = bytearray(whole)
            bent[at_byte] ^= 0x41
            t = dump("arrays", write(f"{at}/bent.npz", bytes(bent)))
            changed += "error" in t
        check(changed > len(whole) / 5 * 0.6, f"{name}: damage is found", changed)
    # the bytes of the data themselves: the checksum tells
    stored = bytearray(open(npz(f"{at}/d.npz", {"x": x}), "rb").read())
    stored[stored.index(b"NUMPY") + 140] ^= 1
    refused("arrays", write(f"{at}/bent.npz", bytes(stored)), ["array x", "checksum"])
    for cut in (1, 60, 239):
        refused("arrays", write(f"{at}/cut.npy", x[:-cut]), ["cut short", "240"])
    refused("arrays", write(f"{at}/more.npy", x + b"\0"), ["241", "240"])
    whole = open(tensors(f"{at}/t.safetensors", {"x": ("F32", (3, 2), floats(range(6)))}),
                 "rb").read()
    for length in range(0, len(whole) - 1, 5):
        check("error" in dump("arrays", write(f"{at}/cut.safetensors", whole[:length])),
              f"safetensors cut at {length}")
    for places, good in (((0, 8, 8, 24), True), ((16, 24, 0, 16), True), ((0, 8, 4, 20), False),
                         ((12, 20, 0, 16), False)):
        head = json.dumps({"a": {"dtype": "F32", "shape": [2, 1], "data_offsets": places[:2]},
                           "b": {"dtype": "F32", "shape": [2, 2], "data_offsets": places[2:]}})
        path = write(f"{at}/places.safetensors",
                     struct.pack("<Q", len(head)) + head.encode() + floats(range(6)))
        if good:
            same(dump("arrays", path), "a", "real[1]", [places[0] // 4, places[0] // 4 + 1], places)
        else:
            refused("arrays", path, ["`a`", "`b`", "share bytes"])
    refused("arrays", tensors(f"{at}/q.safetensors", {"x": ("F8_E4M3", (3,), bytes(3))}),
            ["F8_E4M3", "convert it"])
    refused("arrays", tensors(f"{at}/q.safetensors", {"x": ("Q4", (3,), bytes(3))}),
            ["array `x`", "dtype"])
    refused("arrays", tensors(f"{at}/q.safetensors",
                              {"y": ("F32", (3,), bytes(12)), "x": ("F32", (3, 0), b"")}),
            ["axis 2", "0 entries"])
    refused("arrays", tensors(f"{at}/q.safetensors", {}, header=b'{"x":'), ["JSON"])


def long_archives(at):
    """zip64: an archive that says its sizes in 64 bits, as numpy.savez does, and one whose
    directory's place is given so."""
    x = npy("<f4", (3, 2), floats(range(6)))
    with zipfile.ZipFile(f"{at}/z.npz", "w") as archive:
        with archive.open("x.npy", "w", force_zip64=True) as member:
            member.write(x)
    same(dump("arrays", f"{at}/z.npz"), "x", "real[2]", [0, 1, 2, 3, 4, 5], "force_zip64")
    plain = open(f"{at}/z.npz", "rb").read()
    end = plain.rindex(b"PK\5\6")
    entries, size, offset = struct.unpack("<HII", plain[end + 10:end + 20])
    long_end = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, entries, entries, size,
                                       offset)
    place = b"PK\6\7" + struct.pack("<IQI", 0, end, 1)
    short_end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    same(dump("arrays", write(f"{at}/zz.npz", plain[:end] + long_end + place + short_end)), "x",
         "real[2]", [0, 1, 2, 3, 4, 5], "the long end")
    wrong = b"PK\6\7" + struct.pack("<IQI", 0, end + 5, 1)
    refused("arrays", write(f"{at}/zw.npz", plain[:end] + long_end + wrong + short_end),
            ["directory", "damaged"])
    # written as a stream: sizes stand behind the data
    class Pipe:
        def __init__(self, file): self.file = file
        def write(self, data): return self.file.write(data)
        def flush(self): self.file.flush()
    with open(f"{at}/s.npz", "wb") as file:
        with zipfile.ZipFile(Pipe(file), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", x)
    same(dump("arrays", f"{at}/s.npz"), "x", "real[2]", [0, 1, 2, 3, 4, 5], "a streamed archive")


def large(at):
    """An array beyond 256 MB is looked through once, and again when its file changes."""
    rows, width, cache = 80000, 1000, {"COUPLET_CACHE": f"{at}/cache"}
    head = npy("<f4", (rows, width), b"")
    path = write(f"{at}/large.npy", head)
    os.truncate(path, len(head) + 4 * rows * width)
    t = dump("arrays", path, environment=cache)
    check(t["mapped"] and t["rows"] == rows, "a large array", t.get("error"))
    dump("arrays", path, environment=cache)
    check(len(os.listdir(f"{at}/cache/checked")) == 1, "it is marked, and the mark is found again")
    before = os.stat(path).st_mtime_ns
    with open(path, "r+b") as file:
        file.seek(len(head) + 4 * (70000 * width + 17))
        file.write(floats([float("nan")]))
    os.utime(path, ns=(before, before))
    sentence = dump("arrays", path, environment=cache).get("error", "")
    check("row 70000, [17] is nan" in sentence, "a change whose time is put back", sentence)
    t = dump("arrays", path, "missing:keep", environment={"COUPLET_CACHE": "/nothing"})
    check("error" not in t, "no cache is needed", t.get("error"))


with tempfile.TemporaryDirectory() as scratch:
    for number, test in enumerate((kinds_of_files, element_types, what_values_must_be,
                                   names_and_claims, class_names, names_beside, damage,
                                   long_archives, large)):
        os.mkdir(f"{scratch}/{number}")
        test(f"{scratch}/{number}")
finish()
