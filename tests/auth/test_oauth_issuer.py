"""Tokens of an external issuer: what is believed, what is not, and how often the issuer is asked."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from gateway.auth import issuer_keys
from gateway.auth.issuer import LEEWAY_SECONDS, TOKENS_KEPT, Issuer, Trust
from gateway.auth.keys import make_key
from gateway.domain.member import Member, Principal, Scope
from tests.support.stand import ANA, START

ISSUER = "https://login.example/realms/shop"
CARL = Member("MEMBERCARLCA0", "carl", 1, email="carl@example.org", created_at=START)
TWIN = Member("MEMBERTWINTW0", "twin", 1, email="same@example.org", created_at=START)
TWAIN = Member("MEMBERTWAIN00", "twain", 1, email="Same@Example.org", created_at=START)
MEMBERS = {member.member_id: member for member in (ANA, CARL, TWIN, TWAIN)}
NOW = int(START.timestamp())
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})


class Web:
    """The issuer's two documents; counts what is asked for."""

    def __init__(self, *keys: Any) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, bytes] = {}
        self.publish(*keys)

    def publish(self, *keys: Any, **about: Any) -> None:
        document = {"issuer": ISSUER, "jwks_uri": "https://login.example/keys", **about}
        published = [key if isinstance(key, dict) else key.as_dict(private=False) for key in keys]
        self.answers = {
            f"{ISSUER}/.well-known/openid-configuration": json.dumps(document).encode(),
            "https://login.example/keys": json.dumps({"keys": published}).encode(),
        }

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        await asyncio.sleep(0)
        if url not in self.answers:
            raise OSError("nothing listens there")
        return self.answers[url]


def claims(**changes: Any) -> dict[str, Any]:
    """Good ones; None takes one out."""
    good = {
        "iss": ISSUER, "aud": "print-gateway", "exp": NOW + 300, "nbf": NOW, "sub": "1", "azp": "slicer",
        "email": "carl@example.org", "email_verified": True, "scope": "openid data:read data:write",
    }  # fmt: skip
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(body: Mapping[str, Any], key: Any = RSA, alg: str = "RS256", kid: str | None = "rsa") -> str:
    header = {"alg": alg} if kid is None else {"alg": alg, "kid": kid}
    return jwt.encode(header, dict(body), key, algorithms=[alg])


class Asking:
    """An issuer's tokens shown at a moment."""

    def __init__(self, web: Web, claim: str = "email") -> None:
        self.issuer = Issuer(Trust(ISSUER, "print-gateway", claim), web.fetch)
        self.passed = 0.0

    async def __call__(self, token: str, members: Mapping[str, Member] = MEMBERS) -> Principal | None:
        wall = START + timedelta(seconds=self.passed)
        return await self.issuer.principal(token, members, wall, 1000.0 + self.passed)


async def test_a_good_token_is_its_member_with_its_scopes() -> None:
    found = await Asking(Web(RSA))(signed(claims()))
    assert found == Principal(
        CARL.member_id, 1, frozenset({Scope.DATA_READ, Scope.DATA_WRITE}), "oidc:slicer"
    )


@pytest.mark.parametrize("azp", [None, "", 7])
async def test_a_token_without_an_app_is_still_an_apps(azp: object) -> None:
    """Without an id it would be taken for the member itself, who may do more."""
    found = await Asking(Web(RSA))(signed(claims(azp=azp)))
    assert found is not None
    assert found.app_id


@pytest.mark.parametrize(
    ("changes", "scopes"),
    [
        ({"scope": "data:read"}, {Scope.DATA_READ}),
        ({"scope": None, "scp": ["data:write", "x"]}, {Scope.DATA_WRITE}),
        ({"scope": None, "scp": "data:read data:write"}, {Scope.DATA_READ, Scope.DATA_WRITE}),
        ({"scope": "admin data:read"}, {Scope.DATA_READ}),  # nobody becomes an administrator by a token
        ({"scope": None}, set()),
        ({"scope": 7}, set()),
    ],
)
async def test_scopes(changes: dict[str, Any], scopes: set[Scope]) -> None:
    found = await Asking(Web(RSA))(signed(claims(**changes)))
    assert found is not None
    assert found.scopes == scopes


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": ISSUER + "/"},
        {"iss": None},
        {"aud": "another-service"},
        {"aud": ["a", "b"]},
        {"aud": None},
        {"exp": NOW - LEEWAY_SECONDS},
        {"exp": None},
        {"exp": "tomorrow"},
        {"nbf": NOW + LEEWAY_SECONDS + 1},
        {"email": "nobody@example.org"},
        {"email": "same@example.org"},  # two members have it
        {"email": ["carl@example.org"]},
        {"email": None},
        {"email_verified": False},
        {"email_verified": None},
    ],
)
async def test_a_token_that_says_something_else_is_nobodys(changes: dict[str, Any]) -> None:
    assert await Asking(Web(RSA))(signed(claims(**changes))) is None


async def test_clocks_may_differ_by_a_minute_and_audiences_be_several() -> None:
    asking = Asking(Web(RSA))
    late = claims(exp=NOW - LEEWAY_SECONDS + 1, nbf=NOW - 500)
    early = claims(nbf=NOW + LEEWAY_SECONDS, aud=["x", "print-gateway"])
    assert await asking(signed(late)) is not None
    assert await asking(signed(early)) is not None


def under(alg: str) -> str:
    """A good body under a header that names this algorithm; the signature is missing."""
    _, body, _ = signed(claims()).split(".")
    return f"{base64url(json.dumps({'alg': alg, 'kid': 'rsa'}).encode())}.{body}."


def confused() -> str:
    """Signed with what everybody knows: the public key, taken for an HMAC secret."""
    begun = under("HS256")
    secret = RSA.as_pem(private=False)
    return begun + base64url(hmac.digest(secret, begun.rstrip(".").encode(), "sha256"))


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    [
        under("none"),
        under("RS256"),
        under("HS256"),
        confused(),
        signed(claims(), RSAKey.generate_key(2048)),  # somebody else's key with a known id
        signed(claims(), RSA, "RS256", "unknown"),
        signed(claims(), EC, "ES256"),  # a good key under another's name
        signed(claims())[:-4] + "AAAA",
        "a.b.c",
        "..",
        "e30.e30.e30",
        "W10.e30.e30",
        "\u00e9.\u00e9.\u00e9",
    ],
    ids=range(13),
)
async def test_a_token_that_is_not_signed_by_the_issuer_is_nobodys(token: str) -> None:
    assert await Asking(Web(RSA, EC))(token) is None


async def test_every_kind_of_key() -> None:
    asking = Asking(Web(RSA, EC))
    for key, alg, kid in ((RSA, "RS256", "rsa"), (RSA, "PS512", "rsa"), (EC, "ES256", "ec")):
        assert await asking(signed(claims(), key, alg, kid)) is not None
    assert await asking(signed(claims(), RSA, "RS256", None)) is None  # which of the two?
    assert await Asking(Web(RSA))(signed(claims(), RSA, "RS256", None)) is not None


async def test_keys_that_nobody_knows_do_not_hide_the_others() -> None:
    odd = [{"kty": "PQ", "kid": "new"}, {"kty": "RSA", "kid": "broken"}, OctKey.generate_key(256).as_dict()]
    web = Web(*odd, {**EC.as_dict(private=False), "use": "enc"}, RSA)
    asking = Asking(web)
    assert await asking(signed(claims())) is not None
    assert await asking(signed(claims(), EC, "ES256", "ec")) is None  # for encryption only


async def test_another_claim_names_the_member() -> None:
    asking = Asking(Web(RSA), "preferred_username")
    found = await asking(signed(claims(preferred_username="ana", email=None)))
    assert found is not None
    assert found.member_id == ANA.member_id
    assert await asking(signed(claims(preferred_username="Ana"))) is None
    assert await asking(signed(claims())) is None


async def test_the_issuer_is_asked_once_and_a_token_checked_once() -> None:
    web = Web(RSA)
    asking = Asking(web)
    token = signed(claims(exp=NOW + 7200))
    found = await asyncio.gather(*(asking(token) for _ in range(20)))
    assert None not in found
    assert len(web.asked) == 2  # its description and its keys
    web.answers = {}
    asking.passed = 7200 + LEEWAY_SECONDS - 1
    assert await asking(token) is not None  # remembered
    assert await asking(token, {ANA.member_id: ANA}) is None  # but not beyond its member
    asking.passed = 7200 + LEEWAY_SECONDS
    assert await asking(token) is None


async def test_a_new_key_is_found_and_unknown_ones_cost_one_question_a_minute() -> None:
    web = Web(RSA)
    asking = Asking(web)
    assert await asking(signed(claims())) is not None
    web.publish(EC)
    rotated = signed(claims(), EC, "ES256", "ec")
    assert await asking(rotated) is None  # just asked
    for number in range(50):
        assert await asking(signed(claims(), RSA, "RS256", f"made up {number}")) is None
    assert len(web.asked) == 2
    asking.passed = issuer_keys.PAUSE_SECONDS
    assert await asking(rotated) is not None
    assert await asking(signed(claims(jti="x"))) is None  # the old key is withdrawn
    assert len(web.asked) == 4


@pytest.mark.parametrize(
    "break_it",
    [
        lambda web: web.answers.clear(),
        lambda web: web.answers.update({f"{ISSUER}/.well-known/openid-configuration": b"<html>"}),
        lambda web: web.publish(RSA, issuer="https://other.example"),
        lambda web: web.publish(RSA, jwks_uri="http://login.example/keys"),
        lambda web: web.publish(RSA, jwks_uri=7),
        lambda web: web.publish(),
    ],
    ids=["down", "no JSON", "another", "by http", "no address", "no keys"],
)
async def test_an_issuer_that_is_no_use_is_told_once_a_minute(
    break_it: Any, caplog: pytest.LogCaptureFixture
) -> None:
    web = Web(RSA)
    break_it(web)
    asking = Asking(web)
    for _ in range(10):
        assert await asking(signed(claims())) is None
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert ISSUER in record.getMessage()
    assert "the gateway's own keys and tokens work as before" in record.getMessage()


async def test_keys_are_used_on_through_an_outage_but_not_for_ever() -> None:
    web = Web(RSA)
    asking = Asking(web)
    assert await asking(signed(claims())) is not None
    web.answers = {}
    asking.passed = issuer_keys.STALE_SECONDS - 1
    fresh = claims(exp=NOW + 90_000)
    assert await asking(signed(fresh | {"jti": "1"})) is not None
    asking.passed = issuer_keys.STALE_SECONDS
    assert await asking(signed(fresh | {"jti": "2"})) is None


async def test_what_is_remembered_is_bounded() -> None:
    asking = Asking(Web(EC))
    asking.issuer = Issuer(Trust(ISSUER, "print-gateway"), Web(EC).fetch, tokens=3)
    for number in range(6):
        assert await asking(signed(claims(jti=str(number)), EC, "ES256", "ec")) is not None
    assert len(asking.issuer._good) == 3
    assert TOKENS_KEPT <= 10_000


@pytest.mark.parametrize("claim", ["azp", "client_id"])
async def test_an_app_elsewhere_cannot_be_called_as_a_key_here(claim: str) -> None:
    """What an issuer calls its clients is often theirs to say; a key's id is in every list of jobs."""
    key = make_key(CARL.member_id, "cli", frozenset({Scope.DATA_READ}), START).key
    found = await Asking(Web(RSA))(signed(claims(**{"azp": None, claim: key.key_id})))
    assert found is not None
    assert found.app_id == f"oidc:{key.key_id}"
