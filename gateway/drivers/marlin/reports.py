"""What a printer looks like from outside: the parts of a snapshot that do not belong to a print."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gateway.domain.observations import (
    Activity,
    HeadPosition,
    LinkState,
    PrinterObserved,
    PrintPhase,
    PrintReport,
)
from gateway.drivers.marlin.prompts import PromptWatch
from gateway.protocol.marlin.link_events import LinkReady
from gateway.protocol.marlin.replies import (
    Area,
    Busy,
    Fault,
    FirmwareError,
    Killed,
    Position,
    Reply,
    Stopped,
    Temperature,
)

#: Seconds a `busy` counts: keepalive repeats it every two.
BUSY_SECONDS = 5.0

#: Millimetres beyond which a position is noise: ten spools of filament, told as one length.
POSITION_MAX = 4e6

#: Readings of one printer; more of them are names that damaged lines invented.
HEATERS_MAX = 64

_ACTIVITY = {
    PrintPhase.STARTING: Activity.PRINTING,
    PrintPhase.PRINTING: Activity.PRINTING,
    PrintPhase.PAUSED: Activity.PAUSED,
    PrintPhase.HELD: Activity.PAUSED,
}


def _head(axes: Mapping[str, float]) -> HeadPosition | None:
    """A position with all its axes; it comes without a checksum, and may be half of one or noise."""
    if not axes.keys() >= {"X", "Y", "Z", "E"} or any(abs(value) > POSITION_MAX for value in axes.values()):
        return None
    return HeadPosition(axes["X"], axes["Y"], axes["Z"], axes["E"])


class MachineView:
    """Link, activity, temperatures and words of one printer."""

    def __init__(self, printer: str) -> None:
        self.printer = printer
        self.link = LinkState.DOWN
        self.link_reason: str | None = None
        self.message: str | None = None
        self.firmware: str | None = None
        self.heard_at: float | None = None
        self.was_up = False
        self.reports_temperatures = False
        self.reports_card = self.reports_position = False
        self.capabilities: Mapping[str, bool] = {}
        self.prompts = PromptWatch()
        self.height: float | None = None  # mm, by M115
        self._position: HeadPosition | None = None
        self._temperatures: dict[str, float] = {}
        self._temperatures_at: float | None = None
        self._targets: list[Mapping[str, float]] = []  # of the last two reports that name any
        self._busy_until = 0.0
        self._waits_until = 0.0

    @property
    def temperatures(self) -> Mapping[str, float]:
        """The last reading of each sensor and target in degrees Celsius, as snapshots name them."""
        return self._temperatures

    @property
    def agreed_targets(self) -> Mapping[str, float] | None:
        """What the heaters are set to, in degrees Celsius, if the last two reports say the same.

        A report comes without a checksum: `/5.00` and `/500` are one lost byte apart from `/50.0`.
        """
        targets = self._targets
        return targets[0] if len(targets) == 2 and targets[0] == targets[1] else None

    def waits_for_person(self, now: float) -> bool:
        """Whether the firmware blocks until somebody presses its button (or M108 comes)."""
        return now < self._waits_until

    def stands(self) -> None:
        """Proven to be done with everything: an older `busy` says nothing any more."""
        self._busy_until = self._waits_until = 0.0
        self.prompts.clear()

    def came_up(self, ready: LinkReady) -> None:
        """The handshake is done."""
        self.link, self.link_reason, self.was_up = LinkState.UP, None, True
        self.message = None
        self.prompts.clear()  # while it waits for an answer no firmware takes part in a handshake
        self.firmware = ready.firmware
        capabilities = self.capabilities = ready.capabilities
        self.reports_temperatures = ready.is_numbered and capabilities.get("AUTOREPORT_TEMP", False)
        self.reports_card = ready.is_numbered and capabilities.get("AUTOREPORT_SD_STATUS", False)
        is_asked = ready.is_numbered and ready.profile.report_position is not None
        self.reports_position = is_asked and capabilities.get("AUTOREPORT_POS", False)
        self._position = None

    def went_down(self, reason: str) -> None:
        """No connection; `reason` is for people."""
        self.link, self.link_reason = LinkState.DOWN, reason
        self._temperatures, self._temperatures_at = {}, None
        self._position = None
        self._targets = []
        self._busy_until = 0.0
        self.prompts.clear()

    def hear(self, reply: Reply, now: float) -> None:
        """Learn from a reply."""
        if isinstance(reply, Temperature):
            self._temperatures_at = now
            if targets := {name: value for name, value in reply.readings.items() if "_target" in name}:
                self._targets = [*self._targets[-1:], targets]
            self._temperatures = {**self._temperatures, **reply.readings}
            if len(self._temperatures) > HEATERS_MAX:
                self._temperatures = dict(reply.readings)
            if self.link is LinkState.CONNECTING and reply.is_waiting:
                self.link_reason = "The printer is heating and answers afterwards."
        elif isinstance(reply, Busy):
            self._busy_until = now + BUSY_SECONDS
            self._waits_until = self._busy_until if reply.waits_for_person else 0.0
            if self.link is LinkState.CONNECTING:
                self.link_reason = (
                    "The printer waits for somebody to press its knob or button, and answers afterwards."
                    if reply.waits_for_person
                    else f"The printer is busy ({reply.kind}) and answers afterwards."
                )
        elif isinstance(reply, FirmwareError | Fault | Killed | Stopped):
            self.message = reply.text
        elif isinstance(reply, Position):
            if self.reports_position:  # else a single answer would stand for hours
                self._position = _head(reply.axes) or self._position
        elif isinstance(reply, Area):
            self.height = reply.height
        else:
            self.prompts.hear(reply)

    def observed(
        self,
        now: float,
        *,
        current: PrintReport | None,
        ended: tuple[PrintReport, ...],
        is_halted: bool,
        is_macro_running: bool,
    ) -> PrinterObserved:
        """The snapshot."""
        return PrinterObserved(
            printer=self.printer,
            link=self.link,
            link_reason=self.link_reason,
            activity=self._activity(now, current, is_halted=is_halted, is_macro_running=is_macro_running),
            message=self.message,
            firmware=self.firmware,
            current=current,
            ended=ended,
            temperatures=MappingProxyType(dict(self._temperatures)),
            temperature_age=None if self._temperatures_at is None else max(0.0, now - self._temperatures_at),
            position=self._position,
            prompt=self.prompts.shown,
            silent_for=None if self.heard_at is None else max(0.0, now - self.heard_at),
        )

    def _activity(
        self, now: float, current: PrintReport | None, *, is_halted: bool, is_macro_running: bool
    ) -> Activity | None:
        if is_halted:
            return Activity.ERROR
        if self.link is not LinkState.UP:
            return None
        if current is not None:
            return _ACTIVITY.get(current.phase, Activity.BUSY)
        return Activity.BUSY if is_macro_running or now < self._busy_until else Activity.READY
