"""Moonraker's HTTP port, as far as files need it: upload, download, delete, and who is there.

    POST   /server/files/upload            multipart: file, root, path, checksum, print
    GET    /server/files/gcodes/NAME
    DELETE /server/files/gcodes/NAME
    GET    /server/info

With a key, X-Api-Key must carry it. A Moonraker that is dead breaks every connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import BodyPartReader, web

from firmware_sim.moonraker.printer import unauthorized
from firmware_sim.moonraker.pump import MachinePump
from firmware_sim.moonraker.uploads import HttpAnswer, UploadForm, refused

MOST_UPLOAD_BYTES = 256 << 20
"""In memory; Moonraker's own bound is 1 GiB on disk."""
MOST_FIELD_BYTES = 4096


class ListenRefused(OSError):
    """Nobody can listen at the address; the message is one line."""


class WebEndpoint:
    """Serves the machine of `pump`."""

    def __init__(self, pump: MachinePump) -> None:
        self._pump = pump
        self._runner: web.AppRunner | None = None
        self.address = ("", 0)

    async def open(self, host: str, port: int) -> None:
        """Listen; port 0 takes any. Raises ListenRefused."""
        app = web.Application(client_max_size=MOST_UPLOAD_BYTES)
        app.router.add_post("/server/files/upload", self._guarded(self._upload))
        app.router.add_get("/server/files/gcodes/{name:.+}", self._guarded(self._download))
        app.router.add_delete("/server/files/gcodes/{name:.+}", self._guarded(self._delete))
        app.router.add_get("/server/info", self._guarded(self._info))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.close()
            raise ListenRefused(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        self.address = self._runner.addresses[0][:2]

    async def close(self) -> None:
        """Hang up and stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _guarded(
        self, handle: Callable[[web.Request], Awaitable[HttpAnswer]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            printer = self._pump.printer
            if not printer.server.serves:
                answer = HttpAnswer(503, is_lost=True)
            elif not printer.is_allowed(request.headers.get("X-Api-Key")):
                answer = unauthorized()
            else:
                answer = await handle(request)
            return _response(request, answer)

        return serve

    async def _upload(self, request: web.Request) -> HttpAnswer:
        if not request.content_type.startswith("multipart/"):
            return refused(400, "Unable to parse content type")
        fields: dict[str, str] = {}
        name, content = "", b""
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                continue
            if part.name == "file":
                name, content = part.filename or "", bytes(await part.read())
            elif part.name is not None:
                fields[part.name] = bytes(await part.read())[:MOST_FIELD_BYTES].decode("utf-8", "replace")
        form = UploadForm(
            name,
            content,
            root=fields.get("root", "gcodes").lower(),
            path=fields.get("path", ""),
            checksum=fields.get("checksum", ""),
            should_print=fields.get("print") == "true",
        )
        answered: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()

        def settle(answer: object) -> None:
            if isinstance(answer, HttpAnswer) and not answered.done():
                answered.set_result(answer)

        self._pump.act(self._pump.printer.upload, form).then(settle)
        return await answered

    async def _download(self, request: web.Request) -> HttpAnswer:
        return self._answer(self._pump.printer.download, request.match_info["name"])

    async def _delete(self, request: web.Request) -> HttpAnswer:
        return self._answer(self._pump.printer.delete, request.match_info["name"])

    async def _info(self, _request: web.Request) -> HttpAnswer:
        return self._answer(self._pump.printer.info)

    def _answer(self, verb: Callable[..., HttpAnswer], *arguments: str) -> HttpAnswer:
        answer = self._pump.act(verb, *arguments)
        assert isinstance(answer, HttpAnswer)
        return answer


def _response(request: web.Request, answer: HttpAnswer) -> web.StreamResponse:
    if answer.is_lost and request.transport is not None:
        request.transport.abort()
    if answer.content is not None:
        return web.Response(status=answer.status, body=answer.content)
    return web.json_response(answer.body, status=answer.status)
