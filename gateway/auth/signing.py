"""Signed, expiring addresses: whoever holds one may read that one thing until it expires, without a key.

The signature is HMAC-SHA256 (RFC 2104) over the path and the instant it expires, in base64url. The path is
the one below the API's root: the same link is good under all of its prefixes.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Final

#: Bytes of the key: as many as the digest has; more add nothing (RFC 2104, 3).
KEY_BYTES: Final = 32
#: Seconds since 1970 in decimal, up to the year 5138.
_EXPIRES: Final = re.compile(r"[1-9][0-9]{0,10}", re.ASCII)


class UrlSigner:
    """Signs with one secret key, made once for a gateway and kept in its store."""

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise ValueError(f"a signing key has at least {KEY_BYTES} bytes")
        self._key = key

    def sign(self, path: str, expires_at: int) -> str:
        """The permit that makes `path` readable until `expires_at`, seconds since 1970: one path segment."""
        return f"{expires_at}.{self._signature(path, expires_at)}"

    def verify(self, path: str, permit: str, now: float) -> bool:
        """Whether the permit was made by `sign` for this path and is good at `now`."""
        expires, _, given = permit.partition(".")
        if not _EXPIRES.fullmatch(expires) or not given.isascii():
            return False
        right = self._signature(path, int(expires))
        return hmac.compare_digest(right, given) and now < int(expires)

    def _signature(self, path: str, expires_at: int) -> str:
        digest = hmac.digest(self._key, f"{expires_at}\n{path}".encode(), sha256)
        return urlsafe_b64encode(digest).rstrip(b"=").decode()
