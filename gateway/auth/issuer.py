"""Access tokens of an external OIDC issuer: signed (RFC 7519, RFC 9068), checked here, mapped to a member.

What is good is remembered by its hash until it expires, so that the signature is checked once a token and
not once a request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError

from gateway.auth.issuer_keys import Fetch, IssuerKeys, PublicKey
from gateway.auth.keys import principal_of
from gateway.auth.passwords import member_with_email
from gateway.domain.grant import APP_SCOPES
from gateway.domain.member import Member, Principal, Scope

log = logging.getLogger(__name__)

#: Asymmetric signatures only: with `none` anybody could sign, with HS256 everybody who knows a public key.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA",
)  # fmt: skip
#: Seconds that two hosts' clocks may differ.
LEEWAY_SECONDS = 60
#: Good tokens remembered, about 400 bytes each; each person and app has one or two at a time.
TOKENS_KEPT = 2000
#: Characters of an app's id that are shown with its jobs.
APP_ID_CHARS = 64
#: In front of the id that an issuer gave an app: it could be that of a key here, which is the member itself.
ISSUED = "oidc:"
#: The id of an app that its tokens do not name. Never None: that would be the member itself, too.
UNNAMED_APP = "issued-elsewhere"
#: The claim by which members are found unless another is configured.
EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose tokens are believed, and how they name members."""

    issuer: str  # exactly as the tokens' `iss` has it
    audience: str  # what `aud` must contain: this gateway
    member_claim: str = EMAIL  # `email` finds the verified address, any other claim the member's name


@dataclass(frozen=True, slots=True)
class _Verified:
    """What a good token came to."""

    member_id: str
    scopes: frozenset[Scope]
    app_id: str
    expires_at: float  # seconds since 1970


class Issuer:
    """The one that is configured."""

    def __init__(self, trust: Trust, fetch: Fetch, *, tokens: int = TOKENS_KEPT) -> None:
        self._trust = trust
        self._keys = IssuerKeys(trust.issuer, fetch)
        self._tokens = tokens
        self._good: OrderedDict[bytes, _Verified] = OrderedDict()

    async def principal(
        self, token: str, members: Mapping[str, Member], wall: datetime, monotonic: float
    ) -> Principal | None:
        """Whose token it is; None for one that is not the issuer's, not for us, or nobody's here.

        `wall` is aware, `monotonic` in seconds. Waits for the issuer's keys at most; never raises.
        """
        digest = hashlib.sha256(token.encode()).digest()
        known = self._good.get(digest)
        if known is not None and known.expires_at + LEEWAY_SECONDS <= wall.timestamp():
            del self._good[digest]
            known = None
        if known is None:
            known = await self._verify(token, members, wall, monotonic)
            if known is None:
                return None
            self._good[digest] = known
            while len(self._good) > self._tokens:
                self._good.popitem(last=False)
        member = members.get(known.member_id)
        return None if member is None else principal_of(member, known.scopes, known.app_id)

    async def _verify(
        self, token: str, members: Mapping[str, Member], wall: datetime, monotonic: float
    ) -> _Verified | None:
        header = _header(token)
        if header is None or header.get("alg") not in ALGORITHMS:
            return None
        kid = header.get("kid")
        key = await self._keys.get(kid if isinstance(kid, str) else None, monotonic)
        if key is None:
            return None
        try:
            claims = self._checked(token, key, wall)
        except (JoseError, ValueError, TypeError) as error:
            log.info("a token of the issuer is refused: %s", error)
            return None
        member = self._member(claims, members)
        if member is None:
            return None
        return _Verified(member.member_id, _scopes(claims), _app_id(claims), float(claims["exp"]))

    def _checked(self, token: str, key: PublicKey, wall: datetime) -> Mapping[str, Any]:
        claims = jwt.decode(token, key, algorithms=ALGORITHMS).claims
        jwt.JWTClaimsRegistry(
            now=int(wall.timestamp()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._trust.issuer},
            aud={"essential": True, "value": self._trust.audience},
            exp={"essential": True},
        ).validate(claims)
        return claims

    def _member(self, claims: Mapping[str, Any], members: Mapping[str, Member]) -> Member | None:
        """An address that nobody verified could be anybody's: it finds no one."""
        claim = self._trust.member_claim
        value = claims.get(claim)
        if not isinstance(value, str):
            return None
        if claim != EMAIL:
            return next((member for member in members.values() if member.name == value), None)
        is_verified = claims.get("email_verified") in (True, "true")
        return member_with_email(value, members) if is_verified else None


def is_signed_token(token: str) -> bool:
    """Whether it has the form of one: three parts with dots between."""
    return token.count(".") == 2


def _header(token: str) -> Mapping[str, Any] | None:
    """The header, believed in nothing but the choice of the key."""
    part = token.partition(".")[0]
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _app_id(claims: Mapping[str, Any]) -> str:
    """Which app the token was issued to (RFC 9068 2.2)."""
    client = claims.get("azp", claims.get("client_id"))
    return (ISSUED + client)[:APP_ID_CHARS] if isinstance(client, str) and client else UNNAMED_APP


def _scopes(claims: Mapping[str, Any]) -> frozenset[Scope]:
    """Those of `scope` (RFC 9068 2.2.3) or `scp` (as Microsoft and Okta write it) that are for apps."""
    given = claims.get("scope", claims.get("scp"))
    words = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
    return frozenset(scope for scope in APP_SCOPES if scope.value in words)
