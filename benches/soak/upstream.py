"""A provider that misbehaves: right answers most of the time, and now and then what networks and servers do."""

import asyncio
import collections
import random

# How often, in a thousand requests that are not for its documents.
FAULTS = {"reset": 5, "close": 5, "cut": 5, "stall": 1, "garbage": 3, "error": 10, "trickle": 2}
STALL_SECONDS = 3
DOCUMENTS = ("/.well-known/openid-configuration", "/jwks.json")


class Upstream:
    def __init__(self, texts, tokens):
        self.texts, self.tokens = texts, tokens
        self.open = 0
        self.faults = collections.Counter()
        # The requests whose answer was right, and written to its last byte.
        self.answered_in_full = set()

    async def serve(self, reader, writer):
        self.open += 1
        try:
            while await self.exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            # The connection is over, or the soak is.
            pass
        finally:
            self.open -= 1
            writer.close()

    async def exchange(self, reader, writer):
        """One request; false if the connection ends with it."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.split("\r\n")
        path = lines[0].split(" ")[1]
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if length := int(fields.get("content-length", 0)):
            await reader.readexactly(length)
        request = fields.get("x-soak")
        fault = self.fault(path)
        if fault in ("reset", "close"):
            if fault == "reset":
                writer.transport.abort()
            return False
        if fault == "stall":
            await asyncio.sleep(STALL_SECONDS)
        if fault == "garbage":
            writer.write(b"HTTP/1.1 two hundred\r\n: \r\n\r\n")
            await writer.drain()
            return False
        answer = self.answer(path, fault)
        if fault == "cut":
            writer.write(answer[: len(answer) - 100])
            await writer.drain()
            return False
        if fault == "trickle":
            step = max(1, len(answer) // 8)
            for start in range(0, len(answer), step):
                writer.write(answer[start : start + step])
                await writer.drain()
                await asyncio.sleep(0.05)
        else:
            writer.write(answer)
            await writer.drain()
        if request and fault != "error":
            self.answered_in_full.add(request)
        return True

    def fault(self, path):
        if path in DOCUMENTS:
            return None
        place = random.randrange(1000)
        for name, often in FAULTS.items():
            if place < often:
                self.faults[name] += 1
                return name
            place -= often
        return None

    def answer(self, path, fault):
        status, kind = "200 OK", "application/json"
        if fault == "error":
            status, body = "503 Service Unavailable", b'{"error":"temporarily_unavailable"}' + b" " * 100
        elif path == "/token":
            body = random.choice(self.tokens)
        elif path == "/upload":
            body = b'{"ok":true}' + b" " * 100
        else:
            body = self.texts[path]
            if path not in DOCUMENTS:
                kind = "text/plain"
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body
