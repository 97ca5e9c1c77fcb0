"""One exchange with an app's own server: the probe, or an update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from gateway.publish.callback_rules import says_supported, support_url
from gateway.transport.web import WebAnswer
from gateway.transport.web_errors import WebTrouble

#: Seconds for one exchange: what takes longer is not up to it. Slow receivers cost a slot that long.
SECONDS: Final = 10.0
#: Bytes of an answer that are read: `{"callback": "supported"}` with a lot around it; of an update's nothing
#: matters but the status.
PROBE_BYTES: Final = 16_384
ANSWER_BYTES: Final = 1
_NOT_SUPPORTED: Final = (
    'it does not say that it takes updates: callback_url + "/support" must answer '
    '{{"callback": "supported"}} (status {status})'
)


class Web(Protocol):
    """`transport.web.WebClient`, as far as it is needed here."""

    async def get(self, url: str, *, seconds: float, most_bytes: int) -> WebAnswer:
        """Raises WebTrouble."""

    async def post_json(self, url: str, body: bytes, *, seconds: float, most_bytes: int) -> WebAnswer:
        """Raises WebTrouble."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """How it went."""

    status: int | None  # of HTTP; None: no answer
    trouble: str | None = None  # for people; None: all is well
    is_final: bool = False  # another try would not go otherwise


async def probe(web: Web, url: str) -> Exchanged:
    """Whether updates are taken there: by GET, then by POST."""
    asked = support_url(url)
    try:
        answer = await web.get(asked, seconds=SECONDS, most_bytes=PROBE_BYTES)
        if not _is_supported(answer):
            answer = await web.post_json(asked, b"{}", seconds=SECONDS, most_bytes=PROBE_BYTES)
    except WebTrouble as trouble:
        return _failed(trouble)
    if _is_supported(answer):
        return Exchanged(answer.status)
    return Exchanged(answer.status, _NOT_SUPPORTED.format(status=answer.status))


def _is_supported(answer: WebAnswer) -> bool:
    return 200 <= answer.status < 300 and says_supported(answer.body)


async def post(web: Web, url: str, body: bytes) -> Exchanged:
    """One update; anything but 2xx is trouble."""
    try:
        answer = await web.post_json(url, body, seconds=SECONDS, most_bytes=ANSWER_BYTES)
    except WebTrouble as trouble:
        return _failed(trouble)
    if 200 <= answer.status < 300:
        return Exchanged(answer.status)
    return Exchanged(answer.status, f"it answers with status {answer.status}")


def _failed(trouble: WebTrouble) -> Exchanged:
    return Exchanged(trouble.status, trouble.reason, is_final=not trouble.is_passing)
