"""An IdP that needs no repair any more: kidstamp has fallen silent, and its key beside the IdP's disturbs nobody."""

from oidc import header_of
from relying_parties import RelyingParty
from stacks import MENDED_KEY_ID, OPAQUE_CLIENT, Stack


def test_the_idps_kid_is_kept(bridged_mended: Stack):
    assert MENDED_KEY_ID in [key["kid"] for key in bridged_mended.provider.jwks()["keys"]]


def test_id_token_passes_byte_for_byte(bridged_mended: Stack):
    id_token = bridged_mended.sign_in(OPAQUE_CLIENT).tokens.id_token
    assert header_of(id_token)["kid"] == MENDED_KEY_ID
    assert id_token == bridged_mended.wire.id_tokens_from_idp[-1]


def test_all_relying_parties_accept(bridged_mended: Stack, rp: RelyingParty):
    id_token = bridged_mended.sign_in(OPAQUE_CLIENT).tokens.id_token
    verdict = rp.verify(bridged_mended.provider, OPAQUE_CLIENT, id_token)
    assert verdict.accepted, verdict.error
