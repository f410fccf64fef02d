"""Sphinx's configuration for tools/site.sh."""

import pathlib
import re
import sys

import pygments.lexers.special

ROOT = pathlib.Path(__file__).resolve().parents[2]
KATEX = pathlib.Path("/usr/share/javascript/katex")

project = "Couplet"
author = "The Couplet authors"
copyright = author
release = re.search(r"project\(couplet VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]

extensions = ["myst_parser", "sphinx.ext.mathjax"]
myst_heading_anchors = 6
# A README may begin with a second heading of the first order; a page of the library may jump one.
suppress_warnings = ["myst.header"]

html_theme = "furo"
html_title = f"Couplet {release}"
html_static_path = ["static", str(KATEX)]
html_css_files = ["katex.min.css", "site.css"]
html_js_files = ["katex.min.js", "tables.js"]
mathjax_path = "math.js"  # takes the place of MathJax, which would come from the network
html_copy_source = False
html_show_sphinx = False
highlight_language = "text"


class Plain(pygments.lexers.special.TextLexer):
    """Text, where the lexer of the language is not in the tree."""

    name, aliases, filenames = "Couplet", ["couplet"], ["*.cpl"]


def couplet_lexer():
    folder = ROOT / "tools" / "editors" / "pygments"
    if not folder.exists():
        return Plain
    sys.path.insert(0, str(folder))
    for file in sorted(folder.glob("*.py")):
        module = __import__(file.stem)
        for made in vars(module).values():
            if "couplet" in getattr(made, "aliases", []):
                return made
    return Plain


def setup(app):
    app.add_lexer("couplet", couplet_lexer())
