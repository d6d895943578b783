"""An IdP with an issuer for each case of `rule_cases`, each at a path of its own; it believes the `Host` that it is asked by."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rule_cases import Case, cases


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one piece: the second of two would wait for the first to be acknowledged.
    wbufsize = -1

    def do_GET(self) -> None:
        case, rest = self._case()
        issuer = f"http://{self.headers['Host']}/{case.id}" if case else ""
        if case is None:
            self._answer(404, {}, b"")
        elif rest == ".well-known/openid-configuration" and case.says("discovery") != "(none)":
            inside = f"http://127.0.0.1:{self.server.server_address[1]}/{case.id}"
            document = case.document("discovery", issuer, inside=inside)
            self._answer(200, {"content-type": case.says("type")}, document.encode())
        elif rest == "jwks":
            self._answer(200, {"content-type": "application/json"}, case.document("jwks", issuer).encode())
        else:
            self._answer(404, {}, b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        case, rest = self._case()
        if case is None or rest != "token":
            self._answer(404, {}, b"")
            return
        status, head = case.head()
        issuer = f"http://{self.headers['Host']}/{case.id}"
        self._answer(status, head, case.response(issuer).encode())

    def _case(self) -> tuple[Case | None, str]:
        name, _, rest = self.path.lstrip("/").partition("/")
        return next((case for case in cases() if case.id == name), None), rest

    def _answer(self, status: int, head: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in head.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing: the log of the suite is its own."""


@contextmanager
def running() -> Iterator[str]:
    """Serves until the block ends; yields the origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
