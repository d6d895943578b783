"""TLS ended in front of kidstamp by something that adds nothing: the bytes inside go on as they came.

So no `X-Forwarded-Proto` tells kidstamp that the outside is https; it has to know that from its configuration.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pem import new_rsa_key, private_pem

_CHUNK = 64 * 1024


@contextmanager
def running(folder: Path, port: int, target_port: int) -> Iterator[str]:
    """Ends TLS on `port` for `target_port`; yields the file with the certificate to trust."""
    certificate, key = _self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    front = _Front(target_port)
    try:
        asyncio.run_coroutine_threadsafe(front.listen(port, context), loop).result(10)
        yield str(certificate)
    finally:
        asyncio.run_coroutine_threadsafe(front.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Front:
    def __init__(self, target_port: int):
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task, StreamWriter] = {}

    async def listen(self, port: int, context: ssl.SSLContext) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", port, ssl=context)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for outside in self._connections.values():
            outside.transport.abort()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connect(self, reader: StreamReader, writer: StreamWriter) -> None:
        connection = asyncio.current_task()
        self._connections[connection] = writer
        connection.add_done_callback(self._connections.pop)
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        except OSError:
            writer.close()


async def _pump(source: StreamReader, sink: StreamWriter) -> None:
    try:
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()


def _self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own root, valid for a day."""
    key = new_rsa_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "front.crt", folder / "front.key"
    certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_text(private_pem(key))
    return certificate_file, key_file
