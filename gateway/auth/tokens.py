"""Tokens of the gateway's own authorization server: opaque, random, kept as a hash (RFC 6749 1.4).

    gwa_<43 characters of base64url>   access token
    gwr_<43 characters>                refresh token
    gws_<43 characters>                an app's secret

Opaque rather than signed: an app that is revoked is out at once, and looking one up costs microseconds.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime

from gateway.auth.keys import SECRET_BYTES, Randomness, hash_of, principal_of
from gateway.domain.grant import App, TokenUse
from gateway.domain.grants import Grants
from gateway.domain.member import Member, Principal

ACCESS_PREFIX = "gwa_"
REFRESH_PREFIX = "gwr_"
SECRET_PREFIX = "gws_"  # noqa: S105 - what a secret begins with, not one
#: Random bytes of a `client_id`: 16 base32 characters.
APP_ID_BYTES = 10


def make_secret(prefix: str, randomness: Randomness = secrets.token_bytes) -> str:
    """A fresh token or secret with this prefix."""
    return prefix + base64.urlsafe_b64encode(randomness(SECRET_BYTES)).decode("ascii").rstrip("=")


def make_app_id(randomness: Randomness = secrets.token_bytes) -> str:
    """A fresh `client_id`: 16 of a-z 2-7."""
    return base64.b32encode(randomness(APP_ID_BYTES)).decode("ascii").lower()


def is_secret_of(app: App, secret: str) -> bool:
    """Whether this is the app's secret; a public app has none. In constant time."""
    return app.secret_sha256 is not None and hmac.compare_digest(hash_of(secret), app.secret_sha256)


def authenticate_token(
    token: str, grants: Grants, members: Mapping[str, Member], now: datetime
) -> Principal | None:
    """Whose access token it is; None for one that is unknown, expired, or a refresh token. Never raises.

    The look-up is by the hash, so that its time tells nothing of the token.
    """
    if not token.startswith(ACCESS_PREFIX):
        return None
    found = grants.tokens.get(hash_of(token))
    if found is None or found.use is not TokenUse.ACCESS or found.expires_at <= now:
        return None
    member = members.get(found.member_id)
    return None if member is None else principal_of(member, found.scopes, found.app_id)
