#!/usr/bin/env python3
"""pages.py ROOT FOLDER: makes Sphinx's sources in FOLDER: the README and the pages of docs/, as
they lie in the tree, a page for each example that these link to, and index.md, which is
docs/README.md."""
import os
import pathlib
import re
import shutil
import sys

ORPHAN = "---\norphan: true\n---\n"  # a page that only links lead to
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]*)(#[^)\s]*)?\)")


def of_index(root):
    """The headings of docs/README.md, each with the pages that its lines link to first."""
    parts = []
    for line in (root / "docs" / "README.md").read_text().splitlines():
        if line.startswith("## "):
            parts.append((line[3:], []))
        for page in re.findall(r"^- \[[^\]]*\]\(([\w/.]+\.md)\)", line):
            parts[-1][1].append(page)
    return parts


def shows(path):
    """The text between Sphinx and a file that is no page: the file as it stands."""
    text = path.read_text()
    return f"# {path.name}\n\n```couplet\n{text}```\n"


class Site:
    def __init__(self, root, folder):
        self.root, self.folder = root, folder
        self.linked = set()  # files of the tree that pages link to, other than pages

    def link(self, source, found):
        """A link of a page, as the site has it: a folder and a file are shown by pages, too."""
        text, target, anchor = found.group(1), found.group(2), found.group(3) or ""
        if target and (source.parent / target).resolve() == self.root / "docs" / "README.md":
            return f"[{text}]({os.path.relpath(self.root / 'index.md', source.parent)}{anchor})"
        if not target or ":" in target or target.endswith((".md", ".svg", ".png")):
            return found.group(0)
        path = (source.parent / target).resolve()
        if path.suffix == ".cpl" and path.is_file():
            self.linked.add(path)
            return f"[{text}]({target}.md{anchor})"
        return text  # what the site does not have is named

    def page(self, source):
        text = source.read_text()
        text = re.sub(r"^```math$", "```{math}\n:nowrap:\n", text, flags=re.MULTILINE)
        pieces = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
        for i in range(0, len(pieces), 2):
            pieces[i] = LINK.sub(lambda found: self.link(source, found), pieces[i])
        return "".join(pieces)

    def write(self, path, text):
        at = self.folder / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)

    def make(self):
        docs = self.root / "docs"
        for path in sorted(docs.rglob("*")):
            place = path.relative_to(self.root)
            if path.suffix == ".md" and path != docs / "README.md":
                self.write(place, self.page(path))
            elif path.suffix in (".svg", ".png"):
                (self.folder / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, self.folder / place)
        self.write("README.md", ORPHAN + self.page(self.root / "README.md"))
        self.index(docs)
        for path in sorted(self.linked):
            self.write(f"{path.relative_to(self.root)}.md", ORPHAN + shows(path))

    def index(self, docs):
        """index.md: docs/README.md and the contents, which the theme shows at the side."""
        text = self.page(docs / "README.md")
        text = re.sub(r"\]\((?!\.\./)([\w/.]+\.md)", r"](docs/\1", text).replace("](../", "](")
        for heading, pages in of_index(self.root):
            entries = "\n".join(os.path.normpath("docs/" + page)[:-3] for page in pages)
            text += f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n{entries}\n```\n"
        self.write("index.md", text)


if __name__ == "__main__":
    Site(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()).make()
