#!/usr/bin/env python3
"""recipes.py ROOT: the recipes of docs/hacking.md name the files that an addition touches.

Every file that the page names exists. For each recipe there is a member that was added so: each
source that speaks of this member is named by the recipe, or stands below with the reason why an
addition leaves it alone. And each file of the recipe that every addition must touch speaks of the
member; so do the tests and pages that it names."""
import os
import re
import subprocess
import sys

root = sys.argv[1]
ENDINGS = r"\.(?:c|h|def|md|py|sh|cpl|y|l|txt|cases|npy)"
SOURCES = ("lang", "compiler", "runtime")

# Heading of the recipe: the member (a pattern), files that speak of it for another reason, and
# files of the recipe that its member need not have, since only some additions touch them.
RECIPES = {
    "Add a scalar function": (
        r"\bG_ERF\b|\bd_erf\b|OF_ONE_REAL\(erf\b|COUPLET_OP_ERF|SCALAR\(ERF|BUILTIN\(erf", {
            "compiler/passes/complement.c": "1 - erf(x) has digits that 1 less erf(x) has not"},
        {"compiler/graph/constant_fold.c": "nothing folds", "compiler/cpu/emit.h": "math_erf",
         "compiler/cpu/math.c": "math_erf", "lang/constant.c": "no schedule uses it"}),
    "Add a reducer": (
        r"\bGR_PROD\b|COUPLET_REDUCE_PROD|REDUCER\(PROD|REDUCTION\(prod|\breduce_prod\b", {},
        {"compiler/graph/reducer.h": "asks the row", "compiler/graph/walk.c": "no rows at a time",
         "compiler/plan/sweep.c": "no sweep keeps a product",
         "compiler/cpu/emit_columns.c": "no columns", "compiler/cpu/sink.c": "no sink",
         "compiler/passes/fuse.c": "left alone", "compiler/passes/weigh.c": "left alone",
         "compiler/passes/logform.c": "left alone", "compiler/passes/reach.c": "left alone",
         "compiler/passes/split.c": "left alone",
         "compiler/passes/stream/unfold.c": "left alone"}),
    "Add a statement": (
        r"\bSTMT_GIVE\b|FIRST\(\"give\"|\blower_give\b|\bcheck_give\b", {
            "compiler/lower/give.c": "is the statement's own file",
            "compiler/lower/internal.h": "declares it"},
        {"lang/codes.def": "no mistake of its own",
         "lang/ast_build.c": "no field of its own", "lang/ast_walk.c": "no field of its own",
         "lang/format.c": "the layout of a let", "lang/check.c": "not in bodies",
         "lang/flow.c": "nothing flows", "lang/edges.c": "nothing flows",
         "compiler/picture/picture.c": "is not drawn", "compiler/lower/call.c": "not in bodies",
         "compiler/lower/lower_epoch.c": "not between epochs"}),
    "Add a built-in": (r"\"concat\"|BUILTIN\(concat,", {}, {
        "compiler/lower/call.c": "is no scalar", "compiler/lower/library.c": "is no library call"}),
    "Add a library call": (
        r"\bCOUPLET_CALL_ASSIGNMENT\b|CALL\(ASSIGNMENT|BUILTIN\(assignment|strcmp\(name, \"assign",
                           {
            "runtime/grouping.c": "cluster accuracy calls it"},
        {"runtime/abi.h": "no fault of its own", "runtime/device.c": "no fault of its own",
         "runtime/formula_faults.c": "no fault of its own", "runtime/calls.c": "by the row's text",
         "compiler/passes/differentiate.c": "has no derivative"}),
    "Add an optimiser": (r"optimiser lars\(", {}, {}),
    "Add a data source": (r"\bcouplet_reader_points\b|READER\w*\(points\b", {}, {
        "runtime/data/reader.h": "the promises", "runtime/data/cifar.c": "a model",
        "runtime/data/idx.c": "a model", "runtime/CMakeLists.txt": "by file name",
        "runtime/data/CMakeLists.txt": "no module"}),
    "Add an evaluation": (
        r"\"few_shot\"|couplet_few_shot\b|EVAL_OPTION\(few_shot, ways|EVALUATION\(few_shot\b"
        r"|\bepisodes;|\bfrom->episodes\b|\beval\.episodes\b", {},
        {"runtime/evaluate.h": "is no classifier", "runtime/abi_pointers.def": "by its size",
         "runtime/CMakeLists.txt": "by file name"}),
    "Add a pass": (
        r"\bpass_weigh\b|PASS\(weigh\b|\bweigh\.c\b", {
            "compiler/passes/weigh.c": "is the pass", "compiler/passes/README.md": "speaks of all",
            "compiler/passes/simplify.c": "says what is left to it"},
        {"compiler/graph/properties.def": "what it needs", "compiler/compile/stage.c": "all rows",
         "compiler/driver/assemble.c": "asks no setting"}),
    "Add a kind of kernel": (r"\bKERNEL_BUCKET\b", {}, {
        "compiler/plan/signature.c": "depends on nothing of its own"}),
    "Add a back end": (r"\bopencl_backend\b", {
        "compiler/backend/opencl_backend.c": "is the back end",
        "compiler/backend/README.md": "names its file"}, {
        "compiler/plan/kernel.h": "all kinds", "compiler/opencl/opencl_compile.c": "a model",
        "runtime/device.h": "the promises"}),
}
# Heading of the recipe: the member's word, and tests and pages of the recipe that do not say it.
WORDS = {
    "Add a scalar function": ("erf", {}),
    "Add a reducer": ("prod", {}),
    "Add a statement": ("give", {}),
    "Add a built-in": ("concat", {"tests/lang/compositions.py": "asks the table"}),
    "Add a library call": ("assignment", {}),
    "Add an optimiser": ("lars", {}),
    "Add a data source": ("points", {}),
    "Add an evaluation": ("few_shot", {
        "tests/driver/evaluations.py": "is no classifier",
        "tests/runtime/test_evaluation.c": "is no classifier"}),
}
faults = 0


def check(good, what):
    global faults
    faults += not good
    if not good:
        print("FAILED ", what)


def named_files(text, tracked):
    """The files of the tree that a text names: by their whole path, or by its end."""
    found, unknown = set(), []
    for word in re.findall(rf"`([\w./-]*\w{ENDINGS})`", text):
        ends = {path for path in tracked if path == word or path.endswith("/" + word)}
        found |= ends
        if not ends and not re.search(r"NAME|FILE|SPEC", word):
            unknown.append(word)
    return found, unknown


tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True)
if tracked.returncode != 0:
    print("this tree is no git repository: the files that it tracks are not known")
    sys.exit(0)
tracked = tracked.stdout.split()
with open(os.path.join(root, "docs/hacking.md"), encoding="utf-8") as file:
    sections = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", file.read(), re.M))
for heading, text in sections.items():
    _, unknown = named_files(text, tracked)
    check(not unknown, f"docs/hacking.md, {heading}: there is no {', '.join(unknown)}")

def read(path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


texts = {}
for path in tracked:
    if path.startswith(SOURCES) or path == "stdlib/optim.cpl":
        if re.search(r"(?:\.(?:c|h|def|y|l|cpl|cl)|CMakeLists\.txt|README\.md)$", path):
            texts[path] = read(path)
for heading, (pattern, others, some) in RECIPES.items():
    named, _ = named_files(sections[heading], tracked)
    speaks = {path for path, text in texts.items() if re.search(pattern, text)}
    check(speaks, f"{heading}: nothing speaks of {pattern}")
    for path in sorted(speaks - named - set(others)):
        check(False, f"{heading}: {path} speaks of a member, and the recipe does not name it")
    for path in sorted(set(others) - speaks):
        check(False, f"{heading}: {path} no longer speaks of it; take it off the list")
    for path in sorted(set(some) & speaks):
        check(False, f"{heading}: {path} speaks of it; take it off the list of others")
    sure = {path for path in named if sum(p.endswith("/" + os.path.basename(path))
                                          for p in named) == 1 and path in texts}
    for path in sorted(sure - speaks - set(some)):
        check(False, f"{heading}: the recipe names {path}, which does not speak of the member")
for heading, (word, silent) in WORDS.items():
    named = {path for path in tracked if path.startswith(("tests/", "docs/"))
             and f"`{path}`" in sections[heading]}
    check(named, f"{heading}: the recipe names no test and no page")
    for path in sorted(named):
        says = re.search(rf"\b{word}\b", read(path)) is not None
        check(says != (path in silent), f"{heading}: {path} " + (
            f"says {word}; take it off the list" if says else f"is named, and does not say {word}"))
print(f"{len(sections)} sections, {len(RECIPES)} recipes, {faults} faults")
sys.exit(faults > 0 or len(sections) < 20)
