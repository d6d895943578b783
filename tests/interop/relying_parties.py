"""The relying parties, by name, with one way to ask each whether it takes an ID token."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from oidc import Client, Provider
from processes import clean_environment
from rps.espocrm_like import EspoCrmLike, Refused

_SCRIPTS = Path(__file__).parent / "rps"
_NODE_FOLDER = Path(__file__).parents[2] / "target/interop/node"
_SECONDS = 30


@dataclass(frozen=True)
class Verdict:
    accepted: bool
    error: str | None


@dataclass(frozen=True)
class LibraryRp:
    """A real library, run as its own quick start does, in a fresh process without caches."""

    name: str
    command: Sequence[str]
    missing: Callable[[], str | None]

    def verify(self, provider: Provider, client: Client, token: str) -> Verdict:
        question = {
            "jwks_uri": provider.metadata["jwks_uri"],
            "issuer": provider.issuer,
            "audience": client.client_id,
            "token": token,
        }
        answer = subprocess.run(
            self.command,
            check=False,
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env=clean_environment(**_trusting(provider.ca_file)),
        )
        assert answer.returncode == 0, f"{self.name} broke: {answer.stderr[-2000:]}"
        return Verdict(**json.loads(answer.stdout))


@dataclass(frozen=True)
class EspoCrmLikeRp:
    """`rps/espocrm_like.py` with an empty cache."""

    name: str = "espocrm-like"

    @staticmethod
    def missing() -> str | None:
        return None

    @staticmethod
    def verify(provider: Provider, client: Client, token: str) -> Verdict:
        try:
            EspoCrmLike(provider.jwks, time.time).verify(client.client_id, token)
        except Refused as refusal:
            return Verdict(False, str(refusal))
        return Verdict(True, None)


RelyingParty = LibraryRp | EspoCrmLikeRp


def _trusting(ca_file: str | None) -> dict[str, str]:
    return {"SSL_CERT_FILE": ca_file, "NODE_EXTRA_CA_CERTS": ca_file} if ca_file else {}


def ruby_jwt_missing() -> str | None:
    """Why ruby-jwt can't be asked here, or None."""
    if shutil.which("ruby") is None:
        return "Debian package ruby is not installed"
    found = subprocess.run(["ruby", "-e", "require 'jwt'"], check=False, capture_output=True, timeout=_SECONDS)
    return None if found.returncode == 0 else "Debian package ruby-jwt is not installed"


def jose_missing() -> str | None:
    """Why jose can't be asked here, or None."""
    if shutil.which("node") is None:
        return "node is not installed"
    return None if (_NODE_FOLDER / "node_modules/jose").is_dir() else "jose is not installed (tests/interop/setup)"


def openid_client_missing() -> str | None:
    if shutil.which("node") is None:
        return "node is not installed"
    installed = (_NODE_FOLDER / "node_modules/openid-client").is_dir()
    return None if installed else "openid-client is not installed (tests/interop/setup)"


def openid_client_hybrid(question: dict[str, str]) -> dict:
    """What openid-client says to a hybrid authorization response; see `rps/openid_client_hybrid.mjs`."""
    answer = subprocess.run(
        ("node", str(_SCRIPTS / "openid_client_hybrid.mjs"), str(_NODE_FOLDER)),
        check=False,
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        env=clean_environment(),
    )
    assert answer.returncode == 0, f"openid-client broke: {answer.stderr[-2000:]}"
    return json.loads(answer.stdout)


RELYING_PARTIES: tuple[RelyingParty, ...] = (
    LibraryRp("pyjwt", (sys.executable, str(_SCRIPTS / "pyjwt_quickstart.py")), lambda: None),
    LibraryRp("ruby-jwt", ("ruby", str(_SCRIPTS / "ruby_jwt_quickstart.rb")), ruby_jwt_missing),
    LibraryRp("jose", ("node", str(_SCRIPTS / "jose_quickstart.mjs"), str(_NODE_FOLDER)), jose_missing),
    EspoCrmLikeRp(),
)
