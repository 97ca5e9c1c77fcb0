"""What people are told of heat: what is wrong, what is done about it, what they should do.

Two ways to say it, by the stance: the printer is being stopped, or somebody must look.
"""

from __future__ import annotations

from typing import Final

from gateway.safety.heater import Trouble

#: Rules of alarms, for programs; the heater's name comes behind.
RULES: Final = {
    Trouble.TOO_HOT: "too-hot",
    Trouble.SENSOR: "sensor",
    Trouble.STUCK_ON: "stuck-on",
    Trouble.NO_HEAT: "no-heat",
}
UNREACHABLE: Final = (
    "The printer cannot be reached, and its heaters were on when it was heard last. Nothing"
    " can be sent to it: look at the machine, and switch it off if nobody can watch it."
)
_NAMES: Final = {"T": "nozzle", "B": "bed", "C": "chamber"}
_ACTING: Final = {
    Trouble.TOO_HOT: "The {what} is hotter than it may ever be. The printer is stopped. If it goes on"
    " heating, switch it off at the mains.",
    Trouble.SENSOR: "The sensor of the {what} reads what cannot be. The printer is stopped. Check the"
    " sensor.",
    Trouble.STUCK_ON: "The {what} is hotter than it was told and does not cool down. The printer is stopped."
    " If it goes on heating, switch it off at the mains.",
    Trouble.NO_HEAT: "The {what} is told to heat and does not get warmer. It is switched off. Check heater"
    " and sensor: a sensor that fell out reads so too.",
}
_TELLING: Final = {
    Trouble.TOO_HOT: "The {what} is hotter than it may ever be. Look at the machine now, and switch it off at"
    " the mains if it goes on heating.",
    Trouble.SENSOR: "The sensor of the {what} reads what cannot be. Look at the machine now: stop it, and"
    " check the sensor.",
    Trouble.STUCK_ON: "The {what} is hotter than it was told and does not cool down. Look at the machine now,"
    " and switch it off at the mains if it goes on heating.",
    Trouble.NO_HEAT: "The {what} is told to heat and does not get warmer. Look at the machine: check heater"
    " and sensor. A sensor that fell out reads so too.",
}


def of_heater(trouble: Trouble, heater: str, *, acts: bool) -> str:
    """What is wrong with one; `heater` as drivers name it (T, T1, B, C)."""
    words = _ACTING if acts else _TELLING
    return words[trouble].format(what=_NAMES.get(heater[0], heater))


def soon_off(text: str, limit: float) -> str:
    """A warning: `limit` in seconds is not over yet."""
    return f"{text} They are switched off after {minutes(limit)}."


def being_off(text: str, limit: float) -> str:
    """`limit` is over."""
    return f"{text} They are being switched off after {minutes(limit)}."


def not_off(text: str, limit: float) -> str:
    """`limit` is over, and nobody but people will do something."""
    return (
        f"{text} That is so for more than {minutes(limit)}, and the gateway does not switch them off: do it,"
        " or see that somebody watches the machine."
    )


def unseen(limit: float) -> str:
    """Nothing was told of temperatures for so long; it stays the same, for each new text is an event."""
    return (
        f"The heaters are on, and the printer has told no temperature for more than {minutes(limit)}."
        " Look at the machine."
    )


def minutes(seconds: float) -> str:
    """Rounded, for people."""
    count = round(seconds / 60)
    return "1 minute" if count == 1 else f"{count} minutes"
