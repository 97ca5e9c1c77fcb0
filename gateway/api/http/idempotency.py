"""`Idempotency-Key` (IETF draft, -06): a retry of a creation answers what the first try answered."""

from __future__ import annotations

import hashlib
import re

from aiohttp import web
from pydantic import BaseModel

from gateway.api.http import limits
from gateway.api.http.problems import Failure
from gateway.domain.idempotency import Idempotency

_KEY = re.compile(rf"[!-~]{{1,{limits.IDEMPOTENCY_KEY_CHARS}}}", re.ASCII)


def idempotency_of(request: web.Request, *parts: BaseModel | str) -> Idempotency | None:
    """The key of a request with the fingerprint of what it asks for; None without the header.

    `parts` are the validated body and whatever else makes the request what it is. Two requests with equal
    fingerprints ask for the same, however their JSON was spaced.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        most = limits.IDEMPOTENCY_KEY_CHARS
        raise Failure(400, f"Idempotency-Key takes 1 to {most} visible ASCII characters; a UUID is best.")
    digest = hashlib.sha256(f"{request.method} {request.path}".encode())
    for part in parts:
        text = part if isinstance(part, str) else part.model_dump_json()
        digest.update(b"\0" + text.encode("utf-8", "replace"))
    return Idempotency(key, digest.hexdigest())
