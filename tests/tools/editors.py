#!/usr/bin/env python3
"""editors.py COUPLET ROOT: the grammars of tools/editors are what tools/editors.py makes, and give
each character of every .cpl file the class that the scanner gives it.

The scanner's classes come from `couplet lsp`. Pygments and Vim colour by themselves, where they are
installed. The TextMate grammar is a list of patterns without nesting, which a few lines here apply
as VS Code does. Node, where it is there, reads tree-sitter's grammar."""

import glob
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

couplet, root = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
sys.path[:0] = [os.path.join(root, "tests/driver"), os.path.join(root, "tests/lsp")]
import command
from client import Client

check = command.Checks()
EDITORS = os.path.join(root, "tools/editors")
made = subprocess.run(
    [sys.executable, os.path.join(root, "tools/editors.py"), "--check"],
    capture_output=True,
    text=True,
)
check(
    made.returncode == 0, "the grammars are what tools/editors.py makes", made.stdout + made.stderr
)

KINDS = {
    "keyword": "w",
    "function": "n",
    "class": "n",
    "variable": "n",
    "parameter": "n",
    "property": "n",
    "namespace": "n",
    "typeParameter": "n",
    "number": "0",
    "string": '"',
    "operator": "+",
    "comment": "#",
}


def blank(text, classes):
    """Classes of characters that show: blanks and semicolons have none, nor has the first word of a
    line that goes on behind a comma, which begins no statement, as no grammar of lines can see."""
    shown = [" " if c in " \t\r\n;" else k for c, k in zip(text, classes)]
    for word in re.finditer(r",[ \t]*(?:#.*)?\n[ \t]*(\w+)", text):
        shown[word.start(1) : word.end(1)] = " " * len(word[1])
    return "".join(shown)


def of_characters(text, rows):
    """Of the classes of bytes those of characters."""
    out = ""
    for line, row in zip(text.split("\n"), rows.split("\n")):
        at = 0
        for c in line:
            out += row[at : at + 1] or " "
            at += len(c.encode())
        out += "\n"
    return out[: len(text)]


def scanned(client, name, text):
    """The scanner's class of each character; None where the file does not fit the grammar."""
    messages = client.open(name, text)
    if any(m["code"] in ("E001", "E002", "E003") for m in messages):
        return None
    legend = client.capabilities["semanticTokensProvider"]["legend"]["tokenTypes"]
    classes, line, character = [" "] * len(text), 0, 0
    starts = [0] + [m.end() for m in re.finditer("\n", text)]
    data = client.of("semanticTokens/full", name)["data"]
    for i in range(0, len(data), 5):
        down, right, length, kind, _ = data[i : i + 5]
        line, character = line + down, right + (character if down == 0 else 0)
        for at in range(starts[line] + character, starts[line] + character + length):
            classes[at] = KINDS[legend[kind]]
    client.tell("textDocument/didClose", textDocument={"uri": client.uri(name)})
    return blank(text, classes)


def by_textmate(patterns, text):
    kinds = {
        "keyword.operator.couplet": "+",
        "keyword": "w",
        "support": "n",
        "variable": "n",
        "constant": "0",
        "string": '"',
        "comment": "#",
    }
    classes = ""
    for line in text.splitlines(keepends=True):
        at, shown = 0, [" "] * len(line)
        while at < len(line):
            found = [
                (m.start(), i, m)
                for i, (_, rule) in enumerate(patterns)
                for m in [rule.search(line, at)]
                if m and m.end() > m.start()
            ]
            if not found:
                break
            _, i, match = min(found, key=lambda one: one[:2])
            name = patterns[i][0]
            shown[match.start() : match.end()] = (kinds.get(name) or kinds[name.split(".")[0]]) * (
                match.end() - match.start()
            )
            at = match.end()
        classes += "".join(shown)
    return blank(text, classes)


def by_pygments(lexer, text):
    from pygments.token import Comment, Keyword, Name, Number, Operator, String, Whitespace

    classes = ""
    for _, token, value in lexer.get_tokens_unprocessed(text):
        kind = next(
            (
                k
                for t, k in [
                    (Operator.Word, "w"),
                    (Keyword, "w"),
                    (Name, "n"),
                    (Number, "0"),
                    (String, '"'),
                    (Comment, "#"),
                    (Operator, "+"),
                    (Whitespace, " "),
                ]
                if token in t
            ),
            "?",
        )
        classes += kind * len(value)
    return blank(text, classes)


def by_vim(paths, folder):
    """The group of each character of these files, by Vim's own syntax engine."""
    kinds = {
        "Sign": "+",
        "Name": "n",
        "Builtin": "n",
        "Number": "0",
        "Soft": "w",
        "Word": "w",
        "Reducer": "w",
        "First": "w",
        "Text": '"',
        "Comment": "#",
    }
    table = (
        "{"
        + ",".join(f"'couplet{k}': '{v if v != chr(34) else chr(34)}'" for k, v in kinds.items())
        + "}"
    )
    script = command.write(
        os.path.join(folder, "colour.vim"),
        f"""set nocompatible encoding=utf-8 nomodeline
let s:kinds = {table}
for s:path in readfile('{folder}/paths')
  execute 'edit ++enc=utf-8 ++ff=unix ' . fnameescape(s:path)
  syntax clear
  unlet! b:current_syntax
  source {EDITORS}/vim/syntax/couplet.vim
  let s:out = []
  for s:l in range(1, line('$'))
    let s:text = getline(s:l)
    let s:row = ''
    let s:c = 0
    while s:c < len(s:text)
      let s:group = synIDattr(synID(s:l, s:c + 1, 0), 'name')
      let s:row .= s:text[s:c] =~ '[ \\t]' ? ' ' : get(s:kinds, s:group, '?')
      let s:c += 1
    endwhile
    call add(s:out, s:row)
  endfor
  call writefile(s:out, '{folder}/' . substitute(s:path, '/', '%', 'g'))
  bwipeout!
endfor
qall!
""",
    )
    command.write(os.path.join(folder, "paths"), "\n".join(paths) + "\n")
    subprocess.run(
        ["vim", "-e", "-s", "-N", "-u", "NONE", "-i", "NONE", "-S", script],
        capture_output=True,
        timeout=900,
    )


def compare(what, found, expected, text, name):
    if found == expected:
        return 0
    at = next(
        (i for i, (a, b) in enumerate(zip(found, expected)) if a != b),
        min(len(found), len(expected)),
    )
    line = text.count("\n", 0, at) + 1
    begin, end = text.rfind("\n", 0, at) + 1, (text + "\n").index("\n", at)
    print(
        f"        {what}, {name}:{line}: {text[begin:end]}\n"
        f"          {found[begin:end]}\n          {expected[begin:end]}"
    )
    return 1


with open(os.path.join(EDITORS, "vscode/syntaxes/couplet.tmLanguage.json")) as file:
    patterns = [(p["name"], re.compile(p["match"])) for p in json.load(file)["patterns"]]
for name in ("vscode/package.json", "vscode/language-configuration.json"):
    with open(os.path.join(EDITORS, name)) as file:
        json.load(file)
lexer = None
if importlib.util.find_spec("pygments"):
    sys.path.insert(0, os.path.join(EDITORS, "pygments"))
    from couplet_lexer import CoupletLexer

    lexer = CoupletLexer()
vim = shutil.which("vim")

with tempfile.TemporaryDirectory() as folder:
    client = Client(couplet, root, COUPLET_CACHE=os.path.join(folder, "cache"))
    files, wrong = {}, {"TextMate": 0, "Pygments": 0, "Vim": 0}
    for path in sorted(glob.glob(os.path.join(root, "*", "**", "*.cpl"), recursive=True)):
        name = os.path.relpath(path, root)
        if name.startswith("build"):
            continue
        with open(path, newline="", encoding="utf-8", errors="replace") as file:
            text = file.read()
        classes = None if "\ufffd" in text or "\r" in text else scanned(client, name, text)
        if classes is not None:
            files[path] = (name, text, classes)
    client.end()
    if vim:
        by_vim(list(files), folder)
    for path, (name, text, classes) in files.items():
        wrong["TextMate"] += compare("TextMate", by_textmate(patterns, text), classes, text, name)
        if lexer:
            wrong["Pygments"] += compare("Pygments", by_pygments(lexer, text), classes, text, name)
        if vim:
            with open(os.path.join(folder, path.replace("/", "%"))) as file:
                found = file.read()
            wrong["Vim"] += compare(
                "Vim", blank(text, of_characters(text, found)), classes, text, name
            )
    check(len(files) > 150, f"{len(files)} files are compared")
    for what, count in wrong.items():
        check(
            count == 0,
            f"{what} gives the scanner's classes"
            + (
                ""
                if {"Pygments": lexer, "Vim": vim}.get(what, True)
                else f": left out, {what} is not here"
            ),
            f"{count} files differ",
        )

node = shutil.which("node")
if node:
    stub = """const rules = new Proxy({}, {get: (_, name) => name});
const fn = (...parts) => parts;
for (const name of ["choice", "seq", "repeat", "repeat1", "optional"]) global[name] = fn;
global.prec = {right: fn}; global.grammar = (g) => g;
const g = require(process.argv[1] || process.argv[2]);
for (const name in g.rules) g.rules[name](rules);
g.extras(rules); g.word(rules);
console.log(Object.keys(g.rules).length);"""
    done = subprocess.run(
        [node, "-e", stub, os.path.join(EDITORS, "tree-sitter/grammar.js")],
        capture_output=True,
        text=True,
    )
    check(
        done.returncode == 0 and int(done.stdout or 0) > 8,
        "node reads tree-sitter's grammar",
        done.stdout + done.stderr,
    )
check.finish()
