"""ID tokens that nobody should vouch for, each made from a genuine one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from oidc import payload_of
from pem import new_rsa_key, public_pem


@dataclass(frozen=True)
class Forger:
    """Someone on the wire. The IdP's own key is used only for tokens that are wrong in another way."""

    idp_key: rsa.RSAPrivateKey
    bridge_kid: str

    def wrong_key(self, token: str) -> str:
        return jwt.encode(payload_of(token), new_rsa_key(), algorithm="RS256")

    def wrong_key_under_the_kid_of_the_bridge(self, token: str) -> str:
        return jwt.encode(payload_of(token), new_rsa_key(), algorithm="RS256", headers={"kid": self.bridge_kid})

    def wrong_issuer(self, token: str) -> str:
        claims = payload_of(token) | {"iss": "https://elsewhere.example/"}
        return jwt.encode(claims, self.idp_key, algorithm="RS256")

    def expired(self, token: str) -> str:
        now = int(time.time())
        claims = payload_of(token) | {"iat": now - 7200, "exp": now - 3600}
        return jwt.encode(claims, self.idp_key, algorithm="RS256")

    def unsigned(self, token: str) -> str:
        return jwt.encode(payload_of(token), None, algorithm="none")

    def hmac_with_the_public_key(self, token: str) -> str:
        """By hand: PyJWT rightly refuses to use a public key as an HMAC secret."""
        header, claims = {"typ": "JWT", "alg": "HS256"}, payload_of(token)
        signed = b".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
        mac = hmac.digest(public_pem(self.idp_key).encode(), signed, hashlib.sha256)
        return b".".join((signed, _base64url(mac))).decode()


Forgery = Callable[[Forger, str], str]
FORGERIES: tuple[Forgery, ...] = (
    Forger.wrong_key,
    Forger.wrong_key_under_the_kid_of_the_bridge,
    Forger.wrong_issuer,
    Forger.expired,
    Forger.unsigned,
    Forger.hmac_with_the_public_key,
)


def _base64url(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")
