"""Starting, awaiting and stopping what the suite runs: every process by its own pid, every wait bounded."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import requests

# Below the range that Linux hands to outgoing connections, so that none can take a port between choice and use.
_PORTS = range(20_000, 32_000)
_POLL_SECONDS = 0.05


def free_port() -> int:
    """A loopback port that nobody listens on."""
    for port in random.sample(_PORTS, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free loopback port found")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Polls `condition` until it holds; fails naming `what` when the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(_POLL_SECONDS)


def accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers_ok(url: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, timeout=5).ok
        except requests.RequestException:
            return False


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without proxies, since all is on loopback, and without settings for kidstamp."""

    def is_kept(name: str) -> bool:
        return not name.lower().endswith("_proxy") and not name.startswith("KIDSTAMP_")

    return {name: value for name, value in os.environ.items() if is_kept(name)} | extra


class Process:
    """One started program with its output in a file."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None):
        self.name = Path(command[0]).name
        self.log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=clean_environment(**(environment or {})),
                start_new_session=True,
            )

    def wait_ready(self, condition: Callable[[], bool], what: str) -> None:
        """Waits for `condition`; when the program ends first, or never gets there, shows how its log begins."""

        def ready_or_ended() -> bool:
            return self._child.poll() is not None or condition()

        try:
            wait_until(ready_or_ended, what)
        except TimeoutError as error:
            raise RuntimeError(f"{self.name}: {error}\n{self._head_of_log()}") from error
        if self._child.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self._child.returncode}\n{self._head_of_log()}")

    def stop(self) -> None:
        """Asks the program to end; after ten seconds ends it and the children it left (its own session)."""
        if self._child.poll() is not None:
            return
        self._child.terminate()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait(10)

    def _head_of_log(self) -> str:
        return self.log.read_text(errors="replace")[:2000]
