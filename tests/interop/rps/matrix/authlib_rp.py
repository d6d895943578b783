"""Authlib as its clients for Flask, Django and Starlette log in: `parse_id_token` of what all of them are made of."""

from authlib.integrations.base_client import BaseApp, OAuth2Mixin, OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from questions import answer_all


class App(OAuth2Mixin, OpenIDMixin, BaseApp):
    client_cls = OAuth2Session


def verify(issuer: str, jwks_uri: str | None, audience: str, token: str, algorithm: str, access_token: str | None) -> None:
    """It asks the token endpoint itself."""
    app = App(
        None,
        client_id=audience,
        client_secret="secret",
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
    )
    tokens = app.fetch_access_token(redirect_uri="http://127.0.0.1/callback", code="abc")
    claims = app.parse_id_token(tokens, nonce=None)
    assert claims is not None, "no id_token in the token response"


answer_all(verify)
