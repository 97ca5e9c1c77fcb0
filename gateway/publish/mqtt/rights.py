"""Whether the broker lets the gateway do its work: proven by what comes back, not by acknowledgements.

A broker acknowledges a publish that its ACL denies as if all were well (MQTT 3.1.1 knows no other answer;
mosquitto 2.0.11, tried). So the gateway subscribes to two of its own retained messages, one under each prefix
it uses, and what does not come back is denied.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

#: Seconds in which what was published must have come back: a broker behind a bad line needs one.
PROOF_SECONDS: Final = 10.0


class Proof(StrEnum):
    """What is known of a right."""

    PENDING = "pending"  # published, and not back yet
    PROVEN = "proven"
    DENIED = "denied"


_TAKEN: Final = (
    "another gateway on this broker calls itself {gateway} too, so that their printers are mixed up: set "
    "gateway_id under [mqtt] of one of them"
)


@dataclass(frozen=True, slots=True)
class Right:
    """Reading and writing below one prefix."""

    prefix: str
    proof: Proof
    advice: str | None = None  # for people, when it is denied


@dataclass(frozen=True, slots=True)
class NorthboundStatus:
    """How it goes with the user's broker, for `doctor`."""

    is_connected: bool
    since: datetime  # when it became so
    reason: str | None = None  # why there is no connection, with what to do
    rights: tuple[Right, ...] = ()  # as of the present connection


class Proofs:
    """One connection's: which of its own messages have come back. `wanted`: prefix by topic."""

    def __init__(self, wanted: dict[str, str], now: float) -> None:
        self._open = dict(wanted)
        self._known = {prefix: Right(prefix, Proof.PENDING) for prefix in wanted.values()}
        self._until = now + PROOF_SECONDS

    @property
    def rights(self) -> tuple[Right, ...]:
        """As far as is known."""
        return tuple(self._known.values())

    def came_back(self, topic: str) -> None:
        """A message that this connection published; one that was retained before proves nothing."""
        prefix = self._open.pop(topic, None)
        if prefix is not None and self._known[prefix].proof is Proof.PENDING:
            self._known[prefix] = Right(prefix, Proof.PROVEN)

    def taken(self, prefix: str, gateway: str) -> Right | None:
        """Somebody else says there that the gateway is online; None: that was found before."""
        before = self._known[prefix]
        found = Right(prefix, Proof.DENIED, _TAKEN.format(gateway=gateway))
        self._known[prefix] = found
        return None if before == found else found

    def overdue(self, now: float) -> tuple[Right, ...]:
        """Those that are denied, as it seems at monotonic `now`; each is given once."""
        if now < self._until:
            return ()
        missing = [prefix for prefix in self._open.values() if self._known[prefix].proof is Proof.PENDING]
        found = tuple(Right(prefix, Proof.DENIED, _advice(prefix)) for prefix in missing)
        self._known |= {right.prefix: right for right in found}
        return found


def _advice(prefix: str) -> str:
    return (
        f"what the gateway publishes below {prefix}/ does not come back: the broker's ACL denies it in "
        f"silence; let the gateway's user read and write there (mosquitto: topic readwrite {prefix}/#)"
    )
