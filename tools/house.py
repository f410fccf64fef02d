#!/usr/bin/env python3
"""house.py [FOLDER] [--names BUILD] [--list WHAT]: the measures of the C code's form.

FOLDER is the root of a tree; without it, the tree that this file lies in. A row is printed for each
of the folders lang, compiler, runtime and tests, and a row for the first three together. The
columns:

    lines       lines of code, without blank lines and lines of comment alone
    tokens      tokens of code for each of them, on average
    wide        lines of more than 100 columns, comments among them
    long        functions of more than 40 lines that are no dispatch: a switch with a case for every
                six lines is a table, and may be as long as it has rows
    dispatch    such functions
    median      tokens of the median function
    walkers     functions that call themselves over the arguments of an expression of a graph
    headless    files that do not begin with a comment
    asserts     calls of assert and _Static_assert
    comment     percent of the characters that stand in comments

--names BUILD reads the object files of a build with nm, and prints how many functions that are seen
outside their file begin with no word that tells which file to open (PREFIXES), how many files of
two folders have one name, and how many names are static functions of three files or more without
meaning one thing in all of them (SHARED_NAMES); the exit status is 1 where there is one of any.
--list long, dispatch, wide, headless, walkers or names prints the places behind a number, those of
the tests too but for walkers; names also has long functions and walkers for which LONG and WALKERS
give no reason."""
import argparse
import glob
import os
import re
import subprocess
import sys

# The words that functions begin with which are seen outside their file: of each folder, those of
# its types and of its files. The first word says which file to open.
PREFIXES = {
    "lang": "arena ast binder binders call check codes constant data diag dim flow format habit "
            "map "
            "method module net option parse parser scope setting source span stage text token type "
            "view whole",
    "compiler/backend": "backend backends",
    "compiler/compile": "backend budget compile pass stage unit",
    "compiler/cpu": "contraction cpu element emit emitter frame helper local loop vector",
    "compiler/driver": "arrays bench compare comparison data device field formula gradient "
                       "graphviz "
                       "library link load lower memory method opencl options outcome path print "
                       "program "
                       "report settings source tool train trained write",
    "compiler/graph": "affine expr graph gx gx1 gx2 load node pair product reducer shard subscript",
    "compiler/library": "couplet formula library",
    "compiler/lower": "call draw frame function let load lower method net site stage state trail",
    "compiler/lsp": "analysis answer document lsp name",
    "compiler/onnx": "onnx",
    "compiler/opencl": "fold frame mask opencl write",
    "compiler/passes": "bound chunk derivative log logs pass rewrite shift solver stream zeros",
    "compiler/page": "chart html page projection",
    "compiler/picture": "describe dot mathml picture tex",
    "compiler/plan": "alike argument compute contraction kernel life plan schedule sign sweep",
    "compiler/reference": "reference",
    "compiler/sheet": "couplet draw sheet",
    "runtime/opencl": "opencl",
}
# The names that static functions of three files or more may have, since they mean one thing in all:
# what their heads look like (`type (parameters)`), and that meaning.
SORTS = r"int \(const void \*\w+, const void \*\w+\)"
HOOK = r"const GExpr \*\(void \*context, Graph \*g, const GExpr \*e\)"
READER = r"CoupletTable \*\w+"
SHARED_NAMES = {
    "add_fields": (rf"bool \(.*{READER}.*\)", "a reader adds its fields to the table"),
    "by_name": (SORTS, "the order of names, for qsort"),
    "by_path": (SORTS, "the order of paths, for qsort"),
    "by_place": (SORTS, "the order of places in a file or an array, for qsort"),
    "by_value": (SORTS, "the order of numbers, for qsort"),
    "close_table": (rf"void \({READER}\)", "a reader's `close`"),
    "column": (rf"bool \(const {READER}, int field, int32_t \*out, .*\)", "a reader's `column`"),
    "extent_of": (r"int64_t \(const Expr \*dim\)", "the extent that a test gives a dimension"),
    "fail": (r"bool \(.*\)", "leaves the sentence where the caller reports it; false"),
    "find": (r"const double \*\(void \*context, const GNode \*\w+\)",
             "the values of an input, for the reference evaluator"),
    "fuzz_one": (r"void \(const char \*name, const uint8_t \*data, size_t size\)",
                 "what a fuzz target does with one input"),
    "key_of": (r"uint64_t \(const \w+ \*\w+(?:, const \w+ \*\w+)?\)",
               "the key that a packed copy of the rows is found by"),
    "largest": (r"double \(const .*\)", "the largest magnitude"),
    "load": (rf"bool \({READER}, char \*error, size_t error_bytes\)", "a reader's `load`"),
    "make_folder": (r"int \(void \*\*state\)", "the folder that the tests of a file write in"),
    "make_input": (r"void \*?\(.*\)", "the values that a test gives one input"),
    "make_inputs": (r"void (?:\*\*)?\(.*\)", "the values that a test gives all inputs"),
    "mix": (r"uint64_t \(uint64_t \w+, uint64_t \w+\)", "a hash that goes on with a word"),
    "mul": (r"const GExpr \*\(\w+ \*\w+, const GExpr \*a, const GExpr \*b\)", "a * b"),
    "name_row": (rf"void \(const {READER}, int64_t row, char \*out, size_t bytes\)",
                 "a reader's `name_row`"),
    "narrow": (r"void \*{1,2}\(.*\)", "the values of inputs in the types that kernels read"),
    "now": (r"GNode \*\(.*GNode \*node\)", "the node that stands for a node of before"),
    "open_table": (r"bool \(const CoupletRequest \*request, CoupletTable \*out, .*\)",
                   "a reader's `open`"),
    "orientation_of": (r"int \(const \w+ .*\)|int \(Decoding \*d\)",
                       "how a picture is turned, as EXIF counts"),
    "out_of_memory": (r"(?:bool|void|_Noreturn void) \(.*\)",
                      "says that memory is out, where the caller reports it"),
    "pick": (r"int \(.*int count\)", "one of `count`, drawn"),
    "read_header": (r"bool \(.*\)", "reads what stands ahead of the data of a file"),
    "read_row": (rf"bool \(const {READER}, int64_t row, void \*const \*fields, .*\)",
                 "a reader's `read`"),
    "read_settings": (r"\w+ \(\w+ \*\w+, const CoupletRequest \*request.*\)",
                      "a reader takes its settings"),
    "redirect": (HOOK, "a read of a node of before becomes one of the node that stands for it"),
    "renew": (r"GNode \*\(.*\)", "a pass makes a node anew"),
    "sample": (r"double \(.*int64_t i\)", "entry i of what a test gives an input"),
    "shape_text": (r"const char \*\(.*\)", "a shape as a message or a page shows it"),
    "visit_difference": (HOOK, "what a pass makes of a - b"),
}
MOST_FILES_OF_A_NAME = 2
# Functions that may be longer than MOST_LINES without being a dispatch, and why.
LONG = {
    "habit_of_syntax": "the rules of habits in their order: the first that fits answers",
    "fill_parts": "a case for each kind of data, which assigns what a project of it is made of",
}
# Why a function may call itself over the arguments of an expression of a graph.
IS_THE_WALK = "it is the walk that the others use"
MEMO = "it keeps what it has met, in a map or by the id of the expression"
BUDGET = "it stops when what is left of a budget, or of room for what it finds, is used up"
DEPTH = "it stops at a named depth"
SMALL = "its callers ask expr_is_small_tree first, or the range of a whole number, which does"
CHAIN = "it goes along the choices, signs or factors of one formula, which are few and not shared"
WALKERS = {
    "compiler/cpu/emit_expression.c may_fault": MEMO,
    "compiler/cpu/emit_scalars.c narrowed": SMALL,
    "compiler/graph/affine.c find_addends": SMALL,
    "compiler/graph/sample_shards.c addends_of": BUDGET,
    "compiler/graph/sample_shards.c rows_below": BUDGET,
    "compiler/graph/text.c count_uses": MEMO,
    "compiler/graph/text.c print_shared": MEMO,
    "compiler/graph/visit.c expr_visit_rest": IS_THE_WALK,
    "compiler/graph/visit.c expr_visit_sure": IS_THE_WALK,
    "compiler/graph/visit.c fold_in": IS_THE_WALK,
    "compiler/graph/visit.c spend": BUDGET,
    "compiler/lower/rate.c formula_of": BUDGET,
    "compiler/lower/vanish.c is_kept_above": CHAIN,
    "compiler/lower/vanish.c is_nonzero": BUDGET,
    "compiler/lower/vanish.c part_of": BUDGET,
    "compiler/onnx/expression.c onnx_known": SMALL,
    "compiler/onnx/onnx_product.c take_factors": BUDGET,
    "compiler/opencl/write_expression.c may_fault": MEMO,
    "compiler/passes/bound.c is_unit_value": CHAIN,
    "compiler/passes/bound.c widen": MEMO,
    "compiler/passes/centre.c collect": BUDGET,
    "compiler/passes/complement.c find_entry": DEPTH,
    "compiler/passes/factors.c take_factor": CHAIN,
    "compiler/passes/logform.c collect": BUDGET,
    "compiler/passes/reach.c is_drawn": DEPTH,
    "compiler/passes/mean.c add_factors": BUDGET,
    "compiler/passes/ratio.c factors_of": BUDGET,
    "compiler/passes/share_of_sum.c addends": BUDGET,
    "compiler/passes/share_of_sum.c log_value_behind": MEMO,
    "compiler/passes/share_of_sum.c unify": MEMO,
    "compiler/passes/simplify.c take_apart": BUDGET,
    "compiler/passes/stabilise.c is_length": MEMO,
    "compiler/passes/stabilise.c is_of_bare_exps": DEPTH,
    "compiler/passes/stream/merge.c addends": BUDGET,
    "compiler/passes/zeros/unscatter.c linear": BUDGET,
    "compiler/plan/signature.c sign_expr": MEMO,
}
MOST_COLUMNS, MOST_LINES = 100, 40
FOLDERS = ("lang", "compiler", "runtime", "tests")
TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)"""
    r"""|(?P<sign><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|##|[^\s\w])""",
    re.S)
STATIC = re.compile(r"^static\s+(?!_Static)([^;{}=()]*?)\b(\w+)(\([^;{}]*\))\s*\{", re.M)
FUNCTION = re.compile(r"^[A-Za-z_][^;{}=]*\b(\w+)\([^;{}]*\)\s*\{", re.M)


class Source:
    """One file: its text, its tokens with their lines, and its functions."""

    def __init__(self, path):
        self.path = path
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        self.lines = self.text.split("\n")
        self.tokens, self.comment = [], 0
        self.asserts = 0
        line, at = 1, 0
        for found in TOKEN.finditer(self.text):
            line += self.text.count("\n", at, found.start())
            at = found.start()
            if found.lastgroup == "comment":
                self.comment += len(found.group())
            else:
                self.tokens.append((line, found.group()))
                self.asserts += found.group() in ("assert", "_Static_assert")
        self.code_lines = len({line for line, _ in self.tokens})

    def functions(self):
        """Name, first line, last line of each function: a body ends with a brace in column 0."""
        for found in FUNCTION.finditer(self.text):
            first = self.text.count("\n", 0, found.start()) + 1
            end = self.text.find("\n}", found.end())
            if end < 0 or "#define" in found.group():
                continue
            yield found.group(1), first, self.text.count("\n", 0, end + 1) + 1

    def tokens_between(self, first, last):
        return [word for line, word in self.tokens if first <= line <= last]

    def begins_with_comment(self):
        return self.text.lstrip().startswith(("/*", "//"))


def is_walker(name, words):
    """True for a function over expressions of a graph that calls itself and looks at `args`.

    A formula of the language (Expr) is a tree, and recursion is its walk. One of a graph (GExpr) is
    a graph: a walk that goes by itself meets a shared part as often as there are paths to it."""
    calls = [i for i, word in enumerate(words[:-1]) if word == name and words[i + 1] == "("]
    return "GExpr" in words and "args" in words and len(calls) > 1


def is_dispatch(words, lines):
    return words.count("case") * 6 >= lines


def measure(sources):
    row = {"lines": 0, "tokens": 0, "wide": [], "long": [], "dispatch": [], "walkers": [],
           "headless": [],
           "asserts": 0, "comment": 0, "characters": 0, "sizes": []}
    for source in sources:
        row["lines"] += source.code_lines
        row["tokens"] += len(source.tokens)
        row["asserts"] += source.asserts
        row["comment"] += source.comment
        row["characters"] += len(source.text)
        row["wide"] += [f"{source.path}:{i}" for i, line in enumerate(source.lines, 1)
                        if len(line) > MOST_COLUMNS]
        if not source.begins_with_comment():
            row["headless"].append(source.path)
        for name, first, last in source.functions():
            words = source.tokens_between(first, last)
            row["sizes"].append(len(words))
            if last - first + 1 > MOST_LINES:
                kind = "dispatch" if is_dispatch(words, last - first + 1) else "long"
                row[kind].append(f"{source.path}:{first} {name} {last - first + 1}")
            if is_walker(name, words):
                row["walkers"].append(f"{source.path}:{first} {name}")
    return row


def print_row(name, row):
    sizes = sorted(row["sizes"]) or [0]
    print(f"{name:<10}{row['lines']:>8}{row['tokens'] / max(1, row['lines']):>8.1f}"
          f"{len(row['wide']):>7}{len(row['long']):>7}{len(row['dispatch']):>10}"
          f"{sizes[len(sizes) // 2]:>8}"
          f"{len(row['walkers']):>9}{len(row['headless']):>10}{row['asserts']:>9}"
          f"{100 * row['comment'] / max(1, row['characters']):>9.1f}")


def allowed_words(inside):
    """The words that an external function of this object file may begin with, by its folder."""
    folder = max((f for f in PREFIXES if inside.startswith(f + "/")), key=len, default=None)
    stem = re.split(r"[_.]", os.path.basename(inside))
    return {"couplet", *stem, *(PREFIXES[folder].split() if folder else [])}


def unprefixed_names(build):
    """`file name` of each external function whose first word tells no file to open."""
    objects = {}
    for path in sorted(glob.glob(build + "/**/*.c.o", recursive=True)):
        inside = re.sub(r"CMakeFiles/[^/]*/", "", os.path.relpath(path, build))
        if not inside.startswith(("tests", "__")) and "/../" not in inside:
            objects[path] = inside
    if not objects:
        sys.exit(f"house.py: there are no object files below {build}; build first")
    listed = subprocess.run(["nm", "-A", "--defined-only", "-g", *objects], capture_output=True,
                            text=True)
    for line in listed.stdout.splitlines():
        path, _, symbol = line.partition(".c.o:")
        kind, name = symbol.split()[-2:]
        inside = objects[path + ".c.o"]
        known = name.split("_")[0] in allowed_words(inside) or name.endswith("_command")
        if kind == "T" and not known and name != "main":
            yield f"{inside} {name}"


def files_of_one_name():
    """`file file ..` of each name, without its ending, that files of two folders have.

    The .c, .h and .def of one module lie in one folder. A folder's private header may be called
    internal.h, since nothing outside the folder includes it."""
    folders = {}
    for folder in FOLDERS[:3]:
        for path in sorted(glob.glob(folder + "/**/*", recursive=True)):
            stem, ending = os.path.splitext(os.path.basename(path))
            if ending in (".c", ".h", ".def", ".l", ".y") and stem != "internal":
                folders.setdefault(stem, {}).setdefault(os.path.dirname(path), path)
    return [" ".join(paths.values()) for paths in folders.values() if len(paths) > 1]


def static_names():
    """`name: path path ..` of each static function's name that stands for several things.

    Two files may share a name by chance. What three and more share has a row in SHARED_NAMES, which
    all of them must look like."""
    heads = {}
    for folder in FOLDERS:
        for path in sorted(glob.glob(folder + "/**/*.[chly]", recursive=True)):
            with open(path, encoding="utf-8") as file:
                for kind, name, given in STATIC.findall(file.read()):
                    head = re.sub(r"\s+", " ", f"{kind.replace('inline ', '').strip()} {given}")
                    heads.setdefault(name, {}).setdefault(path, head.replace("* (", "*("))
    for name, found in sorted(heads.items()):
        pattern = SHARED_NAMES.get(name, ("", ""))[0]
        others = [path for path, head in found.items() if not re.fullmatch(pattern, head)]
        if others and len(found) > MOST_FILES_OF_A_NAME:
            yield f"{name}: {' '.join(others)}"
    for name in sorted(SHARED_NAMES):
        if len(heads.get(name, ())) <= MOST_FILES_OF_A_NAME:
            yield f"{name}: a row of SHARED_NAMES that no three files need"


def unexplained(row):
    """Long functions and walkers whose reason LONG and WALKERS do not give."""
    for place in row["long"]:
        path, name, lines = place.split()
        if name not in LONG:
            yield f"{path} {name}: {lines} lines, and LONG says no reason"
    for place in row["walkers"]:
        path, name = place.split()
        if f"{path.split(':')[0]} {name}" not in WALKERS:
            yield f"{path} {name}: calls itself over arguments, and WALKERS says no reason"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?",
                        default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    parser.add_argument("--names", metavar="BUILD")
    parser.add_argument("--list", choices=["long", "dispatch", "wide", "headless", "walkers",
                                           "names"])
    given = parser.parse_args()
    names = list(unprefixed_names(os.path.abspath(given.names))) if given.names else None
    os.chdir(given.folder)
    shared, statics = files_of_one_name(), list(static_names())
    rows, together = {}, []
    for folder in FOLDERS:
        paths = sorted(glob.glob(folder + "/**/*.[ch]", recursive=True))
        sources = [Source(path) for path in paths]
        rows[folder] = measure(sources)
        together += sources if folder != "tests" else []
    rows["together"] = measure(together)
    everywhere = {what: rows["together"][what] + ([] if what == "walkers" else rows["tests"][what])
                  for what in ("long", "dispatch", "wide", "headless", "walkers")}
    if given.list == "names":
        faults = (names or []) + shared + statics + list(unexplained(everywhere))
        print("\n".join(faults))
        return 1 if faults else 0
    if given.list:
        print("\n".join(everywhere[given.list]))
    else:
        print(f"{'':<10}{'lines':>8}{'tokens':>8}{'wide':>7}{'long':>7}{'dispatch':>10}"
              f"{'median':>8}{'walkers':>9}"
              f"{'headless':>10}{'asserts':>9}{'comment':>9}")
        for name, row in rows.items():
            print_row(name, row)
        if names is not None:
            print(f"{len(names)} functions seen outside their file tell by no word where they are")
            print(f"{len(shared)} names belong to files of two folders")
            print(f"{len(statics)} names of static functions mean several things in three files")
    return 1 if names or (given.names and (shared or statics)) else 0


if __name__ == "__main__":
    sys.exit(main())
