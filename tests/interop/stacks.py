"""What stands behind one issuer in a test: an IdP alone, or one behind kidstamp and what else is in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import host_derived_idp
import kidstamp
import lemonldap
import tamper
import tls_front
from browser import Browser
from oidc import Client, Provider, Tokens, payload_of
from pem import new_rsa_key, private_pem
from processes import free_port

# Never opened: the browser reads the redirect and stops.
_CALLBACK = "http://127.0.0.1:9/callback"
_SIGNED_OUT = "http://127.0.0.1:9/signed-out"
OPAQUE_CLIENT = Client("opaque-access-tokens", "secret-of-a-test", _CALLBACK, _SIGNED_OUT)
JWT_CLIENT = Client("jwt-access-tokens", "secret-of-a-test", _CALLBACK, _SIGNED_OUT, jwt_access_tokens=True)
CLIENTS = (OPAQUE_CLIENT, JWT_CLIENT)

# What each relying party says to LemonLDAP as it is; jose takes its tokens, and has to go on taking them.
REFUSALS_OF_LEMONLDAP = {
    "pyjwt": "The JWKS endpoint did not contain any signing keys",
    "ruby-jwt": "No key id (kid) found from token headers",
    "espocrm-like": "Bad JWK value",
}

MENDED_KEY_ID = "key-of-the-idp"
_NONCE = "nonce-of-a-test"


@dataclass(frozen=True)
class Login:
    browser: Browser
    tokens: Tokens


@dataclass(frozen=True)
class Stack:
    """An issuer as RPs see it, the IdP behind it and, where it can be watched, the wire in between."""

    provider: Provider
    idp: lemonldap.LemonLdap | host_derived_idp.HostDerivedIdp
    wire: tamper.Wire | None = None
    refusals: Mapping[str, str] = field(default_factory=dict)

    def sign_in(self, client: Client) -> Login:
        """The code flow up to the tokens, in a new browser."""
        browser = Browser(self.provider.ca_file)
        callback = browser.sign_in(self.provider.authorization_url(client, _NONCE), client.redirect_uri, lemonldap.USER)
        tokens = self.provider.exchange_code(client, callback["code"])
        assert payload_of(tokens.id_token)["nonce"] == _NONCE
        return Login(browser, tokens)

    def is_signed_in(self, browser: Browser, client: Client) -> bool:
        url = self.provider.authorization_url(client, _NONCE)
        return not browser.is_asked_to_sign_in(url, client.redirect_uri)


@contextmanager
def direct_lemonldap(folder: Path) -> Iterator[Stack]:
    with lemonldap.running(folder, new_rsa_key(), CLIENTS) as idp:
        yield Stack(Provider(idp.issuer), idp, refusals=REFUSALS_OF_LEMONLDAP)


@contextmanager
def bridged_lemonldap(
    folder: Path, signing_key_id: str | None = None, settings: str = "", same_key: bool = False
) -> Iterator[Stack]:
    """RP → kidstamp → a hop that watches and forges → LemonLDAP."""
    port, hop_port = free_port(), free_port()
    external_url = f"http://127.0.0.1:{port}"
    with ExitStack() as parts:
        idp = parts.enter_context(lemonldap.running(folder, new_rsa_key(), CLIENTS, external_url, signing_key_id))
        wire = parts.enter_context(tamper.running(hop_port, idp.port))
        upstream = f"http://127.0.0.1:{hop_port}"
        key = private_pem(idp.signing_key) if same_key else None
        parts.enter_context(kidstamp.running(folder, upstream, external_url, port, settings, key))
        yield Stack(Provider(idp.issuer), idp, wire)


@contextmanager
def bridged_mended_lemonldap(folder: Path) -> Iterator[Stack]:
    """The same once LemonLDAP's operator has given the signing key an ID."""
    with bridged_lemonldap(folder, signing_key_id=MENDED_KEY_ID) as stack:
        yield stack


@contextmanager
def re_signing_lemonldap(folder: Path) -> Iterator[Stack]:
    """The same, where kidstamp re-signs JWT access tokens, too."""
    with bridged_lemonldap(folder, settings='[tokens]\naccess_token = "auto"\n') as stack:
        yield stack


@contextmanager
def lemonldap_behind_tls(folder: Path) -> Iterator[Stack]:
    """RP → TLS → kidstamp → LemonLDAP, which is configured with the https origin."""
    with ExitStack() as parts:
        front = parts.enter_context(_tls_front(folder))
        idp = parts.enter_context(lemonldap.running(folder, new_rsa_key(), CLIENTS, front.origin))
        parts.enter_context(kidstamp.running(folder, idp.origin, front.origin, front.target_port))
        yield Stack(Provider(idp.issuer, front.ca_file), idp)


@contextmanager
def host_derived_behind_tls(folder: Path) -> Iterator[Stack]:
    """RP → TLS → kidstamp → an IdP that only knows its origin from the request's headers."""
    with ExitStack() as parts:
        front = parts.enter_context(_tls_front(folder))
        idp = parts.enter_context(host_derived_idp.running(free_port(), new_rsa_key(), OPAQUE_CLIENT))
        parts.enter_context(kidstamp.running(folder, idp.origin, front.origin, front.target_port))
        yield Stack(Provider(front.origin, front.ca_file), idp)


@dataclass(frozen=True)
class _Front:
    origin: str
    ca_file: str
    target_port: int


@contextmanager
def _tls_front(folder: Path) -> Iterator[_Front]:
    port, target_port = free_port(), free_port()
    with tls_front.running(folder, port, target_port) as ca_file:
        yield _Front(f"https://127.0.0.1:{port}", ca_file, target_port)
