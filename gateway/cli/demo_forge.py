"""The demo as an app of the Forge print API: it registers a printer, orders prints, reads the queue."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp

from gateway.cli.demo_http import Http

#: Seconds between two updates that the gateway sends about an order.
CALLBACK_INTERVAL = 2


class ForgeApp:
    """What an app that was written for the closed service does, with only its base URL changed."""

    def __init__(self, url: str, token: str) -> None:
        self._api = Http(url, {"Authorization": f"Bearer {token}"})

    async def register(self, code: str, name: str) -> int:
        """POST /print/printers/register with the code on a printer's display; the printer's id."""
        body = {"registration_code": code, "printer_name": name}
        return int((await self._call("POST", "/print/printers/register", json=body))["printer_id"])

    async def upload(self, path: Path) -> str:
        """POST /files/upload; the printable id."""
        form = aiohttp.FormData()
        form.add_field("file", await asyncio.to_thread(path.read_bytes), filename=path.name)
        stored = await self._call("POST", "/files/upload", data=form)
        return str(stored["files"][0]["printable_id"])

    async def order(self, printer_id: int, printable_id: str, name: str, callback: str | None = None) -> str:
        """POST /print/printers/:printer_id/jobs; the job's id."""
        body: dict[str, Any] = {"printable_id": printable_id, "job_name": name}
        if callback is not None:
            body |= {"callback_url": callback, "callback_interval": CALLBACK_INTERVAL}
        receipt = await self._call("POST", f"/print/printers/{printer_id}/jobs", json=body)
        return str(receipt["job_id"])

    async def jobs(self) -> list[dict[str, Any]]:
        """GET /print/jobs: all of the member's jobs."""
        listed = await self._call("GET", "/print/jobs", params={"limit": "-1"})
        return list(listed["jobs"])

    async def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = (await self._api.ask(method, f"/ps/v1{path}", **arguments)).json()
        return answer
