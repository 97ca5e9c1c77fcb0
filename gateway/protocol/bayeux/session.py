"""One client: what it listens to, what waits for it, and the connect it may have open."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gateway.protocol.bayeux.bounds import Bounds
from gateway.protocol.bayeux.publication import Publication


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A way back to a client: one HTTP exchange, or a websocket for as long as it stands."""

    address: str  # of the peer, as sessions are counted
    is_stream: bool = False  # a websocket: takes any number of parcels, not just one


class Written(Enum):
    """What a transport knows of a parcel."""

    YES = "yes"  # the connection took all of it
    NO = "no"  # not one byte: the connection was gone before
    MAYBE = "maybe"  # it broke meanwhile


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is to be written on a line, at once and whole; afterwards the server is told how that went."""

    line: Line
    replies: list[str]  # JSON objects
    deliveries: tuple[tuple[Session, Publication], ...] = ()

    @property
    def text(self) -> str:
        """The JSON array that goes out: ASCII."""
        return f"[{','.join([*self.replies, *(publication.text for _, publication in self.deliveries)])}]"


@dataclass(frozen=True, slots=True)
class Poll:
    """A connect that is held open."""

    line: Line
    reply: dict[str, Any]
    deadline: float  # monotonic seconds


@dataclass(slots=True, eq=False)
class Session:
    """A client that shook hands."""

    client_id: str
    address: str
    token: str | None  # of the handshake
    idle_since: float  # monotonic seconds; of no meaning while there is a poll
    subscriptions: dict[str, str | None] = field(default_factory=dict)  # channel or pattern -> token
    queue: deque[Publication] = field(default_factory=deque)
    queue_bytes: int = 0
    poll: Poll | None = None
    is_over: bool = False

    def has_room(self, publication: Publication, bounds: Bounds) -> bool:
        """Whether one more message may wait here."""
        return len(self.queue) < bounds.queue and self.queue_bytes + publication.size <= bounds.queue_bytes

    def put(self, publication: Publication) -> None:
        """Queue behind all others."""
        self.queue.append(publication)
        self.queue_bytes += publication.size

    def put_back(self, publication: Publication) -> None:
        """Queue before all others: it was taken, and not one byte of it was written."""
        self.queue.appendleft(publication)
        self.queue_bytes += publication.size

    def remove(self, publication: Publication) -> None:
        """Let a message that waits here wait no longer."""
        self.queue.remove(publication)
        self.queue_bytes -= publication.size

    def take(self) -> list[Publication]:
        """Everything that waits, oldest first."""
        taken = list(self.queue)
        self.queue.clear()
        self.queue_bytes = 0
        return taken
