"""The relying parties that are asked about every rule, each one process that is asked everything."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from processes import clean_environment
from relying_parties import Verdict, jose_missing, ruby_jwt_missing

_SCRIPTS = Path(__file__).parent / "rps/matrix"
_INSTALLED = Path(__file__).parents[2] / "target/interop"
_NODE_FOLDER = _INSTALLED / "node"
_JAVA = _INSTALLED / "java"


@dataclass(frozen=True)
class Rp:
    """A relying party, by its name in data/rp-strictness.tsv."""

    name: str
    language: str
    command: Sequence[str]
    missing: Callable[[], str | None]

    def ask(self, questions: list[dict]) -> list[Verdict]:
        answer = subprocess.run(
            self.command,
            check=False,
            input=json.dumps(questions),
            capture_output=True,
            text=True,
            timeout=120,
            env=clean_environment(),
        )
        assert answer.returncode == 0, f"{self.name} broke: {answer.stderr[-2000:]}"
        return [Verdict(**verdict) for verdict in json.loads(answer.stdout)]


def _python(name: str, script: str) -> Rp:
    return Rp(name, "Python", (sys.executable, str(_SCRIPTS / script)), lambda: None)


def _node(name: str, script: str, package: str) -> Rp:
    def missing() -> str | None:
        found = (_NODE_FOLDER / "node_modules" / package).is_dir()
        return jose_missing() or (None if found else f"{package} is not installed (tests/interop/setup)")

    return Rp(name, "JavaScript", ("node", str(_SCRIPTS / script), str(_NODE_FOLDER)), missing)


def _built(name: str, language: str, program: Path) -> Rp:
    def missing() -> str | None:
        return None if program.is_file() else f"{name} is not built (tests/interop/setup says why)"

    return Rp(name, language, (str(program), name), missing)


def _java(name: str, main: str) -> Rp:
    def missing() -> str | None:
        return None if (_JAVA / "installed").is_dir() else f"{name} is not built (tests/interop/setup says why)"

    return Rp(name, "Java", ("java", "-cp", f"{_JAVA}/classes:{_JAVA}/lib/*", main), missing)


def _perl_missing() -> str | None:
    if shutil.which("perl") is None:
        return "Debian package perl is not installed"
    found = subprocess.run(["perl", "-MCrypt::JWT", "-e1"], check=False, capture_output=True, timeout=30)
    return None if found.returncode == 0 else "Debian package libcrypt-jwt-perl is not installed"


_GO = _INSTALLED / "go/rp"
_RUST = _INSTALLED / "rust/debug/interop"

RPS = (
    _python("pyjwt", "pyjwt_rp.py"),
    _python("joserfc", "joserfc_rp.py"),
    _python("authlib", "authlib_rp.py"),
    Rp("ruby-jwt", "Ruby", ("ruby", str(_SCRIPTS / "ruby_jwt_rp.rb")), ruby_jwt_missing),
    _node("jose", "jose_rp.mjs", "jose"),
    _node("openid-client", "openid_client_rp.mjs", "openid-client-6"),
    _node("openid-client-v5", "openid_client_5_rp.mjs", "openid-client"),
    _node("okta-jwt-verifier", "okta_jwt_verifier_rp.mjs", "@okta/jwt-verifier"),
    Rp("perl-crypt-jwt", "Perl", ("perl", str(_SCRIPTS / "perl_crypt_jwt_rp.pl")), _perl_missing),
    _built("go-coreos-oidc", "Go", _GO),
    _built("go-jose", "Go", _GO),
    _built("go-lestrrat-jwx", "Go", _GO),
    _java("java-nimbus", "Nimbus"),
    _java("java-cxf", "Cxf"),
    _built("rust-openidconnect", "Rust", _RUST),
    _built("rust-jsonwebtoken9", "Rust", _RUST),
)
