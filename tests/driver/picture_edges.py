"""The edges of a picture, read back from its Graphviz text, in words: "a -> encoder", "target -//-> loss", "k -push-> Q"."""
import re


def edges(dot):
    names, found = {}, []
    for line in dot.splitlines():
        box = re.match(r"  ([bs]\d+) \[shape=.*?label=<<[bi]>(.*?)</[bi]>", line)
        if box:
            names[box.group(1)] = box.group(2)
    stops = {}
    for source, target, rest in re.findall(r"^  (\w+) -> (\w+)(.*)$", dot, re.MULTILINE):
        if target.startswith("s"):
            stops[target] = source
            continue
        kind = "->"
        if source.startswith("s"):
            source, kind = stops[source], "-//->"
        elif "dir=none" in rest:
            kind = "=="
        elif "ema, rate" in rest:
            kind = "-ema->"
        else:
            label = re.search(r">(push|update|k-means|chooses)<", rest)
            kind = f"-{label.group(1)}->" if label else "->"
        found.append(f"{names[source]} {kind} {names[target]}")
    return sorted(found)
