"""couplet profile: a table by source line whose parts add up to the whole."""
import re
import tempfile

from command import SMALL_SPEC, Checks, run, sys, write


def table(text):
    """{source: milliseconds}, in the order printed."""
    rows = re.findall(
        r"^ *([\d.]+) +[\d.]+ +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+  (\S.*?) *$", text, re.M)
    return {source: float(ms) for ms, source in rows}


check = Checks()
with tempfile.TemporaryDirectory() as folder:
    spec = write(folder + "/small.cpl", SMALL_SPEC)
    done = run(sys.argv[1], "profile", spec, "--steps", 3)
    check(done.returncode == 0, "profile runs without data", done.stderr)
    rows = table(done.stdout)
    whole = rows.pop("the whole step", 0)
    check(any(source.startswith("stdlib/nn/images.cpl:") for source in rows),
          "lines of the library appear", done.stdout)
    check(any(source.startswith(spec) for source in rows), "lines of the spec appear", done.stdout)
    check(list(rows.values()) == sorted(rows.values(), reverse=True), "the slowest comes first",
          done.stdout)
    rounding = 0.0005 * (len(rows) + 1)  # of the last digit of each
    check(0.9 * whole <= sum(rows.values()) <= whole + rounding,
          "the rows add up to the whole step", done.stdout)
    check("GFLOP/s" in done.stdout.splitlines()[0], "the machine's best is said first", done.stdout)
    done = run(sys.argv[1], "profile", spec, "--steps", 2, "--by-kernel")
    check(done.returncode == 0 and "product" in done.stdout, "--by-kernel names products",
          done.stdout + done.stderr)
    done = run(sys.argv[1], "profile", spec, "--steps", 0)
    check(done.returncode == 2 and "from 1 to" in done.stderr, "no steps at all is refused",
          done.stderr)
check.finish()
