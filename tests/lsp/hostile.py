#!/usr/bin/env python3
"""hostile.py COUPLET ROOT [SESSIONS [FIRST]]: an editor that says anything. Every request is
answered whatever its parameters are, a session of noise ends by itself, and no text takes the
server down. Sessions are drawn by number; one is in the tests, hundreds with sanitizers are a
campaign."""
import json
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "driver"))
import command
from client import Client

couplet, root = str(pathlib.Path(sys.argv[1]).absolute()), pathlib.Path(sys.argv[2])
sessions = int(sys.argv[3]) if len(sys.argv) > 3 else 1
first = int(sys.argv[4]) if len(sys.argv) > 4 else 1
check = command.Checks()
REQUESTS = 60
PLACED = ("completion", "definition", "documentHighlight", "hover", "prepareRename", "references",
          "rename", "signatureHelp")
WHOLE = ("codeAction", "documentSymbol", "formatting", "inlayHint", "semanticTokens/full")
TOLD = ("didOpen", "didChange", "didClose", "didSave")
NUMBERS = (-1, 0, 1, 3, 7, 40, 2**31 - 1, 2**31, 2**63 - 1, -(2**63), 0.5, 1e300)
PIECES = ("", "x", "\n", "\r", "\x00", "\U0001f600", "e\u0301", "(" * 50, "sum[i] x[i]", "use ",
          "fn f(x[N]) =", "data train = ", "view a, b = ", '"', "/*", "let y[n] = ", "net e = nn.",
          "loss ", "#", "queue Q[3, 4] <- ", "draw s ~ ", "1e999", "param w[N, N] = 0\n", "\u2212",
          "}", "\t\t")
NAMES = ("m.cpl", "other.cpl", "%ff%fe.cpl", "a%2", "%00.cpl", "sp ace.cpl", "x" * 5000 + ".cpl",
         "..", "stdlib/nn/images.cpl", "")


class Noise:
    """What an editor might say, in a random session of a number."""

    def __init__(self, number, texts, folder):
        self.random, self.texts, self.folder = random.Random(number), texts, folder
        self.version = 1

    def either(self, chance, good):
        """What is meant, or now and then a value of another kind."""
        if self.random.random() > chance:
            return good()
        kinds = (None, True, [], {}, "x", -1, 2**40, 0.5, [[]], {"uri": []}, "\x00")
        return self.random.choice(kinds)

    def uri(self):
        name = self.random.choice(NAMES[:3] * 4 + NAMES)
        return "file://" + self.folder + "/" + name if self.random.random() < 0.9 else name

    def document(self):
        return {"uri": self.either(0.05, self.uri)}

    def place(self):
        def number():
            if self.random.random() < 0.2:
                return self.random.choice(NUMBERS)
            return self.random.randrange(60)
        return {"line": self.either(0.03, number), "character": self.either(0.03, number)}

    def span(self):
        return {"start": self.either(0.03, self.place), "end": self.either(0.03, self.place)}

    def piece(self):
        parts = [self.random.choice(PIECES) for _ in range(self.random.randrange(4))]
        return "".join(parts)

    def text(self):
        text = self.random.choice(self.texts)
        for _ in range(self.random.randrange(4)):
            at, end = sorted(self.random.randrange(len(text) + 1) for _ in range(2))
            end = end if self.random.random() < 0.1 else min(end, at + 20)
            text = text[:at] + self.piece() + text[end:]
        return text

    def one_change(self):
        if self.random.random() < 0.1:
            return {"text": self.text()}
        return {"range": self.either(0.05, self.span), "text": self.either(0.05, self.piece)}

    def told(self):
        method, self.version = self.random.choice(TOLD + TOLD[1:2] * 4), self.version + 1
        document = self.document()
        document.update(version=self.either(0.05, lambda: self.version))
        if method == "didOpen":
            document.update(languageId="couplet", text=self.either(0.05, self.text))
        changes = [self.either(0.05, self.one_change) for _ in range(self.random.randrange(4))]
        return method, {"textDocument": document, "contentChanges": changes}

    def asked(self):
        method = self.random.choice(PLACED + WHOLE)
        params = {"textDocument": self.either(0.03, self.document)}
        if method in PLACED:
            params["position"] = self.either(0.03, self.place)
        if method in ("codeAction", "inlayHint"):
            params["range"] = self.either(0.03, self.span)
        if method == "rename":
            params["newName"] = self.either(0.05, self.piece)
        params["context"] = self.either(0.1, lambda: {"includeDeclaration": True})
        return method, params


def alive(client, what):
    status = client.process.poll()
    return check(status is None, f"{what}: the server is there", status)


def session(number, texts, folder):
    """Requests among changes; a request without an answer or a server that is gone is a failure."""
    noise = Noise(number, texts, folder)
    client = Client(couplet, folder, COUPLET_CACHE=folder + "/cache")
    client.open("m.cpl", texts[number % len(texts)])
    said = ""
    try:
        for _ in range(REQUESTS):
            for _ in range(noise.random.randrange(3)):
                method, params = noise.told()
                said = f"{method} {json.dumps(params)[:3000]}"
                client.tell("textDocument/" + method, **params)
            method, params = noise.asked()
            said += f"\n{method} {json.dumps(params)[:3000]}"
            client.ask_raw("textDocument/" + method, noise.either(0.02, lambda: params))
    except (AssertionError, OSError) as error:
        client.process.kill()
        check(False, f"session {number}: every request is answered", f"{error} behind {said}")
        return
    alive(client, f"session {number}")
    status = client.end()
    check(status == 0, f"session {number}: the server ends well", status)


def frames(number, folder):
    """Bytes instead of frames: cut, changed, endless. The server answers or ends, by itself."""
    draw = random.Random(number)
    begin = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
    opened = {"uri": "file:///m.cpl", "version": 1, "text": "fn f(x[N]) = sum[i] x[i]\n"}
    told = {"method": "textDocument/didOpen", "params": {"textDocument": opened}}
    asked = {"id": 2, "method": "textDocument/hover",
             "params": {"textDocument": {"uri": "file:///m.cpl"},
                        "position": {"line": 0, "character": 3}}}
    texts = [json.dumps(message).encode() for message in (begin, told, asked)]
    stream = bytearray(b"".join(b"Content-Length: %d\r\n\r\n%s" % (len(t), t) for t in texts))
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(len(stream))
        stream[at] = draw.choice((draw.randrange(256), *b'{}[]":\\\r\n09'))
    if draw.random() < 0.5:
        del stream[draw.randrange(len(stream)):]
    client = Client(couplet, folder, start=False, COUPLET_CACHE=folder + "/cache")
    try:
        client.write(bytes(stream))
        client.process.stdin.close()
    except BrokenPipeError:
        pass
    client.process.stdout.read()
    status = client.process.wait(600)
    check(status in (0, 1), f"noise {number} ends the server by itself", f"{status}: {stream!r}")


def large(folder):
    """A long line, many changes in one message, an answer of many names."""
    client = Client(couplet, folder, COUPLET_CACHE=folder + "/cache")
    client.open("m.cpl", "# " + "x" * (4 << 20) + "\nfn f(x[N]) = sum[i] x[i]\n")
    check("sum" in str(client.at("hover", "m.cpl", 1, 14)), "a line of 4 MiB above")
    client.at("hover", "m.cpl", 0, 1 << 22)
    inserted = {"start": {"line": 1, "character": 11}, "end": {"line": 1, "character": 11}}
    client.change("m.cpl", 2, {"text": "fn f(x[N]) = 1\nfn g(y[M]) = 2\n"},
                  *[{"range": inserted, "text": " "}] * 2000)
    tokens = client.of("semanticTokens/full", "m.cpl")
    check(tokens["data"], "two thousand changes in one message")
    reversed_range = {"start": {"line": 9, "character": 9}, "end": {"line": 0, "character": 3}}
    client.change("m.cpl", 3, {"range": reversed_range, "text": "fn h(z[K]) = 3\n"})
    client.of("documentSymbol", "m.cpl")
    nested = b'{"id": 7, "method": "textDocument/hover", "params": ' + b"[" * 500000
    client.write(b"Content-Length: %d\r\n\r\n%s" % (len(nested), nested))
    answer = client.read()
    while "method" in answer: # diagnostics that come in between
        answer = client.read()
    check(answer.get("error", {}).get("code") == -32700, "half a million brackets", answer)
    check(client.end() == 0, "and the server ends well")


with tempfile.TemporaryDirectory() as folder:
    files = sorted((root / "examples").glob("*.cpl"))[::5]
    texts = [file.read_text() for file in files]
    (pathlib.Path(folder) / "other.cpl").write_text("fn other(x[N]) = sum[i] x[i]\n")
    for number in range(first, first + sessions):
        session(number, texts, folder)
        for part in range(5):
            frames(100 * number + part, folder)
    large(folder)
check.finish()
