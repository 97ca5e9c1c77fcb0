"""Bayeux over HTTP at `/faye`: long-polling, cross-origin long-polling, callback-polling, websocket opening.

| transport | request | answer |
|---|---|---|
| long-polling | POST, JSON (Bayeux 1.0, section 6.1) | JSON |
| cross-origin long-polling | POST, `message=<JSON>` as a form or as text/plain (Faye's `cors.js`) | JSON |
| callback-polling | GET or POST with `message` and `jsonp` (section 6.2) | a call of the callback |
| websocket | GET with Upgrade | text messages, both ways (`socket`) |

A parcel is written here, not by aiohttp after the handler: only so is known whether it went out.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

from gateway.api.forge.faye.exchange import Exchanges
from gateway.api.forge.faye.socket import CLOSE_SECONDS, HEARTBEAT, Socket
from gateway.api.http.rate import client_of
from gateway.protocol.bayeux.messages import NotABatch, refusal
from gateway.protocol.bayeux.session import Line, Parcel, Written

PATH: Final = "/faye"
#: Seconds that a client gets to send its request.
BODY_SECONDS: Final = 10.0
#: What a GET without `jsonp` calls (Faye's `constants.js`).
DEFAULT_CALLBACK: Final = "jsonpcallback"
#: Faye's `VALID_JSONP_CALLBACK`, bounded: nothing else may come to stand in a script.
_CALLBACK: Final = re.compile(r"[A-Za-z_$][\w$]{0,63}(?:\.[A-Za-z_$][\w$]{0,63}){0,7}", re.ASCII)
#: Fields of a form; two are read.
_FORM_FIELDS: Final = 16
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Accept, Authorization, Content-Type, Pragma, X-Printer-Auth-Token, "
    "X-Requested-With",
    "Access-Control-Max-Age": "600",
}


class Refused(Exception):
    """The request is answered with an HTTP error. The text is one line for people."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Waiting:
    """An HTTP exchange that waits for its parcel: its `Receiver`."""

    def __init__(self, exchanges: Exchanges, request: web.Request) -> None:
        self._exchanges = exchanges
        self._request = request
        self.parcel: asyncio.Future[Parcel | None] = asyncio.get_running_loop().create_future()

    def hand_over(self, parcel: Parcel) -> None:
        """`Receiver`: an exchange takes one parcel; none when its handler was canceled meanwhile."""
        if self.parcel.done():
            self._exchanges.settle(parcel, Written.NO)
        else:
            self.parcel.set_result(parcel)

    def abandon(self) -> None:
        """The handler was canceled: what was handed over already is not written."""
        if self.parcel.done() and not self.parcel.cancelled():
            parcel = self.parcel.result()
            if parcel is not None:
                self._exchanges.settle(parcel, Written.NO)

    def is_gone(self, now: float) -> bool:
        """`Receiver`: the client hung up."""
        return is_gone(self._request)

    def give_up(self) -> None:
        """`Receiver`: nothing will come."""
        if not self.parcel.done():
            self.parcel.set_result(None)


class Endpoint:
    """The handlers of `/faye`."""

    def __init__(self, exchanges: Exchanges) -> None:
        self._exchanges = exchanges
        self.routes: Final = (
            web.get(PATH, self._get, allow_head=False),
            web.post(PATH, self._post),
            web.options(PATH, self._options),
        )

    async def _options(self, request: web.Request) -> web.Response:
        return web.Response(status=204, headers={**cross_origin(request), **_PREFLIGHT})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request)
        try:
            text = request.query.get("message")
            if text is None:
                raise Refused(400, "Send messages: by POST, as message of a GET, or over a websocket.")
            callback = _callback(request.query.get("jsonp", DEFAULT_CALLBACK))
            return await self._exchange(request, text, callback)
        except (Refused, NotABatch) as failure:
            return _refuse(request, failure)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await self._body(request)
            text, jsonp = _fields(request, body)
            return await self._exchange(request, text, _callback(jsonp) if jsonp is not None else None)
        except (Refused, NotABatch) as failure:
            return _refuse(request, failure)

    async def _body(self, request: web.Request) -> bytes:
        allowed = self._exchanges.bounds.request_bytes
        most = 3 * allowed  # as a form, most of JSON's characters become three
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > most:
                        raise Refused(413, f"A request may have {allowed} bytes.")
        except TimeoutError:
            raise Refused(408, f"The request did not come within {BODY_SECONDS:.0f} s.") from None
        return bytes(body)

    async def _exchange(
        self, request: web.Request, text: str | bytes, callback: str | None
    ) -> web.StreamResponse:
        if self._exchanges.is_closed:
            raise Refused(503, "The gateway is being stopped. Come again.")
        line = Line(address_of(request))
        parcel = self._exchanges.receive(text, line) or await self._parcel(request, line)
        if parcel is None:
            return web.Response(status=204)  # nobody reads it
        return await self._write(request, parcel, callback)

    async def _parcel(self, request: web.Request, line: Line) -> Parcel | None:
        waiting = Waiting(self._exchanges, request)
        self._exchanges.attach(line, waiting)
        try:
            return await waiting.parcel
        except asyncio.CancelledError:
            waiting.abandon()
            raise
        finally:
            self._exchanges.detach(line)

    async def _write(self, request: web.Request, parcel: Parcel, callback: str | None) -> web.Response:
        response = _answer(request, parcel.text, callback)
        if self._exchanges.is_closed:
            response.force_close()
        written = Written.NO
        try:
            if not is_gone(request):
                written = Written.MAYBE
                await response.prepare(request)
                await response.write_eof()
                written = Written.MAYBE if is_gone(request) else Written.YES
        finally:
            self._exchanges.settle(parcel, written)
        return response

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        bounds, line = self._exchanges.bounds, Line(address_of(request), is_stream=True)
        mine, all_lines = self._exchanges.lines(line.address)
        if self._exchanges.is_closed or mine >= bounds.sessions_per_address or all_lines >= bounds.sessions:
            return _refuse(request, Refused(503, "No further websocket is taken now. Come again."))
        websocket = web.WebSocketResponse(
            heartbeat=HEARTBEAT, max_msg_size=bounds.request_bytes, timeout=CLOSE_SECONDS, compress=False
        )
        if not websocket.can_prepare(request).ok:
            return _refuse(request, Refused(400, "This is no good websocket handshake (RFC 6455)."))
        await websocket.prepare(request)
        await Socket(self._exchanges, line, websocket, lambda: is_gone(request)).serve()
        return websocket


def is_gone(request: web.Request) -> bool:
    """Whether the client hung up."""
    return request.transport is None or request.transport.is_closing()


def address_of(request: web.Request) -> str:
    """The peer as clients are counted; everybody on a Unix socket is one."""
    return client_of(request.remote or "unix")


def cross_origin(request: web.Request) -> dict[str, str]:
    """Faye's browser client asks with credentials, so that `*` would not do. There are none to steal: who is
    who stands in the messages, never in a cookie."""
    origin = request.headers.get("Origin")
    if origin is None:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin",
    }


def _fields(request: web.Request, body: bytes) -> tuple[str | bytes, str | None]:
    """The messages and the callback of a POST: whatever its content type says, JSON is JSON."""
    jsonp = request.query.get("jsonp")
    if body.lstrip()[:1] in (b"[", b"{") or request.content_type == "application/json":
        return body, jsonp
    try:
        form = parse_qs(body.decode(), max_num_fields=_FORM_FIELDS)
    except ValueError:
        raise Refused(400, "This is neither JSON nor a form.") from None
    message = form.get("message", [request.query.get("message")])[0]
    if message is None:
        raise Refused(400, "There is no message in this form.")
    return message, form.get("jsonp", [jsonp])[0]


def _callback(name: str) -> str:
    if not _CALLBACK.fullmatch(name):
        raise Refused(400, "This is no name of a callback.")
    return name


def _answer(request: web.Request, text: str, callback: str | None) -> web.Response:
    if callback is None:
        return web.Response(text=text, content_type="application/json", headers=cross_origin(request))
    return web.Response(  # the comment: else a name of the caller's choice would be the first bytes of a file
        text=f"/**/{callback}({text});",
        content_type="application/javascript",
        headers={**cross_origin(request), "Content-Disposition": "attachment; filename=f.txt"},
    )


def _refuse(request: web.Request, failure: Exception) -> web.Response:
    status = failure.status if isinstance(failure, Refused) else 400
    text = f"[{refusal(status, str(failure))}]"
    headers = cross_origin(request) | ({"Retry-After": "5"} if status == 503 else {})
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)
