"""An app's own server, as small as it can be: what the gateway tells about a job arrives here.

It answers the probe (`GET <callback_url>/support`) and takes the updates (`POST <callback_url>`), which is
all that a receiver of the Forge print API's callbacks must do.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

#: Updates are not signed: only whom the app told its address can know it.
SECRET_BYTES = 16
#: Seconds for what is under way when the demo ends.
ENDS_WITHIN = 1.0


class Receiver:
    """What was heard, in order."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[Mapping[str, Any]] = []

    def last_status(self, job_id: str) -> str | None:
        """The newest word on a job."""
        words = [str(update.get("job_status")) for update in self.heard if update.get("job_id") == job_id]
        return words[-1] if words else None

    async def support(self, _: web.Request) -> web.Response:
        """Whether somebody wants updates here."""
        return web.json_response({"callback": "supported"})

    async def take(self, request: web.Request) -> web.Response:
        """An update."""
        self.heard.append(await request.json())
        return web.Response(status=204)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port of this host, while the block runs. Raises OSError."""
    receiver, path = Receiver(), f"/{secrets.token_urlsafe(SECRET_BYTES)}"
    app = web.Application()
    app.router.add_get(f"{path}/support", receiver.support)
    app.router.add_post(path, receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=ENDS_WITHIN)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
        yield receiver
    finally:
        await runner.cleanup()
