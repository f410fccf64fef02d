#!/usr/bin/env python3
"""includes.py COUPLET ROOT: which folder includes which. The driver and the library that
compiles for other programs know all. The compiler knows the language and headers of the runtime
that are meant for it. Neither the language nor the runtime knows any other folder."""
import pathlib
import re
import sys

import command

root = pathlib.Path(sys.argv[2])
check = command.Checks()

# What the compiler's folders but the driver, which runs what they make, may know of the runtime:
# plans and how they are run, the values of formulas, draws, ranges, files, hashes.
OF_RUNTIME = {"abi.h", "abi_pointers.def", "arena.h", "calls.h", "data/cache.h", "device.h",
              "dispatch.h", "executor.h", "files.h", "formula.h", "hash.h", "packed.h",
              "protobuf.h", "random.h", "range.h"}


# Which other folders a folder of the compiler may include, beside the graph. Only `compile` runs
# passes over what lowering made.
OF_COMPILER = {"graph": set(), "passes": set(), "lower": set(), "plan": set(), "reference": set(),
               "compile": {"lower", "passes", "plan"}, "cpu": {"plan"}, "opencl": {"plan"},
               "backend": {"cpu", "opencl", "plan"}, "onnx": set()}
# Questions about formulas that a pass and lowering both ask.
SHARED = {"compiler/passes/logform.h"}

# What a folder may know of the runtime beyond that: a back end opens its device.
OF_FOLDER = {"compiler/backend": {"runtime/opencl/opencl.h", "runtime/threads.h"}}


def within_compiler(file, included):
    own, other = file.split("/")[1], included.split("/")[1]
    return included in SHARED or other in (
        own, "graph") or own not in OF_COMPILER or other in OF_COMPILER[own]


def allowed(file, included):
    own, other = file.split("/", 1)[0], included.split("/", 1)[0]
    if own in ("lang", "runtime"):
        return other == own
    if file.startswith(("compiler/driver/", "compiler/library/", "compiler/lsp/")):
        return other in ("compiler", "lang") or (other == "runtime" and not included.endswith(".c"))
    return (other == "compiler" and not included.startswith("compiler/driver/")
            and within_compiler(file, included)) or other == "lang" or included.removeprefix(
                "runtime/") in OF_RUNTIME or included in OF_FOLDER.get(file.rsplit("/", 1)[0], ())


def wrong(file, text):
    """Includes of a file that go the wrong way. A name without a folder is of a file that is
    made beside it."""
    return [name for name in re.findall(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]*)"', text, re.M)
            if "/" in name and not allowed(file, name)]


check([
    wrong("lang/x.c", '#include "lang/type.h"\n'), wrong("lang/x.c", '#include "runtime/abi.h"\n'),
       wrong("lang/x.c", '  #  include "../runtime/abi.h"\n'),
    wrong("runtime/data/x.c", '#include "compiler/graph/graph.h"\n#include "lang/data.h"\n'),
       wrong("compiler/plan/x.c", '#include "runtime/train.h"\n#include "runtime/abi.h"\n'),
    wrong("compiler/plan/x.c", '#include "compiler/driver/load.h"\n'),
       wrong("compiler/lower/x.c",
             '#include "compiler/passes/passes.h"\n#include "compiler/graph/graph.h"\n'),
       wrong("compiler/driver/x.c", '#include "runtime/train.h"\n#include "runtime/train.c"\n')
] == [[], ["runtime/abi.h"], ["../runtime/abi.h"], ["compiler/graph/graph.h", "lang/data.h"],
      ["runtime/train.h"], ["compiler/driver/load.h"], ["compiler/passes/passes.h"],
      ["runtime/train.c"]],
    "what breaks the rule is told from what keeps it")

files = [path for folder in ("lang", "runtime", "compiler") for path in (root / folder).rglob("*")
         if path.suffix in (".c", ".h", ".def", ".y", ".l")]
check(len(files) > 200, "the folders are there", len(files))
for path in files:
    name = path.relative_to(root).as_posix()
    for included in wrong(name, path.read_text()):
        check(False, f"{name} includes no {included}")
check.finish()
