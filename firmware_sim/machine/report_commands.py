"""What the machine tells about itself: M31, M115, M119, M154, M500-M503, and the M-codes of settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from firmware_sim.machine import replies
from firmware_sim.machine.state import Machine, settings_by_code
from firmware_sim.machine.words import Command


def identify(m: Machine, _c: Command) -> None:
    """M115: one line, the Cap lines, the area; builds without extended reports say the first only."""
    build = m.personality
    m.say(build.identity)
    for capability in build.capabilities:
        m.say(f"Cap:{capability}")
    for line in build.identity_tail:
        m.say(line)


def endstops(m: Machine, _c: Command) -> None:
    """M119."""
    m.say("Reporting endstop status")
    for axis in "xyz":
        m.say(f"{axis}_min: open")


def print_time(m: Machine, _c: Command) -> None:
    """M31."""
    text = replies.duration(m.job_duration())
    m.notify(text, "\r")
    m.say(f"echo:Print time: {text}")


def auto_position(m: Machine, c: Command) -> None:
    """M154 S: a position line every S seconds, 0 = off."""
    if "S" in c.values:
        m.chimes.reports["position"].every(c.values["S"], m.now)


def settings(m: Machine, _c: Command) -> None:
    """M503."""
    for line in m.settings.values():
        m.say(line)


def store_settings(m: Machine, _c: Command) -> None:
    """M500."""
    m.say(m.personality.settings_stored)


def load_settings(m: Machine, _c: Command) -> None:
    """M501, M502."""
    m.settings = settings_by_code(m.personality.settings)
    m.say(m.personality.settings_loaded if _c.code == "M501" else "echo:Hardcoded Default Settings Loaded")


def setting(m: Machine, c: Command) -> None:
    """M92, M201, M203-M206, M301, …: without parameters the M503 line, else the new values."""
    line = m.settings.get(c.code)
    if not c.words:
        if line is not None:
            m.say(line)
        return
    for letter, value in c.words.items():
        if line is not None:
            line = re.sub(rf"(?<= {letter})-?[\d.]+", f"{value:.2f}", line)
    if line is not None:
        m.settings[c.code] = line
    for index, letter in enumerate("XYZE"):
        if letter in c.words and c.words[letter] > 0.0:
            if c.code == "M203":
                m.axes.max_feedrate[index] = c.words[letter]
            elif c.code == "M92":
                m.axes.steps_per_mm[index] = c.words[letter]


SETTINGS = ("M92", "M200", "M201", "M203", "M204", "M205", "M206", "M301", "M304", "M603")

HANDLERS: dict[str, Callable[[Machine, Command], Iterator[float] | None]] = {
    "M31": print_time,
    "M115": identify,
    "M119": endstops,
    "M154": auto_position,
    "M500": store_settings,
    "M501": load_settings,
    "M502": load_settings,
    "M503": settings,
    **dict.fromkeys(SETTINGS, setting),
}
