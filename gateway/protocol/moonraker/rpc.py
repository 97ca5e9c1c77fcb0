"""JSON-RPC 2.0 as Moonraker speaks it over MQTT: requests to bytes, bytes to replies. Total: nothing raises.

All clients of a broker share one response topic, replies come in any order, and several may come in an array
(the answer to an array). A request without an id gets no reply. A reply without one (-32700, unreadable
JSON) is about nobody knows which request: it is nobody's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.protocol.moonraker.lax import number, one_line, table

#: Moonraker's answer to the second copy of a request (same `mqtt_timestamp`). The first copy runs, and its
#: own answer comes, with the same id: this one answers nothing.
DUPLICATE: Final = -10000
#: Bytes of a message that is read: the longest answer asked for, 20 rows of history, has 40 kB. The answers
#: to others come by the same topic and may have any length.
MOST_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RpcError:
    """An error instead of a result."""

    code: int
    message: str  # one line


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to the request `id`; with `error` there is no result."""

    id: str
    result: Any = None
    error: RpcError | None = None


def request(
    method: str, params: Mapping[str, Any] | None = None, *, id: str, timestamp: int | None = None
) -> bytes:
    """One request. With `timestamp` (any number, never used before) a second delivery of it is refused."""
    told = dict(params or {})
    if timestamp is not None:
        told["mqtt_timestamp"] = timestamp
    asked: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "id": id}
    if told:
        asked["params"] = told
    return json.dumps(asked, separators=(",", ":")).encode()


def replies(payload: bytes) -> list[Reply]:
    """The replies in one message with an id that is a text, as ours are; duplicates' errors left out."""
    found = read(payload)
    items = found if isinstance(found, list) else [found]
    return [reply for item in items if (reply := _reply(item)) is not None]


def read(payload: bytes) -> Any:
    """The JSON of a message; None when it is none, or too long."""
    if len(payload) > MOST_BYTES:
        return None
    try:
        return json.loads(payload.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _reply(item: object) -> Reply | None:
    said = table(item)
    id = said.get("id")
    if not isinstance(id, str) or ("result" not in said and "error" not in said):
        return None
    if "error" not in said:
        return Reply(id, said["result"])
    error = _error(table(said["error"]))
    return None if error.code == DUPLICATE else Reply(id, error=error)


def _error(said: Mapping[str, Any]) -> RpcError:
    code = number(said.get("code"))
    return RpcError(0 if code is None else int(code), one_line(said.get("message")) or "unknown error")
