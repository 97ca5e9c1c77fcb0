"""Channel names and patterns: Bayeux 1.0, sections 2.1 and 2.2.1, with the grammar of Faye's `grammar.js`.

`/printers/58/command` is a name. `/printers/58/*` matches one more segment, `/printers/**` one or more; a
wildcard stands in the last segment only.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.protocol.bayeux.bounds import CHANNEL_CHARS

_SEGMENT: Final = r"/[A-Za-z0-9\-_!~()$@]+"
_NAME: Final = re.compile(rf"(?:{_SEGMENT})+", re.ASCII)
_PATTERN: Final = re.compile(rf"(?:{_SEGMENT})*/\*{{1,2}}", re.ASCII)

HANDSHAKE: Final = "/meta/handshake"
CONNECT: Final = "/meta/connect"
DISCONNECT: Final = "/meta/disconnect"
SUBSCRIBE: Final = "/meta/subscribe"
UNSUBSCRIBE: Final = "/meta/unsubscribe"


def is_name(channel: str) -> bool:
    """Whether something can be published on it."""
    return len(channel) <= CHANNEL_CHARS and _NAME.fullmatch(channel) is not None


def is_pattern(channel: str) -> bool:
    """Whether it ends in a wildcard."""
    return len(channel) <= CHANNEL_CHARS and _PATTERN.fullmatch(channel) is not None


def is_subscribable(channel: str) -> bool:
    """Whether a client may ask for it at all: `/meta` and `/service` are no broadcast channels."""
    return channel.split("/", 2)[1:2] not in (["meta"], ["service"])


def matching(channel: str) -> list[str]:
    """What a subscription can be called that hears a message on `channel`: its name, and all wildcards."""
    segments = channel.split("/")
    above = ["/".join(segments[:count]) for count in range(1, len(segments))]
    return [channel, f"{above[-1]}/*", *(f"{parent}/**" for parent in above)]
