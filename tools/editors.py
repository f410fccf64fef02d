#!/usr/bin/env python3
"""editors.py [--check]: writes the grammars of tools/editors from the tables of words that the
scanner reads, lang/words.def, lang/reductions.def and lang/builtins.def. With --check nothing is
written, and the exit
code is 1 where a file is not what it would be.

One list of rules serves all editors: a class of token and a regular expression that Python, Vim,
TextMate and Pygments understand alike. The first rule that fits at a place is taken."""

import json
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
NOTE = "Made by tools/editors.py from lang/words.def and lang/builtins.def: change these."


def rows(path, macro):
    with open(os.path.join(ROOT, path)) as file:
        return re.findall(rf'^{macro}\("?(\w+)"?, ?(.*)$', file.read(), re.M)


def words(macro):
    return list(dict.fromkeys(name for name, _ in rows("lang/words.def", macro)))


RESERVED, FIRST, SOFT = (words(m) for m in ("RESERVED", "FIRST", "SOFT"))
REDUCTIONS = [name for name, _ in rows("lang/reductions.def", "(?:REDUCTION|KEPT)")]
BUILTINS = [(name, rest) for name, rest in rows("lang/builtins.def", "BUILTIN")]
FUNCTIONS = [name for name, rest in BUILTINS if not rest.startswith("0, 0")]
VALUES = [name for name, rest in BUILTINS if rest.startswith("0, 0")]
# Words that stand between two formulas: what is ahead of them is a name.
JOINING = ["then", "else", "and", "or", "mod", "div"]


def any_of(names):
    return "(?:" + "|".join(sorted(names, key=lambda name: (-len(name), name))) + ")"


# A word of the language begins its statement: a line, or what follows a brace or a semicolon.
BEGINS = r"(?:^|(?<=[{;]))"
RULES = [
    ("comment", r"#[^\n]*"),
    ("text", r'"[^"\n]*"'),
    ("first", BEGINS + r"[ \t\r]*" + any_of(FIRST) + r"(?![\w.,)\]])(?![ \t]*[=:,)\]])"),
    ("reducer", r"\b" + any_of(REDUCTIONS) + r"\b(?=[ \t\r]*\[)"),
    ("word", r"\b" + any_of(RESERVED) + r"\b"),
    # Two names beside each other are no formula: the second belongs to the statement.
    (
        "soft",
        r"(?:(?<=[\w)\]\"}])[ \t]+|(?<=[)\]\"}]))"
        + any_of(SOFT)
        + r"\b(?=[ \t]+(?!"
        + any_of(JOINING)
        + r"\b)[A-Za-z_(0-9\"])",
    ),
    ("number", r"\b[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+|[KMG]iB)?(?!\w)"),
    ("builtin", r"\b" + any_of(FUNCTIONS) + r"\b(?=[ \t]*\()"),
    ("name", r"[A-Za-z_]\w*"),
    ("sign", r"<-|>>|<=|>=|==|!=|\.\.|[-+*/^<>=,:|~.;()\[\]{}]"),
]
WORDS = ("first", "reducer", "word", "soft")

# ---- VS Code -------------------------------------------------------------------------------------

SCOPES = {
    "comment": "comment.line.number-sign",
    "text": "string.quoted.double",
    "first": "keyword.other",
    "reducer": "keyword.operator.reduction",
    "word": "keyword.control",
    "soft": "keyword.other.clause",
    "number": "constant.numeric",
    "builtin": "support.function",
    "name": "variable.other",
    "sign": "keyword.operator",
}


def textmate():
    patterns = [{"name": f"{SCOPES[name]}.couplet", "match": rule} for name, rule in RULES]
    return (
        json.dumps(
            {
                "$comment": NOTE,
                "name": "Couplet",
                "scopeName": "source.couplet",
                "fileTypes": ["cpl"],
                "patterns": patterns,
            },
            indent=2,
        )
        + "\n"
    )


# ---- Vim -----------------------------------------------------------------------------------------

GROUPS = {
    "comment": "Comment",
    "text": "String",
    "first": "Statement",
    "reducer": "Operator",
    "word": "Keyword",
    "soft": "Keyword",
    "number": "Number",
    "builtin": "Function",
    "name": "Normal",
    "sign": "Operator",
}


def vim():
    lines = [f'" {NOTE}', 'if exists("b:current_syntax")', "  finish", "endif", ""]
    # The last of Vim's matches goes first.
    for name, _ in reversed(RULES):
        lines += [f"syn match couplet{name.capitalize()} {VIM[name]}"]
    lines += [""]
    lines += [
        f"hi def link couplet{name.capitalize()} {group}"
        for name, group in GROUPS.items()
        if group != "Normal"
    ]
    return "\n".join(lines + ["", 'let b:current_syntax = "couplet"', ""])


def vim_any(names):
    return "%(" + "|".join(sorted(names, key=lambda name: (-len(name), name))) + ")"


VIM = {
    "comment": r"/#.*/",
    "text": r'/"[^"]*"/',
    "first": r"/\v%(^|[{;]@1<=)\s*<" + vim_any(FIRST) + r">%(\s*[=:,)\]])@!%([.,)\]])@!/",
    "reducer": r"/\v<" + vim_any(REDUCTIONS) + r">%(\s*\[)@=/",
    "word": r"/\v<" + vim_any(RESERVED) + r">/",
    "soft": r'/\v%([A-Za-z0-9_)\]"}]@1<=\s+|[)\]"}]@1<=)'
    + vim_any(SOFT)
    + r">%(\s+%("
    + vim_any(JOINING)
    + r">)@![A-Za-z_(0-9\"])@=/",
    "number": r"/\v<[0-9]+%(\.[0-9]+)?%([eE][-+]?[0-9]+|[KMG]iB)?[A-Za-z0-9_]@!/",
    "builtin": r"/\v<" + vim_any(FUNCTIONS) + r">%(\s*\()@=/",
    "name": r"/\v[A-Za-z_][A-Za-z0-9_]*/",
    "sign": r"/\v\<-|\>\>|\<\=|\>\=|\=\=|!\=|\.\.|[-+*\/^<>=,:|~.;()\[\]{}]/",
}

# ---- Pygments ------------------------------------------------------------------------------------

TOKENS = {
    "comment": "Comment.Single",
    "text": "String.Double",
    "first": "Keyword.Declaration",
    "reducer": "Operator.Word",
    "word": "Keyword",
    "soft": "Keyword.Reserved",
    "number": "Number",
    "builtin": "Name.Builtin",
    "name": "Name",
    "sign": "Operator",
}


def pygments():
    lines = [
        f'"""Couplet for Pygments.\n\n{NOTE}"""',
        "import re",
        "",
        "from pygments.lexer import RegexLexer",
        "from pygments.token import (Comment, Keyword, " "Name, Number, Operator, String,",
        "                            Whitespace)",
        "",
        "",
        "class CoupletLexer(RegexLexer):",
        '    name = "Couplet"',
        '    aliases = ["couplet"]',
        '    filenames = ["*.cpl"]',
        '    mimetypes = ["text/x-couplet"]',
        "    flags = re.MULTILINE",
        "    # No line is changed or left out, so that places stay what they are.",
        "    ",
        "    def __init__(self, **options):",
        "        super().__init__(stripnl=False, ensurenl=False, **options)",
        "",
        "    tokens = {",
        '        "root": [',
    ]
    for name, rule in RULES:
        parts = [rule[i : i + 70] for i in range(0, len(rule), 70)]
        quoted = "\n             ".join(repr(part) for part in parts)
        lines += [f"            ({quoted},", f"             {TOKENS[name]}),"]
    lines += ['            (r"\\n|[ \\t\\r]+", Whitespace),', "        ],", "    }", ""]
    return "\n".join(lines)


# ---- tree-sitter ---------------------------------------------------------------------------------


def choice(names, indent):
    return "choice(\n" + "".join(f'{indent}  "{name}",\n' for name in names) + indent + ")"


def tree_sitter():
    return f"""// {NOTE}
// Tokens by lines: which words of the language stand first in a statement is seen, formulas are not
// taken apart. Editors colour by it; `couplet lsp` knows the rest.
module.exports = grammar({{
  name: "couplet",
  extras: ($) => [/[ \\t\\r]/, $.comment],
  word: ($) => $.identifier,
  rules: {{
    source_file: ($) => repeat(choice($.line, $._newline)),
    line: ($) => choice(seq($.first, repeat($._atom)), repeat1($._atom)),
    first: ($) => {choice(FIRST, "    ")},
    _atom: ($) => choice($.keyword, $.identifier, $.number, $.text, $.operator, $.opening),
    opening: ($) => prec.right(seq(choice("{{", ";"), optional($.first))),
    keyword: ($) => {choice(RESERVED, "    ")},
    identifier: ($) => /[A-Za-z_][A-Za-z0-9_]*/,
    number: ($) => /[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+|[KMG]iB)?/,
    text: ($) => /"[^"\\n]*"/,
    operator: ($) => choice(
      "<-", ">>", "<=", ">=", "==", "!=", "..", "-", "+", "*", "/", "^", "<", ">", "=", ",",
      ":", "|", "~", ".", "(", ")", "[", "]", "}}"),
    comment: ($) => /#[^\\n]*/,
    _newline: ($) => /\\n/,
  }},
}});
"""


def highlights():
    quoted = {
        name: " ".join(f'"{word}"' for word in group)
        for name, group in [
            ("reducer", REDUCTIONS),
            ("soft", SOFT),
            ("builtin", FUNCTIONS),
            ("value", VALUES),
        ]
    }
    return f"""; {NOTE}
(comment) @comment
(text) @string
(number) @number
(first) @keyword
(keyword) @keyword
(operator) @operator
((identifier) @keyword.operator . (operator "[")
  (#any-of? @keyword.operator {quoted["reducer"]}))
((identifier) . (identifier) @keyword
  (#any-of? @keyword {quoted["soft"]}))
((identifier) @function.builtin . (operator "(")
  (#any-of? @function.builtin {quoted["builtin"]}))
((identifier) @constant.builtin
  (#any-of? @constant.builtin {quoted["value"]}))
"""


# ---- Emacs ---------------------------------------------------------------------------------------


def emacs():
    def words_of(names):
        lines, line = [], "      "
        for name in names:
            if len(line) + len(name) + 3 > 90:
                lines.append(line.rstrip())
                line = "      "
            line += f'"{name}" '
        return "\n".join(lines + [line.rstrip()])

    return f""";;; couplet-mode.el --- Couplet and its server -*- lexical-binding: t -*-
;; {NOTE}

(require 'regexp-opt)

(defconst couplet-mode-first
  (list
{words_of(FIRST)}))

(defconst couplet-mode-words
  (list
{words_of(RESERVED)}))

(defconst couplet-mode-reductions
  (list
{words_of(REDUCTIONS)}))

(defconst couplet-mode-builtins
  (list
{words_of(FUNCTIONS)}))

(defvar couplet-mode-font-lock
  `((,(concat "\\\\(?:^\\\\|[{{;]\\\\)[ \\t]*\\\\(" (regexp-opt couplet-mode-first)
              "\\\\)\\\\_>[^=:,.)]")
     1 font-lock-keyword-face)
    (,(concat (regexp-opt couplet-mode-reductions 'symbols) "[ \\t]*\\\\[") 1
     font-lock-builtin-face)
    (,(regexp-opt couplet-mode-words 'symbols) . font-lock-keyword-face)
    (,(concat (regexp-opt couplet-mode-builtins 'symbols) "[ \\t]*(") 1
     font-lock-function-name-face)))

;;;###autoload
(define-derived-mode couplet-mode prog-mode "Couplet"
  "Formulas and methods of contrastive learning."
  (modify-syntax-entry ?# "<" (syntax-table))
  (modify-syntax-entry ?\\n ">" (syntax-table))
  (modify-syntax-entry ?_ "_" (syntax-table))
  (setq-local comment-start "# ")
  (setq-local font-lock-defaults '(couplet-mode-font-lock)))

;;;###autoload
(add-to-list 'auto-mode-alist '("\\\\.cpl\\\\'" . couplet-mode))

(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs '(couplet-mode . ("couplet" "lsp"))))

(provide 'couplet-mode)
;;; couplet-mode.el ends here
"""


FILES = {
    "vscode/syntaxes/couplet.tmLanguage.json": textmate,
    "vim/syntax/couplet.vim": vim,
    "pygments/couplet_lexer.py": pygments,
    "tree-sitter/grammar.js": tree_sitter,
    "tree-sitter/queries/highlights.scm": highlights,
    "emacs/couplet-mode.el": emacs,
}


def main():
    stale = 0
    for name, make in FILES.items():
        path = os.path.join(ROOT, "tools/editors", name)
        text, old = make(), None
        if os.path.exists(path):
            with open(path) as file:
                old = file.read()
        if old == text:
            continue
        stale += 1
        if "--check" in sys.argv:
            print(f"tools/editors/{name} is not what tools/editors.py makes: run it")
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        print(f"tools/editors/{name}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
