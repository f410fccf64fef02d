"""docs.py ROOT: what docs/python.md and the README say of Python is run, block after block."""
import contextlib
import importlib.util
import io
import os
import pathlib
import re
import sys
import tempfile
import unittest

root = pathlib.Path(sys.argv.pop())


def blocks(text, language):
    return re.findall(r"^```%s\n(.*?)^```$" % language, text, re.M | re.S)


def files_of_the_page(text):
    """`mine.cpl` and `rows.cpl`, each by the line above its block."""
    return dict(re.findall(r"`(\w+\.cpl)`:\n\n```couplet\n(.*?)^```$", text, re.M | re.S))


class Pages(unittest.TestCase):
    def run_page(self, page, formulas):
        text = (root / page).read_text()
        with tempfile.TemporaryDirectory() as folder:
            os.environ["COUPLET_CACHE"] = folder
            os.chdir(folder)
            for name, formula in formulas(text).items():
                pathlib.Path(name).write_text(formula)
            names, said = {}, io.StringIO()
            ran = 0
            for block in blocks(text, "python"):
                if "couplet.jax" in block and not importlib.util.find_spec("jax"):
                    continue
                with contextlib.redirect_stdout(said), self.subTest(block):
                    exec(compile(block, page, "exec"), names)
                    ran += 1
            os.chdir(root)
        return text, said.getvalue(), ran

    def test_the_page(self):
        text, said, ran = self.run_page("docs/python.md", files_of_the_page)
        self.assertGreaterEqual(ran, 5)
        shown = re.search(r"((?:    .*\n)+)\n`error.message`", text).group(1)
        self.assertIn(re.sub("^    ", "", shown, flags=re.M), said)

    def test_the_readme(self):
        one = "fn nt_xent(z[N, D], w[N, D], tau = 0.5) = mean[i] cos(z[i], w[i]) / tau\n"
        self.assertEqual(self.run_page("README.md", lambda text: {"mine.cpl": one})[2], 1)


unittest.main()
