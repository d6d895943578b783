"""The cases of tests/fixtures/rules/cases.txt: what a provider says that misbehaves in one way, and tokens of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_REPOSITORY = Path(__file__).parents[2]
_FOLDER = _REPOSITORY / "tests/fixtures/rules"
_STRICTNESS = _REPOSITORY / "data/rp-strictness.tsv"
ACCESS_TOKEN = "opaque"
# Of the client, where that is what the provider signs with.
SECRET = "a-secret-of-the-client-that-is-long-enough"

_SHORTHAND = {
    "rsa": '"kty":"RSA","n":"${n}","e":"AQAB"',
    "good": '{${rsa},"kid":"k1","alg":"RS256","use":"sig"}',
    "lists": '"response_types_supported":["code"],"subject_types_supported":["public"]',
    "endpoints": '"authorization_endpoint":"${issuer}/authorize","token_endpoint":"${issuer}/token","jwks_uri":"${issuer}/jwks"',
    "metadata": '"issuer":"${issuer}",${endpoints},${lists}',
    "bom": "\ufeff",
}
_IN_ORDER = {
    "jwks": '{"keys":[${good}]}',
    "discovery": '{${metadata},"id_token_signing_alg_values_supported":["RS256"]}',
    "response": '{"access_token":"opaque","token_type":"Bearer","id_token":"${id_token}"}',
    "claims": '{"iss":"${issuer}","sub":"7","aud":"rp","exp":${soon},"iat":${now}}',
    "header": '{"alg":"RS256","kid":"k1"}',
    "head": "content-type: application/json|cache-control: no-store",
    "type": "application/json",
    "key": "rsa",
}


@dataclass(frozen=True)
class Case:
    """One way to misbehave."""

    id: str
    rule: str
    fields: dict[str, str]
    issuer_lines: list[str] = field(default_factory=list)
    client_lines: list[str] = field(default_factory=list)

    @property
    def flaw(self) -> str | None:
        return self.fields.get("flaw")

    def says(self, name: str) -> str:
        return self.fields.get(name, _IN_ORDER[name])

    def document(self, name: str, issuer: str, **more: str) -> str:
        return filled(self.says(name), issuer, **more)

    def token(self, issuer: str) -> str:
        return _signed(self.says("key"), self.says("header"), self.document("claims", issuer))

    def response(self, issuer: str) -> str:
        return self.document("response", issuer, id_token=self.token(issuer))

    def head(self) -> tuple[int, dict[str, str]]:
        fields = dict(line.split(": ", 1) for line in self.says("head").split("|"))
        return int(fields.pop("status", "200").split(" ")[0]), fields

    @property
    def algorithm(self) -> str:
        return "ES256" if self.says("key").startswith("ec") else "RS256"


# Not in the file, since this one needs a client's secret.
_WITHOUT_KEYS = Case(
    "jwks_keys-missing_hs256",
    "jwks/keys-missing",
    {"flaw": "hs256", "jwks": "{}", "header": '{"alg":"HS256"}', "key": "secret"},
)


@cache
def cases() -> list[Case]:
    text = (_FOLDER / "cases.txt").read_text(encoding="utf-8")
    found: list[Case] = []
    for block in text.split("\n\n"):
        fields: dict[str, str] = {}
        issuer_lines = []
        client_lines = []
        for line in block.splitlines():
            if line.startswith("#") or line.lstrip().startswith("=>"):
                continue
            name, value = line.split(": ", 1)
            if name == "issuer":
                issuer_lines.append(value)
            elif name == "client":
                client_lines.append(value)
            else:
                fields[name] = value
        if fields:
            number = sum(case.rule == fields["rule"] for case in found)
            name = fields["rule"] + (f"/{fields['flaw']}" if "flaw" in fields else f"/{number}" if number else "")
            found.append(Case(name.replace("/", "_"), fields["rule"], fields, issuer_lines, client_lines))
    return [*found, _WITHOUT_KEYS]


@cache
def refusals() -> dict[str, set[str]]:
    """Who was measured to refuse a flaw."""
    return {row[0]: set(filter(None, row[3].split(", "))) for row in _strictness() if len(row) == 5}


@cache
def still_refusing() -> dict[str, set[str]]:
    """Who refuses what is left when a flaw is repaired."""
    rows = [row for row in _strictness() if row[0] == "still"]
    return {row[1]: {other[2] for other in rows if other[1] == row[1]} for row in rows}


def _strictness() -> list[list[str]]:
    lines = _STRICTNESS.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line[:1] != "#"]


def filled(text: str, issuer: str, **more: str) -> str:
    """The text with everything put in that stands between ${ and }."""
    values = {**_SHORTHAND, **_keys(), "issuer": issuer, **_times(), **more}
    while "${" in text:
        before, rest = text.split("${", 1)
        name, after = rest.split("}", 1)
        text = before + values[name] + after
    return text


@cache
def _times() -> dict[str, str]:
    digest = hashlib.sha256(ACCESS_TOKEN.encode()).digest()
    now = int(time.time())
    return {"now": str(now - 5), "soon": str(now + 3600), "at_hash": _encoded(digest[:16])}


@cache
def _keys() -> dict[str, str]:
    return json.loads((_FOLDER / "keys.json").read_text(encoding="utf-8"))


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


# The same token is asked for again and again.
@cache
def _signed(key: str, header: str, claims: str) -> str:
    signing_input = f"{_encoded(header.encode())}.{_encoded(claims.encode())}"
    return f"{signing_input}.{_encoded(_signature(key, signing_input.encode()))}"


def _signature(key: str, text: bytes) -> bytes:
    if key == "secret":
        return hmac.digest(SECRET.encode(), text, "sha256")
    pem = {"rsa": "pem", "other": "other_pem", "ec": "ec_pem", "ec-der": "ec_pem"}[key]
    private = load_pem_private_key(_keys()[pem].encode(), None)
    if key in ("rsa", "other"):
        return private.sign(text, padding.PKCS1v15(), hashes.SHA256())
    der = private.sign(text, ec.ECDSA(hashes.SHA256()))
    if key == "ec-der":
        return der
    r, s = utils.decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
