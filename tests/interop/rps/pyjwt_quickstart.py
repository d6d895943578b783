"""PyJWT as its own documentation verifies an ID token: PyJWKClient, then decode.

Reads {"jwks_uri", "issuer", "audience", "token"} from standard input and prints {"accepted", "error"}.
"""

import json
import sys

import jwt


def verify(jwks_uri: str, issuer: str, audience: str, token: str) -> None:
    signing_key = jwt.PyJWKClient(jwks_uri).get_signing_key_from_jwt(token)
    jwt.decode(token, signing_key, algorithms=["RS256"], audience=audience, issuer=issuer)


try:
    verify(**json.load(sys.stdin))
    verdict = {"accepted": True, "error": None}
except Exception as refusal:
    verdict = {"accepted": False, "error": f"{type(refusal).__name__}: {refusal}"}
print(json.dumps(verdict))
