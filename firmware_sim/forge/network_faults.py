"""Bad luck on the way to the server, by plan or by seed.

    [[fault]]
    name = "post-lost"
    post = 3                  # the third post counted; or what = "ack"; or layer = 5; or at = 12.0 (seconds)
    count = 1                 # how many times in a row
    seconds = 5.0             # for the faults that take time

    [random]
    post-doubled = 0.01       # strikes per post, long poll or layer

Keys that say when (post, what, layer, at) may be put together: all of them must fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from firmware_sim.faults.strokes import BadFaults, Stroke, Strokes

KINDS: Mapping[str, tuple[str, str]] = {
    "post-lost": ("post", "a post never reaches the server"),
    "post-late": ("post", "a post leaves late; others overtake it"),
    "post-doubled": ("post", "a post arrives twice"),
    "posts-swapped": ("post", "a post waits until the next one has gone"),
    "answer-lost": ("post", "the server has taken the post, the connection breaks before its answer"),
    "answer-late": ("post", "the answer is heard late, and all posts wait for it"),
    "poll-cut": ("poll", "the connection breaks in the middle of a long poll"),
    "power-cycle": ("layer", "the power fails and comes back: ready, with no job"),
}
"""What there is: on which occasion it strikes, and what it does."""
POST_KINDS = ("ack", "local_job", "registration", "status")


@dataclass(frozen=True, slots=True)
class NetworkFault(Stroke):
    """One entry. post: the number of the post, from 1. what: one of POST_KINDS.

    layer: the one just printed, from 1. seconds: how late, how long without power, how long into the poll.
    """

    KINDS: ClassVar[Mapping[str, tuple[str, str]]] = KINDS

    post: int | None = None
    what: str | None = None
    layer: int | None = None

    def check(self) -> None:
        """Posts have few kinds."""
        if self.what is not None and self.what not in POST_KINDS:
            raise BadFaults(f"{self.name}: no post {self.what!r}; there are: {', '.join(POST_KINDS)}")


class NetworkFaults(Strokes[NetworkFault]):
    """Plan and chance of it."""

    @classmethod
    def kind(cls) -> type[NetworkFault]:
        """What the entries are."""
        return NetworkFault
