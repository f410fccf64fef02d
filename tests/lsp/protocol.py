#!/usr/bin/env python3
"""protocol.py COUPLET ROOT [PART ..]: `couplet lsp` by its messages: what it answers, and that no
message makes it fall. PART is a function of this file; without one, all are run."""

import json
import os
import re
import sys
import tempfile
import time

from client import Client, edited, offset, position

couplet, root = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
sys.path.insert(0, os.path.join(root, "tests/driver"))
import command

check = command.Checks()
folder = tempfile.mkdtemp()
CACHE = {"COUPLET_CACHE": os.path.join(folder, "cache")}

# The evaluations of the table.
with open(os.path.join(root, "lang/evals.def")) as table:
    EVALUATIONS = set(re.findall(r"^EVAL_OPTION\((\w+),", table.read(), re.MULTILINE))

SPEC = """# A method of two lines, with signs of 1, 2 and 4 bytes: \u00e9 \u2212 \U0001d6fc.
use nn, losses, optim

data train = data.fashion_mnist("train")
hyper tau = 0.5 | tau > 0 # \U0001d6fc \u00e9
view a, b = train.image
net encoder = trunk: flatten >> head: nn.linear(64)

# The loss of the paper.
#     -log p
fn near(z[N, D], w[N, D], scale = 2) {
  let s[i, j] = dot(z[i], w[j]) / scale
  return mean[i] -log(exp(s[i, i]) / sum[j] exp(s[i, j]))
}
let za = normalise(encoder(a)), zb = stop(normalise(encoder(b)))
let \
spread = mean[i] norm(zb[i])
loss near(za, zb, scale = tau)
train { epochs 1, batch 2048, optimiser optim.sgd(lr = 0.1) }
eval { knn(k = 5, features = encoder.trunk, bank = train, query = train) }
""".replace("view a, b = train.image\n", "view a, b = losses_view(train.image)\n").replace(
    "net encoder", "fn losses_view(x[C, H, W]) = x\nnet encoder"
)


def place(text, word, nth=0, inside=0):
    index = -1
    for _ in range(nth + 1):
        index = text.index(word, index + 1)
    return position(text, index + inside)


def said(client, text, word, nth=0, name="m.cpl"):
    p = place(text, word, nth)
    answer = client.at("hover", name, p["line"], p["character"])
    return answer["contents"]["value"] if answer else ""


def labels(answer):
    return [item["label"] for item in answer["items"]]


def hovers():
    client = Client(couplet, folder, **CACHE)
    messages = client.open("m.cpl", SPEC)
    check(not [m for m in messages if m["severity"] == 1], "the spec is right", messages)
    for word, nth, expected in [
        ("za", 0, "let za : real[2048, 64]"),
        ("za", 0, "512.0 KiB"),
        ("za", 0, "the gradient of the loss reaches it"),
        ("zb", 0, "no gradient reaches what"),
        ("spread", 0, "the loss does not read it"),
        ("encoder", 0, "the gradient of the loss reaches"),
        ("near(z", 0, "fn near(z[N, D], w[N, D], scale = 2) : real"),
        ("near(z", 0, "The loss of the paper"),
        ("near(za", 0, "    -log p"),
        ("i, j]", 0, "index i : 0 .. N - 1"),
        ("D]", 0, "dimension D"),
        ("scale = tau", 0, "argument scale"),
        ("dot(", 0, "inner product"),
        ("sum[j]", 0, "`sum[i] x[i]`"),
        ("train.image", 0, "60000 rows"),
        ("image)", 0, "real[1, 28, 28]"),
        ("losses,", 0, "module losses"),
        ("linear(", 0, "stdlib/nn/"),
        ("sgd", 0, "optimiser sgd(lr, momentum = 0 | momentum >= 0 and momentum < 1, "),
        ("epochs", 0, "a number above 0"),
        ("k = 5", 0, "whole number of at least 1"),
        ("fashion", 0, "a reader of data"),
        ("hyper", 0, "--set"),
        ("/ scale", 0, "real"),
    ]:
        found = said(client, SPEC, word, nth)
        check(expected in found, f"hover of {word!r} says {expected!r}", found)
    end = time.monotonic() + 600
    while "tile by tile" not in said(client, SPEC, "s[i, j] =") and time.monotonic() < end:
        time.sleep(0.2)
    facts = said(client, SPEC, "s[i, j] =")
    check(
        "2048 x 2048 pairs" in facts and "tile by tile" in facts, "what is streamed is told", facts
    )
    check(
        "MiB for its arrays" in said(client, SPEC, "train {"),
        "what a step needs is told",
        said(client, SPEC, "train {"),
    )
    check(
        "log" in said(client, SPEC, "near(z", 0),
        "what was made stable is told",
        said(client, SPEC, "near(z", 0),
    )
    check(client.end() == 0, "exit code 0 after shutdown")


def definitions():
    client = Client(couplet, folder, **CACHE)
    client.open("m.cpl", SPEC)

    def at(word, nth=0, inside=0):
        p = place(SPEC, word, nth, inside)
        return client.at("definition", "m.cpl", p["line"], p["character"])

    for word, nth, target, target_nth in [
        ("za, zb", 0, "za =", 0),
        ("near(za", 0, "near(z[", 0),
        ("encoder(a)", 0, "encoder =", 0),
        ("tau)", 0, "tau =", 0),
        ("scale = tau", 0, "scale = 2", 0),
        ("trunk, bank", 0, "trunk:", 0),
        ("j])", 0, "j] =", 0),
        ("D], w", 0, "D], w", 0),
    ]:
        found = at(word, nth)
        check(
            found["uri"].endswith("/m.cpl")
            and found["range"]["start"] == place(SPEC, target, target_nth),
            f"the definition of {word!r}",
            found,
        )
    for word, ending, line in [
        ("linear(", "stdlib/nn/images.cpl", "net linear("),
        ("sgd", "stdlib/optim.cpl", "optimiser sgd"),
        ("losses,", "stdlib/losses/batch.cpl", ""),
    ]:
        found = at(word)
        path = found["uri"].removeprefix("file://")
        with open(path) as file:
            text = file.read()
        shown = text.split("\n")[found["range"]["start"]["line"]]
        check(
            path.endswith(ending) and line in shown,
            f"the definition of {word!r} is a file of the library",
            (found, shown),
        )
        if line:
            name = os.path.relpath(path, folder)
            check(client.open(name, text) == [], f"{ending} has no errors when it is opened", name)
    check(at("dot(") is None, "a built-in function has no definition")
    check(client.at("definition", "m.cpl", 10**6, 10**9) is None, "a place far behind the end")
    refs = client.at(
        "references", "m.cpl", **place(SPEC, "tau ="), context={"includeDeclaration": True}
    )
    check(len(refs) == 3, "all places of tau", refs)
    check(
        len(client.at("documentHighlight", "m.cpl", **place(SPEC, "za ="))) == 2,
        "both places of za",
    )
    outline = client.of("documentSymbol", "m.cpl")
    names = [s["name"] for s in outline]
    check(
        names
        == [
            "nn",
            "losses",
            "optim",
            "train",
            "tau",
            "a",
            "b",
            "losses_view",
            "encoder",
            "near",
            "za",
            "zb",
            "spread",
            "loss",
            "train",
            "eval",
        ],
        "the outline",
        names,
    )
    check(
        [c["name"] for c in outline[9]["children"]] == ["s"],
        "a function holds its lets",
        outline[9],
    )
    hints = client.of(
        "inlayHint", "m.cpl", range={"start": position(SPEC, 0), "end": position(SPEC, len(SPEC))}
    )
    check(
        [h["label"] for h in hints]
        == [" : real[N, N]", " : real[2048, 64]", " : real[2048, 64]", " : real"],
        "types of lets",
        hints,
    )
    check(hints[0]["position"] == place(SPEC, " = dot"), "a hint stands behind the head", hints[0])
    client.end()


def completions():
    client = Client(couplet, folder, **CACHE)
    client.open("m.cpl", SPEC)
    version = 1

    def completed(line, before="loss near"):
        """What is offered at the end of a line that someone types ahead of another."""
        nonlocal version
        version += 1
        index = SPEC.index(before)
        text = SPEC[:index] + line + "\n" + SPEC[index:]
        client.change("m.cpl", version, {"text": text})
        return labels(client.at("completion", "m.cpl", **position(text, index + len(line))))

    for line, wanted, unwanted in [
        ("loss losses.", {"nt_xent", "info_nce"}, {"za", "let"}),
        ("let q = nn.", {"linear", "mlp"}, {"exp"}),
        ("let q = train.", {"image", "label", "index", "all"}, {"exp"}),
        ("data x = data.", {"images", "fashion_mnist"}, {"exp"}),
        ("let q = encoder.", {"trunk", "head"}, {"exp"}),
        ("le", {"let", "loss"}, {"exp"}),
        ("", {"let", "ema"}, {"mod"}),
        ("let q = z", {"za", "zb", "encoder", "exp", "sum", "if", "tau"}, {"let"}),
        ("use ", {"nn", "augment"}, {"exp"}),
        ("let q = near(za, zb, ", {"scale", "za"}, {"let"}),
        ("train { epochs 2, ", {"batch", "optimiser"}, {"let"}),
        ("eval { ", EVALUATIONS, {"k"}),
        ("eval { linear(", {"features", "bank", "decay"}, {"k"}),
        ("# an ", set(), {"let", "za"}),
        ('data x = data.images("l', set(), {"let", "za"}),
        ('data x = data.images("p", ', {"size", "fraction"}, set()),
        ("ema encoder <- encoder r", {"rate"}, {"trains"}),
        ("let q = cluster.", {"sinkhorn"}, {"exp"}),
    ]:
        found = set(completed(line))
        check(
            wanted <= found and not unwanted & found,
            f"completion behind {line!r}",
            sorted(found)[:60],
        )
    # The end of the file cuts a statement off, and the others are known all the same.
    cut = SPEC + "let last = losses."
    client.change("m.cpl", version + 1, {"text": cut})
    version += 1
    found = labels(client.at("completion", "m.cpl", **position(cut, len(cut))))
    check("nt_xent" in found, "completion at the end of the file", found[:20])
    check("let za : real[2048, 64]" in said(client, cut, "za"), "hover ahead of a cut end")
    found = client.diagnostics("m.cpl", version)
    check([m["code"] for m in found] == ["E001"], "and the one message", found)
    # A module of one's own, by the name that `use` gives it.
    command.write(os.path.join(folder, "own.cpl"), "# Twice.\nfn twice(x) = 2 * x\n")
    own = 'use "own.cpl" as mine\nfn f(x) = mine.twice(x)\nfn g(x) = mine.'
    client.open("user.cpl", own)
    found = labels(client.at("completion", "user.cpl", **position(own, len(own))))
    check(found == ["twice"], "members of an own module", found)
    found = client.at("definition", "user.cpl", **place(own, "twice"))
    check(found["uri"] == client.uri("own.cpl"), "and where they are defined", found)
    inside = set(completed("  let q = ", "  return mean"))
    check(
        {"z", "w", "scale", "s", "N", "D"} <= inside and "let" not in inside,
        "names in a function",
        sorted(inside)[:40],
    )
    inside = set(completed("  let q[r] = sum[c] z[r, ", "  return mean"))
    check("z" in inside, "names in an open bracket", sorted(inside)[:40])

    def help_at(line, before="loss near"):
        nonlocal version
        version += 1
        index = SPEC.index(before)
        text = SPEC[:index] + line + "\n" + SPEC[index:]
        client.change("m.cpl", version, {"text": text})
        return client.at("signatureHelp", "m.cpl", **position(text, index + len(line)))

    for line, label, active in [
        ("let q = near(", "near(z[N, D], w[N, D], scale = 2)", 0),
        ("let q = near(za, ", "near(", 1),
        ("let q = near(za, zb, scale = ", "near(", 2),
        ("let q = near(scale = 2, z", "near(", 1),
        ("let q = losses.nt_xent(za, ", "nt_xent(", 1),
        ("let q = dot(exp(a), ", "dot(a, b)", 1),
        ("let q = optim.sgd(momentum = ", "sgd(lr, momentum", 1),
        ("let q = near(za[0, 1], ", "near(", 1),
    ]:
        found = help_at(line)
        check(
            found
            and label in found["signatures"][0]["label"]
            and found["activeParameter"] == active,
            f"signature at {line!r}",
            found,
        )
    check(help_at("let q = za") is None, "no signature outside a call")
    client.end()


def renaming():
    client = Client(couplet, folder, **CACHE)
    client.open("m.cpl", SPEC)

    def renamed(word, new, nth=0):
        answer = client.at("rename", "m.cpl", **place(SPEC, word, nth), newName=new)
        return edited(SPEC, answer["changes"][client.uri("m.cpl")])

    for word, nth, new, count in [
        ("tau =", 0, "temperature", 3),
        ("za", 1, "anchor", 2),
        ("near(z", 0, "closest", 2),
        ("scale", 0, "width", 3),
        ("i, j]", 0, "row", 2),
        ("N, D]", 0, "Rows", 2),
        ("trunk", 0, "body", 2),
        ("s[i, j] =", 0, "logits", 3),
        ("a, b", 0, "first", 2),
    ]:
        text = renamed(word, new, nth)
        check(text.count(new) == count + SPEC.count(new), f"{word!r} becomes {new}", text)
        messages = client.open("new.cpl", text)
        check(
            not [m for m in messages if m["severity"] == 1],
            f"and the text is right with {new}",
            messages,
        )
        client.tell("textDocument/didClose", textDocument={"uri": client.uri("new.cpl")})
    for word, nth, new, sentence in [
        ("linear", 0, "x", "the library"),
        ("dot", 0, "x", "word of the language"),
        ("losses,", 0, "x", "its file"),
        ("image)", 0, "x", "its data"),
        ("za", 0, "zb", "would be wrong"),
        ("za", 0, "9x", "letters"),
        ("za", 0, "if", "would be wrong"),
        ("i, j]", 0, "j", "would be wrong"),
        ("\u00e9", 0, "x", "no name"),
        ("za", 0, "", "letters"),
        ("za", 0, "a b", "letters"),
        ("s[i, j]", 0, "z", "would be wrong"),
    ]:
        error = client.refused(
            "textDocument/rename",
            textDocument={"uri": client.uri("m.cpl")},
            position=place(SPEC, word, nth),
            newName=new,
        )
        check(sentence in error["message"], f"{word!r} cannot be {new!r}", error)
    p = client.at("prepareRename", "m.cpl", **place(SPEC, "za"))
    check(p == {"start": place(SPEC, "za"), "end": place(SPEC, "za", 0, 2)}, "what is renamed", p)
    client.end()


def diagnostics():
    client = Client(couplet, folder, **CACHE)
    text = (
        "use losses\nfn f(z[N, D]) = lossses.nt_xent(z, z, 0.5) # \U0001d6fc\n"
        "fn g(x[N]) = mean[i] x[j] - \U0001d6fc * \u2212 x\n"
        "fn h(a[N], b[M]) = sum[i] a[i] * b[i]\n"
    )
    found = client.open("m.cpl", text)
    codes = [m["code"] for m in found]
    check(codes[:2] == ["E101", "E002"] and "E402" in codes, "several errors", found)
    first = found[0]
    check(
        first["range"] == {"start": place(text, "lossses"), "end": place(text, "lossses", 0, 7)},
        "its range",
        first,
    )
    check(
        "did you mean `losses`?" in first["message"] and first["source"] == "couplet",
        "its sentence",
        first,
    )
    with open(first["codeDescription"]["href"].removeprefix("file://")) as file:
        check("E101" in file.read(), "a page about the code")
    sign = found[1]["range"]
    check(
        sign["end"]["character"] - sign["start"]["character"] == 2, "a sign of two units", found[1]
    )
    related = [m for m in found if m["code"] == "E402"][0]["relatedInformation"]
    check(related[0]["location"]["uri"] == client.uri("m.cpl"), "related places", related)
    check("**E101**" in said(client, text, "lossses"), "hover of a mistake explains its code")
    actions = client.of(
        "codeAction", "m.cpl", range=first["range"], context={"diagnostics": [first]}
    )
    check(len(actions) == 1 and actions[0]["title"] == "Write `losses`", "a quick fix", actions)
    fixed = edited(text, actions[0]["edit"]["changes"][client.uri("m.cpl")])
    check("= losses.nt_xent" in fixed, "it is applied", fixed)

    # Changes by ranges, among signs of two units, with the text kept beside.
    changes = [
        ("lossses", "losses"),
        ("\U0001d6fc * ", ""),
        ("\u2212 x", "x[i]"),
        ("x[j]", "x[i]"),
        ("b[i]", "b[0]"),
        ("# \U0001d6fc", "# \U0001d6fc\U0001d6fc\n"),
    ]
    version = 1
    for old, new in changes:
        index = text.index(old)
        version += 1
        client.change(
            "m.cpl",
            version,
            {
                "range": {"start": position(text, index), "end": position(text, index + len(old))},
                "text": new,
            },
        )
        text = text[:index] + new + text[index + len(old) :]
        whole = client.of("semanticTokens/full", "m.cpl")["data"]
        client.open("copy.cpl", text)
        check(
            whole == client.of("semanticTokens/full", "copy.cpl")["data"],
            f"the text after {old!r} became {new!r}",
        )
        client.published.pop(client.uri("copy.cpl"))
    # Two changes of one message are one behind the other.
    client.change(
        "m.cpl",
        version + 1,
        {
            "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 3}},
            "text": "# use",
        },
        {
            "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 2}},
            "text": "",
        },
    )
    left = [m["message"] for m in client.diagnostics("m.cpl", version + 1) if m["severity"] == 1]
    check(not left or "losses" not in left[0], "both changes were made", left)
    client.end()

    # What only sizes tell comes from the compiler.
    client = Client(couplet, folder, **CACHE)
    bad = SPEC.replace("norm(zb[i])", "norm(zb[i]) + zb[0, 64]")
    client.open("m.cpl", bad)
    end = time.monotonic() + 600
    while (
        not [m for m in client.published[client.uri("m.cpl")]["diagnostics"] if m["severity"] == 1]
        and time.monotonic() < end
    ):
        client.take(client.read(600) or {})
    found = [m["code"] for m in client.published[client.uri("m.cpl")]["diagnostics"]]
    check("E406" in found, "a read out of range is told", found)
    client.end()


def layouts():
    client = Client(couplet, folder, **CACHE)
    for name, text in [
        ("tests/lang/format/messy.cpl", None),
        ("windows", "use  nn\r\nfn f( x[N] )=sum [i]x[i]\r\n"),
        ("end", "fn f(x)=x"),
        ("right", "fn f(x) = x\n"),
        ("empty", ""),
    ]:
        if text is None:
            with open(os.path.join(root, name), newline="") as file:
                text = file.read()
        path = command.write(os.path.join(folder, "f.cpl"), text)
        client.open("m.cpl", text)
        expected = command.run(couplet, "fmt", path).stdout
        found = edited(
            text, client.of("formatting", "m.cpl", options={"tabSize": 2, "insertSpaces": True})
        )
        check(found == expected, f"layout of {name}", found)
    client.open("m.cpl", "fn f(x) =\n")
    check(
        client.of("formatting", "m.cpl", options={}) is None,
        "what does not fit the grammar keeps its layout",
    )
    client.end()


def rough_handling():
    client = Client(couplet, folder, start=False, **CACHE)
    check(client.refused("textDocument/hover")["code"] == -32002, "a request before initialize")
    client.tell("textDocument/didOpen", textDocument={"uri": client.uri("m.cpl"), "text": "x"})
    client.ask("initialize", capabilities={})
    check(client.refused("initialize")["code"] == -32600, "initialize twice")
    check(
        client.refused(
            "textDocument/hover",
            textDocument={"uri": client.uri("m.cpl")},
            position={"line": 0, "character": 0},
        )["code"]
        == -32602,
        "a file that was not opened",
    )
    check(client.refused("nobody/knows")["code"] == -32601, "an unknown method")
    client.tell("nobody/knows")
    client.tell("$/cancelRequest", id=3)
    for raw, code in [
        (b"{", -32700),
        (b"", -32700),
        (b"\xff\xfe", -32700),
        (b'{"jsonrpc": "2.0", "id": 1}', -32600),
        (b"[]", -32600),
        (b"null", -32600),
        (b'"x"', -32600),
        (b"[" * 5000, -32700),
        (b'{"id": {}, "method": "shutdown"}', -32600),
        (b'{"id": 1, "method": "\\ud800"}', -32700),
    ]:
        client.write(b"Content-Length: %d\r\n\r\n%s" % (len(raw), raw))
        answer = client.read()
        check(
            answer and answer.get("error", {}).get("code") == code,
            f"a message of {raw[:40]!r}",
            answer,
        )
    client.write(
        b"content-length:   2\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n{}"
    )
    check(client.read()["error"]["code"] == -32600, "other headers")
    one = json.dumps(
        {"jsonrpc": "2.0", "id": "a text", "method": "textDocument/hover", "params": []}
    ).encode()
    frame = b"Content-Length: %d\r\n\r\n%s" % (len(one), one)
    for i in range(0, len(frame), 7):
        client.write(frame[i : i + 7])
    check(client.read()["id"] == "a text", "a message in pieces, with an id that is a text")
    client.write(frame + frame)
    check(
        client.read()["id"] == "a text" and client.read()["id"] == "a text", "two messages at once"
    )
    for params in [
        {},
        {"textDocument": 3},
        {"textDocument": {"uri": 3}},
        {"textDocument": {"uri": client.uri("m.cpl")}},
        {"position": []},
    ]:
        for method in ("hover", "rename", "completion", "codeAction", "semanticTokens/full"):
            client.ask_raw("textDocument/" + method, params)
        for method in ("didOpen", "didChange", "didClose", "didSave"):
            client.tell("textDocument/" + method, **params)
    texts = {
        "empty": "",
        "no end": "fn f(x) = x",
        "only a newline": "\n",
        "control": "fn f(x) = \x01\x1b[31m x\n",
        "a byte 0": "fn f(x) = \x00 x\n",
        "old lines": "fn f(x) = x\rfn g(y) = z\r",
        "mixed lines": "use nn\r\nfn f(x) = x\rfn g(y) = y\n",
        "brackets": "fn f(x) = " + "(" * 3000,
        "deep": "fn f(x) = " + "-" * 5000 + "x\n",
        "one line": "fn f(x) = " + " + ".join(["x"] * 1900) + "\n",
        "wide": "# " + "\U0001f600" * 2000 + "\n",
        "foreign": "fn f(\u03b8) = \u03b8 \u2212 \u201cx\u201d\n",
        "half": "let a = losses.",
        "braces": "fn f(x) {\n  let y = (x\n",
        "text": 'data a = data.images("',
    }
    for name, text in texts.items():
        client.open("m.cpl", text)
        for line, character in [
            (0, 0),
            (0, 5),
            (0, 10**9),
            (10**9, 0),
            (10**9, 10**9),
            (1, 3),
            (0, len(text)),
        ]:
            for method in (
                "hover",
                "completion",
                "signatureHelp",
                "definition",
                "references",
                "documentHighlight",
                "prepareRename",
            ):
                answer = client.ask_raw(
                    "textDocument/" + method,
                    {
                        "textDocument": {"uri": client.uri("m.cpl")},
                        "position": {"line": line, "character": character},
                        "context": {},
                    },
                )
                assert "result" in answer or answer["error"]["code"] == -32803, answer
        for method in ("documentSymbol", "formatting", "semanticTokens/full"):
            client.of(method, "m.cpl")
        check(True, f"a text that is {name}")
    # Every beginning of a file, as someone types it.
    with open(os.path.join(root, "examples/moco.cpl")) as file:
        whole = file.read()
    for i, end in enumerate(range(0, len(whole), 41)):
        client.change("m.cpl", i + 2, {"text": whole[:end]})
        for method in ("hover", "completion", "signatureHelp"):
            client.at(method, "m.cpl", **position(whole, end))
    check(True, "every beginning of a file")
    large = "".join(
        f"fn f{i}(x[N, D]) = sum[i, d] x[i, d] * {i} # a comment\n" for i in range(20000)
    )
    client.open("large.cpl", large)
    client.at("hover", "large.cpl", **position(large, len(large) // 2))
    client.change(
        "large.cpl",
        2,
        {
            "range": {
                "start": {"line": 9999, "character": 0},
                "end": {"line": 9999, "character": 2},
            },
            "text": "fm",
        },
    )
    found = client.diagnostics("large.cpl", 2)
    check(
        len(found) == 1 and found[0]["range"]["start"]["line"] == 9999,
        f"a file of {len(large)} bytes",
        found,
    )
    client.tell("textDocument/didClose", textDocument={"uri": client.uri("large.cpl")})
    client.open("untitled:Untitled-1", "fn f(x) = x\n")
    check(client.end() == 0, "exit code 0")

    client = Client(couplet, folder, **CACHE)
    client.open("m.cpl", SPEC)
    client.ask("shutdown")
    check(client.refused("textDocument/hover")["code"] == -32600, "a request after shutdown")
    client.tell("exit")
    check(client.process.wait(600) == 0, "exit after shutdown is 0")
    client = Client(couplet, folder, **CACHE)
    client.tell("exit")
    check(client.process.wait(600) == 1, "exit without shutdown is 1")
    client = Client(couplet, folder, **CACHE)
    client.open("m.cpl", SPEC)
    client.process.stdin.close()
    check(client.process.wait(600) == 1, "an editor that is gone")
    for header in (
        b"Content-Length: -3\r\n\r\n",
        b"Content-Length: 99999999999999999999\r\n\r\n",
        b"Length: 3\r\n\r\n{}",
        b"x" * 70000,
    ):
        client = Client(couplet, folder, start=False, **CACHE)
        client.write(header)
        check(client.process.wait(600) == 1, f"a header of {header[:40]!r} ends it")
    refused = command.run(couplet, "lsp", "x.cpl")
    check(
        refused.returncode == 2 and "takes no file" in refused.stderr,
        "a file is refused",
        refused.stderr,
    )


for part in (hovers, definitions, completions, renaming, diagnostics, layouts, rough_handling):
    if part.__name__ in sys.argv[3:] or len(sys.argv) < 4:
        part()
check.finish()
