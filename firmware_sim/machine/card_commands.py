"""The SD card: M20-M30, M32, M524, and M1001 which Marlin runs behind the last line of a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from firmware_sim.machine import replies
from firmware_sim.machine.state import INFORMATION, Machine
from firmware_sim.machine.words import Command

PARK_SECONDS = 0.1
"""From `//action:paused` to the prompt, head already parked (recorded)."""
NOZZLE_TIMEOUT_SECONDS = 45.0
"""A parked nozzle is switched off after so long (recorded; PAUSE_PARK_NOZZLE_TIMEOUT)."""


def list_files(m: Machine, c: Command) -> None:
    """M20: 8.3 name and size; with L the long name behind them."""
    if not m.card.mounted:
        m.say(replies.NO_CARD)
        return
    m.say(replies.FILES_BEGIN)
    for file in m.card.listed():
        tail = f" {file.long}" if "L" in c.words else ""
        m.say(f"{file.short} {len(file.content)}{tail}")
    m.say(replies.FILES_END)


def mount(m: Machine, _c: Command) -> None:
    """M21."""
    m.card.mounted = m.card.present
    m.say(replies.CARD_OK if m.card.present else replies.CARD_FAILED)


def release(m: Machine, _c: Command) -> None:
    """M22."""
    m.card.mounted = False
    m.card.close()


def select(m: Machine, c: Command) -> None:
    """M23: open a file for printing. A missing file is a plain line and an ok, no `Error:`."""
    _open(m, c.first_word())


def _open(m: Machine, name: str) -> bool:
    if not m.card.mounted:
        m.say(replies.open_failed(name))
        return False
    if m.card.begun:
        # A selection while printing ends that print without a word, as closing the file does in Marlin.
        printed = m.card.opened.short if m.card.opened else None
        m.note("sd_abort", line=printed, effect="another file selected")
    m.say(f"echo:Now fresh file: {name}")
    # The announcement has the path as it was asked for, everything behind it only the file's name.
    name = name.rpartition("/")[2]
    file = m.card.select(name)
    if file is None:
        m.say(replies.open_failed(name))
        return False
    m.say(m.words.file_opened.format(name=name, size=len(file.content)))
    m.say(replies.FILE_SELECTED)
    m.job_seconds, m.job_began = 0.0, None
    m.notify(name, "\r")
    return True


def start(m: Machine, c: Command) -> None:
    """M24: start or go on."""
    begun = m.card.begun
    _start(m, c)
    m.host_action(m.words.card_resumed if begun else m.words.card_started)
    m.inform("Resuming SD", "Dismiss")


def _start(m: Machine, c: Command) -> None:
    card = m.card
    if card.opened is None or card.fetching:
        return
    m.note("sd_resume" if card.begun else "sd_start", source=c.source, line=card.opened.short)
    card.fetching = card.begun = True
    m.start_job_clock()


def pause(m: Machine, c: Command) -> Iterator[float] | None:
    """M25: builds that park wait for the user here; the others stop reading the file and go on.

    A file's own M25 has stopped the reading when it was read (see the loop).
    """
    from_card = m.card.printing or (c.source == "sd" and m.card.paused)
    if from_card:
        m.card.fetching = False
        m.note("sd_pause", source=c.source, line=m.card.opened.short if m.card.opened else None)
    m.stop_job_clock()
    if m.personality.has("park_on_pause"):
        return _park_and_wait(m, "echo:Send M108 to resume")
    m.inform("Pause SD", "Resume")
    m.host_action(m.words.card_paused if from_card else "pause")
    return None


def _park_and_wait(m: Machine, what_to_do: str) -> Iterator[float]:
    """Park, wait for the user; a nozzle left alone for 45 s is switched off and must be asked for again."""
    m.host_action("paused")
    yield from m.motion_done()
    end = m.now + PARK_SECONDS
    while m.now < end:
        yield end
    m.say(what_to_do)
    m.prompt("Nozzle Parked", "Continue")
    nozzle_off_at = m.now + NOZZLE_TIMEOUT_SECONDS
    yield from m.user_clicks(nozzle_off_at)
    while m.now >= nozzle_off_at:
        target = m.hotend.target
        m.hotend.set_target(0.0, m.now)
        m.say("echo:Send M108 to heat nozzle")
        m.prompt("Heater Timeout", "Reheat")
        yield from m.user_clicks()
        m.prompt("Reheating", about=INFORMATION)
        m.hotend.set_target(target, m.now)
        while (hot := m.hotend.reaches_at(target - 0.5, m.now)) > m.now and hot < math.inf:
            yield hot
        m.say(what_to_do)
        m.prompt("Reheat Done", "Continue")
        nozzle_off_at = m.now + NOZZLE_TIMEOUT_SECONDS
        yield from m.user_clicks(nozzle_off_at)
    if m.card.opened is not None and not m.card.abort_wanted:
        m.card.fetching = True
        m.note("sd_resume", line=m.card.opened.short)
        m.start_job_clock()
    m.host_action("resumed")
    m.inform("Resuming", "Dismiss")


def change_filament(m: Machine, _c: Command) -> Iterator[float]:
    """M600, shortened: parks and waits for the user; unloading and purging are not played."""
    return _park_and_wait(m, "echo:Insert filament and send M108")


def park(m: Machine, c: Command) -> Iterator[float] | None:
    """M125: what M25 does in builds that park."""
    return pause(m, c)


def seek(m: Machine, c: Command) -> None:
    """M26 S: byte position of the open file."""
    if m.card.opened is not None and "S" in c.values:
        m.card.position = max(0, min(int(c.values["S"]), len(m.card.opened.content)))


def status(m: Machine, c: Command) -> None:
    """M27: where the print stands; S for automatic reports, C for the file's names."""
    if "C" in c.words:
        file = m.card.opened
        m.say(f"Current file: {file.short} {file.long}" if file else "Current file: (no file)")
    elif "S" in c.values and m.personality.has("sd_autoreport"):
        m.chimes.reports["card"].every(c.values["S"], m.now)
    else:
        m.say_card_status()


def begin_upload(m: Machine, c: Command) -> None:
    """M28: lines go into a file until M29; lines without a number are then refused."""
    name = c.first_word()
    if not m.card.mounted:
        m.say(replies.open_failed(name))
        return
    m.say(f"echo:Now fresh file: {name}")
    if not m.card.create(name):
        m.say(replies.open_failed(name))
        return
    m.say(f"Writing to file: {name}")
    m.notify(name, "\r")


def end_upload(_m: Machine, _c: Command) -> None:
    """M29 with no upload open."""


def delete(m: Machine, c: Command) -> None:
    """M30."""
    name = c.first_word()
    if not m.card.mounted:
        return
    if m.card.remove(name):
        m.say(f"File deleted:{name}")
    else:
        m.say(f"Deletion failed, File: {name}.")


def select_and_start(m: Machine, c: Command) -> None:
    """M32: M23 and M24 in one; `!` and `#` around the name are dropped."""
    if _open(m, c.first_word().strip("!#")):
        _start(m, c)


def abort(m: Machine, _c: Command) -> None:
    """M524: the print ends when the command has been answered; queued commands are lost."""
    if m.card.printing:
        m.card.abort_wanted = True
        return
    if m.card.begun and m.card.opened is not None:
        # A paused print is only closed: no cooling, no homing, and queued commands stay.
        m.note("sd_abort", source="host", line=m.card.opened.short)
    m.card.close()


def finish_print(m: Machine, _c: Command) -> Iterator[float]:
    """M1001: the file's last line has run; when the head stands still the print is over."""
    yield from m.motion_done()
    name = m.card.opened.short if m.card.opened else None
    m.card.close()
    if m.job_duration() > 60.0:
        m.say(f"echo:Print time: {replies.duration(m.job_duration())}")
    m.stop_job_clock()
    m.say(replies.FILE_PRINTED)
    m.note("sd_done", source="sd", line=name)


HANDLERS: dict[str, Callable[[Machine, Command], Iterator[float] | None]] = {
    "M20": list_files,
    "M21": mount,
    "M22": release,
    "M23": select,
    "M24": start,
    "M25": pause,
    "M26": seek,
    "M27": status,
    "M28": begin_upload,
    "M29": end_upload,
    "M30": delete,
    "M32": select_and_start,
    "M125": park,
    "M524": abort,
    "M600": change_filament,
    "M1001": finish_print,
}
