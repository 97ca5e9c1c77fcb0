"""Which file a client means: one it uploaded, by its URN, or one the gateway shall fetch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.api.forge.schemas import Printable
from gateway.api.http.operations import AnyCall
from gateway.api.http.problems import Failure
from gateway.domain.file import StoredFile

#: `urn:adsk.objects:os.object:<bucket>/<file id>.<ending>`, or the bare file id.
_PRINTABLE: Final = re.compile(r"(?:urn:adsk\.objects:os\.object:[^/]+/)?([0-9a-fA-F-]{36})(?:\.[a-z0-9.]+)?")


@dataclass(frozen=True, slots=True)
class Chosen:
    """At most one of them is there."""

    file: StoredFile | None = None
    url: str | None = None


def check_address(call: AnyCall, name: str, url: str | None) -> None:
    """Refuse an address that the gateway will not go to: Failure 422 with the reason."""
    refusal = None if url is None else call.services.url_refusal(url)
    if refusal is not None:
        raise Failure(422, f"{name}: {refusal}")


async def chosen_file(call: AnyCall, asked: Printable) -> Chosen:
    """The file of a new or a waiting job.

    Raises Failure 422 for an id of no file of the caller's, and for an address the gateway will not go to.
    """
    if asked.printable_id is None:
        check_address(call, "printable_url", asked.printable_url)
        return Chosen(url=asked.printable_url)
    match = _PRINTABLE.fullmatch(asked.printable_id.strip())
    file = None if match is None else await call.services.queries.file(match[1].lower())
    if file is None or not (file.member_id == call.principal.member_id or call.principal.is_admin):
        raise Failure(422, "There is no file with this printable_id: upload it first (POST files/upload).")
    return Chosen(file=file)
