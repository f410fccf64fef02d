#!/usr/bin/env python3
"""options.py COUPLET ROOT: every command holds its command line against one table, says what is
wrong with a code, in text and in JSON, and before anything is done."""
import json
import os
import re
import subprocess
import sys
import tempfile

import command

couplet, root = sys.argv[1], sys.argv[2]
check = command.Checks()
FUNCTIONS = "fn f(z[N, D], tau, k : int = 2) = mean[i] z[i, k] / tau\n"


def refused(code, words, *args, exit_code=2):
    """The command line is refused with this code and these words, in text and as JSON with one
    object a line."""
    text = subprocess.run([couplet, *args], capture_output=True, text=True, timeout=900, cwd=folder)
    line = " ".join(args)
    check(text.returncode == exit_code, f"{line}: exit {exit_code} (got {text.returncode})",
          text.stderr)
    check(f"couplet {args[0]}: error[{code}]: " in text.stderr, f"{line}: {code}", text.stderr)
    for word in words:
        check(word in text.stderr, f"{line}: says '{word}'", text.stderr)
    shown = subprocess.run([couplet, *args, "--diagnostics", "json"], capture_output=True,
                           text=True, timeout=900, cwd=folder)
    found = [json.loads(line) for line in shown.stderr.splitlines()]
    check(any(m["code"] == code and m["file"] is None for m in found)
          and shown.returncode == exit_code, f"{line}: as JSON", shown.stderr)


with tempfile.TemporaryDirectory() as folder:
    command.write(folder + "/small.cpl", command.SMALL_SPEC)
    command.write(folder + "/f.cpl", FUNCTIONS)

    # A setting that is not there, twice, or no number: the same in every command that takes
    # settings.
    for name in ("check", "train", "build", "bench", "profile", "tune", "graph", "describe",
                 "gradcheck"):
        refused("E604", ["no hyper `tua`", "did you mean `tau`?"], name, "small.cpl", "--set",
                "tua=0.1", exit_code=1)
        refused("E604", ["`tau` twice"], name, "small.cpl", "--set", "tau=0.1", "--set", "tau=0.2")
        refused("E604", ["needs a number", "inf"], name, "small.cpl", "--set", "tau=inf")
    for name in ("grad", "gradcheck"):
        refused("E604", ["no parameter `tua`", "did you mean `tau`?"], name, "f.cpl", "--fn", "f",
                "--set", "tua=0.1", exit_code=1)
        refused("E604", ["whole number", "2.5"], name, "f.cpl", "--fn", "f", "--set", "k=2.5",
                exit_code=1)
        refused("E604", ["`z` is an array"], name, "f.cpl", "--fn", "f", "--set", "z=3",
                exit_code=1)
        refused("E604", ["`z` twice"], name, "f.cpl", "--fn", "f", "--in", "z=a.npy", "--in",
                "z=b.npy")
        refused("E604", ["no parameter `zz`"], name, "f.cpl", "--fn", "f", "--in", "zz=a.npy",
                exit_code=1)
    refused("E604", ["trains a method"], "gradcheck", "small.cpl", "--in", "z=a.npy", exit_code=1)
    refused("E604", ["a hyper `tua`", "did you mean `tau`?"], "compare", "small.cpl", "--set",
            "tua=0.1,0.2", exit_code=1)
    refused("E604", ["0.1..0.5"], "compare", "small.cpl", "--set", "tau=0.1..0.5")

    # A value that a guard refuses is found before the first run of a comparison.
    done = command.run(couplet, "compare", folder + "/small.cpl", "--set", "tau=0.1,-0.5", "--out",
                       folder + "/runs")
    check(done.returncode == 1 and "E510" in done.stderr and not os.path.exists(folder + "/runs"),
          "compare: a value outside its range, before the first run", done.stderr)

    # Numbers have ranges, and are decimal.
    for value in ("-1", "9223372036854775808", "18446744073709551615", "99999999999999999999999",
                  "1.5", "0x10", "1e3", " 5", "", "nan"):
        refused("E603", ["--seed is a whole number"], "train", "small.cpl", "--seed", value)
    for value in ("0", "-1", "inf", "nan", "1e400", "99999999999999", "0x1p3", "1,5", "two"):
        refused("E603", ["--epochs is a number"], "train", "small.cpl", "--epochs", value)
    for option, value in (("--threads", "1000"), ("--threads", "0"), ("--max-steps", "0"),
                          ("--max-steps", "99999999999999"), ("--checkpoint-every", "1.5"),
                          ("--memory", "1e400MiB"),
                          ("--memory", "5"), ("--memory", "5QiB"), ("--memory", "nanMiB")):
        refused("E603", [f"`{value}` was given"], "train", "small.cpl", option, value)
    refused("E603", ["`2.5` was given"], "gradcheck", "f.cpl", "--size", "N=2.5")

    # Options: unknown, twice, without their value, with one too many.
    refused("E603", ["no option --quite", "did you mean --quiet?"], "train", "small.cpl", "--quite")
    refused("E603", ["--seed is given twice"], "train", "small.cpl", "--seed", "1", "--seed", "1")
    refused("E603", ["--quiet takes no value"], "train", "small.cpl", "--quiet=no")
    refused("E603", ["--out needs a value"], "train", "small.cpl", "--out", "--resume")
    refused("E603", ["--out needs a name"], "train", "small.cpl", "--out", "")
    refused("E603", ["no option -x"], "train", "small.cpl", "-x")
    refused("E603", ["--diagnostics is text or json"], "check", "small.cpl", "--diagnostics=xml")
    for name in ("check", "train", "grad", "doc", "fmt", "graph", "compare"):
        refused("E603", ["a file is needed"], name)
    refused("E603", ["folder of a run"], "eval")

    # What has no place in a file has no caret.
    done = command.run(couplet, "grad", folder + "/f.cpl", "--fn", "g")
    check(done.returncode == 1 and "E601" in done.stderr and "has no function `g`" in done.stderr
          and "^" not in done.stderr, "grad: a function that is not there", done.stderr)

    # The page of the language has every option of an evaluation and every setting of `train`, with
    # what stands in the tables.
    with open(os.path.join(root, "docs/language.md")) as file:
        page = file.read()
    with open(os.path.join(root, "lang/evals.def")) as file:
        rows = re.findall(r"^EVAL_OPTION\((\w+), (\w+), (\w+), [^,]+, [^,]+, ([^,]+),\s",
                          file.read(), re.MULTILINE)
    for evaluation, option, kind, standard in rows:
        lines = [line for line in page.splitlines()
                 if line.startswith("|") and f"`{option}`" in line.split("|")[1]]
        line = next((line for line in lines if f"`{evaluation}`" in line.split("|")[2]
                     or "all" in line.split("|")[2]), "")
        owner, default = (line.split("|")[2],
                          line.split("|")[4].strip()) if line.count("|") == 5 else ("", "")
        wanted = {"NETWORK": "must be given", "DATA": "must be given",
                  "OF": "`image`" if option == "of" else "`label`",
                  "TRUTH": "`true`" if standard == "1" else "`false`"}.get(kind, standard)
        check(("all" in owner or f"`{evaluation}`" in owner) and default.split(",")[0] == wanted,
              f"language.md has {option} of {evaluation}", line)
    with open(os.path.join(root, "lang/data_options.def")) as file:
        for option in re.findall(r"^DATA_OPTION\((\w+), ", file.read(), re.MULTILINE):
            check(re.search(rf"^\| .*`{option} = ", page, re.MULTILINE) is not None,
                  f"language.md has the option {option} of data")
    with open(os.path.join(root, "lang/settings.def")) as file:
        for setting in re.findall(r"^TRAIN_SETTING\((\w+), ", file.read(), re.MULTILINE):
            check(re.search(rf"\b{setting} |`{setting}`", page) is not None,
                  f"language.md has the setting {setting}")

    # Output that cannot be written.
    for args in (("check", "small.cpl"), ("describe", "small.cpl"), ("explain",),
                 ("doc", "losses"), ("graph", "small.cpl"), ("fmt", "f.cpl"), ("help",),
                 ("--version",), ("devices",)):
        with open("/dev/full", "w") as full:
            done = subprocess.run([couplet, *args], cwd=folder, stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=900)
        check(done.returncode == 1
              and "error[E606]: standard output cannot be written: No space left" in done.stderr,
              "a full disk: " + " ".join(args), done.stderr)

    # Standard input, links and permissions, and folders as specs.
    def piped(text, *args):
        return subprocess.run([couplet, *args], input=text, capture_output=True, text=True,
                              timeout=900, cwd=folder)

    done = piped("fn  f(x) = x+1\n", "fmt", "-")
    check(done.returncode == 0 and done.stdout == "fn f(x) = x + 1\n",
          "fmt - formats standard input", done.stdout + done.stderr)
    done = piped("fn f(x) = xx\n", "check", "-")
    check(done.returncode == 1 and done.stderr.startswith("<stdin>:1:11: error[E101]"),
          "check - checks standard input", done.stderr)
    check(piped("fn f(x) = x\n", "fmt", "-", "--write").returncode == 2,
          "fmt - --write has nowhere to write")
    command.write(folder + "/m.cpl", "fn  f(x) = x+1\n")
    os.chmod(folder + "/m.cpl", 0o640)
    os.symlink("m.cpl", folder + "/link.cpl")
    done = command.run(couplet, "fmt", "--write", folder + "/link.cpl")
    with open(folder + "/m.cpl") as file:
        text = file.read()
    check(done.returncode == 0 and text == "fn f(x) = x + 1\n"
          and os.path.islink(folder + "/link.cpl")
          and os.stat(folder + "/m.cpl").st_mode & 0o777 == 0o640,
          "fmt --write keeps the link and the permissions", done.stderr)
    os.mkdir(folder + "/project")
    command.write(folder + "/project/a.cpl", command.SMALL_SPEC)
    command.write(folder + "/project/b.cpl", "use nn\nfn twice(x) = 2 * x\n")
    for place, where in ((folder + "/project", folder), (folder + "/project/", folder),
                         (".", folder + "/project")):
        done = subprocess.run([couplet, "graph", place], capture_output=True, text=True,
                              timeout=900, cwd=where)
        check(done.returncode == 0 and 'digraph "project"' in done.stdout,
              "two files of a folder use one module, and the method has the folder's name: "
              + place[-9:], done.stdout[:300] + done.stderr)

    for word in ("--version", "version", "-V"):
        done = command.run(couplet, word)
        check(done.returncode == 0 and re.fullmatch(r"couplet \d+\.\d+\.\d+\n", done.stdout), word,
              done.stdout + done.stderr)
    done = command.run(couplet, "explain", "error[E402]: the index")
    check(done.returncode == 0 and done.stdout.startswith("E402"),
          "explain: a code as a message shows it", done.stdout)
check.finish()
