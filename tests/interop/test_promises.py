"""kidstamp's promises, seen from both sides: what RPs are given, and what really reaches LemonLDAP."""

import base64
import hashlib
import json
import re

from oidc import header_of
from pem import new_rsa_key
from rps.espocrm_like import EspoCrmLike
from stacks import OPAQUE_CLIENT, Stack


def test_issuer_and_endpoints_stay_where_the_idp_says_they_are(bridged: Stack):
    assert bridged.provider.metadata["issuer"] == bridged.idp.issuer
    endpoints = [url for name, url in bridged.provider.metadata.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(endpoints) >= 5
    assert all(url.startswith(bridged.idp.issuer) for url in endpoints)


def test_every_published_key_has_its_thumbprint_as_kid(bridged: Stack):
    keys = bridged.provider.jwks()["keys"]
    assert [key["kid"] for key in keys] == [_thumbprint(key) for key in keys]
    assert len({key["kid"] for key in keys}) == len(keys) == 2
    assert not any({"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & set(key) for key in keys)


def test_id_token_names_a_published_key_which_is_not_the_idps(bridged: Stack):
    header = header_of(bridged.sign_in(OPAQUE_CLIENT).tokens.id_token)
    of_the_idp = _number(bridged.idp.signing_key.public_key().public_numbers().n)
    (bridge_key,) = [key for key in bridged.provider.jwks()["keys"] if key["n"] != of_the_idp]
    assert header == {"typ": "JWT", "alg": "RS256", "kid": bridge_key["kid"]}


def test_id_token_carries_its_original(bridged: Stack):
    id_token = bridged.sign_in(OPAQUE_CLIENT).tokens.id_token
    assert _restored(id_token) == bridged.wire.id_tokens_from_idp[-1]


def test_idp_gets_its_own_token_back_as_logout_hint(bridged: Stack):
    login = bridged.sign_in(OPAQUE_CLIENT)
    original = bridged.wire.id_tokens_from_idp[-1]
    assert login.tokens.id_token != original

    login.browser.sign_out(
        bridged.provider.end_session_url(OPAQUE_CLIENT, login.tokens.id_token), OPAQUE_CLIENT.post_logout_redirect_uri
    )

    assert bridged.wire.id_token_hints[-1] == original


def test_rotation_at_the_idp_is_invisible_to_an_rp_that_caches(bridged_alone: Stack):
    """Without kidstamp, an RP like EspoCRM would lock everyone out until its cache ends."""
    rp = EspoCrmLike(bridged_alone.provider.jwks, clock=lambda: 0.0)
    rp.verify(OPAQUE_CLIENT.client_id, bridged_alone.sign_in(OPAQUE_CLIENT).tokens.id_token)

    bridged_alone.idp.rotate_signing_key(new_rsa_key())

    rp.verify(OPAQUE_CLIENT.client_id, bridged_alone.sign_in(OPAQUE_CLIENT).tokens.id_token)


def _restored(token: str) -> str:
    """What the design says of the carrier, written down a second time."""
    payload = base64.urlsafe_b64decode(token.split(".")[1] + "==").decode()
    carrier = re.match(r'\{"_kidstamp":"([\w-]+)\.([\w-]+)",', payload)
    header, signature = carrier.groups()
    return f"{header}.{_base64url(('{' + payload[carrier.end() :]).encode())}.{signature}"


def _thumbprint(key: dict[str, str]) -> str:
    """RFC 7638, section 3, of an RSA key."""
    members = {name: key[name] for name in ("e", "kty", "n")}
    return _base64url(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


def _number(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
