"""What the tests of readers share: a folder to work in, read_table and its answers, and how a test
says what it found.

Each test is called with read_table and the folder of the modules as arguments, and needs Debian's
python3-numpy and python3-pil."""
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    sys.exit("This test needs Debian's packages python3-numpy and python3-pil.")

folder = tempfile.mkdtemp(prefix="couplet-data-")
faults = 0


class Table:
    """What read_table said of a source."""

    def __init__(self, reader, path, *settings):
        raw = os.path.join(folder, ".raw")
        command = [sys.argv[1], reader, path, *settings, "--raw", raw]
        out = subprocess.run(command, capture_output=True, timeout=600,
                             env={**os.environ, "COUPLET_MODULES": sys.argv[2]})
        self.stderr = out.stderr.decode(errors="replace")
        self.code = out.returncode
        self.fields, self.classes, self.class_count, self.names, self.values, self.bad = (
            {}, {}, {}, [], [], [])
        self.error = self.key = None
        for line in out.stdout.decode("utf-8", "surrogateescape").split("\n"):
            word, *rest = line.split("\t")
            if word == "error":
                self.error = rest[0]
            elif word == "field":
                self.fields[rest[0]], self.class_count[rest[0]], self.classes[rest[0]] = rest[
                    1], int(rest[2]), rest[3:]
            elif word == "key":
                self.key = rest[0]
            elif word == "row":
                self.names.append(rest[0])
                self.values.append(rest[1:])
            elif word == "bad":
                self.bad.append(rest[0])
        self.raw = np.fromfile(raw, np.uint8) if os.path.exists(
            raw) and not self.error else np.zeros(0, np.uint8)

    def pictures(self):
        """[rows, height, width, channels]"""
        shape = [int(n) for n in self.fields["image"][3:-1].split(",")]
        return self.raw.reshape([-1] + shape).transpose(0, 2, 3, 1)

    def column(self, number=0):
        return [row[number] for row in self.values]


def check(name, right, found=""):
    global faults
    if not right:
        faults += 1
        print(f"FAILED  {name}: {found}")


def refused(name, table, *words):
    """The source, or its only row, is refused in a sentence that has these words, with nothing
    on stderr and no crash."""
    said = table.error or (table.bad[0] if table.bad else None)
    check(name, said is not None and table.code in (0, 1),
          f"not refused: code {table.code}, rows {table.names[:3]}, {table.stderr[-300:]}")
    check(name, not table.stderr, table.stderr[-300:])
    for word in words:
        check(name, said is not None and word in said, f"`{word}` is not in: {said}")


def place(*parts):
    """A path in the test's folder, whose folders are made."""
    path = os.path.join(folder, *parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def write(data, *parts):
    path = place(*parts)
    with open(path, "wb") as file:
        file.write(data)
    return path


def end():
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{faults} faults" if faults else "all as expected")
    sys.exit(1 if faults else 0)
