"""API keys: made once, kept as a hash, recognised in constant time.

    gwk_<key id: 12 of a-z 2-7>_<secret: 43 characters of base64url, 32 random bytes>

A plain SHA-256 is enough because the secret is random: nothing can be guessed from the hash, and a check
costs microseconds (a password hash would cost a Raspberry Pi 0.3 s a request: a denial of service).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.member import Key, Member, Principal, Scope

#: Random bytes of a secret; 43 base64url characters.
SECRET_BYTES = 32
#: Random bytes behind a key id: the first 12 of their 13 base32 characters, 60 bits.
KEY_ID_BYTES = 8
KEY_ID_LENGTH = 12

#: `secrets.token_bytes`, or a seeded source.
Randomness = Callable[[int], bytes]

TOKEN_PREFIX = "gwk_"  # noqa: S105 - what a token begins with, not one

_TOKEN = re.compile(rf"{TOKEN_PREFIX}([a-z2-7]{{12}})_[A-Za-z0-9_-]{{43}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. The token is to be shown once and forgotten."""

    token: str
    key: Key

    def __repr__(self) -> str:
        return f"NewKey(key={self.key!r})"  # never the token: this ends up in logs


def make_key(
    member_id: str,
    name: str,
    scopes: frozenset[Scope],
    now: datetime,
    randomness: Randomness = secrets.token_bytes,
) -> NewKey:
    """A key for a member; `now` is aware UTC."""
    key_id = base64.b32encode(randomness(KEY_ID_BYTES)).decode("ascii").lower()[:KEY_ID_LENGTH]
    secret = base64.urlsafe_b64encode(randomness(SECRET_BYTES)).decode("ascii").rstrip("=")
    token = f"{TOKEN_PREFIX}{key_id}_{secret}"
    return NewKey(token, Key(key_id, member_id, name, scopes, hash_of(token), now))


def hash_of(token: str) -> str:
    """What is stored of a token: the hex SHA-256 of all of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def key_id_of(token: str) -> str | None:
    """The public part of a token of ours; None for anything else."""
    found = _TOKEN.fullmatch(token)
    return found.group(1) if found else None


def authenticate(token: str, keys: Mapping[str, Key], members: Mapping[str, Member]) -> Principal | None:
    """Whose token it is; None for one that is not ours, unknown, wrong or revoked. Never raises."""
    key = keys.get(key_id_of(token) or "")
    if (
        key is None
        or not hmac.compare_digest(hash_of(token), key.secret_sha256)
        or key.revoked_at is not None
    ):
        return None
    member = members.get(key.member_id)
    return None if member is None else principal_of(member, key.scopes, key.key_id)


def principal_of(member: Member, scopes: frozenset[Scope], app_id: str | None = None) -> Principal:
    """A member who acts with these scopes."""
    return Principal(
        member_id=member.member_id,
        organization_id=member.organization_id,
        scopes=scopes,
        app_id=app_id,
        is_org_admin=member.is_admin,
    )
