"""TLS ends in front of kidstamp, and issuer and keys are on the outer origin, which no one on the inside can see.

Once with LemonLDAP, which has the outer origin in its configuration, and once with an IdP that takes it from the
request: kidstamp's own fetches have to look like requests from outside, or the issuer they find is another one.
"""

from oidc import Provider, header_of
from relying_parties import RelyingParty
from stacks import OPAQUE_CLIENT, Stack


def test_issuer_and_keys_are_on_the_outer_origin(behind_tls: Stack):
    assert behind_tls.provider.metadata["issuer"] == behind_tls.provider.issuer
    assert behind_tls.provider.metadata["jwks_uri"].startswith("https://127.0.0.1:")


def test_all_relying_parties_accept(behind_tls: Stack, rp: RelyingParty):
    id_token = behind_tls.sign_in(OPAQUE_CLIENT).tokens.id_token
    verdict = rp.verify(behind_tls.provider, OPAQUE_CLIENT, id_token)
    assert verdict.accepted, verdict.error


def test_refreshed_token_is_resigned_too(behind_tls: Stack):
    tokens = behind_tls.sign_in(OPAQUE_CLIENT).tokens
    refreshed = behind_tls.provider.refresh(OPAQUE_CLIENT, tokens.refresh_token)
    assert header_of(refreshed.id_token) == header_of(tokens.id_token)
    assert "kid" in header_of(tokens.id_token)


def test_userinfo_takes_the_access_token(behind_tls: Stack):
    tokens = behind_tls.sign_in(OPAQUE_CLIENT).tokens
    assert behind_tls.provider.userinfo(tokens.access_token).status_code == 200


def test_idp_takes_the_id_token_back_as_logout_hint(behind_tls: Stack):
    login = behind_tls.sign_in(OPAQUE_CLIENT)
    login.browser.sign_out(
        behind_tls.provider.end_session_url(OPAQUE_CLIENT, login.tokens.id_token),
        OPAQUE_CLIENT.post_logout_redirect_uri,
    )


def test_the_host_derived_idp_would_believe_any_other_origin(host_derived_behind_tls: Stack):
    """The control: reached without the outer origin's headers, it has another issuer."""
    inner_origin = host_derived_behind_tls.idp.origin
    assert Provider(inner_origin).metadata["issuer"] == inner_origin
