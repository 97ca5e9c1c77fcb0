"""Printers that call in under the contract: an Ember behind real HTTP, its driver inside a gateway.

One driver object serves all printers of the kind, and they fetch their prints from the gateway. So the stand
is a whole gateway: its engine has a job for every start, as the journal would, and its own orders are
swallowed: only the test's reach the driver.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

from gateway.domain.call_in_commands import RegisterPrinter
from gateway.domain.job import Job, JobStatus
from gateway.domain.observations import LinkState, PrinterObserved
from gateway.domain.orders import Order, StartPrint
from gateway.domain.printer_command import PrinterCommand
from tests.contract.stand import MARK, Stand, Traits
from tests.support.forge_town import CODE_SECONDS, ForgeTown
from tests.support.stand import ANA, BEN

LAYERS = 20
PART = b"".join(b";LAYER:%d\nG1 X%d Y5 E1\n" % (layer, layer % 90) for layer in range(LAYERS))
SPEED = 0.1  # of the machine: ten seconds a layer, for longer than a printer's silence is noticed
#: Commands that the printer was given about prints, beside the start.
ABOUT_PRINTS = frozenset({"pause", "resume", "cancel"})


class ForgeMember(Stand):
    """An Ember of Ana's, registered before the test begins."""

    traits: ClassVar[Traits] = Traits(
        prints_by_itself=True,
        cuts=("network",),
        takes_gcode=False,
        takes_uploads=False,
        has_emergency_stop=False,
        own_command="home",
        tells_past_ends=False,
    )

    look: ClassVar[float] = 0.5  # each costs a real moment: there are sockets

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.town = ForgeTown(folder, "ember", speed=SPEED, overhear=self.sink, pass_on=lambda order: False)
        self._journaled: set[str] = set()
        self._is_cut = False
        self._has_printer = False
        self._is_up = False

    async def __aenter__(self) -> Self:
        await self.town.__aenter__()
        self._has_printer = self._is_up = True
        code = await self.town.printer.code(CODE_SECONDS)
        await self.town.give(RegisterPrinter(ANA.member_id, code, "ember"))
        self.printer = self.town.row.name
        if self._is_cut:
            self.town.printer.panel.silence()
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._is_up:
            await self.raise_host()  # the town ends what it began
        await self.town.__aexit__()

    async def kill_host(self) -> None:
        await self.town.kill_gateway()
        self._is_up = False

    async def raise_host(self) -> None:
        await self.town.start_gateway()
        self._is_up = True

    def give_order(self, order: Order) -> None:
        self.town.host.call_ins.driver.submit(order)

    def start_order(self, path: Path, key: str = MARK, *, order_id: str | None = None) -> StartPrint:
        return replace(super().start_order(path, key, order_id=order_id), settings={"Settings": {}})

    async def submit(self, order: Order) -> None:
        if isinstance(order, StartPrint) and Path(order.path).is_file():
            await self._journal_start(order)
        elif not isinstance(order, StartPrint):
            await self._journal_command(order)
        await super().submit(order)

    async def _journal_command(self, order: Order) -> None:
        """A command; its number is known when the printer acknowledges it."""
        command = PrinterCommand(
            order.order_id, self.town.row.printer_id, None, type(order).__name__, ANA.member_id,
            self.town.clock.wall(),
        )  # fmt: skip
        await self.town.host.change(lambda draft: draft.put_command(command))

    async def _journal_start(self, order: StartPrint) -> None:
        """The job of a start, committed as the engine does it, and its file."""
        is_taken = any(job.is_on_printer for job in self.town.host.engine.state.jobs.values())
        if order.key in self._journaled or is_taken:
            return  # the engine sends no start to a printer that has a print
        self._journaled.add(order.key)
        upload = await self.town.host.files.begin()
        await upload.write(Path(order.path).read_bytes())
        sha256, size = await upload.finish()
        now = self.town.clock.wall()
        job = Job(
            0, order.job_id, order.name, BEN.member_id, 1, now, JobStatus.SENT, now,
            printer_id=self.town.row.printer_id, print_key=order.key, attempts=1, file_sha256=sha256,
            file_name=order.name, file_size=size,
        )  # fmt: skip
        await self.town.host.put_jobs(job)

    def snapshot(self) -> PrinterObserved:
        mine = [shot for shot in self.seen if shot.printer == self.printer]
        return mine[-1] if mine else PrinterObserved(self.printer, LinkState.DOWN)

    def check_alive(self) -> None:
        """The town's own waiting does."""

    def panel_start(self) -> None:
        self.town.printer.panel.start_local("Vase.stl", 12)

    def cut(self, name: str) -> None:
        self._is_cut = True
        if self._has_printer:
            self.town.printer.panel.silence()

    def mend(self, name: str) -> None:
        self._is_cut = False
        self.town.printer.panel.speak()

    def reset_machine(self) -> None:
        self.town.printer.power_cycle()

    def print_file(self, name: str = "part") -> Path:
        path = self.folder / f"{name}.tar.gz"
        path.write_bytes(PART)
        return path

    def program(self) -> list[str]:
        return [str(layer) for layer in range(1, LAYERS + 1)]

    def moves(self) -> list[str]:
        layers = self.town.printer.ledger.events("layer")
        return [str(deed.facts["layer"]) for deed in layers if not (deed.job or "").startswith("local_")]

    def physical_starts(self) -> list[str]:
        begun = self.town.printer.ledger.events("print_started")
        return ["panel" if deed.source == "panel" else "gateway" for deed in begun]

    def interventions(self) -> list[str]:
        told = self.town.printer.ledger.events("message")
        return [str(deed.facts["command"]) for deed in told if deed.facts["command"] in ABOUT_PRINTS]

    def obeyed(self) -> list[str]:
        told = self.town.printer.ledger.events("message")
        return [
            word for deed in told if (word := str(deed.facts["command"])) not in {*ABOUT_PRINTS, "print_data"}
        ]

    def is_still(self) -> bool:
        return self.town.printer.machine.printer_status in ("ready", "paused", "busy")

    def is_stopped(self) -> bool:
        return False

    def stored(self) -> dict[str, bytes]:
        return {}

    def is_same(self, stored: bytes, content: bytes) -> bool:
        return stored == content

    def is_uploading(self) -> bool:
        return False
