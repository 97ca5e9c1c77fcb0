"""What the demo does besides printing: an export that an app asks for, and a schedule that runs once.

Each is done and looked at through the API that its clients know, and read as such a client reads it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.cli.demo_http import Http
from gateway.cli.demo_people import Credentials, basic
from gateway.cli.demo_place import Place
from gateway.cli.demo_proof import executed
from gateway.cli.demo_waiting import until
from gateway.cli.demo_words import Said
from gateway.client.models import Stack
from gateway.client.native import GatewayClient

#: The stack of the demo's serial printers, and its schedule: a greeting on their displays, every morning;
#: whoever runs it by hand may give another one, of one word.
STACK, SCHEDULE = "marlins", "good morning"
GREETING, MORNING = "Good morning", "0 7 * * *"
#: Seconds until an export of three prints, or a run of one line, is done.
DONE_WITHIN = 20.0
_EXPORT = {"kind": "history-export", "name": "everything printed"}


class Work:
    """One demo's export and schedule."""

    def __init__(self, place: Place, shown: Credentials) -> None:
        self._place = place
        self._shown = shown
        self._keyless = Http("", {})
        self._app = Http("", _bearer(shown.conversio_app))
        self._ops = Http(place.url, _bearer(shown.cloud66))

    async def do(self, owner: GatewayClient, queue: Sequence[Mapping[str, Any]]) -> tuple[Stack, Said]:
        """All of it; `queue` is the Forge API's. The stack, and what every API says of it then."""
        stack = await self._schedule(owner)
        action = await self._run(stack)
        link = (await self._export(self._app, _bearer(self._shown.conversio_app))).get("result", "")
        await self._export_of_school()
        return stack, Said(
            forge=queue,
            greenarrow=await self._listed(self._shown.greenarrow_admin),
            school=await self._listed(self._shown.greenarrow_org),
            conversio=(await self._app.ask("GET", f"{self._place.url}/api/v1/async-jobs")).json()["data"],
            cloud66=await self._jobs(stack),
            action=action,
            exported=await self._rows(link),
            greeted={machine.name: _greetings(machine.ledger) for machine in self._place.machines},
        )

    async def _schedule(self, owner: GatewayClient) -> Stack:
        stack = await owner.stacks.add(STACK, [machine.name for machine in self._place.machines], None)
        wanted = {"name": SCHEDULE, "type": "GcodeMacroJob", "stack": stack.id, "cron": MORNING}
        await owner.schedules.add({**wanted, "params": {"gcode": [f"M117 {{1={GREETING}}}"]}})
        return stack

    async def _run(self, stack: Stack) -> dict[str, Any]:
        """Through Cloud 66's API: the stack's one job, now; its action when that is over."""
        (job,) = await self._jobs(stack)
        run = f"/stacks/{stack.id}/jobs/{job['uid']}/run_now.json"
        action = (await self._ops.ask("POST", run)).json()["response"]

        async def ended() -> dict[str, Any] | None:
            path = f"/stacks/{stack.id}/actions/{action['id']}.json"
            seen: dict[str, Any] = (await self._ops.ask("GET", path)).json()["response"]
            return None if seen["finished_at"] is None else seen

        return await until("the run of the schedule did not end", "gateway", ended, within=DONE_WITHIN)

    async def _jobs(self, stack: Stack) -> list[dict[str, Any]]:
        listed = (await self._ops.ask("GET", f"/stacks/{stack.id}/jobs.json")).json()
        return list(listed["response"])

    async def _export(self, poll: Http, may: Mapping[str, str]) -> dict[str, Any]:
        """A task through the gateway's own API; polled where its answer says, in Conversio's words."""
        native = Http(self._place.url, may)
        made = await native.ask("POST", "/gateway/v1/tasks", status=202, json=_EXPORT)

        async def over() -> dict[str, Any] | None:
            seen: dict[str, Any] = (await poll.ask("GET", made.headers["Location"])).json()["data"]
            return None if seen["status"] == "pending" else seen

        return await until("the export was not done", "gateway", over, within=DONE_WITHIN)

    async def _export_of_school(self) -> None:
        """The other organization has work of its own, so that there is something to keep apart."""
        token = self._shown.greenarrow_org.partition(":")[2]
        await self._export(Http("", {"X-ApiKey": token}), _bearer(token))

    async def _rows(self, link: str) -> tuple[dict[str, str], ...]:
        """The result file, which its address lets anybody read."""
        text = (await self._keyless.ask("GET", link)).text if link else ""
        return tuple(csv.DictReader(text.splitlines()))

    async def _listed(self, pair: str) -> list[dict[str, Any]]:
        api = Http(self._place.url, basic(pair))
        return list((await api.ask("GET", "/ga/api/v2/jobs/all")).json()["data"])


def _greetings(ledger: Path) -> int:
    with ledger.open(encoding="utf-8") as entries:
        return sum(line == f"M117 {GREETING}" for line in executed(entries, "host"))


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
