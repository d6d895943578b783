"""What a relying party says to its provider: discovery and the back-channel requests of the code flow."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from urllib.parse import urlencode

import requests

_SECONDS = 20


@dataclass(frozen=True)
class Client:
    """A relying party as the IdP has it registered."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    post_logout_redirect_uri: str
    jwt_access_tokens: bool = False


@dataclass(frozen=True)
class User:
    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Tokens:
    """A token response; a refresh may leave the refresh token as it was."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)


class Provider:
    """An OpenID provider as its discovery document presents it, reached as any RP reaches it."""

    def __init__(self, issuer: str, ca_file: str | None = None):
        self.issuer = issuer
        self.ca_file = ca_file
        self._http = http_session(ca_file)
        self.metadata = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration").json()

    def jwks(self) -> dict:
        return self._get(self.metadata["jwks_uri"]).json()

    def authorization_url(self, client: Client, nonce: str) -> str:
        return _with_query(
            self.metadata["authorization_endpoint"],
            response_type="code",
            client_id=client.client_id,
            redirect_uri=client.redirect_uri,
            scope="openid profile email offline_access",
            state="state-of-the-test",
            nonce=nonce,
        )

    def exchange_code(self, client: Client, code: str) -> Tokens:
        return self._token_request(client, grant_type="authorization_code", code=code, redirect_uri=client.redirect_uri)

    def refresh(self, client: Client, refresh_token: str) -> Tokens:
        return self._token_request(client, grant_type="refresh_token", refresh_token=refresh_token)

    def userinfo(self, access_token: str) -> requests.Response:
        bearer = {"Authorization": f"Bearer {access_token}"}
        return self._http.get(self.metadata["userinfo_endpoint"], headers=bearer, timeout=_SECONDS)

    def introspect(self, client: Client, token: str) -> dict:
        return self._post(self.metadata["introspection_endpoint"], client, token=token)

    def end_session_url(self, client: Client, id_token_hint: str) -> str:
        return _with_query(
            self.metadata["end_session_endpoint"],
            id_token_hint=id_token_hint,
            post_logout_redirect_uri=client.post_logout_redirect_uri,
        )

    def _token_request(self, client: Client, **form: str) -> Tokens:
        answer = self._post(self.metadata["token_endpoint"], client, **form)
        return Tokens(answer["id_token"], answer["access_token"], answer.get("refresh_token"))

    def _get(self, url: str) -> requests.Response:
        return _checked(self._http.get(url, timeout=_SECONDS))

    def _post(self, url: str, client: Client, **form: str) -> dict:
        credentials = (client.client_id, client.client_secret)
        return _checked(self._http.post(url, data=form, auth=credentials, timeout=_SECONDS)).json()


def http_session(ca_file: str | None = None) -> requests.Session:
    """A session that knows no proxies and trusts `ca_file` alone, where one is given."""
    session = requests.Session()
    session.trust_env = False
    session.verify = ca_file or True
    return session


def header_of(token: str) -> dict:
    return json.loads(_segment(token, 0))


def payload_of(token: str) -> dict:
    """The claims in the order in which the payload has them."""
    return json.loads(_segment(token, 1))


def _segment(token: str, index: int) -> bytes:
    text = token.split(".")[index]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _with_query(url: str, **parameters: str) -> str:
    return f"{url}?{urlencode(parameters)}"


def _checked(response: requests.Response) -> requests.Response:
    """Fails with what the provider said, but without the request, which holds secrets."""
    assert response.ok, f"{response.status_code} from {response.url.partition('?')[0]}: {response.text[:300]}"
    return response
