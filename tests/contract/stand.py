"""The neutral stand: what the contract suite needs of a driver kind, and how it judges by the machine.

A kind joins with a subclass of `Stand` (a driver with a simulated machine at its other end, on virtual time)
and a line in `conftest.MEMBERS`. Orders, waiting and bookkeeping are here; a subclass says how its driver is
begun and what its machine did. What a kind cannot have it declares in `Traits`: the suite then asserts that
the refusal is what happens.

    async with BambuStand(folder) as stand:        # driver and machine are up
        await stand.ready()
        await stand.start(stand.print_file())      # keys are UUIDs, as the engine's marks are
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == stand.program()
        assert stand.physical_starts() == ["gateway"]
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from firmware_sim.virtual_loop import VirtualLoop
from gateway.domain.observations import (
    LinkState,
    OrderAnswered,
    OrderProgressed,
    PrinterObserved,
    PrintPhase,
    PrintReport,
)
from gateway.domain.orders import (
    Acknowledge,
    CancelPrint,
    EmergencyStop,
    Order,
    PausePrint,
    ResumePrint,
    SendGcode,
    StartPrint,
    UploadFile,
)
from gateway.drivers.left import LeftPrint

#: The attempt's mark of a print the gateway orders, and of a second one; and of one that nobody ordered.
MARK: Final = "5a0b7c1e-0b5e-4d53-8f2a-000000000001"
SECOND: Final = "5a0b7c1e-0b5e-4d53-8f2a-000000000002"
OTHER: Final = "5a0b7c1e-0b5e-4d53-8f2a-00000000ffff"


def on_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a virtual-time loop."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


@dataclass(frozen=True, slots=True)
class Traits:
    """What is different from kind to kind. The suite asserts each of them, also what a kind has not."""

    #: The machine has the whole file: it prints on while the driver host is dead. False: the host feeds it.
    prints_by_itself: bool
    #: What can break between driver and machine: names for `cut` and `mend`.
    cuts: tuple[str, ...]
    takes_gcode: bool = True  # False: every SendGcode is refused with a sentence
    takes_uploads: bool = True  # False: every UploadFile is refused with a sentence
    has_emergency_stop: bool = True  # False: refused with a sentence that says how else
    own_command: str | None = (
        None  # one that an idle machine obeys; None: every Tell is refused with a sentence
    )
    #: A part of an upload may stay on the machine, under a name of its own, when the host died in it.
    #: False: the successor deletes it, or the machine never keeps a part.
    leaves_parts: bool = False
    #: The machine tells later how a print ended that nobody watched. False: such a print is held.
    tells_past_ends: bool = True
    #: A print that a machine's reset ended is held for a person. False: the machine says itself how it ended.
    is_held_after_reset: bool = True


class Stand(ABC):
    """One driver, one machine, and everything the driver said. Use as an async context."""

    traits: ClassVar[Traits]
    printer: str = "p1"  # name in the configuration
    look: ClassVar[float] = 0.05  # seconds between two looks of `until`

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: list[PrinterObserved] = []
        self.answers: list[OrderAnswered] = []
        self.progress: list[OrderProgressed] = []
        self._order_ids = 0
        self._starts: dict[str, StartPrint] = {}  # by key, as the engine has them in its journal
        self._acknowledged: set[str] = set()

    # -- what a kind says: life ---------------------------------------------------------------------------

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Machine and driver are begun; `cut` may have been called before."""

    @abstractmethod
    async def __aexit__(self, *_: object) -> None:
        """Both end. Raises what the driver died of."""

    @abstractmethod
    async def kill_host(self) -> None:
        """The driver host is gone, at once (`run` is cancelled); the machine lives on."""

    @abstractmethod
    async def raise_host(self) -> None:
        """A new driver host with what survives the former one: line record, `left()`, ... of the kind."""

    # -- what a kind says: the driver ---------------------------------------------------------------------

    @abstractmethod
    def give_order(self, order: Order) -> None:
        """`submit` of the driver."""

    @abstractmethod
    def snapshot(self) -> PrinterObserved:
        """`snapshot` of the driver."""

    @abstractmethod
    def check_alive(self) -> None:
        """Raise what the driver died of; called while waiting."""

    # -- what a kind says: people and accidents -----------------------------------------------------------

    @abstractmethod
    def panel_start(self) -> None:
        """Somebody starts a print at the machine: a file of its own, of some minutes."""

    @abstractmethod
    def cut(self, name: str) -> None:
        """Break one of `traits.cuts`: nothing passes, nothing is said. It may be broken already."""

    @abstractmethod
    def mend(self, name: str) -> None:
        """It is whole again."""

    @abstractmethod
    def reset_machine(self) -> None:
        """Its power fails for a moment: what it printed is gone."""

    # -- what a kind says: the truth, from the machine's ledger -------------------------------------------

    @abstractmethod
    def print_file(self, name: str = "part") -> Path:
        """A file of the kind in `folder`, of a print of 2 to 10 minutes."""

    def upload_file(self) -> Path:
        """A file whose upload takes longer than a look of `until`."""
        return self.print_file("upload")

    @abstractmethod
    def program(self) -> list[str]:
        """The moves (or layers) of `print_file`, in order, as `moves` tells them."""

    @abstractmethod
    def moves(self) -> list[str]:
        """Moves (or layers) of prints the gateway ordered that the machine executed, in order."""

    @abstractmethod
    def physical_starts(self) -> list[str]:
        """One entry for every start of a print on the machine, in order: `gateway` or `panel`."""

    @abstractmethod
    def interventions(self) -> list[str]:
        """What the machine was told, by the driver, to pause, resume, stop or cool a print, in its words."""

    def obeyed(self) -> list[str]:
        """Commands in the machine's own words that it carried out, in order; a kind without any has none."""
        return []

    @abstractmethod
    def is_still(self) -> bool:
        """Whether the machine stands: no move is under way or waits in it."""

    @abstractmethod
    def is_stopped(self) -> bool:
        """Whether an emergency stop has been executed."""

    @abstractmethod
    def stored(self) -> dict[str, bytes]:
        """The files on the machine's storage."""

    @abstractmethod
    def is_same(self, stored: bytes, content: bytes) -> bool:
        """Whether a stored file is all of what was uploaded (a kind may keep it without comments)."""

    @abstractmethod
    def is_uploading(self) -> bool:
        """Whether the machine has a part, and not all, of a file under way to its storage."""

    # -- the sink -----------------------------------------------------------------------------------------

    def sink(self, fact: object) -> None:
        """Where the driver's facts go."""
        if isinstance(fact, OrderAnswered):
            self.answers.append(fact)
        elif isinstance(fact, OrderProgressed):
            self.progress.append(fact)
        elif isinstance(fact, PrinterObserved):
            self.seen.append(fact)

    def left(self) -> list[LeftPrint]:
        """What the journal would tell a successor: prints that were sent or seen, and are not over."""
        shots = [self.snapshot()] if not self.seen else self.seen
        over = {end.key for shot in shots for end in shot.ended} | self._acknowledged
        refused = {answer.order_id for answer in self.answers if answer.result.value == "refused"}
        reports = {shot.current.key: shot.current for shot in shots if shot.current is not None}
        for key, start in self._starts.items():
            if start.order_id not in refused and key not in reports:
                reports[key] = PrintReport(key, PrintPhase.STARTING, is_local=False, name=start.name)
        seen = {shot.current.key for shot in shots if shot.current is not None}
        return [
            LeftPrint(
                key=report.key,
                is_local=report.is_local,
                phase=report.phase if report.key in seen else None,
                is_held=report.phase is PrintPhase.HELD,
                name=report.name or "",
                file_name=report.name if report.is_local else None,
                progress=report.progress,
                message=report.message if report.phase is PrintPhase.HELD else None,
                started_at=None,
            )
            for report in reports.values()
            if report.key not in over
        ]

    # -- waiting ------------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], object], seconds: float = 600.0) -> None:
        """Wait for a condition; fails with the last snapshot when it does not come."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            self.check_alive()
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"waited {seconds} s in vain; last: {self.snapshot()}")
            await asyncio.sleep(self.look)

    async def ready(self, seconds: float = 600.0) -> None:
        """Linked, its activity is known, and nothing would keep a job from it."""

        def is_ready() -> bool:
            shot = self.snapshot()
            return shot.link is LinkState.UP and shot.activity is not None and shot.obstacle is None

        await self.until(is_ready, seconds)

    def reports(self) -> list[PrintReport]:
        """The prints the driver tells of now, ended ones first."""
        shot = self.snapshot()
        return [*shot.ended, *([shot.current] if shot.current else [])]

    async def phase(self, *phases: PrintPhase, seconds: float = 600.0) -> PrintReport:
        """Wait until the current or an ended print is in one of the phases; its report."""

        def found() -> PrintReport | None:
            return next((report for report in self.reports() if report.phase in phases), None)

        await self.until(lambda: found() is not None, seconds)
        report = found()
        assert report is not None
        return report

    async def answered(self, order_id: str, seconds: float = 600.0) -> OrderAnswered:
        """The one answer to an order."""
        await self.until(lambda: any(answer.order_id == order_id for answer in self.answers), seconds)
        [mine] = [answer for answer in self.answers if answer.order_id == order_id]
        return mine

    async def moved(self, share: float, prints: int = 0) -> None:
        """Wait until the machine has executed this share (0..1) of `program`, behind whole `prints`."""
        wanted = (prints + share) * len(self.program())
        await self.until(lambda: len(self.moves()) >= wanted)

    # -- orders -------------------------------------------------------------------------------------------

    def new_order_id(self) -> str:
        self._order_ids += 1
        return f"00000000-0000-4000-9000-{self._order_ids:012d}"

    async def submit(self, order: Order) -> None:
        """Hand over an order, as the engine does after its commit; its answer is not waited for."""
        if isinstance(order, StartPrint):
            self._starts.setdefault(order.key, order)
        self.give_order(order)

    async def give(self, order: Order, seconds: float = 600.0) -> OrderAnswered:
        """Submit and wait for the answer."""
        await self.submit(order)
        return await self.answered(order.order_id, seconds)

    def start_order(self, path: Path, key: str = MARK, *, order_id: str | None = None) -> StartPrint:
        """A start; its order id is its key, as the engine's are, unless it is given."""
        content = path.read_bytes() if path.is_file() else b""
        return StartPrint(
            self.printer, order_id or key, key, str(path), hashlib.sha256(content).hexdigest(),
            len(content), path.name, job_id=key,
        )  # fmt: skip

    def upload_order(self, path: Path) -> UploadFile:
        content = path.read_bytes()
        return UploadFile(
            self.printer, self.new_order_id(), str(path), hashlib.sha256(content).hexdigest(),
            len(content), path.name,
        )  # fmt: skip

    async def start(self, path: Path, key: str = MARK, *, order_id: str | None = None) -> OrderAnswered:
        return await self.give(self.start_order(path, key, order_id=order_id))

    async def pause(self, expect: str = MARK) -> OrderAnswered:
        return await self.give(PausePrint(self.printer, self.new_order_id(), expect))

    async def resume(self, expect: str = MARK) -> OrderAnswered:
        return await self.give(ResumePrint(self.printer, self.new_order_id(), expect))

    async def cancel(self, expect: str = MARK) -> OrderAnswered:
        return await self.give(CancelPrint(self.printer, self.new_order_id(), expect))

    async def emergency(self) -> OrderAnswered:
        return await self.give(EmergencyStop(self.printer, self.new_order_id()))

    async def gcode(self, *lines: str) -> OrderAnswered:
        return await self.give(SendGcode(self.printer, self.new_order_id(), lines))

    async def upload(self, path: Path) -> OrderAnswered:
        return await self.give(self.upload_order(path), 3600.0)

    def acknowledge(self, key: str) -> None:
        """The engine has committed the end of this print."""
        self._acknowledged.add(key)
        self.give_order(Acknowledge(self.printer, self.new_order_id(), key))
