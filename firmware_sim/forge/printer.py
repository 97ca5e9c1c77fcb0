"""A whole printer that calls in, on an asyncio loop: real, or a VirtualLoop beside the gateway.

    async with ForgePrinter("ember", "http://127.0.0.1:8080/v1", AiohttpWeb(session), speed=50) as printer:
        code = await printer.code()            # a member registers it with this
        await printer.until(lambda: printer.ledger.count("completed"))
        assert printer.ledger.starts() == [job_id]

What a person does at the machine is `printer.panel`, what goes wrong on the way is `faults`, and what really
happened is `printer.ledger`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any

from firmware_sim.forge.acts import (
    Act,
    Disconnect,
    Download,
    Downloaded,
    Post,
    Reboot,
    Subscribe,
    Unsubscribe,
    UploadLogs,
)
from firmware_sim.forge.browser import BrowserFirmware
from firmware_sim.forge.cable import Cable
from firmware_sim.forge.documented import DocumentedFirmware
from firmware_sim.forge.ear import Ear, faye_url
from firmware_sim.forge.errands import download, upload_logs
from firmware_sim.forge.firmware import Firmware
from firmware_sim.forge.identity import IdentityFile
from firmware_sim.forge.ledger import CallInLedger
from firmware_sim.forge.machine import Machine
from firmware_sim.forge.mailbox import Mailbox
from firmware_sim.forge.network_faults import NetworkFaults
from firmware_sim.forge.panel import Panel
from firmware_sim.forge.personality import CallInPersonality, load_call_in_personality
from firmware_sim.forge.smith import SmithFirmware
from firmware_sim.forge.web import Web

MANNERS: dict[str, type[Firmware]] = {
    "browser": BrowserFirmware,
    "documented": DocumentedFirmware,
    "smith": SmithFirmware,
}
LOOK_SECONDS = 0.5
"""How often `until` looks besides each turn of the printer."""


class ForgePrinter:
    """One printer. `url` is the firmware's base URL (`http://host:port/v1`), `faye` its Bayeux endpoint.

    state: file that keeps the identity over a restart. speed: of loading, layers and the shown end; pings and
    retries keep real time, as the server's patience does. say: told each new text of the display.
    """

    def __init__(
        self,
        personality: str | CallInPersonality,
        url: str,
        web: Web,
        *,
        faye: str | None = None,
        state: Path | None = None,
        ledger: CallInLedger | None = None,
        speed: float = 1.0,
        seed: int = 0,
        transport: str = "long-polling",
        faults: NetworkFaults | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Raises UnknownPersonality, BadPersonality, BadIdentity."""
        if isinstance(personality, str):
            personality = load_call_in_personality(personality)
        self.personality = personality
        self.ledger = ledger if ledger is not None else CallInLedger()
        self.faults = faults or NetworkFaults()
        self.cable = Cable(web)
        self.machine = Machine(personality, self.ledger, speed)
        manner = MANNERS[personality.manner]
        self.firmware = manner(self.machine, IdentityFile(state), Random(f"forge {seed}"))
        self.panel = Panel(self)
        self._say = say
        self._said = ""
        self._mailbox = Mailbox(self, url)
        self._ear = Ear(self, transport, faye or faye_url(url))
        self._stirred = asyncio.Event()
        self._turned = asyncio.Event()
        self._boot_at: float | None = 0.0
        self.boots = 0
        """How often it was switched on."""
        self._began: float | None = None
        self._group: asyncio.TaskGroup | None = None
        self._running: asyncio.Task[None] | None = None

    # -- life ---------------------------------------------------------------------------------------------

    async def __aenter__(self) -> ForgePrinter:
        self._running = asyncio.create_task(self.run(), name=f"forge printer {self.personality.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        if not self._running.cancelled() and (died_of := self._running.exception()) is not None:
            raise died_of

    async def run(self) -> None:
        """Switch on and live until cancelled."""
        self._began = asyncio.get_running_loop().time()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._mailbox.deliver())
                while True:
                    self._turn()
                    await self._rest()
        finally:
            self._group = None

    def now(self) -> float:
        """Seconds since the printer runs."""
        if self._began is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._began

    def stir(self) -> None:
        """Something has changed: look again."""
        self._stirred.set()

    def spawn(self, errand: Coroutine[Any, Any, None]) -> None:
        """A task that dies with the printer."""
        assert self._group is not None
        self._group.create_task(errand)

    # -- waiting for it -----------------------------------------------------------------------------------

    @property
    def printer_id(self) -> int | None:
        """As the server gave it."""
        return self.firmware.identity.printer_id

    @property
    def auth_token(self) -> str | None:
        """As the server gave it."""
        return self.firmware.identity.auth_token

    @property
    def has_told_all(self) -> bool:
        """Whether everything it has to say was posted and answered."""
        return not (self.machine.changes or self.firmware.acts or self._mailbox.is_busy)

    @property
    def is_on(self) -> bool:
        """Whether it has power and has booted."""
        return self._boot_at is None

    async def code(self, seconds: float = 120.0) -> str:
        """The registration code, once it is shown and the printer hears of its owner. Raises TimeoutError."""
        events = ("subscribed", "subscription_refused")
        await self.until(lambda: self.firmware.panel_text and self.ledger.events(*events), seconds)
        return self.firmware.panel_text

    async def until(self, is_so: Callable[[], object], seconds: float | None = 3600.0) -> None:
        """Let time pass until something is so. Raises TimeoutError, and what the printer died of."""
        async with asyncio.timeout(seconds):
            while not is_so():
                if self._running is not None and self._running.done():
                    await self._running
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._turned.wait()

    # -- power --------------------------------------------------------------------------------------------

    def power_cycle(self, seconds: float | None = None) -> None:
        """Off and on again; what was under way breaks off, what was printing is gone."""
        now = self.now()
        self.machine.advance(now)
        self.machine.power_off(now)
        self._mailbox.clear()
        self.firmware.acts.clear()
        self._ear.vanish()
        self.cable.cut()
        self._boot_at = now + (self.personality.boot_seconds if seconds is None else seconds)
        self.stir()

    # -- the crank ----------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Everything that is due now; whoever waits looks again."""
        self._turned.set()
        self._turned = asyncio.Event()
        now = self.now()
        if self._boot_at is not None:
            if now < self._boot_at:
                return
            self._boot_at = None
            self.boots += 1
            self.machine.power_on(now)
            self.firmware.switch_on(now)
        self.firmware.advance(now)
        self._strike_by_layer(now)
        self._ear.hear(now)
        while self.firmware.acts:
            self._perform(self.firmware.acts.popleft(), now)
        if self._boot_at is not None:
            return  # the power failed in this very turn
        self._ear.send(now)
        if self.firmware.panel_text != self._said:
            self._said = self.firmware.panel_text
            self._say(self._said)

    async def _rest(self) -> None:
        """Sleep until something is due or somebody stirs."""
        if self._boot_at is not None:
            due: float | None = self._boot_at
        else:
            waits = (self.firmware.next_deadline(), self._ear.client.next_deadline())
            due = min((at for at in waits if at is not None), default=None)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if due is None else max(due - self.now(), 0.0)):
                await self._stirred.wait()
        self._stirred.clear()

    def _perform(self, act: Act, now: float) -> None:
        match act:
            case Post() | Reboot():
                self._mailbox.put(act)
            case Subscribe(channel, ext):
                self._ear.client.subscribe(channel, ext, now)
            case Unsubscribe(channel):
                self._ear.client.unsubscribe(channel)
            case Disconnect():
                self._ear.client.disconnect()
                self._mailbox.clear()
            case Download():
                self.spawn(self._download(act))
            case UploadLogs():
                self.spawn(self._upload(act))

    def _strike_by_layer(self, now: float) -> None:
        """A power failure comes when a layer is done."""
        while self.machine.finished_layers:
            layer = self.machine.finished_layers.popleft()
            for fault in self.faults.strikes("layer", now, layer=layer).values():
                self.ledger.append(now, "fault", "chance", name=fault.name, seconds=fault.seconds)
                self.power_cycle(fault.seconds)

    # -- errands ------------------------------------------------------------------------------------------

    async def _download(self, act: Download) -> None:
        boot = self.boots
        result: Downloaded = await download(self.cable, act.url, act.redirects)
        job = act.command.get("job_id") or act.command.get("task_id")
        self.ledger.append(
            self.now(), "downloaded", "machine", job if isinstance(job, str) else None, url=act.url,
            status=result.status, bytes=result.size, sha256=result.sha256, layers=result.layers,
        )  # fmt: skip
        if boot == self.boots and self._boot_at is None:
            self.firmware.downloaded(act, result, self.now())
            self.stir()

    async def _upload(self, act: UploadLogs) -> None:
        boot = self.boots
        status = await upload_logs(self.cable, act.url)
        self.ledger.append(self.now(), "logs_uploaded", "machine", url=act.url, status=status)
        if boot == self.boots and self._boot_at is None:
            self.firmware.uploaded(act, status, self.now())
            self.stir()
