"""JSON-RPC 2.0 as Moonraker speaks it over MQTT. Source: Moonraker's common.py (JsonRPC), mqtt.py.

    not JSON                      -32700 Parse error, id null; no reply at all to what is no UTF-8
    no "jsonrpc": "2.0"           -32600 Invalid Request
    no method                     taken for a response: no reply
    method unknown                -32601 Method not found
    an mqtt_timestamp seen        -10000 Duplicate MQTT Request (of the last 20; without one, it runs again)
    no id                         no reply, unless it is an error
    an array                      one after the other, answered as an array
    404, 401 of a method          -32601, -32602 with the method's own words

A request that waits does not hold up the next: replies come in the order in which they are ready.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from firmware_sim.moonraker.later import Later, Refusal

KNOWN_TIMESTAMPS = 20
DUPLICATE = -10000
_HTTP_TO_RPC = {404: -32601, 401: -32602}

Params = dict[str, Any]
Method = Callable[["Asking"], object]


class Asking:
    """One call. who: `rpc`, `panel` or `http`; request: its id, for the ledger."""

    def __init__(self, params: Params, who: str, request: str) -> None:
        self.params, self.who, self.request = params, who, request

    def text(self, name: str) -> str:
        """A parameter that must be there. Raises Refusal."""
        if name not in self.params:
            raise Refusal(f"No data for argument: {name}")
        return str(self.params[name])

    def number(self, name: str, default: float | None = None) -> float | None:
        """A parameter that may be there. Raises Refusal for one that is no number."""
        value = self.params.get(name)
        if value is None:
            return default
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise Refusal(f"Unable to convert argument [{name}] to float: value received: {value}") from error


class Dispatcher:
    """Takes payloads in and says, once, what is to be replied (None: nothing)."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods = methods
        self._timestamps: deque[object] = deque(maxlen=KNOWN_TIMESTAMPS)

    def dispatch(self, payload: bytes, reply: Callable[[object | None], None]) -> None:
        """`reply` hears a response, a list of them, or None."""
        try:
            asked = json.loads(payload)
        except ValueError:
            reply(_error(-32700, "Parse error", None) if _is_text(payload) else None)
            return
        if isinstance(asked, list):
            self._batch(deque(asked), [], reply)
        else:
            self._one(asked, reply)

    def _batch(self, left: deque[Any], said: list[object], reply: Callable[[object | None], None]) -> None:
        if not left:
            reply(said or None)
            return

        def go_on(response: object | None) -> None:
            if response is not None:
                said.append(response)
            self._batch(left, said, reply)

        self._one(left.popleft(), go_on)

    def _one(self, asked: Any, reply: Callable[[object | None], None]) -> None:
        if not isinstance(asked, dict):
            reply(None)  # Moonraker's task dies of it: nobody hears anything
            return
        number = asked.get("id")
        if asked.get("jsonrpc") != "2.0":
            reply(_error(-32600, "Invalid Request", number))
        elif "method" not in asked:
            reply(None)
        elif asked["method"] not in self._methods:
            reply(_error(-32601, "Method not found", number))
        elif not isinstance(asked.get("params", {}), dict):
            reply(_error(-32602, "Invalid params:", number))
        else:
            self._call(asked["method"], dict(asked.get("params", {})), number, reply)

    def _call(
        self, name: str, params: Params, number: object, reply: Callable[[object | None], None]
    ) -> None:
        def settled(outcome: object | Refusal) -> None:
            if isinstance(outcome, Refusal):
                reply(_error(_HTTP_TO_RPC.get(outcome.code, outcome.code), outcome.message, number))
            else:
                reply(None if number is None else {"jsonrpc": "2.0", "result": outcome, "id": number})

        try:
            self._screen(params)
            outcome = self._methods[name](Asking(params, "rpc", json.dumps(number)))
        except Refusal as refusal:
            outcome = refusal
        if isinstance(outcome, Later):
            outcome.then(settled)
        else:
            settled(outcome)

    def _screen(self, params: Params) -> None:
        stamp = params.pop("mqtt_timestamp", None)
        if stamp is None:
            return
        if stamp in self._timestamps:
            raise Refusal("Duplicate MQTT Request", DUPLICATE)
        self._timestamps.append(stamp)


def _is_text(payload: bytes) -> bool:
    """Whether Moonraker can write it into its log; otherwise its task dies there."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _error(code: int, message: str, number: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": number}
