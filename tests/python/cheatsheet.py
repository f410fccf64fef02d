"""cheatsheet.py ROOT: each row of docs/cheatsheet.md says one value three times."""
import importlib.util
import pathlib
import re
import sys
import unittest

import numpy as np

import couplet

root = pathlib.Path(sys.argv.pop())
has_torch = importlib.util.find_spec("torch")

TYPES = {"x": "x[N, D]", "y": "y[N, D]", "s": "s[N, N]", "v": "v[D]", "w": "w[N]", "m": "m[D, K]",
         "p": "p[H, H]", "k": "k[3, 3]", "label": "label : int[N]", "q": "q[N, N]"}
SOFTMAX = """fn softmax_of(s[N, M]) {
  let r[i, c] = softmax[c] s[i, c]
  return r
}
"""


def arrays():
    draw = np.random.default_rng(3)
    made = {"x": draw.normal(size=(6, 4)), "y": draw.normal(size=(6, 4)),
            "s": draw.normal(size=(6, 6)), "v": draw.normal(size=4),
            "w": draw.uniform(0.1, 2, size=6), "m": draw.normal(size=(4, 3)),
            "p": draw.normal(size=(5, 5)), "k": draw.normal(size=(3, 3)),
            "label": np.array([0, 1, 2, 1, 0, 2])}
    made["q"] = np.exp(made["s"]) / np.exp(made["s"]).sum(1, keepdims=True)
    return made


def rows():
    """What a row is of, and the code of its three cells."""
    for line in (root / "docs" / "cheatsheet.md").read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 4 and cells[1].startswith("`"):
            yield (cells[0], *(cell.strip("`").replace("\\|", "|") for cell in cells[1:]))


def function_of(cell):
    """The text of a function `f` with what the cell says, and the names of its arrays."""
    names = [name for name in TYPES if re.search(rf"\b{name}\b", cell)]
    if "N" in re.findall(r"\bN\b", cell) and not {"x", "y", "s", "w"} & set(names):
        names = ["w", *names]
    head = "fn f(%s)" % ", ".join(TYPES[name] for name in names)
    if cell.startswith("let "):
        return f"{SOFTMAX}{head} {{\n  {cell}\n  return r\n}}\n", names
    return f"{SOFTMAX}{head} = {cell}\n", names


class CheatSheet(unittest.TestCase):
    def test_rows(self):
        given, seen = arrays(), 0
        for what, ours, numpys, torchs in rows():
            with self.subTest(what):
                text, names = function_of(ours)
                said = couplet.load_text(text).f(*(given[name] for name in names))
                scope = {"np": np, "N": 6, **given}
                wanted = np.asarray(eval(numpys, scope), dtype=float)
                np.testing.assert_allclose(np.asarray(said, dtype=float), wanted, 2e-5, 2e-6)
                if has_torch:
                    self.in_torch(torchs, given, wanted)
                seen += 1
        self.assertGreaterEqual(seen, 50)

    def in_torch(self, cell, given, wanted):
        import torch
        scope = {name: torch.tensor(array, dtype=None if name == "label" else torch.float32)
                 for name, array in given.items()}
        scope.update(torch=torch, F=torch.nn.functional, N=6)
        np.testing.assert_allclose(np.asarray(eval(cell, scope), dtype=float), wanted, 2e-5, 2e-6)


unittest.main()
