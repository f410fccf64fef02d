"""library.py ROOT: the shared library shows the functions of its header and nothing else, and the
package declares each of its functions as the header does."""
import ctypes
import os
import pathlib
import re
import subprocess
import sys
import unittest

from couplet import _library

root = pathlib.Path(sys.argv.pop())
header = (root / "compiler/library/couplet_formula.h").read_text()
header += (root / "runtime/couplet.h").read_text()
DECLARED = r"^(?!\s|typedef|#|/| \*)([\w ]+?[ *]+)(couplet_\w+)\(([^;]*)\);"
declared = re.findall(DECLARED, header, re.M)
OF_PROGRAMS = {"couplet_command"}  # which prints, so this library does without it


STRUCTURES = {
    "CoupletValue": _library.Value,
    "CoupletParameter": _library.Parameter,
    "CoupletArgument": _library.Argument,
    "CoupletFormulaOptions": _library.Options,
    "CoupletShape": _library.Shape,
    "CoupletModelOptions": _library.ModelOptions,
    "CoupletInput": _library.Input,
    "CoupletRows": _library.Rows,
}


def c_type(text):
    """The type of ctypes for a parameter or a result of the header, by its form."""
    text = re.sub(r"\bconst\b", "", text)
    stars = text.count("*")
    base = text.replace("*", " ").split()[0]
    if base in ("CoupletFile", "CoupletFormula", "CoupletProblem", "CoupletMethod", "CoupletModel"):
        return {1: ctypes.c_void_p, 2: ctypes.POINTER(ctypes.c_void_p)}[stars]
    if base in STRUCTURES:
        return ctypes.POINTER(STRUCTURES[base])
    plain = {"char": None, "void": None, "float": ctypes.c_float, "int": ctypes.c_int}
    plain["size_t"] = ctypes.c_size_t
    plain.update({"double": ctypes.c_double, "int64_t": ctypes.c_int64})
    plain.update({"CoupletStatus": ctypes.c_int})
    if base == "char" and stars == 1:
        return ctypes.c_char_p
    if stars == 2:
        return ctypes.POINTER(ctypes.c_void_p)
    return ctypes.POINTER(plain[base]) if stars else plain[base]


class TheLibrary(unittest.TestCase):
    def test_it_shows_the_header(self):
        done = subprocess.run(
            ["nm", "-D", "--defined-only", os.environ["COUPLET_LIBRARY"]],
            capture_output=True, text=True, check=True,
        )
        shown = {line.split()[-1].split("@")[0] for line in done.stdout.splitlines()}
        self.assertEqual(shown, {name for _, name, _ in declared} - OF_PROGRAMS)

    def test_the_package_declares_it(self):
        self.assertGreater(len(declared), 20)
        for result, name, arguments in declared:
            if name not in _library._functions:
                continue
            with self.subTest(name):
                said_result, said = _library._functions[name]
                self.assertEqual(said_result, c_type(result))
                wanted = [c_type(a) for a in arguments.split(",") if a != "void"]
                self.assertEqual(said, wanted)

    def test_structures_have_the_fields_of_the_header(self):
        sizes = {"int": 4, "double": 8, "int64_t": 8, "uint64_t": 8, "size_t": 8}
        for name, structure in STRUCTURES.items():
            body = re.search(r"typedef struct %s \{(.*?)\n\}" % name, header, re.S).group(1)
            body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
            body = re.sub(r"(\w+) (\w+), (\w+);", r"\1 \2; \1 \3;", body)
            fields = re.findall(r"(\w+) (\*?)(\w+)(?:\[(\d+)\])?;", body)
            self.assertEqual([f for _, _, f, _ in fields], [f[0] for f in structure._fields_])
            for kind, star, field, count in fields:
                want = (8 if star else sizes.get(kind, 4)) * int(count or 1)
                self.assertEqual(getattr(structure, field).size, want, field)

    def test_the_version(self):
        lists = (root / "CMakeLists.txt").read_text()
        self.assertIn("VERSION %s " % _library.library().couplet_version().decode(), lists)


unittest.main()
