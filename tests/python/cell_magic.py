"""cell_magic.py ROOT: the cell magic in a shell of IPython."""
import contextlib
import io
import os
import sys
import tempfile
import unittest

from IPython.core.interactiveshell import InteractiveShell

sys.argv.pop()
folder = tempfile.TemporaryDirectory()
os.environ["COUPLET_CACHE"] = folder.name
os.environ["IPYTHONDIR"] = folder.name


class Cells(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shell = InteractiveShell.instance(colors="NoColor")
        cls.run_cell("import numpy as np")
        cls.run_cell("%load_ext couplet")

    @classmethod
    def run_cell(cls, text):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            done = cls.shell.run_cell(text)
        return done, out.getvalue()

    def value(self, text):
        done, out = self.run_cell(text)
        self.assertTrue(done.success, out)
        return done.result

    def test_functions_of_a_cell(self):
        self.value("%%couplet\nfn twice(x[N]) = sum[i] 2 * x[i]\nfn square(x[N]) = sum[i] x[i]^2\n")
        self.assertEqual(self.value("twice(np.arange(4.0))"), 12)
        self.assertEqual(list(self.value("square.grad(np.arange(3.0))['x']")), [0, 2, 4])

    def test_a_name_and_a_hyper(self):
        self.value("%%couplet mine scale=3\nhyper scale = 1\nfn f(x[N]) = scale * sum[i] x[i]\n")
        self.assertEqual(self.value("mine.f(np.ones(2))"), 6)

    def test_mistakes(self):
        done, out = self.run_cell("%%couplet\nfn f(x[N]) = sum[i] z[i]\n")
        self.assertFalse(done.success)
        self.assertEqual(done.error_in_exec.code, "E101")
        self.assertIn("    1 | fn f(x[N]) = sum[i] z[i]\n      |                     ^\n", out)
        self.assertNotIn("Traceback", out)
        for line, words in (("a b", "takes one name"), ("s=x", "is no HYPER=NUMBER")):
            done, out = self.run_cell("%%couplet " + line + "\nfn f(x[N]) = sum[i] x[i]\n")
            self.assertIn(words, out)


unittest.main()
