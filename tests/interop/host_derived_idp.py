"""A scripted legacy IdP that believes its own origin to be whatever `Host` and `X-Forwarded-Proto` say.

It has one kid-less key, signs with it, and unlike LemonLDAP verifies every signature of its own that comes back: its
access tokens are JWTs that userinfo checks, and a logout needs an `id_token_hint` that verifies.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from loopback_http import Handler, serving
from oidc import Client

_LIFETIME_SECONDS = 300


@dataclass
class HostDerivedIdp:
    port: int
    signing_key: rsa.RSAPrivateKey
    client: Client
    grants: dict[str, dict[str, str]] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def sign(self, **claims: str) -> str:
        now = int(time.time())
        lifetime = {"iat": now, "exp": now + _LIFETIME_SECONDS}
        return jwt.encode(claims | lifetime, self.signing_key, algorithm="RS256")

    def claims_of_own(self, token: str, issuer: str) -> dict | None:
        """The claims of a token that this IdP signed for `issuer`, else None."""
        try:
            return jwt.decode(
                token,
                self.signing_key.public_key(),
                algorithms=["RS256"],
                issuer=issuer,
                options={"verify_aud": False},
            )
        except jwt.InvalidTokenError:
            return None

    def jwks(self) -> dict:
        numbers = self.signing_key.public_key().public_numbers()
        return {"keys": [{"kty": "RSA", "use": "sig", "n": _base64url(numbers.n), "e": _base64url(numbers.e)}]}


class _Endpoints(Handler):
    idp: HostDerivedIdp

    @property
    def issuer(self) -> str:
        return f"{self.headers.get('X-Forwarded-Proto', 'http')}://{self.headers['Host']}"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/.well-known/openid-configuration":
            self._answer(self._metadata())
        elif path == "/jwks":
            self._answer(self.idp.jwks())
        elif path == "/authorize":
            self._authorize()
        elif path == "/userinfo":
            self._userinfo()
        elif path == "/end-session":
            self._end_session()
        else:
            self._answer({"error": "not_found"}, 404)

    def do_POST(self) -> None:
        form = _flat(self.request_body().decode())
        if urlsplit(self.path).path != "/token":
            self._answer({"error": "not_found"}, 404)
        elif not self._client_is_authentic():
            self._answer({"error": "invalid_client"}, 401)
        else:
            self._token(form)

    def _metadata(self) -> dict:
        endpoints = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "userinfo_endpoint": "userinfo",
            "end_session_endpoint": "end-session",
            "jwks_uri": "jwks",
        }
        return {
            "issuer": self.issuer,
            **{name: f"{self.issuer}/{path}" for name, path in endpoints.items()},
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _authorize(self) -> None:
        """Everyone is let in at once."""
        asked = self._query()
        code, session = secrets.token_urlsafe(), secrets.token_urlsafe()
        self.idp.grants[code] = {"nonce": asked["nonce"], "aud": asked["client_id"]}
        self.idp.sessions.add(session)
        answer = urlencode({"code": code, "state": asked["state"]})
        self._redirect(f"{asked['redirect_uri']}?{answer}", cookie=f"session={session}; Path=/; HttpOnly")

    def _token(self, form: dict[str, str]) -> None:
        presented = form.get("code") or form.get("refresh_token")
        grant = self.idp.grants.pop(presented, None)
        if grant is None:
            self._answer({"error": "invalid_grant"}, 400)
            return
        refresh_token = secrets.token_urlsafe()
        self.idp.grants[refresh_token] = {"aud": grant["aud"]}
        self._answer(
            {
                "token_type": "Bearer",
                "expires_in": _LIFETIME_SECONDS,
                "access_token": self.idp.sign(iss=self.issuer, sub="user-1"),
                "refresh_token": refresh_token,
                "id_token": self.idp.sign(iss=self.issuer, sub="user-1", **grant),
            }
        )

    def _userinfo(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        claims = self.idp.claims_of_own(token, self.issuer)
        if claims is None:
            self._answer({"error": "invalid_token"}, 401)
        else:
            self._answer({"sub": claims["sub"]})

    def _end_session(self) -> None:
        asked = self._query()
        if self.idp.claims_of_own(asked["id_token_hint"], self.issuer) is None:
            self._answer({"error": "invalid_request", "error_description": "bad id_token_hint"}, 400)
            return
        self.idp.sessions.discard(self.headers.get("Cookie", "").removeprefix("session="))
        self._redirect(asked["post_logout_redirect_uri"])

    def _client_is_authentic(self) -> bool:
        expected = f"{self.idp.client.client_id}:{self.idp.client.client_secret}"
        return self.headers.get("Authorization") == f"Basic {base64.b64encode(expected.encode()).decode()}"

    def _query(self) -> dict[str, str]:
        return _flat(urlsplit(self.path).query)

    def _answer(self, document: dict, status: int = 200) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _redirect(self, location: str, cookie: str | None = None) -> None:
        self.send_response(302)
        self.send_header("Location", location)
        if cookie is not None:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def running(port: int, signing_key: rsa.RSAPrivateKey, client: Client) -> Iterator[HostDerivedIdp]:
    idp = HostDerivedIdp(port, signing_key, client)
    with serving(port, type("Endpoints", (_Endpoints,), {"idp": idp})):
        yield idp


def _flat(form: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(form).items()}


def _base64url(number: int) -> str:
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
