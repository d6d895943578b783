"""PyJWT as its documentation verifies an ID token ("OIDC login flow"), over many questions in one process."""

import base64

import jwt
import requests
from questions import answer_all


def verify(issuer: str, jwks_uri: str | None, audience: str, token: str, algorithm: str, access_token: str | None) -> None:
    algorithms = [algorithm]
    if jwks_uri is None:
        metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=10).json()
        algorithms = metadata["id_token_signing_alg_values_supported"]
        jwks_uri = metadata["jwks_uri"]
    key = jwt.PyJWKClient(jwks_uri).get_signing_key_from_jwt(token)
    data = jwt.decode_complete(token, key=key, audience=audience, issuer=issuer, algorithms=algorithms)
    if access_token is not None:
        digest = jwt.get_algorithm_by_name(data["header"]["alg"]).compute_hash_digest(access_token.encode())
        at_hash = base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")
        assert at_hash == data["payload"]["at_hash"], "at_hash"


answer_all(verify)
