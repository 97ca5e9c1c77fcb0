"""Talking with the host and the user: M0/M1, M73-M77, M108, M110, M112, M113, M117, M118, M876, M900, T."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from firmware_sim.machine.state import Machine
from firmware_sim.machine.words import Command

_ECHO_FLAGS = re.compile(r"([AEP])(\d) *")


def wait_for_user(m: Machine, c: Command) -> Iterator[float]:
    """M0, M1: until a click, M108 or the answer to the prompt; with S or P at most so long."""
    yield from m.motion_done()
    seconds = c.values["S"] if "S" in c.values else c.values.get("P", 0.0) / 1000.0
    text = "" if c.values else c.rest
    if text and m.personality.has("prompts"):
        m.say(f"echo:{text}\r")
    m.prompt(text or f"{c.code} Stop", "Continue")
    yield from m.user_clicks(m.now + seconds if seconds > 0.0 else math.inf)


def progress(m: Machine, c: Command) -> None:
    """M73 P percent R minutes."""
    text = "echo: M73"
    if "P" in c.words:
        text += f" Progress: {c.words['P']:.0f}%;"
    if "R" in c.words:
        text += f" Time left: {c.words['R']:.0f}m;"
    m.say(text)


def start_timer(m: Machine, _c: Command) -> None:
    """M75."""
    m.start_job_clock()


def pause_timer(m: Machine, _c: Command) -> None:
    """M76; builds with host actions tell the host to pause."""
    m.stop_job_clock()
    m.host_action("pause")


def stop_timer(m: Machine, _c: Command) -> None:
    """M77."""
    m.stop_job_clock()


def line_number(m: Machine, c: Command) -> None:
    """M110 N: set the number the next line is counted from."""
    if "N" in c.values:
        m.renumber(int(c.values["N"]))


def shut_down(m: Machine, _c: Command) -> None:
    """M112 from the queue: numbered, in a build without an emergency parser."""
    m.shut_down()


def keepalive(m: Machine, c: Command) -> None:
    """M113 S seconds between busy lines; without S it reports."""
    if "S" in c.values:
        m.chimes.keepalive = float(max(0, min(int(c.values["S"]), 60)))
    else:
        m.say(f"echo:M113 S{m.chimes.keepalive:.0f}")


def echo(m: Machine, c: Command) -> None:
    """M118: A1 and E1 choose the prefix, P the port; the line ends in CR LF."""
    text, prefix = c.rest, ""
    while found := _ECHO_FLAGS.match(text):
        if found[2] == "1" and found[1] in "AE":
            prefix = "//" if found[1] == "A" else "echo:"
        text = text[found.end() :]
    m.say(f"{prefix}{text}\r")


def answer_prompt(m: Machine, c: Command) -> None:
    """M876 S from the queue; in builds with an emergency parser that one has answered already."""
    if "S" in c.values:
        m.answer()


def linear_advance(m: Machine, c: Command) -> None:
    """M900 K."""
    if "K" in c.words:
        m.linear_advance = c.words["K"]
    else:
        m.say(f"echo:Advance K={m.linear_advance:.2f}")


def tool(m: Machine, c: Command) -> None:
    """T: there is one extruder."""
    if c.code != "T0" and m.personality.has("tool_check"):
        m.say(f"echo:{c.code} Invalid extruder")


def nothing(_m: Machine, _c: Command) -> None:
    """Known, accepted, without a visible effect here."""


HANDLERS: dict[str, Callable[[Machine, Command], Iterator[float] | None]] = {
    "M0": wait_for_user,
    "M1": wait_for_user,
    "M73": progress,
    "M75": start_timer,
    "M76": pause_timer,
    "M77": stop_timer,
    "M80": nothing,
    "M85": nothing,
    "M108": nothing,
    "M110": line_number,
    "M111": nothing,
    "M112": shut_down,
    "M113": keepalive,
    "M117": nothing,
    "M118": echo,
    "M876": answer_prompt,
    "M900": linear_advance,
    "M999": nothing,
    **{f"T{index}": tool for index in range(10)},
}
