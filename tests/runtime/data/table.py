"""table.py DUMP: data.table reads CSV as people have it, or says where it is wrong."""
import os
import tempfile

from dump import check, dump, field, finish, refused, write


def values(t, name, expected, what, type=None):
    f = field(t, name)
    if type:
        check(f["type"] == type, f"{what}: type of {name}", f)
    check(f["values"] == expected, f"{what}: {name}", f["values"])


def plain(at):
    path = write(f"{at}/a.csv",
                 "age,city,height,sex,income\n39,Oslo,1.5,m,high\n17,Rome,1.25,f,low\n"
                 "-3,Oslo,1e2,f,low\n")
    t = dump("table", path, "label:income")
    check(t["rows"] == 3 and [f["name"] for f in t["fields"]] == ["number", "word", "label"],
          "fields", t)
    values(t, "number", [39, 1.5, 17, 1.25, -3, 100], "numbers are row by row", "real[2]")
    values(t, "word", [0, 3, 1, 2, 0, 2], "codes follow each other", "int[2]")
    check(field(t, "word")["names"] == ["city=Oslo", "city=Rome", "sex=f", "sex=m"],
          "names of codes", t)
    values(t, "label", [0, 1, 1], "label", "int")
    check(field(t, "label")["names"] == ["high", "low"], "names of classes", t)
    check(t["names"] == [f"{path}, line {n}" for n in (2, 3, 4)], "names of rows", t["names"])
    values(dump("table", path), "word", [0, 3, 4, 1, 2, 5, 0, 2, 5], "without a label", "int[3]")
    t = dump("table", path, "label:income", "columns:age, city", "fields:city")
    check([f["name"] for f in t["fields"]] == ["number", "label", "city"], "a field of its own", t)
    values(t, "city", [0, 1, 0], "a field of its own", "int")
    check(field(t, "city")["names"] == ["Oslo", "Rome"], "a field of its own", t)
    t = dump("table", path, "fields:age", "skip:city,#4, income")
    values(t, "age", [39, 17, -3], "a number of its own", "real")
    values(t, "number", [1.5, 1.25, 100], "skip", "real[1]")
    t = dump("table", path, "words:age", "skip:city,height,sex,income")
    values(t, "word", [2, 1, 0], "numbers as words are in the order of numbers", "int[1]")
    check(field(t, "word")["names"] == ["age=-3", "age=17", "age=39"], "numbers as words", t)
    t = dump("table", write(f"{at}/k.csv", "x,k\n1,10\n2,9\n3,10\n"), "label:k")
    check(field(t, "label")["names"] == ["9", "10"] and field(t, "label")["values"] == [1, 0, 1],
          "labels that are numbers", t)
    for text, kept in (("x,k\n-,10\n2,9\n", "absent:-"), ("x,k\n-,10\n2,9\n", "words:x"),
                       ("x,k\na,1\nb,1\n2,3\n", "words:k"), ("x,k\n12 34,1\n5,1\n", "words:x")):
        t = dump("table", write(f"{at}/k.csv", text), kept, "missing:mean")
        check("error" not in t, "a mixed column that is said to be right", t)
    t = dump("table", write(f"{at}/k.csv", "x,k\n1,10.0\n2,9.0\n3,07\n4,7\n"), "label:k")
    check(field(t, "label")["names"] == ["07", "7", "9.0", "10.0"], "labels that are reals", t)
    same = {dump("table", path)["hash"],
            dump("table",
                 write(f"{at}/b.csv",
                       "age;city;height;sex;income\r\n39;\"Oslo\";1.5;m;high\r17;Rome;1.25;f;low\n"
                       "\n-3;Oslo;1e2;f;low"))["hash"]}
    check(len(same) == 1, "the same content has the same hash", same)
    other = dump("table", write(f"{at}/c.csv", open(path).read().replace("Rome", "Rune")))["hash"]
    check(other not in same, "other words have another hash", other)
    refused("table", path, "label:incom",
            ["no column `incom`", "`label`", "age, city, height, sex, income"])
    refused("table", path, "skip:age,,x", ["no column"])
    refused("table", path, "skip:#6", ["no column `#6`"])
    refused("table", path, "skip:age,city,height,sex,income", ["no column is left"])
    refused("table", path, "label:age", "skip:age", ["`age`", "label", "skip"])
    refused("table", write(f"{at}/n.csv", "number,x\n1,2\n"), "fields:number",
            ["`number`", "already"])
    for setting in ("missing:median", "separator:ab", "decimal:;"):
        refused("table", path, setting, [setting.split(":")[0], setting.split(":", 1)[1]])


def ways_of_writing(at):
    def rows(text, *arguments):
        return dump("table", write(f"{at}/w.csv", text), *arguments)
    for text in ("a,b\n1,x\n2,y\n", "a;b\n1;x\n2;y\n", "a\tb\n1\tx\n2\ty\n", "a|b\n1|x\n2|y\n",
                 "a,b\r\n1,x\r\n2,y\r\n", "a,b\r1,x\r2,y", "\ufeffa,b\n1,x\n2,y",
                 "a,b\n\n1,x\r\n\r\n2,y\n\n\n",
                 " a , b \n 1 , x \n\t2\t,\ty\t\n", '"a","b"\n"1","x"\n"2","y"\n',
                 "sep=;\na;b\n1;x\n2;y\n", '\n\na,b\n1,x\n2,y\n', '"a",b\n1, "x" \n2,y\n'):
        t = rows(text)
        values(t, "number", [1, 2], repr(text))
        check(field(t, "word").get("names") == ["b=x", "b=y"], repr(text), t)
    t = rows('a,b\n1,"x, ""y""\nz"\n2,y\n3,"x, ""y""\nz"\n')
    check(field(t, "word")["names"] == ['b=x, "y"\nz', "b=y"] and t["names"][2].endswith("line 5"),
          "quotes and ends of lines in a cell", t)
    t = rows('a,b\r\n1,"x\r\ny\rz"\r\n2,y\r\n')
    check(t["names"] == [f"{at}/w.csv, line 2", f"{at}/w.csv, line 5"],
          "lines are counted in all ways", t["names"])
    values(rows("1,2\n3,4\n", "header=0"), "number", [1, 2, 3, 4], "no header")
    values(rows("2019,2020\n3,4\n", "header=1"), "number", [3, 4], "names that are numbers")
    t = rows("1,u\n3,v\n", "header=0", "label:column_2")
    values(t, "label", [0, 1], "no header, columns by number")
    values(rows("1,u\n3,v\n", "header=0", "label:#2"), "label", [0, 1],
           "no header, columns by number")
    values(rows("a;b\n1,5;x\n-2,25;y\n", "decimal:,"), "number", [1.5, -2.25], "a decimal comma")
    values(rows("a\n5\n7\n"), "number", [5, 7], "one column")
    values(rows("a\n0.1\n1e-3\n+5\n.5\n5.\n123456789012345678901234567890\n"), "number",
           [float.fromhex("0x1.99999ap-4"), float.fromhex("0x1.0624dep-10"), 5, .5, 5,
            float.fromhex("0x1.8ee91p+96")], "numbers")
    values(rows("größe,ville\n1,Zürich\n2,Åbo\n", "fields:größe"), "gr____e", [1, 2],
           "letters beyond ASCII")
    check(field(rows("a,b\n1,z\n2,Å\n3,a\n"), "word")["names"] == ["b=a", "b=z", "b=Å"],
          "the order of bytes")
    values(rows("a,b\n1," + "x" * 5000 + "\n2,y\n"), "word", [0, 1], "a long word")
    many = 3000
    t = rows(",".join(f"c{i}" for i in range(many)) + "\n" + ",".join(str(i) for i in range(many))
             + "\n")
    values(t, "number", list(range(many)), "many columns")
    long = 20000
    t = rows("a,b\n" + "".join(f"{i},w{i % 7}\n" for i in range(long)))
    values(t, "number", list(range(long)), "many rows")
    values(t, "word", [i % 7 for i in range(long)], "many rows")


def wrong_tables(at):
    def wrong(text, *rest):
        *arguments, words = rest
        refused("table", write(f"{at}/x.csv", text), *arguments, ["x.csv", *words])
    wrong("", ["empty"])
    wrong("a,b\n", ["no row"])
    wrong("\n\n", ["no rows"])
    wrong("a,b\n1,2\n3\n", ["line 3", "1 cell,", "2 columns"])
    wrong("a,b\n1,2\n3,4,5\n", ["line 3", "3 cells"])
    wrong('a,b\n1,"2\n\n"\n3\n', ["line 5", "1 cell,"])
    wrong("a,a\n1,2\n", ["line 1", "columns 1 and 2", "`a`"])
    wrong(",a\n0,2\n", ["line 1", "column 1 has no name", 'skip = "#1"'])
    values(dump("table", write(f"{at}/i.csv", ",a\n0,2\n"), "skip:#1"), "number", [2],
           "a column without a name is left out")
    values(dump("table", write(f"{at}/i.csv", ",a\n0,2\n"), "columns:#1,a"), "number", [0, 2],
           "a column without a name is listed")
    wrong("1,2\n3,4\n", ["line 1", "header = false"])
    wrong("a,b\n1,x\n12o,y\n", ["line 3", "column `a`", "`12o`", 'words = "a"'])
    wrong("a,b\n1,x\ninf,y\n", ["line 3", "`inf`"])
    wrong("a,b\n1,x\n0x10,y\n", ["line 3", "`0x10`"])
    wrong("a,b\n1,x\n1e39,y\n", ["line 3", "1e39", "32 bits"])
    wrong("a,b\n1,x\n1e999,y\n", ["line 3", "1e999"])
    wrong("a;b\n1,5;x\n", ["line 2", "column `a`", "1,5", 'decimal = ","'])
    wrong('a,b\n"1,234.5",x\n', ["line 2", "column `a`", "1,234.5"])
    wrong('a,b\n-+5,x\n', ["line 2", "column `a`", "-+5"])
    for cell in ("5%", "$5", "\u22125", "12 000", "12\u00a0000", "12'000", "12_000"):
        wrong(f"a,b\n{cell},x\n6,y\n", ["line 2", "column `a`", cell, "per cent"])
    for cell in ("-", "inf", "unknown"):
        wrong(f"a,b\n{cell},x\n6,y\n7,z\n", ["line 2", "column `a`", f'absent = "{cell}"'])
    wrong("a,b\n1e400,x\n6,y\n", ["line 2", "column `a`", "1e400", "too large"])
    wrong("a,k\n1,1\n2,1.0\n", "label:k", ["`1` in line 2", "`1.0` in line 3", "one number"])
    wrong('a,b\n1,5" pipe\n', ["line 2", "column `b`", "quote"])
    wrong('a,b\n1,"x" y\n', ["line 2", "column `b`", "quote"])
    wrong('a,b\n1,x\n2,"never closed\n3,y\n', ["line 3", "quote that none closes"])
    wrong('a,b\n1,x\n2,"' + "never closed\n" * 100000, ["line 3", "quote"])
    wrong("a;b,c\n1;2,3\n", ["separator"])
    wrong("a,b\n1,\n", ["line 2", "column `b`", "missing"])
    for absent in ("", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "<NA>", '""'):
        wrong(f"a,b\n1,x\n{absent},y\n", ["line 3", "column `a`", "missing", '"mean"', '"drop"'])
        wrong(f"a,b\n1,x\n2,{absent}\n", ["line 3", "column `b`", "missing"])
    wrong("a,b\n1,x\n-,y\n", ["line 3", "`-`", "absent"])
    wrong("a,b\n1,x\n2,\n", "label:b", "missing:mean", ["line 3", "label", "`b`", "drop"])
    wrong("a,b\n1,\n2,NA\n", "missing:mean", ["column `b`", "no cell", 'skip = "b"'])
    wrong("a,b\n1,\n2,NA\n", "missing:drop", ["no row without"])
    with open(f"{at}/l.csv", "wb") as file:
        file.write("a,b\n1,Zürich\n".encode("latin-1"))
    refused("table", f"{at}/l.csv", ["line 2", "byte 4", "0xfc", "Latin-1"])
    with open(f"{at}/u.csv", "wb") as file:
        file.write("a,b\n1,x\n".encode("utf-16"))
    refused("table", f"{at}/u.csv", ["UTF-16"])
    refused("table", write(f"{at}/z.csv", b"a,b\n1,\0\n"), ["line 2", "byte 3", "0x00"])
    refused("table", write(f"{at}/z.csv.gz", b"\x1f\x8b\x08aaaaaaa"), ["gzipped"])
    refused("table", write(f"{at}/z.xlsx", b"PK\3\4aaaaaaa"), ["workbook", "CSV"])
    refused("table", at, ["directory"])
    refused("table", f"{at}/none.csv", ["none.csv", "No such file"])


def missing_values(at):
    text = "a,b,c\n1,x,5\n?,y,6\n3,NA,7\n8,,10\n"
    path = write(f"{at}/m.csv", text)
    t = dump("table", path, "missing:mean")
    values(t, "number", [1, 5, 4, 6, 3, 7, 8, 10], "the mean of those that are there")
    check(field(t, "word")["names"] == ["b=?", "b=x", "b=y"]
          and field(t, "word")["values"] == [1, 2, 0, 0], "missing words are a word", t)
    t = dump("table", path, "missing:drop")
    values(t, "number", [1, 5], "rows are left out")
    check(field(t, "word")["names"] == ["b=x"] and t["names"][0].endswith("line 2")
          and t["rows"] == 1, "words of rows that are left out are none", t)
    t = dump("table", write(f"{at}/f.csv", "a,b\n,\n?,x\n3,\n5,y\n"), "missing:mean")
    values(t, "number", [4, 4, 3, 5], "the first cells are missing")
    check(field(t, "word")["values"] == [0, 1, 0, 2], "the first cells are missing", t)
    t = dump("table", write(f"{at}/a.csv", "a,b\n-,x\n3,none\n5,y\n"), "missing:drop",
             "absent:-, none")
    values(t, "number", [5], "other words for missing")
    t = dump("table",
             write(f"{at}/big.csv",
                   "a,b\n" + "".join("?,x\n" if i % 3 else f"{i},y\n" for i in range(3000))),
             "missing:drop")
    check(t["rows"] == 1000 and field(t, "word")["names"] == ["b=y"], "many rows are left out",
          t["rows"])


def two_files(at):
    write(f"{at}/train.csv", "age,city,label\n10,Oslo,no\n20,Rome,yes\n30,Bern,no\n")
    t = dump("table", write(f"{at}/test.csv", "label,city,age\nyes,Rome,7\nyes,Bern,\n"),
             "like:train.csv", "label:label", "missing:mean")
    values(t, "number", [7, 20], "the mean is that of the other table")
    values(t, "word", [2, 0], "codes are those of the other table")
    check(field(t, "word")["names"] == ["city=Bern", "city=Oslo", "city=Rome"],
          "names are those of the other table", t)
    values(t, "label", [1, 1], "labels are those of the other table")
    check(field(t, "label")["names"] == ["no", "yes"] and field(t, "label")["classes"] == 2,
          "labels are those of the other table", t)
    test = write(f"{at}/t2.csv", "age,city,label\n1,Oslo,no\n2,Paris,no\n3,Rome,no\n")
    refused("table", test, "like:train.csv", "label:label",
            ["line 3", "column `city`", "`Paris`", "train.csv", "drop"])
    values(dump("table", test, "like:train.csv", "missing:drop"), "number", [1, 3],
           "rows with other words are left out")
    refused("table", write(f"{at}/t3.csv", "age,city\n1,Oslo\n"), "like:train.csv",
            ["no column `label`", "train.csv"])
    t = dump("table", f"{at}/t3.csv", "like:train.csv", "label:label")
    check([f["name"] for f in t["fields"]] == ["number", "word"]
          and field(t, "word")["values"] == [1], "a table without its label", t)
    values(dump("table", f"{at}/t3.csv", "like:train.csv", "skip:label"), "word", [1],
           "a table without labels")
    refused("table", write(f"{at}/t4.csv", "age,city,label,more\n1,Oslo,no,1\n"), "like:train.csv",
            ["`more`", 'skip = "more"'])
    values(dump("table", f"{at}/t4.csv", "like:train.csv", "columns:age"), "number", [1],
           "columns are chosen")
    refused("table", write(f"{at}/t5.csv", "age,city,label\nold,Oslo,no\n"), "like:train.csv",
            ["line 2", "`old`", "numbers in", "train.csv"])
    refused("table", write(f"{at}/t6.csv", "age,city,label\n1,,no\n"), "like:train.csv",
            "missing:mean", ["line 2", "`?`", "train.csv"])
    refused("table", test, "like:none.csv", ["none.csv", "No such file"])
    values(dump("table", write(f"{at}/t7.csv", "age,city,label\n1,Oslo,no\n"),
                f"like:{at}/train.csv"), "number", [1], "a path from the root")
    write(f"{at}/w.csv", "id,x\n5,1\n7,2\n")
    values(dump("table", write(f"{at}/w2.csv", "id,x\n7,1\n"), "like:w.csv", "words:id"), "word",
           [1], "numbers as words")


with tempfile.TemporaryDirectory() as scratch:
    for number, test in enumerate((plain, ways_of_writing, wrong_tables, missing_values,
                                   two_files)):
        os.mkdir(f"{scratch}/{number}")
        test(f"{scratch}/{number}")
finish()
