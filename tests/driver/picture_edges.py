"""The edges of a picture, read back from its Graphviz text, in words: "a -> encoder", "target -//->
loss", "k -push-> Q"."""
import re


def edges(dot):
    names, found = {}, []
    for line in dot.splitlines():
        box = re.match(r"  (b\d+) \[shape=.*?label=<.*?<[bi]>(.*?)</[bi]>", line)
        if box:
            names[box.group(1)] = box.group(2)
    texts = dict(re.findall(r'^  (t\d+) \[shape=.*?<font point-size="9">(.*)</font>>\];$', dot,
                            re.MULTILINE))
    begins = {}
    for source, target, rest in re.findall(r"^  (\w+) -> (\w+)(.*)$", dot, re.MULTILINE):
        if target[0] in "st":
            begins[target] = source
            continue
        kind = "->"
        if source in texts:
            kind = f"-{texts[source]}->" if texts[source] in ("push", "update", "k-means",
                                                              "chooses") else "->"
        elif source in begins:
            kind = "-//->"
        elif "dir=none" in rest:
            kind = "=="
        elif 'color="#c8641b"' in rest:
            kind = "-ema->"
        found.append(f"{names[begins.get(source, source)]} {kind} {names[target]}")
    return sorted(found)
