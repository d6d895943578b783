"""Is the answer right? A candidate that answers wrongly fast has measured nothing."""

import base64
import hashlib
import json
import time

from .common import BIG, PAGE, TEXT, fail
from .running import get


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def thumbprint(jwk):
    members = {"RSA": "e kty n", "EC": "crv kty x y", "OKP": "crv kty x"}[jwk["kty"]].split()
    text = json.dumps({name: jwk[name] for name in members}, sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def verifies_rs256(token, jwk):
    """RFC 8017 §8.2.2 by hand: the benchmark has no dependencies."""
    signing_input, _, signature = token.rpartition(".")
    n, e = (int.from_bytes(decode(jwk[name]), "big") for name in ("n", "e"))
    size = (n.bit_length() + 7) // 8
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(signing_input.encode()).digest()
    expected = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    return pow(int.from_bytes(decode(signature), "big"), e, n).to_bytes(size, "big") == expected


def verifies_es256(token, jwk):
    """FIPS 186-5 §6.4.2 over P-256, in affine coordinates: slow, and used once a sample."""
    p, a = 2**256 - 2**224 + 2**192 + 2**96 - 1, -3
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    base = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296, 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)

    def add(one, two):
        if one is None or two is None:
            return one or two
        if one[0] == two[0] and (one[1] + two[1]) % p == 0:
            return None
        slope = (3 * one[0] ** 2 + a) * pow(2 * one[1], -1, p) if one == two else (two[1] - one[1]) * pow(two[0] - one[0], -1, p)
        x = (slope**2 - one[0] - two[0]) % p
        return x, (slope * (one[0] - x) - one[1]) % p

    def times(factor, point):
        total = None
        while factor:
            total, point, factor = add(total, point) if factor & 1 else total, add(point, point), factor >> 1
        return total

    signing_input, _, signature = token.rpartition(".")
    raw = decode(signature)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    if len(raw) != 64 or not 0 < r < n or not 0 < s < n:
        return False
    digest, inverse = int.from_bytes(hashlib.sha256(signing_input.encode()).digest(), "big"), pow(s, -1, n)
    key = tuple(int.from_bytes(decode(jwk[name]), "big") for name in "xy")
    point = add(times(digest * inverse % n, base), times(r * inverse % n, key))
    return point is not None and point[0] % n == r


VERIFIERS = {"RS256": ("RSA", verifies_rs256), "ES256": ("EC", verifies_es256)}


def check_jwks(running, words):
    answer = running.get("/jwks.json")
    _, original = get(running.upstream_port, "/jwks.json")
    if "stamped" not in words:
        return "" if answer == original else fail("the JWKS is not the upstream's")
    modulus = json.loads(original)["keys"][0]["n"]
    for key in json.loads(answer)["keys"]:
        if key.get("n") == modulus and key.get("kid") == thumbprint(key):
            return "stamped"
    fail("the upstream's key is not there with its thumbprint as kid")


def check_token(running, words):
    keys = json.loads(running.get("/jwks.json"))["keys"]
    answer = json.loads(running.get("/token", b"grant_type=authorization_code&code=check"))
    token = answer["id_token"]
    header, claims = (json.loads(decode(part)) for part in token.split(".")[:2])
    if claims["iss"] != f"{running.scheme}://127.0.0.1:{running.plan.port}" or claims["exp"] < time.time():
        fail("the ID token is not for this issuer, or expired")
    fitting = [key for key in keys if key.get("kid") == header.get("kid")]
    if "resigned" in words and (not header.get("kid") or not fitting):
        fail("the ID token has no kid that the JWKS knows")
    if header["alg"] in VERIFIERS:
        kty, verifies = VERIFIERS[header["alg"]]
        if not any(verifies(token, key) for key in fitting if key["kty"] == kty):
            fail("the ID token does not verify against the JWKS of the same proxy")
    original = json.loads(get(running.upstream_port, "/jwks.json")[1])["keys"][0]
    kty, verifies = VERIFIERS.get(header["alg"], (None, None))
    resigned = original["kty"] != kty or not verifies(token, original)
    if resigned != ("resigned" in words):
        fail("the ID token was passed, not re-signed" if "resigned" in words else "the ID token was changed")
    return f"re-signed with {header['alg']}" if resigned else "passed"


def check_body(path, expected):
    def check(running, _words):
        return "" if running.get(path) == expected else fail(f"{path} has another body")
    return check


def check_big(running, _words):
    if hashlib.sha256(running.get("/big")).digest() != hashlib.sha256((TEXT * (BIG // len(TEXT) + 1))[:BIG]).digest():
        fail("/big has another body")
    return "64 MiB, byte for byte"


def check_upload(running, _words):
    before = running.seen()["upload_bytes"]
    if json.loads(running.get("/upload", PAGE))["received"] != len(PAGE) or running.seen()["upload_bytes"] != before + len(PAGE):
        fail("the upload did not arrive whole")
    return ""
