"""What makes LemonLDAP a legacy IdP, and who refuses it for that: the ground that the other tests stand on."""

from oidc import header_of
from processes import wait_until
from relying_parties import RelyingParty
from stacks import OPAQUE_CLIENT, REFUSALS_OF_LEMONLDAP, Stack


def test_its_keys_have_neither_kid_nor_alg(direct: Stack):
    (key,) = direct.provider.jwks()["keys"]
    assert sorted(key) == ["e", "kty", "n", "use"]


def test_its_id_tokens_name_no_key(direct: Stack):
    assert header_of(direct.sign_in(OPAQUE_CLIENT).tokens.id_token) == {"typ": "JWT", "alg": "RS256"}


def test_its_issuer_ends_in_a_slash(direct: Stack):
    assert direct.provider.metadata["issuer"] == f"{direct.idp.origin}/"


def test_its_json_members_come_in_any_order(direct: Stack):
    orders = set()

    def two_orders_seen() -> bool:
        orders.add(tuple(direct.provider.jwks()["keys"][0]))
        return len(orders) > 1

    wait_until(two_orders_seen, "a second order of the same members")


def test_strict_rps_refuse_it_and_say_why(direct: Stack, rp: RelyingParty):
    verdict = rp.verify(direct.provider, OPAQUE_CLIENT, direct.sign_in(OPAQUE_CLIENT).tokens.id_token)
    refusal = REFUSALS_OF_LEMONLDAP.get(rp.name)
    if refusal is None:
        assert verdict.accepted, verdict.error
    else:
        assert not verdict.accepted and refusal in verdict.error
