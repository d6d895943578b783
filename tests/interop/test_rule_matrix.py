"""Every rule against real relying parties: who was measured to refuse a flaw refuses it directly, and all accept it through kidstamp.

One IdP misbehaves in all ways at once, each below a path of its own; one kidstamp stands before it with an issuer for each. Each
relying party is one process that is asked everything, so the whole matrix takes seconds.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

import kidstamp
import misbehaving_idp
from matrix_parties import RPS, Rp
from processes import Process, accepts_connections, answers_ok, clean_environment, free_port, wait_until
from relying_parties import Verdict
from rule_cases import ACCESS_TOKEN, SECRET, Case, cases, filled, refusals, still_refusing

# PyJWT's example of a login does not only compare the hash, it wants one, and so does CXF.
_ALSO = {"claims/hash-null": ["claims/at-hash-missing"]}
# Where nothing was measured that lint could tell.
_REFUSED_ALL_THE_SAME = {
    # A small key stays published, and is reported: who replaces it is the provider.
    ("jwks/rsa-size", "go-lestrrat-jwx"),
    # This rule is for those who want the array, and this one wants the string.
    ("claims/audience-string", "okta-jwt-verifier"),
}
_CASES = cases()


@dataclass(frozen=True)
class Answers:
    direct: dict[str, Verdict]
    through: dict[str, Verdict]

    def shows(self, case: Case) -> bool:
        """Refused directly, accepted through kidstamp."""
        return not self.direct[case.id].accepted and self.through[case.id].accepted


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[dict], list[dict]]]:
    """What is asked of each case at the IdP, and at kidstamp before it."""
    if missing := kidstamp.missing():
        pytest.skip(missing)
    optional = _document_rules_to_switch_on()
    usual = [case for case in _CASES if case.rule not in optional]
    others = [case for case in _CASES if case.rule in optional]
    folders = tmp_path_factory.mktemp("usual"), tmp_path_factory.mktemp("others")
    with (
        misbehaving_idp.running() as idp,
        _bridge(folders[0], idp, usual, []) as bridge,
        # The documents are one for all clients, so that these rules are on or off for all of them.
        _bridge(folders[1], idp, others, sorted(optional)) as other_bridge,
    ):
        at = {case.id: bridge for case in usual} | {case.id: other_bridge for case in others}
        yield [_question(case, idp) for case in _CASES], [_question(case, at[case.id]) for case in _CASES]


@pytest.fixture(scope="module")
def answers(questions: tuple[list[dict], list[dict]]) -> Callable[[Rp], Answers]:
    """What a relying party says of every case; it is asked once."""
    known: dict[str, Answers] = {}

    def ask(rp: Rp) -> Answers:
        if rp.name not in known:
            verdicts = [rp.ask(asked) for asked in questions]
            ids = [case.id for case in _CASES]
            known[rp.name] = Answers(*(dict(zip(ids, each, strict=True)) for each in verdicts))
        return known[rp.name]

    return ask


@pytest.mark.parametrize("rp", RPS, ids=lambda rp: rp.name)
@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.id)
def test_a_refused_provider_is_accepted_through_kidstamp(
    case: Case, rp: Rp, answers: Callable[[Rp], Answers]
) -> None:
    if reason := rp.missing():
        pytest.skip(reason)
    given = answers(rp)
    direct, through = given.direct[case.id], given.through[case.id]
    if rp.name in still_refusing().get(case.flaw or "", ()) or (case.rule, rp.name) in _REFUSED_ALL_THE_SAME:
        assert not through.accepted, "accepts it through kidstamp, though it is listed as still refusing"
    else:
        assert through.accepted, f"through kidstamp: {through.error}"
    if rp.name in refusals().get(case.flaw or "", ()):
        assert not direct.accepted, "was measured to refuse this, and accepts it without kidstamp"


def test_every_rule_that_was_measured_is_shown_by_two_languages(answers: Callable[[Rp], Answers]) -> None:
    """As far as two of those that are here were measured to refuse it; prints what is shown of each rule."""
    here = {rp: answers(rp) for rp in RPS if not rp.missing()}
    shown: dict[str, set[str]] = {}
    for case in _CASES:
        measured = refusals().get(case.flaw or "", set())
        helped = measured - still_refusing().get(case.flaw or "", set())
        wanted = {rp.language for rp in here if rp.name in helped}
        languages = {rp.language for rp, given in here.items() if given.shows(case)}
        shown.setdefault(case.rule, set()).update(languages)
        assert wanted <= languages, f"{case.id}: {wanted - languages}"
    print(_table(shown))
    if len(here) == len(RPS):
        two = [rule for rule, languages in shown.items() if len(languages) >= 2]
        # 56 of 81 when this was written. The others: nobody was measured to refuse what they mend, or all who do share a language.
        assert len(two) >= 56


def _table(shown: dict[str, set[str]]) -> str:
    """The rules by how many languages show them, with who else was measured to refuse what fewer than two show."""
    names = {rp.name for rp in RPS}
    lines = []
    for what, fits in (("two or more", lambda count: count >= 2), ("one", lambda count: count == 1), ("none", lambda count: not count)):
        rules = {rule: languages for rule, languages in shown.items() if fits(len(languages))}
        lines.append(f"{len(rules)} of {len(shown)} rules are shown by relying parties in {what} of the languages:")
        for rule, languages in rules.items():
            flaws = {case.flaw for case in _CASES if case.rule == rule and case.flaw}
            absent = set().union(*(refusals().get(flaw, set()) for flaw in flaws)) - names
            rest = "" if len(languages) >= 2 else f"; measured, and not here: {', '.join(sorted(absent)) or 'none'}"
            lines.append(f"  {rule}: {', '.join(sorted(languages)) or '-'}{rest}")
    return "\n".join(lines)


def _document_rules_to_switch_on() -> set[str]:
    told = subprocess.run(
        [str(kidstamp.BINARY), "rules", "--format", "json"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
        env=clean_environment(),
    )
    rules = json.loads(told.stdout)
    return {rule["id"] for rule in rules if rule["default"] in ("off", "reported only") and rule["id"].startswith(("jwks/", "discovery/"))}


def _question(case: Case, origin: str) -> dict:
    """What a relying party is asked of a case: the token as it gets it there, and where the keys are."""
    issuer = f"{origin}/{case.id}"
    with requests.Session() as session:
        session.trust_env = False
        login = {"grant_type": "authorization_code", "code": "a", "client_id": "rp"}
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
def _bridge(folder: Path, idp: str, cases: Sequence[Case], rules: Sequence[str]) -> Iterator[str]:
    """kidstamp with an issuer for each of the cases, and these rules on for everyone; yields its origin."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    secret = folder / "secret"
    secret.write_text(SECRET, encoding="utf-8")
    secret.chmod(0o600)
    config = folder / "kidstamp.toml"
    config.write_text(_settings(origin, port, idp, cases, rules, secret), encoding="utf-8")
    process = Process([str(kidstamp.BINARY), "serve", "--config", str(config)], folder / "kidstamp.log")
    try:
        process.wait_ready(lambda: accepts_connections(port), "kidstamp's listener")
        for case in cases:
            jwks = f"{origin}/{case.id}/jwks"
            # A key is made for each issuer first.
            wait_until(lambda jwks=jwks: answers_ok(jwks), f"the keys of {case.id}", seconds=60)
        yield origin
    finally:
        process.stop()


def _settings(origin: str, port: int, idp: str, cases: Sequence[Case], rules: Sequence[str], secret: Path) -> str:
    lines = [
        f'server = {{ listen = "127.0.0.1:{port}", admin = "off", workers = 1 }}',
        f'upstream.url = "{idp}"',
        *(f'rules."{rule}" = "repair"' for rule in rules),
    ]
    for case in cases:
        issuer = f"{origin}/{case.id}"
        lines += ["[[issuer]]", f'issuer = "{issuer}"', "ephemeral_key = true"]
        lines += [filled(line, issuer) for line in case.issuer_lines]
    for case in cases:
        client = ["[[client]]", 'id = "rp"', f'issuer = "{origin}/{case.id}"', *case.client_lines]
        if case.says("key") == "secret":
            lines += [*client, f'secret_file = "{secret}"']
        elif case.rule.startswith(("claims/", "token-response/")):
            wanted = [case.rule, *_ALSO.get(case.rule, ())]
            lines += [*client, "[client.rules]", *(f'"{rule}" = "repair"' for rule in wanted)]
    return "\n".join(lines) + "\n"
