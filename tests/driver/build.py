#!/usr/bin/env python3
"""build.py COUPLET ROOT: programs and libraries made ahead of time: what they link, what they
compute, what they say to wrong calls."""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

import command

sys.path.insert(0, os.path.join(os.path.abspath(sys.argv[2]), "tests", "golden"))
import npy

couplet, root = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
check = command.Checks()
runtime = os.path.join(os.path.dirname(couplet), "runtime")
FLAGS = shlex.split(os.environ.get("COUPLET_TEST_CFLAGS", "")) # the sanitizers of this build
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]


# Few kernels, so that libraries are made quickly.
TINY_SPEC = """
use nn, augment, optim, losses
data train = data.fashion_mnist("train")
data test  = data.fashion_mnist("test")
view a, b = augment.flip(train.image)
net small(width) = nn.conv3(width, stride = 4) >> relu >> nn.global_average_pool()
net encoder = trunk: small(6) >> head: nn.linear(8)
let first = encoder(a)
loss losses.nt_xent(first, encoder(b), 0.5)
give z = first, rows = train.index
train { epochs 1, batch 16, optimiser optim.sgd(lr = 0.1) }
eval { knn(k = 5, features = encoder.trunk, bank = train, query = test) }
"""


def tool(*words, cwd=None):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=cwd,
                          timeout=900)


def build(spec, *options):
    done = command.run(couplet, "build", spec, *options)
    return check(done.returncode == 0,
                 f"build {os.path.basename(spec)} "
                 f"{' '.join(map(os.path.basename, map(str, options)))}", done.stderr)


# A program with a JSON library and tables of its own, under the names that jansson has.
OWN_NAMES = """
#include "small.h"
#include <stdio.h>
static int calls;
void *json_loads(const char *text) { calls++; return (void *)text; }
void json_delete(void *json) { (void)json; calls++; }
int hashtable_seed = 7;
int hashtable_init(void *table) { (void)table; calls++; return -1; }
void *do_deep_copy(void *json) { calls++; return json; }
int main(void) {
    CoupletModel *model;
    char error[256] = "";
    int bad = couplet_model_new(&couplet_small, NULL, &model, error, sizeof error) != COUPLET_OK;
    bad = bad || couplet_model_save(model, "own.safetensors") != COUPLET_OK || couplet_model_load(model, "own.safetensors") != COUPLET_OK;
    printf("%d calls, %s\\n", calls, bad ? error : "fine");
    couplet_model_free(model);
    return bad || calls || hashtable_seed != 7;
}
"""


def names_of(path, *options):
    """The names that a library or an object shows to others."""
    return {line.split()[-1] for line in tool("nm", "--defined-only", "-g", *options,
                                              path).stdout.splitlines() if len(line.split()) == 3}


def compile_c(source, folder, out, *libraries):
    done = tool("cc", "-std=c99", *STRICT, *FLAGS, source, f"-I{folder}", f"-I{runtime}",
                *libraries, f"{runtime}/libcouplet.a", "-lz", "-lm", "-pthread", "-o", out)
    return check(done.returncode == 0, f"{os.path.basename(source)} compiles as C99 and links",
                 done.stderr)


with tempfile.TemporaryDirectory() as folder:
    spec = command.write(folder + "/small.cpl", command.SMALL_SPEC)
    data = command.small_data(folder + "/data")
    program = folder + "/small"
    common = ("--data", data, "--seed", 5)

    # An executable: the same bits as `couplet train`, from few libraries.
    if build(spec, "-o", program):
        libraries = set(re.findall(r"^\s*(\S+?)\.so", tool("ldd", program).stdout,
                                   re.MULTILINE)) - {"linux-vdso"}
        allowed = {"libc", "libm", "libz", "libpthread", "libasan", "libubsan", "libstdc++",
                   "libgcc_s", "libdl",
                   "librt"} if FLAGS else {"libc", "libm", "libz", "libpthread"}
        check({os.path.basename(name) for name in libraries} - {"ld-linux-x86-64"} <= allowed,
              "it needs libc, libm, libz and no more", libraries)
        check(FLAGS or os.path.getsize(program) < 3e6,
              f"it has {os.path.getsize(program) / 1e6:.1f} MB, at most 3")
        done = command.run(program, "train", *common, "--out", folder + "/built")
        check(done.returncode == 0, "it trains and evaluates", done.stderr)
        done = command.run(couplet, "train", spec, *common, "--out", folder + "/trained")
        check(done.returncode == 0, "couplet train does the same", done.stderr)
        check(command.last_checkpoint(folder + "/built") ==
              command.last_checkpoint(folder + "/trained"), "both end with the same bytes")
        check(command.losses(folder + "/built") == command.losses(folder + "/trained"),
              "and have the same loss curve")
        command.run(program, *common, "--out", folder + "/stopped", "--max-steps", 9, "--threads",
                    1)
        command.run(program, *common, "--out", folder + "/stopped", "--resume", "--threads", 2)
        check(command.last_checkpoint(folder + "/stopped") ==
              command.last_checkpoint(folder + "/built"),
              "stopped, resumed with other threads: the same bytes")
        done = command.run(program, "embed", "--weights", folder + "/built/checkpoint.safetensors",
                           "--data", data, "--out", folder + "/features.npy")
        check(done.returncode == 0 and os.path.getsize(folder + "/features.npy") >= 128 * 32 * 4,
              "it embeds the test images", done.stderr)
        done = command.run(program, "eval", "--out", folder + "/built", "--data", data)
        check(done.returncode == 0 and "after training" in done.stdout, "it evaluates a run",
              done.stderr)
        for words, word in ((["trian"], "trian"), (["--bacth", "3"], "bacth"),
                            (["--seed", "x"], "seed"), (["--set", "tua=1"], "tua"),
                            (["embed"], "--out"),
                            (["embed", "--out", folder + "/f.npy"], "weights"),
                            (["--data", folder + "/nowhere"], "nowhere")):
            done = command.run(program, *words)
            check(0 < done.returncode < 126 and word in done.stderr
                  and re.search(r"error\[E\d+\]", done.stderr),
                  f"`{' '.join(map(os.path.basename, words))}` is refused with a sentence and a "
                  f"code", done.stderr)
        # Options have the ranges that `couplet train` gives them, hypers those of the spec, and
        # each command takes its own.
        for words, word in ((["--set", "tau=-1"], "tau > 0"), (["--set", "tau=0"], "tau > 0"),
                            (["--set", "m=1.5"], "m >= 0 and m <= 1"),
                            (["--set", "tau=inf"], "number"),
                            (["--set", "tau=1e400"], "number"), (["--set", "tau=0x1p0"], "number"),
                            (["--set", "tau"], "NAME=VALUE"), (["--set", "=1"], "NAME=VALUE"),
                            (["--set", "tau=0.1", "--set", "tau=0.2"], "twice"),
                            (["--seed", "9223372036854775808"], "9223372036854775807"),
                            (["--seed", "-1"], "from 0"),
                            (["--seed", "1.5"], "1.5"), (["--threads", "0"], "from 1 to 256"),
                            (["--threads", "257"], "from 1 to 256"),
                            (["--epochs", "inf"], "above 0"),
                            (["--epochs", "1e400"], "above 0"), (["--epochs", "nan"], "above 0"),
                            (["--epochs", "0"], "above 0"),
                            (["--max-steps", "99999999999"], "2147483647"),
                            (["--out", ""], "empty"),
                            (["--split", "test"], "`train` has no option --split"),
                            (["eval", "--seed", "3"], "`eval` has no option --seed"),
                            (["embed", "--epochs", "3"], "`embed` has no option --epochs"),
                            (["--data", data, "extra"], "extra")):
            done = command.run(program, *words,
                               *(() if "--out" in words else ("--out", folder + "/refused")))
            check(done.returncode == 2 and word in done.stderr
                  and re.search(r"error\[E\d+\]", done.stderr)
                  and not os.path.exists(folder + "/refused"),
                  f"`{' '.join(words)}` is refused: {word}", done.stdout + done.stderr)
        done = command.run(program, "--version")
        check(done.returncode == 0
              and re.fullmatch(
                  r"small, compiled by Couplet \d+\.\d+\.\d+; method [0-9a-f]{16}; for x86-64-v4, "
                  r"x86-64-v3\n", done.stdout), "--version", done.stdout + done.stderr)
        done = command.run(couplet, "build",
                           command.write(folder + "/wider.cpl",
                                         command.SMALL_SPEC.replace("mlp_bn(16, 8)",
                                                                    "mlp_bn(24, 8)")), "-o",
                           folder + "/wider", "--embed-weights", folder + "/built")
        check(done.returncode == 1 and "weights of another method" in done.stderr
              and not os.path.exists(folder + "/wider"),
              "weights of another method are not built in", done.stderr)
        done = command.run(program, *common, "--max-steps", 2, "--out", folder + "/cold", "--set",
                           "tau=0.05")
        check(command.losses(folder + "/cold") != command.losses(folder + "/built")[:2],
              "--set changes a hyper")
        done = command.run(program, "--out", folder + "/cold", "--resume", "--set", "tau=0.1")
        check(done.returncode == 1 and "hypers.tau was 0.05" in done.stderr,
              "another tau is refused when a run goes on", done.stderr)
        done = command.run(program, "--out", folder + "/cold", "--resume", "--max-steps", 5)
        check(done.returncode == 0 and len(command.losses(folder + "/cold")) == 5,
              "a run goes on by its own settings and data", done.stderr)
        done = command.run(couplet, "train", spec, "--out", folder + "/cold", "--resume")
        whole = command.run(couplet, "train", spec, *common, "--out", folder + "/cold_whole",
                            "--set", "tau=0.05")
        check(done.returncode == whole.returncode == 0
              and command.last_checkpoint(folder + "/cold") ==
              command.last_checkpoint(folder + "/cold_whole"),
              "couplet train goes on with a program's run, to the same bytes",
              done.stderr + whole.stderr)

    # Weights inside.
    if build(spec, "-o", program, "--embed-weights", folder + "/built", "--target", "x86-64-v2"):
        done = command.run(program, "embed", "--data", data, "--out", folder + "/embedded.npy")
        check(done.returncode == 0, "with weights built in, embed needs none", done.stderr)

        # Images come in their shape and type, or not at all.
        def embed(shape, descr="|u1", value=7):
            count = 1
            for extent in shape:
                count *= extent
            npy.write(folder + "/images.npy", shape, [value] * count, descr)
            if os.path.exists(folder + "/f.npy"):
                os.remove(folder + "/f.npy")
            return command.run(program, "embed", "--samples", folder + "/images.npy", "--out",
                               folder + "/f.npy")

        for shape in ((5, 28, 28), (5, 1, 28, 28), (1, 28, 28)):
            done = embed(shape)
            check(done.returncode == 0 and done.stdout.startswith(f"{shape[0]} samples")
                  and npy.read(folder + "/f.npy")[0][0] == shape[0],
                  f"images of {shape} are {shape[0]}", done.stderr)
        check(embed((2, 28, 28), "<i8").returncode == 0, "images may be whole numbers of any width")
        for shape in ((5, 3, 28, 28), (5, 28, 28, 3), (28, 28, 10), (28, 28), (784,), (5, 784),
                      (4, 56, 56), (8, 14, 28), (2, 1, 1, 28, 28), (1, 5, 28, 28), (5, 1, 784), ()):
            done = embed(shape)
            check(done.returncode == 1
                  and "(count, 1, 28, 28) or (count, 28, 28) is expected" in done.stderr
                  and str(shape).replace(",)", ")") in done.stderr
                  and not os.path.exists(folder + "/f.npy"),
                  f"images of {shape} are refused", done.stdout + done.stderr)
        for descr, value, word in (("<f4", 0.5, "reals"),
                                   ("<i4", 256, "sample 0 holds the number 256"),
                                   ("<i8", -1, "-1"), ("<u8", 2**63, str(2**63))):
            done = embed((2, 28, 28), descr, value)
            check(done.returncode == 1 and word in done.stderr,
                  f"pixels of {value} in {descr} are refused", done.stdout + done.stderr)
        for options, word in ((("--split", "val"), "train and test"),
                              (("--images", folder + "/images.npy"), "both")):
            done = command.run(program, "embed", "--data", data, "--out", folder + "/f.npy",
                               *options)
            check(done.returncode == 1 and word in done.stderr,
                  f"embed {' '.join(options[:1])} is refused", done.stdout + done.stderr)

    # Libraries: two methods in one program, from C99 and C++; a header that says sizes.
    tiny = command.write(folder + "/small.cpl", TINY_SPEC)
    other = command.write(folder + "/other.cpl", TINY_SPEC.replace("linear(8)", "linear(4)"))
    if build(tiny, "--emit", "lib", "-o",
             folder + "/small") and build(other, "--emit", "lib", "-o", folder + "/other"):
        for name in ("libsmall.a", "libsmall.so", "small.h", "small.json"):
            check(os.path.exists(f"{folder}/{name}"), f"there is {name}")
        names = tool("nm", "--defined-only", "-g", folder + "/libsmall.a").stdout
        check(re.findall(r" [A-Z] (\S+)", names) == ["couplet_small"],
              "one name is visible in libsmall.a", names)
        functions = set(re.findall(r"\b(couplet_\w+)\(",
                                   open(root + "/runtime/couplet.h").read())) - {
                                       "couplet_model_error"}
        nulls = "".join(re.findall(r"^static void null_\w+\(.*?^}",
                                   open(root + "/tests/driver/build/api.c").read(),
                                   re.MULTILINE | re.DOTALL))
        missing = [name for name in functions if name + "(NULL" not in nulls
                   and name not in ("couplet_status_text", "couplet_version")]
        check(not missing, "the C interface is tried with NULL in every function", missing)
        if compile_c(root + "/tests/driver/build/api.c", folder, folder + "/api",
                     folder + "/libsmall.a", folder + "/libother.a"):
            done = tool(folder + "/api", cwd=folder)
            print(done.stdout, end="")
            check(done.returncode == 0 and done.stderr ==
                  "couplet_command needs a method and the arguments of main\n",
                  "the C interface passes its checks", done.stderr)
        for path, options, own in ((f"{runtime}/libcouplet.a", (), None),
                                   (f"{runtime}/libcouplet.so", ("-D",), None),
                                   (folder + "/libsmall.a", (), {"couplet_small"}),
                                   (folder + "/libsmall.so", ("-D",), {"couplet_small"})):
            names = {name for name in names_of(path, *options) if not name.startswith("__odr_asan")}
            wrong = {name for name in names
                     if not name.startswith("couplet_")} if own is None else names ^ own
            check(names and not wrong,
                  f"{os.path.basename(path)} shows names that begin with couplet_ alone",
                  sorted(wrong)[:20])
        source = command.write(folder + "/own_names.c", OWN_NAMES)
        for way in (("libsmall.a", "libcouplet.a"), ("libsmall.so", "libcouplet.so")):
            done = tool("cc", "-std=c99", *FLAGS, source, f"-I{folder}", f"-I{runtime}",
                        f"{folder}/{way[0]}", f"{runtime}/{way[1]}", "-lz", "-lm", "-pthread",
                        f"-Wl,-rpath,{folder}:{runtime}",
                        "-o", folder + "/own_names")
            if check(done.returncode == 0, f"a program with json_loads of its own links {way[1]}",
                     done.stderr):
                done = tool(folder + "/own_names", cwd=folder)
                check(done.returncode == 0, "and neither calls the other's",
                      done.stdout + done.stderr)
        header = command.write(folder + "/header.cc",
                               '#include "small.h"\n#include "other.h"\nint main() { return '
                               'couplet_method_batch(&couplet_small) == SMALL_BATCH ? 0 : 1; }\n')
        done = tool("g++", "-std=c++11", *STRICT, *FLAGS, header, f"-I{folder}", f"-I{runtime}",
                    folder + "/libsmall.a", f"{runtime}/libcouplet.a", "-lz", "-lm", "-pthread",
                    "-o", folder + "/header")
        if check(done.returncode == 0, "the headers compile as C++", done.stderr):
            check(tool(folder + "/header").returncode == 0, "and the batch is what the header says")
        done = tool("cc", "-std=c99", *STRICT, *FLAGS, "-x", "c", header, f"-I{folder}",
                    f"-I{runtime}", f"-L{folder}", f"-L{runtime}", "-lsmall", "-lcouplet",
                    f"-Wl,-rpath,{folder}:{runtime}", "-o", folder + "/shared")
        if check(done.returncode == 0, "a program links the shared libraries",
                 done.stderr.replace("int main()", "")):
            check(tool(folder + "/shared").returncode == 0, "and runs with them")

    # The examples in C, at most 90 lines each, on the method that they name.
    command.write(folder + "/simclr.cpl", TINY_SPEC)
    if build(folder + "/simclr.cpl", "--emit", "lib", "-o", folder + "/simclr"):
        for name in ("neighbours", "train_own"):
            source = f"{root}/examples/c/{name}.c"
            check(open(source).read().count("\n") <= 90, f"{name}.c has at most 90 lines")
            compile_c(source, folder, f"{folder}/{name}", folder + "/libsimclr.a")
        done = tool(folder + "/train_own", 4, folder + "/own.safetensors")
        check(done.returncode == 0 and len(done.stdout.splitlines()) == 4,
              "train_own makes four steps", done.stderr)
        with open(folder + "/images.raw", "wb") as file:
            file.write(bytes((i * i // 7 + i) % 256 for i in range(784 * 12)))
        done = tool(folder + "/neighbours", folder + "/own.safetensors", folder + "/images.raw", 3)
        check(done.returncode == 0 and len(done.stdout.splitlines()) == 5
              and not done.stdout.startswith("3 "), "neighbours prints five",
              done.stdout + done.stderr)

    # A range may compute, and name other hypers; the manifest says it.
    ranged = TINY_SPEC.replace("loss ",
                               "hyper h = 3 | h mod 2 == 1 and not (h > 9), k = 0.5 | max(h, 1) ^ "
                               "2 * k - 1 <= floor(10.5) or k == -7 / 2, c = 2.5 | (c + 1) * 2 < "
                               "100 or (c == 1000)\nlet z = h + k + c\nloss 0 * z + ")
    if build(command.write(folder + "/ranged.cpl", ranged), "-o", folder + "/ranged", "--target",
             "x86-64-v3"):
        for words, word in (("h=5 k=0.4", ""), ("h=4", "h mod 2 == 1"),
                            ("h=11 k=0.01", "h mod 2 == 1"), ("h=5", "max(h, 1) ^ 2"),
                            ("k=1.3", "max(h, 1) ^ 2"), ("k=-3.5 h=9", ""), ("c=-1e30", ""),
                            ("h=3.0", "whole number"), ("h=99999999999", "32 bits")):
            sets = [word for setting in words.split() for word in ("--set", setting)]
            done = command.run(folder + "/ranged", "--data", data, "--max-steps", 1, "--quiet",
                               "--out", folder + "/ranged_run_" + words, *sets)
            check((done.returncode == 0 and not word)
                  or (done.returncode == 2 and word and word in done.stderr),
                  f"{words} is {'refused: ' + word if word else 'taken'}", done.stderr)
        done = command.run(couplet, "build", folder + "/ranged.cpl", "-o", folder + "/never",
                           "--set", "h=4")
        check(done.returncode == 1 and "E510" in done.stderr, "couplet build refuses the same",
              done.stderr)
    if build(folder + "/ranged.cpl", "--emit", "lib", "-o", folder + "/ranged"):
        with open(folder + "/ranged.json") as file:
            manifest = json.load(file)
        check(manifest["hypers"] == {"h": 3, "k": 0.5, "c": 2.5}
              and manifest["ranges"]["h"] == "h mod 2 == 1 and not (h > 9)"
              and manifest["ranges"]["c"] == "(c + 1) * 2 < 100 or (c == 1000)",
              "the manifest says ranges", manifest)

    # Other things to emit, and refusals.
    if build(tiny, "--emit", "llvm", "-o", folder + "/text"):
        check("define" in open(folder + "/text.ll").read(), "text.ll is LLVM's text")
    if build(tiny, "--emit", "object", "-o", folder + "/one"):
        check(os.path.exists(folder + "/one.o") and os.path.exists(folder + "/one.h"),
              "one.o comes with its header")
    for out, sentence in (("/proc/x", "/proc/x: cannot be written: No such file or directory"),
                          (folder, f"{folder} is a folder: -o names the file that is made")):
        done = command.run(couplet, "build", tiny, "-o", out)
        check(done.returncode == 1 and done.stderr == f"couplet build: error[E606]: {sentence}\n",
              f"-o {os.path.basename(out)} is refused in one sentence", done.stderr)
    for options, word in ((("--emit", "lob"), "lib"), (("--target", "z80"), "z80"),
                          (("--embed-weights", folder + "/nowhere"), "nowhere")):
        done = command.run(couplet, "build", tiny, "-o", folder + "/refused", *options)
        check(0 < done.returncode < 126 and word in done.stderr
              and not os.path.exists(folder + "/refused"),
              f"{options[0]} {os.path.basename(options[1])} is refused", done.stderr)
check.finish()
