"""Every fault there is, by name: what it does, on what occasion it can strike, and its settings.

An *occasion* is what a fault waits for and what a rate counts: a byte, a line, an ok, a refused line, a boot,
or a second of machine time. A fault with a direction exists twice: `byte-lost to-board`, `byte-lost to-host`.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, fields, replace

TO_BOARD, TO_HOST = "to-board", "to-host"


class Occasion(enum.Enum):
    """What a fault waits for; the value is the unit of its rate."""

    BYTE = "byte"
    LINE = "line with a blank in it"
    OK = "ok"
    REFUSAL = "refused line"
    BOOT = "boot"
    INSTANT = "second"


class NoSuchFault(ValueError):
    """No fault of this name, or a setting it does not have; the message is one line."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault with its settings; those a fault does not use stay at their defaults.

    direction: `to-board`, `to-host` or empty. seconds: how long it lasts. size: bytes concerned.
    what: the thing concerned (a heater, a file, a command code, a baud rate).
    """

    name: str
    direction: str = ""
    seconds: float = 0.0
    size: int = 0
    what: str = ""

    @property
    def label(self) -> str:
        """The name with its direction, as ledgers and plan files have it."""
        return f"{self.name} {self.direction}" if self.direction else self.name


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the catalogue. `settings`: those of Fault that mean something here, with their defaults."""

    occasion: Occasion
    does: str
    directions: tuple[str, ...] = ("",)
    settings: Fault = Fault("")


BOTH = (TO_BOARD, TO_HOST)
FOR_GOOD = math.inf


def _byte(does: str, directions: tuple[str, ...] = BOTH, **settings: float | str) -> Kind:
    return Kind(Occasion.BYTE, does, directions, Fault("", **settings))  # type: ignore[arg-type]


def _at(does: str, **settings: float | str) -> Kind:
    return Kind(Occasion.INSTANT, does, ("",), Fault("", **settings))  # type: ignore[arg-type]


KINDS: dict[str, Kind] = {
    # wire
    "byte-lost": _byte("one byte does not arrive"),
    "byte-flipped": _byte("one bit of a byte is turned over"),
    "byte-doubled": _byte("one byte arrives twice"),
    "byte-inserted": _byte("a byte that nobody sent arrives in front of another"),
    "line-corrupted": Kind(
        Occasion.LINE,
        "one bit of the byte behind the first blank is turned over: always seen by the checksum",
        (TO_BOARD,),
    ),
    "noise-at-boot": Kind(
        Occasion.BOOT, "random bytes in front of the banner", (TO_HOST,), Fault("", size=8)
    ),
    "half-line-then-silence": _byte("a line breaks off and nothing arrives for a time", seconds=3.0),
    "rx-overflow": _byte("bytes in a row are lost, as by a receive ring that ran over", (TO_BOARD,), size=20),
    "baud-mismatch": _at("both sides run at different rates for a time", seconds=2.0, what="250000"),
    "unplug": _at("the cable is pulled", seconds=FOR_GOOD),
    "unplug-and-return": _at("the cable is pulled and comes back as another device", seconds=5.0),
    "port-busy": _at("somebody else holds the port for a time: no host can open it", seconds=5.0),
    # protocol
    "ok-lost": Kind(Occasion.OK, "an ok line is never said", (TO_HOST,)),
    "ok-garbled": Kind(Occasion.OK, "one byte of an ok line is another", (TO_HOST,)),
    "ok-doubled": Kind(Occasion.OK, "an ok line is said twice", (TO_HOST,)),
    "ok-late": Kind(
        Occasion.OK, "an ok line, and all behind it, comes late", (TO_HOST,), Fault("", seconds=5.0)
    ),
    "report-in-mid-answer": Kind(
        Occasion.OK, "a temperature report is said in the middle of an ok line", (TO_HOST,)
    ),
    "resend-without-ok": Kind(Occasion.REFUSAL, "a Resend is not followed by its ok", (TO_HOST,)),
    "resend-repeated": Kind(Occasion.REFUSAL, "a refusal is said twice", (TO_HOST,)),
    "resend-long-gone": Kind(
        Occasion.REFUSAL, "a Resend asks for a line long gone", (TO_HOST,), Fault("", size=1000)
    ),
    "busy-for-minutes": _at("a dwell of the machine's own, with busy lines", seconds=180.0),
    "wait-for-ever": _at("the firmware says wait each second, whatever it does", seconds=60.0),
    "reset": _at("the board starts again: a start that nobody asked for"),
    "m110-ignored": _at("M110 is answered and sets nothing", seconds=FOR_GOOD),
    "unknown-command-echoed": _at("the parser does not know a command (any more)", what="M155"),
    "no-checksum-support": _at("line numbers and checksums are not looked at", seconds=FOR_GOOD),
    # machine
    "runaway": _at("thermal runaway: the firmware kills itself", what="E0"),
    "halt": _at("somebody presses the KILL button"),
    "filament-out": _at("the filament ends: host action, and M600 where the build has it"),
    "door": _at("somebody opens the door: the machine waits for a click"),
    "probe-dead": _at("the probe does not trigger: G29 fails at its next point"),
    "sd-removed": _at("the card is taken out"),
    "sd-full": _at("the card has no room left: nothing more can be written to it"),
    "panel-pause": _at("somebody pauses at the display"),
    "panel-resume": _at("somebody resumes at the display"),
    "panel-cancel": _at("somebody cancels at the display"),
    "panel-start": _at("somebody starts a file of the card at the display", what="A.GCO"),
    "heater-slow": _at("a heater has a quarter of its power", what="E0"),
    "heater-dead": _at("a heater gives no heat", what="E0"),
    "heater-open": _at("a sensor reads -15 degrees", what="E0"),
    "heater-short": _at("a sensor reads far too hot", what="E0"),
    "heater-runaway": _at("a heater has full power, whatever is ordered", what="E0"),
    "heater-drift": _at("a sensor slips out and reads less and less; the firmware heats on", what="E0"),
    "planner-starved": _at("only watched for: from now on each underrun is an entry `underrun`"),
    "silent": _at("the firmware neither reads nor speaks for a time", seconds=5.0),
    # time
    "slow-host": _at("what the machine says reaches the host late", seconds=1.0),
    "suspend": _at("the host sleeps: nothing passes in either direction for a time", seconds=30.0),
}


def fault_named(label: str, **settings: object) -> Fault:
    """A fault by its label (`ok-lost`, `byte-lost to-board`) and settings; raises NoSuchFault."""
    name, _, direction = label.partition(" ")
    kind = KINDS.get(name)
    if kind is None:
        raise NoSuchFault(f"no fault {name!r}; there are: {', '.join(sorted(KINDS))}")
    if not direction and len(kind.directions) == 1:
        direction = kind.directions[0]
    if direction not in kind.directions:
        wanted = " or ".join(f'"{name} {way}"'.replace(' "', '"') for way in kind.directions)
        raise NoSuchFault(f"{label!r}: say {wanted}")
    for key, value in settings.items():
        _check_setting(name, kind.settings, key, value)
    return replace(kind.settings, name=name, direction=_shown(kind, direction), **settings)  # type: ignore[arg-type]


def labels() -> list[str]:
    """Every label a plan may name, in the order of the catalogue."""
    return [
        f"{name} {way}" if len(kind.directions) > 1 else name
        for name, kind in KINDS.items()
        for way in kind.directions
    ]


def _shown(kind: Kind, direction: str) -> str:
    return direction if len(kind.directions) > 1 else ""


def _check_setting(name: str, defaults: Fault, key: str, value: object) -> None:
    known = [one.name for one in fields(Fault) if one.name not in ("name", "direction")]
    used = [one for one in known if getattr(defaults, one)]
    if key not in used:
        raise NoSuchFault(f"{name} has no setting {key!r}; there are: {', '.join(used) or 'none'}")
    good: object
    if key == "what":
        good = isinstance(value, str) and value != ""
    elif key == "size":
        good = isinstance(value, int) and not isinstance(value, bool) and value > 0
    else:
        good = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    if not good:
        raise NoSuchFault(f"{name}: {key} = {value!r} is not {'a word' if key == 'what' else 'more than 0'}")


def byte_lost(direction: str) -> Fault:
    """One byte does not arrive; `direction` is TO_BOARD or TO_HOST, as for all faults of bytes."""
    return fault_named(f"byte-lost {direction}")


def byte_flipped(direction: str) -> Fault:
    """One bit of a byte is turned over."""
    return fault_named(f"byte-flipped {direction}")


def byte_doubled(direction: str) -> Fault:
    """One byte arrives twice."""
    return fault_named(f"byte-doubled {direction}")


def byte_inserted(direction: str) -> Fault:
    """A byte that nobody sent."""
    return fault_named(f"byte-inserted {direction}")


def line_corrupted() -> Fault:
    """Damage to a numbered line that its checksum always shows."""
    return fault_named("line-corrupted")


def noise_at_boot(size: int = 8) -> Fault:
    """`size` random bytes in front of the banner."""
    return fault_named("noise-at-boot", size=size)


def half_line_then_silence(direction: str, seconds: float = 3.0) -> Fault:
    """A line breaks off, and what follows within `seconds` is lost too."""
    return fault_named(f"half-line-then-silence {direction}", seconds=seconds)


def rx_overflow(size: int = 20) -> Fault:
    """`size` bytes to the board lost in a row."""
    return fault_named("rx-overflow", size=size)


def baud_mismatch(seconds: float = 2.0, baud: int = 250_000) -> Fault:
    """The other side runs at `baud` while the board runs at 115200."""
    return fault_named("baud-mismatch", seconds=seconds, what=str(baud))


def unplug(seconds: float = FOR_GOOD) -> Fault:
    """The cable is out for `seconds`, and comes back as the same device."""
    return fault_named("unplug", seconds=seconds)


def unplug_and_return(seconds: float = 5.0) -> Fault:
    """The cable is out for `seconds`, and comes back as another device."""
    return fault_named("unplug-and-return", seconds=seconds)


def port_busy(seconds: float = 5.0) -> Fault:
    """No host can open the port for `seconds`."""
    return fault_named("port-busy", seconds=seconds)


def ok_lost() -> Fault:
    """One ok line is never said."""
    return fault_named("ok-lost")


def ok_garbled() -> Fault:
    """One byte of an ok line is another."""
    return fault_named("ok-garbled")


def ok_doubled() -> Fault:
    """One ok line is said twice."""
    return fault_named("ok-doubled")


def ok_late(seconds: float = 5.0) -> Fault:
    """One ok line, and all behind it, comes `seconds` late."""
    return fault_named("ok-late", seconds=seconds)


def report_in_mid_answer() -> Fault:
    """A temperature report is said in the middle of an ok line."""
    return fault_named("report-in-mid-answer")


def resend_without_ok() -> Fault:
    """`Resend:` comes, the ok behind it does not."""
    return fault_named("resend-without-ok")


def resend_repeated() -> Fault:
    """All three lines of a refusal come twice."""
    return fault_named("resend-repeated")


def resend_long_gone(size: int = 1000) -> Fault:
    """`Resend:` names a line `size` lines back (at least line 1)."""
    return fault_named("resend-long-gone", size=size)


def busy_for_minutes(seconds: float = 180.0) -> Fault:
    """The machine is busy with itself, and says so."""
    return fault_named("busy-for-minutes", seconds=seconds)


def wait_for_ever(seconds: float = 60.0) -> Fault:
    """`wait` each second for `seconds`."""
    return fault_named("wait-for-ever", seconds=seconds)


def reset() -> Fault:
    """The board starts again in the middle of whatever it does."""
    return fault_named("reset")


def m110_ignored() -> Fault:
    """M110 sets nothing from now on."""
    return fault_named("m110-ignored")


def unknown_command_echoed(code: str) -> Fault:
    """The parser does not know `code` from now on."""
    return fault_named("unknown-command-echoed", what=code)


def no_checksum_support() -> Fault:
    """Numbers and checksums are not looked at from now on."""
    return fault_named("no-checksum-support")


def silent(seconds: float) -> Fault:
    """The firmware hangs for `seconds`."""
    return fault_named("silent", seconds=seconds)


def heater_fault(kind: str, heater: str = "E0") -> Fault:
    """`kind`: slow, dead, open, short, runaway or drift; `heater`: E0 or bed."""
    return fault_named(f"heater-{kind}", what=heater)


def panel(press: str) -> Fault:
    """`press`: pause, resume or cancel."""
    return fault_named(f"panel-{press}")


def panel_start(name: str) -> Fault:
    """Somebody starts the file `name` of the card."""
    return fault_named("panel-start", what=name)


def runaway(heater: str = "E0") -> Fault:
    """Thermal runaway of `heater`."""
    return fault_named("runaway", what=heater)


def halt() -> Fault:
    """The KILL button."""
    return fault_named("halt")


def filament_out() -> Fault:
    """The filament ends."""
    return fault_named("filament-out")


def door() -> Fault:
    """The door is opened."""
    return fault_named("door")


def probe_dead() -> Fault:
    """The probe does not trigger any more."""
    return fault_named("probe-dead")


def sd_removed() -> Fault:
    """The card is taken out."""
    return fault_named("sd-removed")


def sd_full() -> Fault:
    """The card takes nothing more."""
    return fault_named("sd-full")


def planner_starved() -> Fault:
    """Watch the planner: each underrun becomes an entry."""
    return fault_named("planner-starved")


def slow_host(seconds: float = 1.0) -> Fault:
    """What the machine says within `seconds` is read at their end."""
    return fault_named("slow-host", seconds=seconds)


def suspend(seconds: float = 30.0) -> Fault:
    """The host's computer sleeps."""
    return fault_named("suspend", seconds=seconds)
