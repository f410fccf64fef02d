"""lines.py DUMP: data.lines makes tokens of text, or says what is wrong with it."""
import os
import tempfile

from dump import check, dump, field, finish, refused, write


def read(path, *arguments):
    """Rows as lists of the names of their tokens, checked against their lengths."""
    t = dump("lines", path, *arguments)
    if "error" in t:
        check(False, f"{path} {arguments}", t["error"])
        return t, []
    names, values, lengths = field(t, "token")["names"], field(t, "token")["values"], field(
        t, "length")["values"]
    width = len(values) // max(1, len(lengths))
    rows = []
    for i, length in enumerate(lengths):
        row = values[i * width:(i + 1) * width]
        check(all(v == 0 for v in row[length:]) and all(v > 0 for v in row[:length]),
              f"{path}: padding of row {i}", row)
        rows.append([names[v] for v in row[:length]])
    return t, rows


def vocabularies(at):
    path = write(f"{at}/a.txt", "the cat sat.\nThe dog sat on the mat\n\n  \t \na b c d e f g\n")
    t, rows = read(path, "tokens=6")
    check(t["rows"] == 3 and rows == [["the", "cat", "sat", "."],
                                      ["The", "dog", "sat", "on", "the", "mat"],
                                      ["a", "b", "c", "d", "e", "f"]], "words", rows)
    check(t["names"] == [f"{path}, line {n}" for n in (1, 2, 5)], "names of rows", t["names"])
    names = field(t, "token")["names"]
    check(names[:4] == ["<padding>", "<unknown>", "sat", "the"]
          and names[4:7] == [".", "The", "a"], "the most frequent first, then by bytes", names)
    check("g" not in names and field(t, "token")["type"] == "int[6]"
          and field(t, "length")["type"] == "int", "what is cut has no code", names)
    check([f["name"] for f in t["fields"]] == ["token", "length"], "fields", t)
    t, rows = read(path, "tokens=6", "lower=1", "vocabulary=2")
    check(field(t, "token")["names"] == ["<padding>", "<unknown>", "the", "sat"], "so many", t)
    check(rows[0] == ["the", "<unknown>", "sat", "<unknown>"] and rows[2] == ["<unknown>"] * 6,
          "others are unknown", rows)
    test = write(f"{at}/b.txt", "the bird sat\n")
    t, rows = read(test, "tokens=4", "like:a.txt")
    check(rows == [["the", "<unknown>", "sat"]], "the vocabulary of another file", rows)
    check(field(t, "token")["names"] == field(dump("lines", path, "tokens=4"), "token")["names"],
          "the vocabulary of another file", t)
    t, rows = read(path, "tokens=3", "unit:characters")
    check(rows == [["t", "h", "e"], ["T", "h", "e"], ["a", " ", "b"]], "characters", rows)
    t, rows = read(write(f"{at}/c.txt", b"a \xff\0z\r\n\n\x80"), "tokens=9", "unit:bytes")
    check(rows == [["a", "0x20", "0xff", "0x00", "z"], ["0x80"]]
          and field(t, "token")["classes"] == 258, "bytes", rows)
    check(field(t, "token")["values"][:5] == [99, 34, 257, 2, 124], "codes of bytes",
          field(t, "token")["values"])
    check(dump("lines", path, "tokens=6")["hash"] ==
          dump("lines", write(f"{at}/d.txt", open(path).read().replace("\n", "\r\n")),
               "tokens=6")["hash"], "the same content has the same hash")


def words(at):
    cases = {
        "don't stop": ["don't", "stop"], "'quoted' it’s": ["'", "quoted", "'", "it’s"],
             "3.14 1,000 a.b 5. ,7": ["3.14", "1,000", "a", ".", "b", "5", ".", ",", "7"],
        "well-known (x)!?": ["well", "-", "known", "(", "x", ")", "!", "?"],
             "snake_case a1b2": ["snake_case", "a1b2"], "naïve café": ["naïve", "café"],
        "«Où?» – là…": ["«", "Où", "?", "»", "–", "là", "…"],
             "日本語。テスト": ["日", "本", "語", "。", "テ", "ス", "ト"], "한국어 말": ["한국어", "말"],
             "a\u00a0b\u3000c\u2003d": ["a", "b", "c", "d"],
        "I 😀 you": ["I", "😀", "you"], "\tx\v\fy ": ["x", "y"],
             "привет, мир": ["привет", ",", "мир"], "e\u0301x": ["e\u0301x"],
             "$5 €5": ["$", "5", "€", "5"],
    }
    path = write(f"{at}/w.txt", "\n".join(cases) + "\n")
    _, rows = read(path)
    for line, expected, found in zip(cases, cases.values(), rows):
        check(found == expected, f"words of {line!r}", found)
    capitals = "ÀÉÞ ŁŹŸŐĀ ΑΣΆΏ ЯЁЄҐӐ ǅ İ"
    _, rows = read(write(f"{at}/c.txt", capitals + "\n"), "lower=1")
    check(rows == [["àéþ", "łźÿőā", "ασάώ", "яёєґӑ", "ǅ", "İ"]], "small letters", rows)
    _, rows = read(write(f"{at}/l.txt", "x" * 10000 + " y\n" + "é" * 3000 + "\n"), "tokens=5")
    check([len(w) for w in rows[0]] == [4096, 4096, 1808, 1]
          and [len(w) for w in rows[1]] == [2048, 952], "long words are several",
          [len(w) for w in rows[0]])
    t, rows = read(write(f"{at}/h.txt", "ab " * 1000000 + "\ncd\n"), "tokens=2")
    check(rows == [["ab", "ab"], ["cd"]], "a huge line", rows)
    many = 30000
    t, rows = read(write(f"{at}/m.txt", "".join(f"w{i} w{i % 10}\n" for i in range(many))),
                   "tokens=2")
    check(rows == [[f"w{i}", f"w{i % 10}"] for i in range(many)], "many lines")


def ends_of_lines(at):
    for text in ("a b\nc\n", "a b\r\nc\r\n", "a b\rc", "\ufeffa b\nc", "\n\na b\n\r\n\rc\r"):
        t, rows = read(write(f"{at}/e.txt", text))
        check(rows == [["a", "b"], ["c"]], repr(text), rows)
    t, _ = read(write(f"{at}/e.txt", "\r\n\ra\n\r\nb\n"))
    check([n.split()[-1] for n in t["names"]] == ["3", "5"], "lines are counted", t["names"])


def labels(at):
    path = write(f"{at}/l.txt", "pos\tgood film\nneg \tbad\tfilm\n\npos\tfine\n")
    t, rows = read(path, "label=1")
    check(rows == [["good", "film"], ["bad", "film"], ["fine"]], "text behind the label", rows)
    check(field(t, "label")["names"] == ["neg", "pos"]
          and field(t, "label")["values"] == [1, 0, 1], "labels", t)
    check("pos" not in field(t, "token")["names"], "labels are no tokens", t)
    t, rows = read(path)
    check(rows[0] == ["pos", "good", "film"], "a tab is a space", rows)
    t, rows = read(write(f"{at}/n.txt", "10\ta\n9\tb\n"), "label=1", "unit:bytes")
    check(field(t, "label")["names"] == ["9", "10"] and rows == [["a"], ["b"]],
          "numbers as labels", t)
    t, rows = read(write(f"{at}/t.txt", "neg\tgood\n"), "label=1", "like:l.txt")
    check(field(t, "label")["names"] == ["neg", "pos"] and field(t, "label")["values"] == [0]
          and rows == [["good"]], "labels of another file", t)
    refused("lines", write(f"{at}/u.txt", "neg\tgood\nmixed\tso\n"), "label=1", "like:l.txt",
            ["u.txt, line 2", "`mixed`", "l.txt"])
    refused("lines", write(f"{at}/x.txt", "pos\ta\nno label\n"), "label=1",
            ["x.txt, line 2", "no tab"])
    refused("lines", write(f"{at}/x.txt", "pos\ta\n \tb\n"), "label=1",
            ["x.txt, line 2", "no label"])
    refused("lines", write(f"{at}/x.txt", "pos\ta\nneg\t  \n"), "label=1",
            ["x.txt, line 2", "no text"])


def wrong(at):
    refused("lines", write(f"{at}/x.txt", ""), ["empty", "text file"])
    refused("lines", write(f"{at}/x.txt", "\n \n\t\n"), ["no line of text"])
    refused("lines", write(f"{at}/x.txt", b"fine\nna\xefve\n"),
            ["line 2, byte 3", "0xef", "Latin-1"])
    refused("lines", write(f"{at}/x.txt", b"\xed\xa0\x80\n"), ["line 1, byte 1", "0xed"])
    refused("lines", write(f"{at}/x.txt", b"a\r\nb\rc\0\n"), ["line 3, byte 2", "0x00"])
    refused("lines", write(f"{at}/x.txt", "hello\n".encode("utf-16")), ["UTF-16"])
    refused("lines", write(f"{at}/x.gz", b"\x1f\x8b\x08abc"), ["gzipped"])
    refused("lines", at, ["directory"])
    refused("lines", f"{at}/none.txt", ["none.txt", "No such file"])
    good = write(f"{at}/g.txt", "a\n")
    refused("lines", good, "unit:letters", ["`unit`", "letters", "characters"])
    refused("lines", good, "unit:bytes", "vocabulary=5", ["vocabulary", "bytes"])
    refused("lines", good, "like:none.txt", ["none.txt", "No such file"])


with tempfile.TemporaryDirectory() as scratch:
    for number, test in enumerate((vocabularies, words, ends_of_lines, labels, wrong)):
        os.mkdir(f"{scratch}/{number}")
        test(f"{scratch}/{number}")
finish()
