"""Rows of lists as JSON, made once: a page is joined from pieces that are there already.

Most rows of a long list are over, and say the same until their next version. A list asks for each row's
piece, and puts the pieces into what stands around them:

    kept = call.request.app[FRAGMENTS]
    rows = [kept.of(("forge job", job.work_id, job.version), lambda: job_object(job)) for job in page]
    body = list_body({"count": len(rows)}, "jobs", rows)
    return reply_body_if_changed(call.request, body)

The key begins with the name of what is rendered, for all dialects keep theirs in one place. It names
everything else that the piece says: the row's number and version, and what it shows of other things (a
printer's name). What changes within a version (progress, what a printer does now) is not kept but said anew
each time, with `encode`. Who may see a row is decided before; a piece says nothing of who asks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from gateway.api.http.answers import encode

#: Bytes of all pieces, of about 600 each: the 12,000 rows that were asked for last.
FRAGMENT_BYTES: Final = 12 * 1024 * 1024
#: Bytes that each one takes besides its JSON: its key, its places in the tables.
_OF_ITSELF: Final = 400


class Fragments:
    """Pieces of JSON by what they say, the latest asked for; bounded by their bytes. Of one thread."""

    def __init__(self, most_bytes: int = FRAGMENT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._pieces: OrderedDict[Hashable, bytes] = OrderedDict()

    def of(self, key: Hashable, make: Callable[[], Any]) -> bytes:
        """The piece of this key; `make` gives what it is to say, when it is not there."""
        piece = self._pieces.get(key)
        if piece is not None:
            self._pieces.move_to_end(key)
            return piece
        made = self._pieces[key] = encode(make())
        self._bytes += len(made) + _OF_ITSELF
        while self._bytes > self._most_bytes:
            _, oldest = self._pieces.popitem(last=False)
            self._bytes -= len(oldest) + _OF_ITSELF
        return made


#: Those of an application; `build_app` puts them there.
FRAGMENTS: Final = web.AppKey("fragments", Fragments)


def list_body(
    before: Mapping[str, Any], name: str, rows: Sequence[bytes], after: Mapping[str, Any] | None = None
) -> bytes:
    """An object whose member `name` is the array of these rows, behind and in front of other members."""
    members = [encode(before)[1:-1], encode(name) + b":" + array(rows), encode(after or {})[1:-1]]
    return b"{" + b",".join(filter(None, members)) + b"}"


def array(rows: Sequence[bytes]) -> bytes:
    """A JSON array of these rows."""
    return b"[" + b",".join(rows) + b"]"
