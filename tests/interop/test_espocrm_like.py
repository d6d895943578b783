"""The relying party of our own is as strict and as forgetful as EspoCRM was measured to be."""

import jwt
import pytest

from pem import new_rsa_key
from rps.espocrm_like import CACHE_SECONDS, EspoCrmLike, Refused

KEY = new_rsa_key()
CLAIMS = {"iss": "https://idp.example", "sub": "user-1", "aud": "espo"}


class Idp:
    """A key set that can change, and how often it was fetched."""

    def __init__(self, *keys: dict):
        self.keys = list(keys)
        self.fetches = 0

    def jwks(self) -> dict:
        self.fetches += 1
        return {"keys": self.keys}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_takes_a_token_whose_kid_is_in_the_set():
    EspoCrmLike(Idp(_jwk("a")).jwks, Clock()).verify("espo", _token("a"))


def test_refuses_the_whole_set_for_one_unused_key_without_kid():
    unused = _jwk(None, use="enc")
    with pytest.raises(Refused, match="Bad JWK value"):
        EspoCrmLike(Idp(_jwk("a"), unused).jwks, Clock()).verify("espo", _token("a"))


@pytest.mark.parametrize("kid", [None, "b"])
def test_refuses_a_token_whose_kid_is_not_in_the_set(kid: str | None):
    with pytest.raises(Refused, match="JWT signature not verified"):
        EspoCrmLike(Idp(_jwk("a")).jwks, Clock()).verify("espo", _token(kid))


def test_fetches_again_only_after_ten_minutes():
    idp, clock = Idp(_jwk("a")), Clock()
    rp = EspoCrmLike(idp.jwks, clock)
    rp.verify("espo", _token("a"))
    idp.keys = [_jwk("b")]

    clock.now = CACHE_SECONDS
    with pytest.raises(Refused):
        rp.verify("espo", _token("b"))
    assert idp.fetches == 1

    clock.now = CACHE_SECONDS + 1
    rp.verify("espo", _token("b"))
    assert idp.fetches == 2


@pytest.mark.parametrize("claims", [{"aud": "another"}, {"exp": 1}], ids=["audience", "expiry"])
def test_refuses_claims_that_do_not_hold(claims: dict):
    with pytest.raises(Refused):
        EspoCrmLike(Idp(_jwk("a")).jwks, Clock()).verify("espo", _token("a", **claims))


def _jwk(kid: str | None, use: str = "sig") -> dict:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    public.pop("key_ops")
    return public | {"use": use} | ({"kid": kid} if kid else {})


def _token(kid: str | None, **claims: str | int) -> str:
    return jwt.encode(CLAIMS | claims, KEY, algorithm="RS256", headers={"kid": kid} if kid else None)
