"""A client of `couplet lsp` for tests: it sends and receives messages as an editor does. What
COUPLET_PREFIX says goes before the program: `valgrind -q --leak-check=full --error-exitcode=9`."""

import json
import os
import select
import subprocess
import time


class Client:
    def __init__(self, couplet, folder, start=True, **environment):
        self.folder, self.number, self.published, self.times = folder, 0, {}, {}
        self.process = subprocess.Popen(
            [*os.environ.get("COUPLET_PREFIX", "").split(), couplet, "lsp"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, **environment},
        )
        self.rest = b""
        if start:
            self.capabilities = self.ask("initialize", capabilities={})["capabilities"]
            self.tell("initialized")

    # ---- frames

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message):
        text = json.dumps(message).encode()
        self.write(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))

    def read(self, limit=600):
        """The next message; None where none comes within the limit, or the server has ended."""
        end = time.monotonic() + limit
        while True:
            head, found, rest = self.rest.partition(b"\r\n\r\n")
            if found:
                size = int(head.split(b":")[1])
                if len(rest) >= size:
                    self.rest = rest[size:]
                    return json.loads(rest[:size].decode())
            ready, _, _ = select.select(
                [self.process.stdout], [], [], max(0, end - time.monotonic())
            )
            piece = os.read(self.process.stdout.fileno(), 1 << 20) if ready else b""
            if not piece:
                return None
            self.rest += piece

    # ---- requests and notifications

    def ask_raw(self, method, params):
        self.number += 1
        begun = time.perf_counter()
        self.send({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        while True:
            message = self.read()
            assert message is not None, f"no answer to {method}"
            if message.get("id") == self.number and "method" not in message:
                self.times.setdefault(method, []).append(time.perf_counter() - begun)
                return message
            self.take(message)

    def ask(self, method, **params):
        message = self.ask_raw(method, params)
        assert "error" not in message, message
        return message["result"]

    def refused(self, method, **params):
        message = self.ask_raw(method, params)
        assert "result" not in message, message
        return message["error"]

    def tell(self, method, **params):
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def take(self, message):
        if message.get("method") == "textDocument/publishDiagnostics":
            self.published[message["params"]["uri"]] = message["params"]

    # ---- documents

    def uri(self, name):
        return "file://" + os.path.join(self.folder, name)

    def open(self, name, text):
        self.tell(
            "textDocument/didOpen",
            textDocument={
                "uri": self.uri(name),
                "languageId": "couplet",
                "version": 1,
                "text": text,
            },
        )
        return self.diagnostics(name, 1)

    def change(self, name, version, *changes):
        self.tell(
            "textDocument/didChange",
            textDocument={"uri": self.uri(name), "version": version},
            contentChanges=list(changes),
        )

    def diagnostics(self, name, version, limit=600):
        """What is published for that version."""
        end = time.monotonic() + limit
        while self.published.get(self.uri(name), {}).get("version", -1) < version:
            message = self.read(max(0.01, end - time.monotonic()))
            assert message is not None, f"nothing is published of {name}"
            self.take(message)
        return self.published[self.uri(name)]["diagnostics"]

    def at(self, method, name, line, character, **more):
        return self.ask(
            "textDocument/" + method,
            textDocument={"uri": self.uri(name)},
            position={"line": line, "character": character},
            **more,
        )

    def of(self, method, name, **more):
        return self.ask("textDocument/" + method, textDocument={"uri": self.uri(name)}, **more)

    def end(self):
        self.ask("shutdown")
        self.tell("exit")
        status = self.process.wait(600)
        self.process.stdin.close()
        self.process.stdout.close()
        return status


def offset(text, position):
    """The index in a Python text of a position, whose characters are units of UTF-16."""
    line = text.split("\n")[position["line"]]
    units = line.encode("utf-16-le")[: 2 * position["character"]].decode("utf-16-le")
    return sum(len(other) + 1 for other in text.split("\n")[: position["line"]]) + len(units)


def position(text, index):
    line = text.count("\n", 0, index)
    start = text.rfind("\n", 0, index) + 1
    return {"line": line, "character": len(text[start:index].encode("utf-16-le")) // 2}


def edited(text, edits):
    places = sorted(
        (
            (offset(text, e["range"]["start"]), offset(text, e["range"]["end"]), e["newText"])
            for e in edits
        ),
        reverse=True,
    )
    for begin, end, new in places:
        text = text[:begin] + new + text[end:]
    return text
