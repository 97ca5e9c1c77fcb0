"""The demo as an app of the Forge print API: it orders a print and reads the merged queue, nothing else."""

from __future__ import annotations

from typing import Any

import aiohttp

from gateway.cli.demo_children import DemoFailed

#: Seconds for one answer.
ANSWER_WITHIN = 10.0


class ForgeApp:
    """What an app that was written for the closed service does, with only its base URL changed."""

    def __init__(self, url: str, token: str) -> None:
        self._root = f"{url}/ps/v1"
        self._headers = {"Authorization": f"Bearer {token}"}

    async def order(self, printer_id: int, printable_id: str, name: str) -> str:
        """POST /print/printers/:printer_id/jobs; the job's id."""
        body = {"printable_id": printable_id, "job_name": name}
        receipt = await self._call("POST", f"/print/printers/{printer_id}/jobs", json=body)
        return str(receipt["job_id"])

    async def jobs(self) -> list[dict[str, Any]]:
        """GET /print/jobs: all of the member's jobs."""
        listed = await self._call("GET", "/print/jobs", params={"limit": "-1"})
        return list(listed["jobs"])

    async def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        within = aiohttp.ClientTimeout(total=ANSWER_WITHIN)
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=within) as session,
                session.request(method, self._root + path, **arguments) as response,
            ):
                answer: dict[str, Any] = await response.json()
                if response.status != 200:
                    refusal = f"{response.status} {answer.get('message')}"
                    raise DemoFailed(f"{method} /ps/v1{path}: {refusal}", "gateway")
                return answer
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise DemoFailed(f"{method} /ps/v1{path}: {error}", "gateway") from error
