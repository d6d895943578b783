"""A hybrid login of openid-client, which checks at_hash and c_hash, with JWT access tokens that kidstamp re-signs."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest

import lemonldap
import relying_parties
from browser import Browser
from oidc import header_of, payload_of
from stacks import JWT_CLIENT, Stack

_NONCE = "nonce-of-a-test"
_STATE = "state-of-a-test"


@pytest.fixture
def hybrid(re_signing: Stack) -> Stack:
    if reason := relying_parties.openid_client_missing():
        pytest.skip(reason)
    return re_signing


def test_openid_client_accepts_a_hybrid_response_with_access_tokens_re_signed(hybrid: Stack):
    callback = _sign_in(hybrid)
    verdict = _openid_client(hybrid, callback)
    assert verdict["accepted"], verdict["error"]
    assert verdict["sub"] == "dwho"
    given = _parameters(callback)
    (bridge_kid,) = {header_of(token)["kid"] for token in (given["access_token"], given["id_token"], verdict["back"])}
    assert bridge_kid in {key["kid"] for key in hybrid.provider.jwks()["keys"]}
    assert "_kidstamp" in payload_of(given["access_token"])
    assert {"at_hash", "c_hash"} <= set(payload_of(given["id_token"]))


def test_openid_client_refuses_another_access_token(hybrid: Stack):
    """The control: at_hash is really looked at."""
    callback = _sign_in(hybrid)
    other = _parameters(_sign_in(hybrid))["access_token"]
    given = _parameters(callback)
    assert other != given["access_token"]
    verdict = _openid_client(hybrid, callback.replace(given["access_token"], other))
    assert not verdict["accepted"]
    assert "at_hash mismatch" in verdict["error"]


def _sign_in(stack: Stack) -> str:
    """The URL of the callback, with its fragment."""
    question = {
        "response_type": "code id_token token",
        "client_id": JWT_CLIENT.client_id,
        "redirect_uri": JWT_CLIENT.redirect_uri,
        "scope": "openid profile email",
        "state": _STATE,
        "nonce": _NONCE,
    }
    url = f"{stack.provider.metadata['authorization_endpoint']}?{urlencode(question)}"
    return Browser(stack.provider.ca_file).callback(url, JWT_CLIENT.redirect_uri, lemonldap.USER)


def _parameters(callback: str) -> dict[str, str]:
    return dict(parse_qsl(callback.partition("#")[2]))


def _openid_client(stack: Stack, callback: str) -> dict:
    return relying_parties.openid_client_hybrid(
        {
            "issuer": stack.provider.issuer,
            "client_id": JWT_CLIENT.client_id,
            "client_secret": JWT_CLIENT.client_secret,
            "redirect_uri": JWT_CLIENT.redirect_uri,
            "callback": callback,
            "nonce": _NONCE,
            "state": _STATE,
        }
    )
