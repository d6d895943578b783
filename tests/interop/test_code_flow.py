"""The whole life of a login, direct and through kidstamp, with opaque and with JWT access tokens.

Direct, the strict RPs refuse. Through kidstamp, all accept, and everything else works as it did, also where JWT access
tokens are re-signed.
"""

from oidc import Client
from relying_parties import RelyingParty
from stacks import Stack


def test_id_token_is_accepted_by_all_but_those_who_refuse_the_idp(stack: Stack, client: Client, rp: RelyingParty):
    tokens = stack.sign_in(client).tokens
    _check_verdict(stack, client, rp, tokens.id_token)


def test_refreshed_id_token_is_accepted_by_all_but_those_who_refuse_the_idp(
    stack: Stack, client: Client, rp: RelyingParty
):
    tokens = stack.sign_in(client).tokens
    refreshed = stack.provider.refresh(client, tokens.refresh_token)
    assert refreshed.id_token != tokens.id_token
    _check_verdict(stack, client, rp, refreshed.id_token)


def test_access_token_has_the_form_the_client_asked_for(stack: Stack, client: Client):
    access_token = stack.sign_in(client).tokens.access_token
    assert (access_token.count(".") == 2) == client.jwt_access_tokens


def test_userinfo_takes_the_access_token(stack: Stack, client: Client):
    """LemonLDAP keeps a hash of each JWT access token: one that was changed in any byte would be refused here."""
    tokens = stack.sign_in(client).tokens
    assert stack.provider.userinfo(tokens.access_token).json()["sub"] == "dwho"
    refreshed = stack.provider.refresh(client, tokens.refresh_token)
    assert stack.provider.userinfo(refreshed.access_token).json()["sub"] == "dwho"


def test_introspection_knows_the_access_token(stack: Stack, client: Client):
    answer = stack.provider.introspect(client, stack.sign_in(client).tokens.access_token)
    assert answer["active"] is True
    assert answer["client_id"] == client.client_id
    assert answer["iss"] == stack.provider.issuer


def test_logout_with_the_id_token_as_hint_ends_the_session(stack: Stack, client: Client):
    """Without a hint that names the client, LemonLDAP would ask for confirmation instead of redirecting."""
    login = stack.sign_in(client)
    assert stack.is_signed_in(login.browser, client)

    login.browser.sign_out(
        stack.provider.end_session_url(client, login.tokens.id_token), client.post_logout_redirect_uri
    )

    assert not stack.is_signed_in(login.browser, client)
    assert stack.provider.userinfo(login.tokens.access_token).status_code == 401


def _check_verdict(stack: Stack, client: Client, rp: RelyingParty, id_token: str) -> None:
    verdict = rp.verify(stack.provider, client, id_token)
    refusal = stack.refusals.get(rp.name)
    assert verdict.accepted == (refusal is None), verdict.error
    assert verdict.accepted or refusal in verdict.error
