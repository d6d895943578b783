"""A forged ID token between the IdP and kidstamp comes out byte for byte as it went in, and nobody takes it."""

import pytest

from forgeries import FORGERIES, Forger, Forgery
from oidc import header_of
from relying_parties import RelyingParty
from stacks import OPAQUE_CLIENT, Stack


@pytest.fixture(scope="module")
def forger(bridged: Stack) -> Forger:
    genuine = bridged.sign_in(OPAQUE_CLIENT).tokens.id_token
    return Forger(bridged.idp.signing_key, bridge_kid=header_of(genuine)["kid"])


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.__name__)
def test_forgery_is_never_vouched_for(bridged: Stack, forger: Forger, forgery: Forgery, rp: RelyingParty):
    with bridged.wire.forging(lambda token: forgery(forger, token)):
        id_token = bridged.sign_in(OPAQUE_CLIENT).tokens.id_token

    assert id_token == bridged.wire.id_tokens_sent_on[-1]
    assert id_token != bridged.wire.id_tokens_from_idp[-1]
    assert not rp.verify(bridged.provider, OPAQUE_CLIENT, id_token).accepted


def test_genuine_tokens_are_taken_again_afterwards(bridged: Stack, rp: RelyingParty):
    id_token = bridged.sign_in(OPAQUE_CLIENT).tokens.id_token
    assert rp.verify(bridged.provider, OPAQUE_CLIENT, id_token).accepted
