#!/usr/bin/env python3
"""site.py ROOT [--build]: links between the pages of docs/ lead somewhere, docs/README.md names
every page, and code within a line is whole. With --build the site of tools/site.sh is made, too:
its links lead to pages and anchors that there are, nothing in it is loaded from elsewhere, and the
search knows its words. Where Chromium is installed, it sets every formula of some pages."""
import html.parser
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "driver"))
import command

root = pathlib.Path(sys.argv[1]).resolve()
check = command.Checks()
docs = root / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


def prose(path):
    """A page without its blocks of code, of which none has links."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(path):
    """The anchors of a page's headings, as GitHub makes them: a second one of a name gets -1."""
    seen, found = {}, set()
    for heading in re.findall(r"^#+ +(.*)$", prose(path), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(slug if slug not in seen else f"{slug}-{seen[slug]}")
        seen[slug] = seen.get(slug, 0) + 1
    return found


def links_of_pages():
    wrong = []
    for path in [root / "README.md", *sorted(docs.rglob("*.md"))]:
        text = re.sub(r"`[^`\n]*`", "", prose(path))
        for target, anchor in LINK.findall(text):
            if ":" in target:
                continue
            place = (path.parent / target).resolve() if target else path
            if not place.exists():
                wrong.append(f"{path.relative_to(root)}: {target} is not there")
            elif anchor and place.suffix == ".md" and anchor not in anchors(place):
                wrong.append(f"{path.relative_to(root)}: {target}#{anchor} has no such heading")
    check(not wrong, "links between pages lead somewhere", "\n".join(wrong))


def index_is_whole():
    named = {(docs / target).resolve() for target, _ in LINK.findall(prose(docs / "README.md"))}
    pages = set(docs.rglob("*.md")) - {docs / "README.md"}
    left = sorted(str(path.relative_to(docs)) for path in pages - named)
    check(not left, "docs/README.md names every page", left)


def code_is_whole():
    """A line that begins with a sign of lists ends a paragraph, and a piece of code that goes on
    over it; a backtick within code ends the piece, whose last character then is often a blank."""
    wrong = []
    for path in [root / "README.md", *sorted(docs.rglob("*.md"))]:
        for block in re.split(r"\n\s*\n", prose(path)):
            for item in re.split(r"\n(?=(?: *[-+*] | *\d+[.)] |#+ |\|))", block):
                bare = re.sub(r"``.*?``", "", item, flags=re.DOTALL)
                pieces = bare.split("`")
                cut = len(pieces) % 2 == 0
                torn = [code for code in pieces[1::2] if code != code.strip()]
                if (cut or torn) and not bare.startswith("    "):
                    wrong.append(f"{path.relative_to(root)}: {item.strip()[:70]} {torn}")
    check(not wrong, "code within a line is whole", "\n".join(wrong))


class Page(html.parser.HTMLParser):
    """The links, the anchors and what is loaded of a page of HTML."""

    LOADS = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src"}

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors, self.loads = [], set(), []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors.update(found[name] for name in ("id", "name") if found.get(name))
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if found.get(self.LOADS.get(tag)):
            self.loads.append(found[self.LOADS[tag]])


def broken(pages, at, link):
    """What is wrong with a link of the page at this path, or nothing."""
    place, anchor = urllib.parse.urldefrag(link)
    place = place.split("?")[0]
    if urllib.parse.urlparse(link).scheme:
        return None
    target = (at.parent / urllib.parse.unquote(place)).resolve() if place else at
    if target not in pages:
        return None if target.exists() else f"{at.name}: {link} is not there"
    anchor = urllib.parse.unquote(anchor)
    known = not anchor or anchor in pages[target].anchors
    return None if known else f"{at.name}: {link} has no such anchor"


def site(folder):
    done = subprocess.run([root / "tools" / "site.sh", folder], capture_output=True, text=True)
    if not check(done.returncode == 0, "the site is made without a warning", done.stderr[-3000:]):
        return
    folder = pathlib.Path(folder).resolve()
    pages = {path: Page(path) for path in folder.rglob("*.html")}
    check(len(pages) > 30, f"{len(pages)} pages")
    wrong = [broken(pages, path, link) for path, page in pages.items()
             for link in page.links + page.loads]
    wrong = list(filter(None, wrong))
    check(not wrong, "its links lead to pages and anchors that there are", "\n".join(wrong[:20]))
    foreign = {load for page in pages.values() for load in page.loads if "//" in load}
    for sheet in folder.rglob("*.css"):
        foreign.update(re.findall(r"url\(\s*[\"']?((?:https?:)?//[^)]*)", sheet.read_text()))
    check(not foreign, "nothing is loaded from elsewhere", foreign)
    index = (folder / "searchindex.js").read_text()
    index = json.loads(index[index.index("{"):index.rindex("}") + 1])
    for word, page in (("queue", "docs/language"), ("tutori", "docs/tutorial"),
                       ("gradcheck", "docs/losses"), ("recal", "docs/library/measure"),
                       ("cutmix", "docs/library/mix"), ("lar", "docs/library/optim")):
        places = [index[part].get(word, []) for part in ("terms", "titleterms")]
        places = [[found] if isinstance(found, int) else found for found in places]
        names = [index["docnames"][i] for i in {*places[0], *places[1]}]
        check(page in names, f"the search finds {word} on {page}", names)
    if shutil.which("chromium"):
        for page in ("docs/losses", "docs/library/measure", "docs/python"):
            set_page(folder, page)


def set_page(folder, page):
    """Formulas that KaTeX has set, and cells of tables that tables.js has looked at."""
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000",
         "--dump-dom", (folder / f"{page}.html").as_uri()], capture_output=True, text=True)
    text = done.stdout
    formulas = len(re.findall(r'<(?:div|span) class="math[ "]', text))
    are_set = text.count('class="katex"') >= formulas and "katex-error" not in text
    check(are_set, f"{page}: all of {formulas} formulas are set", done.stderr[-500:])
    check('short"' in text, f"{page}: short cells of tables stay on a line")


links_of_pages()
index_is_whole()
code_is_whole()
if sys.argv[2:] == ["--build"]:
    with tempfile.TemporaryDirectory() as folder:
        site(folder + "/site")
check.finish()
