"""An HTTP hop between kidstamp and the IdP: it remembers what passed, and can put in an ID token of its own.

This is where a forger who owns the wire behind kidstamp would stand, and where one sees what really reaches the IdP.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import parse_qs, urlsplit

from loopback_http import Handler, serving

_SECONDS = 20
# Of this hop's own connections (RFC 9110, section 7.6.1); bodies are forwarded whole, with their length.
_CONNECTION_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length"}

IdTokenEdit = Callable[[str], str]


@dataclass
class Wire:
    """What was seen on the hop, and what to do to ID tokens that pass it."""

    target_port: int
    id_tokens_from_idp: list[str] = field(default_factory=list, repr=False)
    id_tokens_sent_on: list[str] = field(default_factory=list, repr=False)
    id_token_hints: list[str] = field(default_factory=list, repr=False)
    edit_id_token: IdTokenEdit | None = None

    @contextmanager
    def forging(self, edit: IdTokenEdit) -> Iterator[None]:
        self.edit_id_token = edit
        try:
            yield
        finally:
            self.edit_id_token = None

    def note_request(self, path: str) -> None:
        self.id_token_hints += parse_qs(urlsplit(path).query).get("id_token_hint", [])

    def pass_response(self, path: str, body: bytes) -> bytes:
        """The body to send on: the same bytes, unless a token response is to be forged."""
        if not path.endswith("/token"):
            return body
        answer = json.loads(body)
        if "id_token" not in answer:
            return body
        self.id_tokens_from_idp.append(answer["id_token"])
        if self.edit_id_token is not None:
            answer["id_token"] = self.edit_id_token(answer["id_token"])
            body = json.dumps(answer).encode()
        self.id_tokens_sent_on.append(answer["id_token"])
        return body


class _Forwarding(Handler):
    wire: Wire

    def _forward(self) -> None:
        self.wire.note_request(self.path)
        body = self.request_body()
        upstream = HTTPConnection("127.0.0.1", self.wire.target_port, timeout=_SECONDS)
        try:
            self._send_request(upstream, body)
            self._send_response(upstream.getresponse())
        finally:
            upstream.close()

    do_GET = do_POST = _forward

    def _send_request(self, upstream: HTTPConnection, body: bytes) -> None:
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _CONNECTION_HEADERS:
                upstream.putheader(name, value)
        if body:
            upstream.putheader("Content-Length", str(len(body)))
        upstream.endheaders(body)

    def _send_response(self, response: HTTPResponse) -> None:
        body = self.wire.pass_response(urlsplit(self.path).path, response.read())
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in _CONNECTION_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running(port: int, target_port: int) -> Iterator[Wire]:
    wire = Wire(target_port)
    with serving(port, type("Forwarding", (_Forwarding,), {"wire": wire})):
        yield wire
