"""joserfc as its documentation verifies a token: a key set, decode, a registry for the claims."""

import requests
from joserfc import jwt
from joserfc.jwk import KeySet
from questions import answer_all


def verify(issuer: str, jwks_uri: str | None, audience: str, token: str, algorithm: str, access_token: str | None) -> None:
    algorithms = [algorithm]
    if jwks_uri is None:
        metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=10).json()
        algorithms = metadata["id_token_signing_alg_values_supported"]
        jwks_uri = metadata["jwks_uri"]
    key_set = KeySet.import_key_set(requests.get(jwks_uri, timeout=10).json())
    decoded = jwt.decode(token, key_set, algorithms=algorithms)
    registry = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
    )
    registry.validate(decoded.claims)


answer_all(verify)
