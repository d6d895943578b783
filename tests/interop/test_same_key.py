"""Same-key mode: kidstamp signs with LemonLDAP's own key, with a carrier and without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import kidstamp
import lemonldap
import stacks
from oidc import header_of, payload_of
from relying_parties import RelyingParty
from stacks import OPAQUE_CLIENT, Stack


@pytest.fixture(scope="module", params=[True, False], ids=["carrier", "no-carrier"])
def carrier(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture(scope="module")
def same_key(carrier: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if reason := lemonldap.missing() or kidstamp.missing():
        pytest.skip(reason)
    settings = "" if carrier else "[tokens]\ncarrier = false\n"
    with stacks.bridged_lemonldap(tmp_path_factory.mktemp("same"), settings=settings, same_key=True) as stack:
        yield stack


def test_every_rp_accepts_the_idps_own_signature(same_key: Stack, rp: RelyingParty):
    (key,) = same_key.provider.jwks()["keys"]
    id_token = same_key.sign_in(OPAQUE_CLIENT).tokens.id_token
    assert header_of(id_token)["kid"] == key["kid"]
    verdict = rp.verify(same_key.provider, OPAQUE_CLIENT, id_token)
    assert verdict.accepted, verdict.error


def test_what_comes_back_is_the_idps_in_either_way(same_key: Stack, carrier: bool):
    login = same_key.sign_in(OPAQUE_CLIENT)
    original = same_key.wire.id_tokens_from_idp[-1]
    assert login.tokens.id_token != original
    assert ("_kidstamp" in payload_of(login.tokens.id_token)) == carrier

    login.browser.sign_out(
        same_key.provider.end_session_url(OPAQUE_CLIENT, login.tokens.id_token), OPAQUE_CLIENT.post_logout_redirect_uri
    )

    expected = original if carrier else login.tokens.id_token
    assert same_key.wire.id_token_hints[-1] == expected
    assert not same_key.is_signed_in(login.browser, OPAQUE_CLIENT)
