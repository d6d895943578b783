"""The program under test, started as its users start it: a key directory, flags, a readiness probe."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import Process, accepts_connections, answers_ok, clean_environment, free_port

_REPOSITORY = Path(__file__).parents[2]
_NAMED = os.environ.get("KIDSTAMP_BIN") or None
BINARY = _REPOSITORY / (_NAMED or "target/debug/kidstamp")


def missing() -> str | None:
    """Why kidstamp can't be tested here, or None. A binary that was named has to be there."""
    if BINARY.exists():
        return None
    assert _NAMED is None, f"KIDSTAMP_BIN names no file: {BINARY}"
    return f"kidstamp is not built: {BINARY.relative_to(_REPOSITORY)}"


@contextmanager
def running(
    folder: Path, upstream: str, external_url: str, port: int, settings: str = "", key: str | None = None
) -> Iterator[None]:
    """kidstamp on `port` in front of `upstream`, with a bridge key of its own or with `key`, until the block ends.

    `settings` become a configuration file beside the flags.
    """
    file = folder / "kidstamp.toml"
    file.write_text(settings)
    keys = folder / "keys"
    admin_port = free_port()
    if key is None:
        _generate_key(keys)
    else:
        _mount_key(keys, key)
    process = Process(
        [
            *(str(BINARY), "serve", "--config", str(file), "--upstream", upstream, "--external-url", external_url),
            *("--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin_port}", "--keys", str(keys)),
        ],
        log=folder / "kidstamp.log",
    )
    ready = f"http://127.0.0.1:{admin_port}/readyz"
    try:
        process.wait_ready(lambda: accepts_connections(port) and answers_ok(ready), "kidstamp's readiness")
        yield
    finally:
        process.stop()


def _generate_key(keys: Path) -> None:
    command = [str(BINARY), "keys", "generate", "--dir", str(keys)]
    made = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30, env=clean_environment())
    assert made.returncode == 0, f"kidstamp keys generate: {made.stderr}"


def _mount_key(keys: Path, key: str) -> None:
    keys.mkdir()
    file = keys / "idp.pem"
    file.write_text(key)
    file.chmod(0o600)
