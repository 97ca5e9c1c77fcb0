"""Error strings: `code:args:message`, Bayeux 1.0 section 3.14, with Faye's codes and words (`error.js`)."""

from __future__ import annotations

import re
from typing import Final

from gateway.protocol.bayeux.bounds import CHANNEL_CHARS

#: Everything that may not stand in an argument (Bayeux 1.0, grammar of `error_arg`).
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9\-_!~()$@ /*.]")


def _error(code: int, words: str, *arguments: str) -> str:
    said = ",".join(_FOREIGN.sub("_", argument[:CHANNEL_CHARS]) for argument in arguments)
    return f"{code}:{said}:{words}"


def connection_types_mismatch(*offered: str) -> str:
    """None of the connection types is served here."""
    return _error(301, "Connection types not supported", *offered)


def bad_request(*fields: str) -> str:
    """A field that is not what it should be."""
    return _error(400, "Bad request", *fields)


def unknown_client(client_id: str) -> str:
    """No such client, or no longer: shake hands again."""
    return _error(401, "Unknown client", client_id)


def parameter_missing(name: str) -> str:
    """A field that the message must have."""
    return _error(402, "Missing required parameter", name)


def channel_forbidden(channel: str) -> str:
    """Not for this client."""
    return _error(403, "Forbidden channel", channel)


def too_many_subscriptions(channel: str) -> str:
    """One more than a client may have."""
    return _error(403, "Too many subscriptions", channel)


def invalid_channel(channel: str) -> str:
    """No channel name."""
    return _error(405, "Invalid channel", channel)


def too_many_clients() -> str:
    """The house is full."""
    return _error(503, "Too many clients")
