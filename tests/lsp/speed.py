#!/usr/bin/env python3
"""speed.py COUPLET ROOT [STEP]: how long an editor waits. In every spec of examples/ and stdlib/ a
letter is typed and taken back on each STEP-th line (100), and completion and hover are asked right
after it, so that each answer holds a whole check. It prints times on the wall and of the server's
processor, and asks for none."""

import glob
import os
import sys
import tempfile
import time

from client import Client

couplet, root = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
step = int(sys.argv[3]) if len(sys.argv) > 3 else 100


def used(pid):
    """Seconds of the processor that a process has had: the clock that clock_getcpuclockid gives."""
    return time.clock_gettime((~pid << 3) | 2)


def timed(client, ask, times):
    wall, cpu = time.perf_counter(), used(client.process.pid)
    ask()
    times.append((used(client.process.pid) - cpu, time.perf_counter() - wall))


def told(what, times):
    def of(column):
        values = sorted(1e3 * row[column] for row in times)
        median, high = values[len(values) // 2], values[int(0.99 * len(values))]
        return f"{median:.1f} median, {high:.1f} of 99 %, {values[-1]:.1f} worst"

    print(f"{what}, {len(times)} times: ms of the processor: {of(0)}; ms on the wall: {of(1)}")


with tempfile.TemporaryDirectory() as folder:
    client = Client(couplet, root, COUPLET_CACHE=folder)
    after_change, others = [], []
    for path in sorted(
        glob.glob(f"{root}/examples/**/*.cpl", recursive=True)
        + glob.glob(f"{root}/stdlib/**/*.cpl", recursive=True)
    ):
        name, version = os.path.relpath(path, root), 1
        with open(path) as file:
            text = file.read()
        client.open(name, text)
        lines = text.split("\n")
        for line in range(min(step // 2, len(lines) - 1), len(lines), step):
            at = {"line": line, "character": len(lines[line]) // 2}
            end = {"line": line, "character": at["character"] + 1}
            client.change(name, version + 1, {"range": {"start": at, "end": at}, "text": "x"})
            timed(client, lambda: client.at("completion", name, **end), after_change)
            client.change(name, version + 2, {"range": {"start": at, "end": end}, "text": ""})
            timed(client, lambda: client.at("hover", name, **at), after_change)
            version += 2
            for method in ("hover", "signatureHelp", "definition", "documentHighlight"):
                timed(client, lambda: client.at(method, name, **at), others)
        for method in ("documentSymbol", "formatting", "semanticTokens/full"):
            timed(client, lambda: client.of(method, name), others)
        client.tell("textDocument/didClose", textDocument={"uri": client.uri(name)})
    told("an answer right after a change", after_change)
    told("any other answer", others)
    status = client.end()
    print(f"{used(os.getpid()):.1f} s of this test's own processor time")
    sys.exit(status)
