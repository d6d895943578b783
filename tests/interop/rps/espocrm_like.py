"""A relying party that behaves as EspoCRM was measured: the strictest and most forgetful one met so far.

- A set with any RSA key that lacks a `kid`, even an unused encryption key, is refused whole.
- The set is cached for ten minutes, unusable or not, and never fetched again because of an unknown `kid`.
- The token's `kid` has to be in that set.
- `iss` has to be there, but is compared with nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import jwt

CACHE_SECONDS = 600


class Refused(Exception):
    """What EspoCRM would say."""


class EspoCrmLike:
    def __init__(self, fetch_jwks: Callable[[], dict], clock: Callable[[], float]):
        self._fetch_jwks = fetch_jwks
        self._clock = clock
        self._cached: dict | None = None
        self._cached_at = 0.0

    def verify(self, client_id: str, token: str) -> None:
        """Returns, or raises `Refused`."""
        keys = self._keys()
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise Refused(str(error)) from error
        if header["alg"] != "RS256":
            raise Refused(f"JWT signing algorithm `{header['alg']}` not allowed.")
        key = keys.get(header.get("kid"))
        if key is None:
            raise Refused("JWT signature not verified.")
        self._check_signature_and_claims(token, key, client_id)

    def _keys(self) -> dict[str, jwt.PyJWK]:
        rsa_keys = [jwk for jwk in self._set()["keys"] if jwk.get("kty") == "RSA"]
        if any(jwk.get("kid") is None for jwk in rsa_keys):
            raise Refused("Bad JWK value.")
        return {jwk["kid"]: jwt.PyJWK(jwk, algorithm="RS256") for jwk in rsa_keys}

    def _set(self) -> dict:
        now = self._clock()
        if self._cached is None or now - self._cached_at > CACHE_SECONDS:
            self._cached, self._cached_at = self._fetch_jwks(), now
        return self._cached

    @staticmethod
    def _check_signature_and_claims(token: str, key: jwt.PyJWK, client_id: str) -> None:
        required = {"require": ["sub", "iss"]}
        try:
            jwt.decode(token, key, algorithms=["RS256"], audience=client_id, options=required)
        except jwt.InvalidSignatureError as error:
            raise Refused("JWT signature not verified.") from error
        except jwt.InvalidTokenError as error:
            raise Refused(str(error)) from error
