"""The public keys of an OIDC issuer: found by discovery, kept for an hour, looked for again when one is new.

Nothing here trusts a token: who sends many with unknown key ids makes the gateway ask once a minute at most.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

log = logging.getLogger(__name__)

PublicKey = RSAKey | ECKey | OKPKey
#: GET of a URL: the body of a 200. Bounded in time and size by who hands it in; raises what it likes.
Fetch = Callable[[str], Awaitable[bytes]]

#: Seconds after which the keys are read again, so that a key the issuer withdrew is not believed for long.
FRESH_SECONDS = 3600.0
#: Seconds that keys are used on while the issuer does not answer: a night.
STALE_SECONDS = 12 * 3600.0
#: Seconds between two readings, whatever tokens come.
PAUSE_SECONDS = 60.0
#: Keys of one issuer: providers publish two or three.
KEYS_KEPT = 50


class IssuerKeys:
    """Of one issuer. `get` may wait for the network, everybody for the same answer."""

    def __init__(self, issuer: str, fetch: Fetch) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._keys: list[PublicKey] = []
        self._read_at: float | None = None  # monotonic seconds
        self._tried_at: float | None = None
        self._turn = asyncio.Lock()

    async def get(self, kid: str | None, now: float) -> PublicKey | None:
        """The key with this id, or the only one for a token without; None when there is none.

        `now` is in monotonic seconds.
        """
        found = self._known(kid, now)
        if found is not None and self._age(now) < FRESH_SECONDS:
            return found
        async with self._turn:
            if self._tried_at is None or now - self._tried_at >= PAUSE_SECONDS:
                self._tried_at = now
                await self._read(now)
        return self._known(kid, now)

    def _age(self, now: float) -> float:
        return float("inf") if self._read_at is None else now - self._read_at

    def _known(self, kid: str | None, now: float) -> PublicKey | None:
        if self._age(now) >= STALE_SECONDS:
            return None
        found = [key for key in self._keys if kid is None or key.kid == kid]
        return found[0] if len(found) == 1 else None

    async def _read(self, now: float) -> None:
        try:
            about = _object(await self._fetch(self._issuer.rstrip("/") + "/.well-known/openid-configuration"))
            if about.get("issuer") != self._issuer:
                raise ValueError(f"it calls itself {str(about.get('issuer'))[:200]!r}")
            self._keys = _keys(_object(await self._fetch(_jwks_uri(about, self._issuer))))
        except Exception as error:
            log.warning(
                "the issuer %s gives no keys (%s): its tokens are refused %s; the gateway's own keys and "
                "tokens work as before",
                self._issuer,
                error or type(error).__name__,
                "until it does" if self._age(now) >= STALE_SECONDS else "if they are signed with a new key",
            )
            return
        self._read_at = now
        log.info("the issuer %s has %d keys", self._issuer, len(self._keys))


def _object(raw: bytes) -> Mapping[str, Any]:
    value = json.loads(raw)
    if not isinstance(value, dict):
        raise ValueError("it sends no JSON object")
    return value


def _jwks_uri(about: Mapping[str, Any], issuer: str) -> str:
    """Where its keys are. Raises ValueError: not by http what was found by https."""
    uri = about.get("jwks_uri")
    if not isinstance(uri, str) or urlsplit(uri).scheme not in ("https", urlsplit(issuer).scheme):
        raise ValueError("it names no usable jwks_uri")
    return uri


def _keys(jwks: Mapping[str, Any]) -> list[PublicKey]:
    """The asymmetric keys for signatures. Raises ValueError when there is none."""
    listed = jwks.get("keys")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    signing = [entry for entry in entries if entry.get("use", "sig") == "sig" and entry.get("kty") != "oct"]
    found: list[PublicKey] = []
    for entry in signing[:KEYS_KEPT]:
        try:
            keys = KeySet.import_key_set({"keys": [entry]}).keys
        except (JoseError, ValueError, TypeError, KeyError):
            continue  # a kind of key that is not known here must not hide the others (RFC 7517 5)
        found += [key for key in keys if isinstance(key, RSAKey | ECKey | OKPKey)]
    if not found:
        raise ValueError("it publishes no key for signatures that is known here")
    return found
