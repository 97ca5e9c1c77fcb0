"""A request's own name, by which repeating it is harmless."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Idempotency:
    """An `Idempotency-Key` and a fingerprint of the request that first used it."""

    key: str
    fingerprint: str  # hex digest of the request
