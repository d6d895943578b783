"""Every rule against real relying parties: who was measured to refuse a flaw refuses it directly, and all accept it through kidstamp.

One IdP misbehaves in all ways at once, each below a path of its own; one kidstamp stands before it with an issuer for each. Each
relying party is one process that is asked everything, so the whole matrix takes seconds.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

import kidstamp
import misbehaving_idp
from processes import Process, accepts_connections, answers_ok, clean_environment, free_port, wait_until
from relying_parties import Verdict, jose_missing, ruby_jwt_missing
from rule_cases import ACCESS_TOKEN, Case, cases, filled, refusals

_SCRIPTS = Path(__file__).parent / "rps/matrix"
_NODE_FOLDER = Path(__file__).parents[2] / "target/interop/node"
# Documents as a whole can be switched, and these are off by default: what they change is allowed.
_NOT_PER_CLIENT = {"jwks/enc-key", "jwks/use-missing", "jwks/certificate-members"}


@dataclass(frozen=True)
class Rp:
    """A relying party; `measured` are its names in data/rp-strictness.tsv."""

    name: str
    language: str
    command: Sequence[str]
    missing: Callable[[], str | None]
    # It asks the token endpoint by itself.
    logs_in: bool = False

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


def _python(script: str) -> Sequence[str]:
    return (sys.executable, str(_SCRIPTS / script))


def _node(script: str) -> Sequence[str]:
    return ("node", str(_SCRIPTS / script), str(_NODE_FOLDER))


def _perl_missing() -> str | None:
    if shutil.which("perl") is None:
        return "Debian package perl is not installed"
    found = subprocess.run(["perl", "-MCrypt::JWT", "-e1"], check=False, capture_output=True, timeout=30)
    return None if found.returncode == 0 else "Debian package libcrypt-jwt-perl is not installed"


def _openid_client_missing() -> str | None:
    found = (_NODE_FOLDER / "node_modules/openid-client-6").is_dir()
    return jose_missing() or (None if found else "openid-client is not installed (tests/interop/setup)")


_RPS = (
    Rp("pyjwt", "Python", _python("pyjwt_rp.py"), lambda: None),
    Rp("joserfc", "Python", _python("joserfc_rp.py"), lambda: None),
    Rp("ruby-jwt", "Ruby", ("ruby", str(_SCRIPTS / "ruby_jwt_rp.rb")), ruby_jwt_missing),
    Rp("jose", "JavaScript", _node("jose_rp.mjs"), jose_missing),
    Rp("openid-client", "JavaScript", _node("openid_client_rp.mjs"), _openid_client_missing, logs_in=True),
    Rp("perl-crypt-jwt", "Perl", ("perl", str(_SCRIPTS / "perl_crypt_jwt_rp.pl")), _perl_missing),
)
# PyJWT's example of a login does not only compare the hash, it wants one.
_ALSO = {"claims/hash-null": ["claims/at-hash-missing"]}
_CASES = [case for case in cases() if case.rule not in _NOT_PER_CLIENT]


@dataclass(frozen=True)
class Answers:
    direct: dict[str, Verdict]
    through: dict[str, Verdict]


@pytest.fixture(scope="module")
def origins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The IdP's origin, and kidstamp's before it."""
    if missing := kidstamp.missing():
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("rule_matrix")
    with misbehaving_idp.running() as idp, _bridge(folder, idp) as bridge:
        yield idp, bridge


@pytest.fixture(scope="module")
def answers(origins: tuple[str, str]) -> Callable[[Rp], Answers]:
    """What a relying party says of every case; it is asked once."""
    known: dict[str, Answers] = {}
    questions = [[_question(case, origin) for case in _CASES] for origin in origins]

    def ask(rp: Rp) -> Answers:
        if reason := rp.missing():
            pytest.skip(reason)
        if rp.name not in known:
            verdicts = [rp.ask(asked) for asked in questions]
            ids = [case.id for case in _CASES]
            known[rp.name] = Answers(*(dict(zip(ids, each, strict=True)) for each in verdicts))
        return known[rp.name]

    return ask


@pytest.mark.parametrize("rp", _RPS, ids=lambda rp: rp.name)
@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.id)
def test_a_refused_provider_is_accepted_through_kidstamp(
    case: Case, rp: Rp, answers: Callable[[Rp], Answers]
) -> None:
    given = answers(rp)
    direct, through = given.direct[case.id], given.through[case.id]
    assert through.accepted, f"through kidstamp: {through.error}"
    if rp.name in refusals().get(case.flaw or "", ()):
        assert not direct.accepted, "was measured to refuse this, and accepts it without kidstamp"


def test_every_rule_that_was_measured_is_shown_by_two_languages(answers: Callable[[Rp], Answers]) -> None:
    """As far as two of those that are here were measured to refuse it."""
    given = {rp: answers(rp) for rp in _RPS}
    shown: dict[str, set[str]] = {}
    for case in _CASES:
        measured = refusals().get(case.flaw or "", set())
        wanted = {rp.language for rp in _RPS if rp.name in measured}
        refused = {rp.language for rp in _RPS if not given[rp].direct[case.id].accepted}
        shown.setdefault(case.rule, set()).update(refused)
        assert wanted <= refused, f"{case.id}: {wanted - refused}"
    two = [rule for rule, languages in shown.items() if len(languages) >= 2]
    print(f"{len(two)} of {len(shown)} rules are shown by relying parties in two languages or more")
    assert len(two) >= 20


def _question(case: Case, origin: str) -> dict:
    """What a relying party is asked of a case: the token as it gets it there, and where the keys are."""
    issuer = f"{origin}/{case.id}"
    with requests.Session() as session:
        session.trust_env = False
        login = {"grant_type": "authorization_code", "code": "a"}
        response = session.post(f"{issuer}/token", data=login, timeout=20)
    token = json.loads(response.content.decode("utf-8-sig"))["id_token"]
    by_discovery = case.rule.startswith("discovery/")
    return {
        "issuer": issuer,
        "jwks_uri": None if by_discovery else f"{issuer}/jwks",
        "audience": "rp",
        "token": token,
        "algorithm": case.algorithm,
        "access_token": ACCESS_TOKEN if "hash" in case.rule else None,
    }


@contextmanager
def _bridge(folder: Path, idp: str) -> Iterator[str]:
    """kidstamp with an issuer for each case; yields its origin."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    config = folder / "kidstamp.toml"
    config.write_text(_settings(origin, port, idp), encoding="utf-8")
    process = Process([str(kidstamp.BINARY), "serve", "--config", str(config)], folder / "kidstamp.log")
    try:
        process.wait_ready(lambda: accepts_connections(port), "kidstamp's listener")
        for case in _CASES:
            jwks = f"{origin}/{case.id}/jwks"
            # A key is made for each issuer first.
            wait_until(lambda jwks=jwks: answers_ok(jwks), f"the keys of {case.id}", seconds=60)
        yield origin
    finally:
        process.stop()


def _settings(origin: str, port: int, idp: str) -> str:
    lines = [
        f'server = {{ listen = "127.0.0.1:{port}", admin = "off", workers = 1 }}',
        f'upstream.url = "{idp}"',
    ]
    for case in _CASES:
        issuer = f"{origin}/{case.id}"
        lines += ["[[issuer]]", f'issuer = "{issuer}"', "ephemeral_key = true"]
        lines += [filled(line, issuer) for line in case.issuer_lines]
    for case in _CASES:
        if case.rule.startswith(("claims/", "token-response/")):
            lines += ["[[client]]", 'id = "rp"', f'issuer = "{origin}/{case.id}"']
            lines += case.client_lines
            rules = [case.rule, *_ALSO.get(case.rule, ())]
            lines += ["[client.rules]", *(f'"{rule}" = "repair"' for rule in rules)]
    return "\n".join(lines) + "\n"
