"""The clients: mixed requests at a fixed rate, over connections that are kept."""

import asyncio
import collections
import random
import time

# Of a hundred requests.
MIX = {"/small": 55, "/jwks.json": 15, "/token": 10, "/page": 10, "/upload": 10}
CLIENTS = 32
UPLOAD = b"x" * 20_000


class Load:
    def __init__(self, port, rate):
        self.port, self.rate = port, rate
        self.sent = 0
        self.statuses = collections.Counter()
        # Requests with the answer that they should have.
        self.answered = set()
        self.wrong = []

    async def ready(self):
        """Waits for the first right key set."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                connection = await asyncio.open_connection("127.0.0.1", self.port)
                status, body = await self.request(connection, "/jwks.json", "ready")
                connection[1].close()
                if status == 200 and b'"kid"' in body:
                    return
            except (OSError, asyncio.IncompleteReadError):
                pass
            await asyncio.sleep(0.1)
        raise SystemExit("kidstamp did not serve a key set within 20 s")

    async def run(self, seconds):
        end = time.monotonic() + seconds
        await asyncio.gather(*(self.client(number, end) for number in range(CLIENTS)))

    async def client(self, number, end):
        connection, count = None, 0
        due = time.monotonic() + random.random() * CLIENTS / self.rate
        while due < end:
            await asyncio.sleep(max(0, due - time.monotonic()))
            due += CLIENTS / self.rate
            count += 1
            path = random.choices(list(MIX), MIX.values())[0]
            name = f"{number}-{count}"
            self.sent += 1
            try:
                if connection is None:
                    connection = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
                status, body = await self.request(connection, path, name)
                self.judge(path, name, status, body)
            except (OSError, asyncio.IncompleteReadError):
                # An answer that the upstream cut has begun already: all that is left is to cut it here, too.
                self.statuses["cut"] += 1
                if connection:
                    connection[1].close()
                connection = None
        if connection:
            connection[1].close()

    async def request(self, connection, path, name):
        reader, writer = connection
        method, body, more = "GET", b"", ""
        if path == "/token":
            method, body = "POST", b"grant_type=authorization_code&code=0123456789"
            more = "Content-Type: application/x-www-form-urlencoded\r\n"
        elif path == "/upload":
            method, body = "POST", UPLOAD
        if body:
            more += f"Content-Length: {len(body)}\r\n"
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nX-Soak: {name}\r\n{more}\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        answer = await reader.readexactly(length)
        if "connection: close" in head:
            writer.close()
            raise asyncio.IncompleteReadError(b"", 1) if status == 200 else OSError
        return status, answer

    def judge(self, path, name, status, body):
        self.statuses[str(status)] += 1
        if status == 200:
            right = {
                "/small": len(body) == 1024,
                "/page": len(body) == 64 * 1024,
                "/jwks.json": b'"kid"' in body,
                "/token": b'"id_token"' in body,
                "/upload": b'"ok"' in body,
            }[path]
            if right:
                self.answered.add(name)
                return
        if status not in (502, 503, 504):
            self.wrong.append(f"{path}: {status}, {len(body)} bytes")
