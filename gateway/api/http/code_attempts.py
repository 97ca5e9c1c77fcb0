"""Registration codes have six letters: nobody may try many of them."""

from __future__ import annotations

import math

from gateway.api.http.operations import AnyCall
from gateway.api.http.problems import Failure


def spend_attempt(call: AnyCall) -> None:
    """One try of the caller's. Raises Failure 429 when there were too many."""
    wait = call.services.code_attempts.spend(call.principal.member_id)
    if wait is not None:
        text = "Too many codes were tried. Look at the printer's display, wait, and type it in again."
        raise Failure(429, text, headers={"Retry-After": str(math.ceil(wait))})
