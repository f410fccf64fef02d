#!/usr/bin/env python3
"""packages.py ROOT BUILD: every file that `cmake --install` puts in place belongs to one package of
debian/, and debian/ agrees with the tree: versions, packages that a build needs, libraries' names.
What the packages do in a clean system is tried by `tools/package.sh --try`."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "driver"))
import command

root, build = map(pathlib.Path, sys.argv[1:3])
check = command.Checks()
debian = root / "debian"
UNPACKED = {"licence"} # Debian has licences and changelogs at places of their own


def paragraphs(text):
    """The fields of each paragraph of a control file, with lists as lists."""
    for part in re.split(r"\n\s*\n", text.strip()):
        fields = re.findall(r"^([\w-]+):((?:.*\n?)(?:[ \t].*\n?)*)", part, re.MULTILINE)
        yield {name: value.strip() for name, value in fields}


def names(relation):
    """The packages that a field such as Depends names, without versions."""
    words = re.split(r"[,|]", relation)
    return {word.split()[0].split(":")[0] for word in words if word.strip()}


def installed(*options):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["cmake", "--install", build, "--prefix", folder, *options],
                              capture_output=True, text=True)
        check(done.returncode == 0, f"cmake --install {' '.join(options)}", done.stderr[-2000:])
        found = pathlib.Path(folder)
        return {str(path.relative_to(found)) for path in found.rglob("*") if not path.is_dir()}


source, *binaries = paragraphs((debian / "control").read_text())
packages = {binary["Package"]: binary for binary in binaries}
component = dict(re.findall(r"^component_([\w-]+) = (.*)$", (debian / "rules").read_text(), re.M))
check(set(component) == set(packages), "debian/rules says what each package has",
      set(component) ^ set(packages))
for name, fields in packages.items():
    wanted = {"Architecture", "Description", "Depends"}
    check(wanted <= set(fields), f"{name} has {', '.join(sorted(wanted))}", fields)
    siblings = {one for one in names(fields["Depends"]) if "couplet" in one}
    check(siblings <= set(packages), f"{name} asks for packages that there are", siblings)

owners = {}
parts = [part for listed in component.values() for part in listed.split()]
for part in [*parts, *UNPACKED]:
    files = installed("--component", part)
    check(files, f"the component {part} has files")
    for file in files:
        owners.setdefault(file, []).append(part)
shared = {file: found for file, found in owners.items() if len(found) > 1}
check(not shared, "no file is in two packages", shared)
missing = installed() - set(owners)
check(not missing, "every file that is installed is in a package", sorted(missing))

version = re.search(r"project\(couplet VERSION ([\d.]+)", (root / "CMakeLists.txt").read_text())[1]
soversion = re.search(r"COUPLET_SOVERSION (\d+)\)", (root / "CMakeLists.txt").read_text())[1]
first = (debian / "changelog").read_text().split("\n", 1)[0]
check(re.match(rf"couplet \({re.escape(version)}(-\d+)?\) ", first),
      "debian/changelog has the version", first)
signed = re.search(r"^ -- (.*>)  ", (debian / "changelog").read_text(), re.MULTILINE)[1]
check(source["Maintainer"] == signed, "the maintainer is who signs debian/changelog", signed)
check(f"\n## {version}\n" in (root / "CHANGELOG.md").read_text(), "CHANGELOG.md has it")
for name in ("libcouplet", "libcouplet_formula"):
    listed = [file for file in owners if file.endswith(f"{name}.so.{soversion}")]
    package = name.replace("_", "-") + soversion
    check(len(listed) == 1 and package in packages, f"{package} is called like its library", listed)

LISTS = f"root={root}; . {root}/tools/setup.sh; echo $packages; reader_packages"
said = subprocess.run(["bash", "-c", LISTS], capture_output=True, text=True).stdout.split()
# What a run or a compiler brings, and a build of packages has by itself.
AMPLE = {"gcc", "g++", "libc6-dev", "libcmocka-dev", "pocl-opencl-icd", "graphviz", "gnuplot-nox",
         "dataset-fashion-mnist", "ca-certificates", "git"}
left = set(said) - AMPLE - names(source["Build-Depends"])
check(not left, "debian/control asks for what tools/setup.sh installs to build", left)
check.finish()
