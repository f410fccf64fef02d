#!/usr/bin/env python3
"""shards.py READ_TABLE MODULES: data.shards beside the files that went into the archives, packed
and not, and archives that are not what they should be."""
import io
import json
import os
import random
import tarfile

from tables import Table, check, end, folder, place, refused, write
import numpy as np
from PIL import Image

rng = np.random.RandomState(11)


def picture(kind="PNG"):
    pixels = rng.randint(0, 256, (4, 4, 3)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return pixels, out.getvalue()


def archive(name, members, mode="w", form=tarfile.PAX_FORMAT):
    """members: (name, bytes), in order."""
    path = place(name)
    with tarfile.open(path, mode, format=form) as tar:
        for member, data in members:
            if isinstance(data, tarfile.TarInfo):
                tar.addfile(data)
                continue
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def samples(count, start=0, label=lambda i: (".cls", str(i % 3).encode()), kind="PNG",
            ending=".png"):
    members, wanted = [], []
    for i in range(start, start + count):
        pixels, data = picture(kind)
        wanted.append(pixels)
        members.append((f"train/{i:05d}{ending}", data))
        if label:
            name, text = label(i)
            members.append((f"train/{i:05d}{name}", text))
    return members, np.stack(wanted)


def right(name, table, wanted, labels=None):
    check(name, not table.error and not table.bad and not table.stderr,
          table.error or table.bad[:1] or table.stderr)
    if table.error or table.bad:
        return
    check(name, table.pictures().shape == wanted.shape and (table.pictures() == wanted).all(),
          "other pictures")
    if labels is not None:
        check(name, table.column() == [str(v) for v in labels], table.column())


def kinds():
    members, wanted = samples(10)
    labels = [i % 3 for i in range(10)]
    for ending, mode in [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz"),
                         (".tar.bz2", "w:bz2"), (".tar.xz", "w:xz")]:
        path = archive("a" + ending, members, mode)
        table = Table("shards", path, "size=4")
        right(ending, table, wanted, labels)
        check(ending, table.fields == {"image": "u8[3, 4, 4]", "label": "int"}
              and table.class_count["label"] == 3, table.fields)
        check(ending, table.names and table.names[1] == f"{path}: train/00001.png", table.names[:2])
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        right(f"format {form}", Table("shards", archive("b.tar", members, "w", form), "size=4"),
              wanted, labels)
    long_name = "x" * 90 + "/" + "y" * 150
    pixels, data = picture()
    right("a long name", Table("shards", archive("c.tar", [(long_name + ".png", data)]), "size=4"),
          pixels[None])
    odd = "\u00e4 \u4e00"
    members = [(odd + ".png", data), (odd + ".cls", b"0")]
    table = Table("shards", archive("c.tar", members), "size=4")
    right("a name in UTF-8, whatever the locale", table, pixels[None], [0])
    check("the name as it is", table.names == [f"{place('c.tar')}: {odd}.png"], table.names)
    members, reals = samples(3, label=lambda i: (".cls", [b"10.0", b"9.0", b"9.5"][i]))
    right("labels that are reals", Table("shards", archive("r.tar", members), "size=4"), reals,
          [2, 0, 1])
    members, _ = samples(2, label=lambda i: (".cls", [b"1.0", b"1"][i]))
    refused("one number in two ways", Table("shards", archive("r.tar", members), "size=4"),
            "`train/00001`", "`1`", "`1.0`", "one number")
    members, _ = samples(2)
    refused("a sample twice", Table("shards", archive("r.tar", members + members[:2]), "size=4"),
            "`train/00000`", "twice")
    webp, wanted_webp = samples(3, kind="WEBP", ending=".webp")
    right("webp", Table("shards", archive("d.tar", webp), "size=4"), wanted_webp, [0, 1, 2])
    right("upper case", Table("shards", archive("e.tar", [("A.PNG", data)]), "size=4"),
          pixels[None])
    others = [(".hidden.png", b"x"), ("._train.png", b"x"), ("readme", b"x"), ("a.png", data),
              ("a.seg.png", b"x"), ("a.json", b"{"), ("a.txt", b"words")]
    directory = tarfile.TarInfo("train")
    directory.type = tarfile.DIRTYPE
    table = Table("shards", archive("f.tar", [("train", directory)] + others), "size=4")
    right("other files", table, pixels[None])
    check("other files", list(table.fields) == ["image"], table.fields)
    grey = Table("shards", archive("g.tar", [("a.png", data)]), "size=4", "grey=1")
    check("grey", grey.fields == {"image": "u8[1, 4, 4]"}, grey.fields)


def labels():
    words = ["dog", "cat", "ant"]
    members, wanted = samples(6, label=lambda i: (".txt", f" {words[i % 3]}\n".encode()))
    path = archive("words.tar", members)
    check("texts are not labels unasked", list(Table("shards", path, "size=4").fields) == ["image"])
    table = Table("shards", path, "size=4", "label=txt")
    right("words", table, wanted, [2, 1, 0, 2, 1, 0])
    check("words", table.classes["label"] == ["ant", "cat", "dog"], table.classes)
    members, wanted = samples(4, label=lambda i: (".json",
                                                  json.dumps({"class": i % 2, "name": words[i % 3],
                                                              "good": i > 1, "list": [1],
                                                              "part": 0.5}).encode()))
    path = archive("json.tar", members)
    right("json, a number", Table("shards", path, "size=4", "label=json.class"), wanted,
          [0, 1, 0, 1])
    right("json, a word", Table("shards", path, "size=4", "label=json.name"), wanted, [2, 1, 0, 2])
    right("json, true and false", Table("shards", path, "size=4", "label=json.good"), wanted,
          [0, 0, 1, 1])
    refused("json, a list", Table("shards", path, "size=4", "label=json.list"), "json.tar",
            "train/00000", "`list`")
    refused("json, a real", Table("shards", path, "size=4", "label=json.part"), "`part`")
    refused("json, no such member", Table("shards", path, "size=4", "label=json.size"),
            "train/00000.json has no `size`")
    refused("no such label", Table("shards", path, "size=4", "label=cls"), "no sample has .cls")
    refused("an unknown label", Table("shards", path, "size=4", "label=class"), '"class"',
            '"json.NAME"')
    _, data = picture()
    refused("no json", Table("shards", archive("x.tar", [("a.png", data), ("a.json", b"[1,")]),
                             "size=4", "label=json.y"), "a.json, line 1")
    refused("a label is missing",
            Table("shards", archive("x.tar", [("a.png", data), ("a.cls", b"1"), ("b.png", data)]),
                  "size=4"), "`b` has no .cls", "`a` has one")
    refused("the first label is missing",
            Table("shards", archive("x.tar", [("a.png", data), ("b.png", data), ("b.cls", b"1")]),
                  "size=4"), "`a` has no .cls")
    refused("a word among numbers",
            Table("shards",
                  archive("x.tar", [("a.png", data), ("a.cls", b"1"), ("b.png", data),
                                    ("b.cls", b"b")]), "size=4"), "`b`", "whole number")
    refused("a large number",
            Table("shards", archive("x.tar", [("a.png", data), ("a.cls", b"5000000000")]),
                  "size=4"), "5000000000")
    refused("an empty label",
            Table("shards", archive("x.tar", [("a.png", data), ("a.cls", b" \n")]), "size=4"),
            "`a` is empty")
    refused("a long label",
            Table("shards", archive("x.tar", [("a.png", data), ("a.cls", b"1" * (2 << 20))]),
                  "size=4"), "a.cls", "at most")
    refused("two labels",
            Table("shards", archive("x.tar", [("a.png", data), ("a.cls", b"1"), ("a.cls", b"2")]),
                  "size=4"), "twice")
    refused("two pictures", Table("shards", archive("x.tar", [("a.png", data), ("a.jpg", data)]),
                                  "size=4"), "two pictures")
    refused("no picture",
            Table("shards", archive("x.tar", [("a.cls", b"1"), ("b.png", data), ("b.cls", b"1")]),
                  "size=4"), "`a` has no picture")
    refused("no picture at the end",
            Table("shards", archive("x.tar", [("b.png", data), ("b.cls", b"1"), ("a.cls", b"1")]),
                  "size=4"), "`a` has no picture")


def several():
    members = [samples(4, 4 * i) for i in range(12)]
    for i, (part, _) in enumerate(members):
        archive(f"many/train-{i:03d}.tar", part)
    archive("many/valid.tar.gz", samples(2, 100)[0], "w:gz")
    every = np.concatenate([m[1] for m in members])
    root = os.path.join(folder, "many")
    table = Table("shards", root, "size=4")
    check("a folder", len(table.names) == 50 and (table.pictures()[:48] == every).all(),
          (table.error, len(table.names)))
    right("numbers", Table("shards", root + "/train-{000..011}.tar", "size=4"), every)
    right("some", Table("shards", root + "/train-{003..004}.tar", "size=4"), every[12:20])
    right("words", Table("shards", root + "/train-{001,000}.tar", "size=4"),
          np.concatenate([every[4:8], every[:4]]))
    right("two braces", Table("shards", root + "/{train}-00{0..1}.tar", "size=4"), every[:8])
    refused("one is missing", Table("shards", root + "/train-{010..013}.tar", "size=4"),
            "train-012.tar", "No such file")
    refused("an open brace", Table("shards", root + "/train-{010..013.tar", "size=4"), "not closed")
    refused("numbers that go down", Table("shards", root + "/train-{9..3}.tar", "size=4"),
            "go from 9 down to 3")
    refused("too many", Table("shards", root + "/train-{0..999999}.tar", "size=4"),
            "more than 100000")
    for packing in (".gz", ""):
        parts = [open(archive(f"p{i}.tar" + packing, members[i][0], "w:gz" if packing else "w"),
                      "rb").read() for i in (0, 1)]
        right("archives one behind the other " + packing,
              Table("shards", write(b"".join(parts), "cat.tar" + packing), "size=4"), every[:8])
    refused("something else behind an archive",
            Table("shards", write(parts[0] + b"PK" * 300, "cat.tar"), "size=4"), "cat.tar")
    write(b"PK", "many", "more.zip")
    refused("a zip", Table("shards", root, "size=4"), "more.zip", "not read")


def damage():
    members, wanted = samples(5)
    for name, mode in [("cut.tar", "w"), ("cut.tar.gz", "w:gz"), ("cut.tar.xz", "w:xz")]:
        with open(archive(name, members, mode), "rb") as file:
            whole = file.read()
        for length in (0, 1, 100, 511, 512, 700, len(whole) // 3, len(whole) // 2):
            if length < len(whole) and (mode != "w" or length % 512):
                refused(f"{name} of {length} bytes",
                        Table("shards", write(whole[:length], "x" + name), "size=4"), "x" + name)
        noise = random.Random(2)
        for i in range(15):
            bad = bytearray(whole)
            for _ in range(noise.choice([1, 4, 30])):
                bad[noise.randrange(len(bad))] = noise.randrange(256)
            table = Table("shards", write(bytes(bad), "x" + name), "size=4")
            check(f"{name} hit", table.code in (0, 1) and not table.stderr,
                  f"code {table.code}, {table.stderr[-300:]}")
    refused("no archive", Table("shards", write(b"hello" * 500, "no.tar"), "size=4"), "no.tar")
    refused("empty archive", Table("shards", archive("none.tar", []), "size=4"), "no sample")
    link = tarfile.TarInfo("b.png")
    link.type, link.linkname = tarfile.SYMTYPE, "a.png"
    refused("a link",
            Table("shards", archive("link.tar", [("a.png", picture()[1]), ("b.png", link)]),
                  "size=4"), "`b.png`", "plain files were expected")
    with open(archive("below.tar", [("a.png", picture()[1]), ("a.cls", b"1")]), "rb") as file:
        whole = bytearray(file.read())
    head = whole.index(b"a.cls") # an old sparse file without a hole, whose real size is below 0
    whole[head + 156:head + 157] = b"S"
    whole[head + 257:head + 265] = b"ustar  \0"
    whole[head + 345:head + 512] = bytes(167)
    whole[head + 483:head + 495] = b"\xff" * 12
    whole[head + 148:head + 156] = b" " * 8
    whole[head + 148:head + 156] = b"%06o\0 " % sum(whole[head:head + 512])
    refused("a size below 0", Table("shards", write(bytes(whole), "below.tar"), "size=4"),
            "`a.cls`", "below 0")
    refused("a bad picture", Table("shards", archive("bad.tar", [("a.png", b"no picture")]),
                                   "size=4"), "bad.tar: a.png", "no picture")
    refused("an empty picture", Table("shards", archive("bad.tar", [("a.png", b"")]), "size=4"),
            "bad.tar: a.png", "0 bytes")
    path = archive("packed.tar.gz", members, "w:gz")
    os.environ["TMPDIR"] = os.path.join(folder, "nowhere")
    refused("nowhere to unpack to", Table("shards", path, "size=4"), "nowhere", "TMPDIR")
    del os.environ["TMPDIR"]


kinds()
labels()
several()
damage()
end()
