"""`pip install ./python`: builds the C library with the tree's own set-up, which installs what it
needs from Debian's packages, and puts it into the package. COUPLET_LIBRARY names a library that is
built already."""

import os
import pathlib
import re
import shutil
import subprocess

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.dist import Distribution

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent
LIBRARY = "libcouplet_formula.so"


def build_library():
    """Builds in build/release, as `./run` does, and gives the path of the library."""
    setup_script = TREE / "tools" / "setup.sh"
    if not setup_script.exists():
        raise SystemExit("couplet is built from its own tree: %s is not there" % setup_script)
    # A Python of pip's own would be found by the build, and would be gone at the next one.
    of_pip = ("PYTHON", "VIRTUAL_ENV", "PIP_")
    keep = {name: value for name, value in os.environ.items() if not name.startswith(of_pip)}
    keep["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    steps = 'set -eu; root=$1; . "$root/tools/setup.sh"; install_packages; build release "$2"'
    subprocess.run(["bash", "-c", steps, "couplet", str(TREE), LIBRARY], check=True, env=keep)
    return TREE / "build" / "release" / LIBRARY


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        named = os.environ.get("COUPLET_LIBRARY")
        target = pathlib.Path(self.build_lib) / "couplet" / LIBRARY
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(named or build_library(), target)
        if shutil.which("strip"):
            subprocess.run(["strip", "--strip-unneeded", str(target)], check=True)


class AnyPython(bdist_wheel):
    """The library is of this machine's kind, and of no one Python."""

    def get_tag(self):
        return ("py3", "none", super().get_tag()[2])


class WithLibrary(Distribution):
    def has_ext_modules(self):
        return True


def version():
    lists = (TREE / "CMakeLists.txt").read_text()
    return re.search(r"project\(couplet VERSION ([0-9.]+)", lists).group(1)


setup(
    name="couplet",
    version=version(),
    description="Losses as formulas: compiled, differentiated, streamed",
    packages=["couplet"],
    python_requires=">=3.9",
    install_requires=["numpy>=1.22"],
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": AnyPython},
    distclass=WithLibrary,
)
