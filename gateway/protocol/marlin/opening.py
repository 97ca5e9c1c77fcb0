"""The link's first phases: IDENTIFYING and NUMBERING, up to LinkReady.

`handshake` knows what to ask and when.

`M110 N0` goes out alone and checked: Marlin sets its number when it reads the line and once more when it
executes it, so a line that follows too closely is counted and then forgotten (M110.cpp, queue.cpp). Its ok is
a plain one like any other; a numbered M105 behind it, whose own kind of answer cannot be mistaken, proves it.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.protocol.marlin import framing
from gateway.protocol.marlin.connection import Connection
from gateway.protocol.marlin.handshake import SPOILS_HALF_A_LINE, Handshake
from gateway.protocol.marlin.link_events import LinkReady
from gateway.protocol.marlin.link_states import LinkPhase, Signal
from gateway.protocol.marlin.patience import Patience
from gateway.protocol.marlin.profile import Profile
from gateway.protocol.marlin.replies import Ok


class Opening:
    """From an open port to a firmware that is known and counts our lines."""

    def __init__(
        self,
        connection: Connection,
        patience: Patience,
        now: float,
        *,
        override: Profile | None,
        may_number: bool,
        may_be_saving: bool,
        report_seconds: int,
    ) -> None:
        """Arguments as those of the link."""
        self._link = connection
        self._patience = patience
        self._may_number = may_number
        self._owed_oks = 0  # for what went out in front of M110
        self.handshake = Handshake(
            now,
            override=override,
            report_seconds=report_seconds,
            is_mid_print=not may_number,
            may_be_saving=may_be_saving,
        )

    @property
    def deadline(self) -> float:
        """When `due` wants to be called, in its two phases."""
        return self.handshake.deadline

    def due(self, now: float) -> None:
        """The time has come to ask again, or to give up."""
        link = self._link
        failure = self.handshake.overdue(now, has_heard=self._patience.heard_at is not None)
        if failure is not None:
            link.fail(failure, link.last_words)
        elif link.phase is LinkPhase.NUMBERING:
            self.number(now)
        else:
            link.out.append(self.handshake.question())
            self.handshake.asked(now)

    def board_started(self, now: float) -> None:
        """`start`: all that was known is another boot's."""
        self._link.signal(Signal.STARTED)
        self._link.window.restart(0)
        self.handshake.board_started(now)

    def hear_ok(self, ok: Ok, now: float) -> None:
        """An ok in one of the two phases, before any numbered line is out."""
        if self._link.phase is LinkPhase.NUMBERING:
            if self._owed_oks:
                self._owed_oks -= 1
            elif not ok.number and ok.temperatures is None:
                self._prove_numbering(now)
        elif self.handshake.hear(ok):
            self._identified(now)
        elif not self._may_number:
            self.handshake.hear_leftover_ok(now)

    def hear_temperature_in_ok(self) -> None:
        """The M105 that proves the numbers was answered in its ok, as no profile said: it always will be."""
        link = self._link
        if link.phase is LinkPhase.NUMBERING and link.window.last == 1:
            link.profile = replace(link.profile, temperature_in_ok=True)

    def number(self, now: float) -> None:
        """Begin to number the lines, from 0.

        Behind a print that went on without us half a line may lie in the board: its full receive buffer cut
        one of ours off. M110 must not become its rest, nor make "M1" (wait for a person) of an "M105".
        """
        link = self._link
        self._may_number = True
        link.window.restart(0)
        frame = framing.numbered(0, "M110 N0")
        is_spoilt_first = self.handshake.is_mid_print
        link.out.append(SPOILS_HALF_A_LINE + b"\n" + frame if is_spoilt_first else frame)
        self._owed_oks = int(is_spoilt_first)
        link.window.append_bare(frame)
        self.handshake.numbered(now)

    def number_again(self, now: float) -> None:
        """The numbers that seemed to be proven are refused, before the link was ready.

        M115 was asked twice of a busy board, or its ok came twice: the second was taken for that of M110, the
        line behind it was read before M110 was done, and that set the number back behind it.
        """
        self._link.signal(Signal.NUMBERING_WANTED)
        self.number(now)
        self._owed_oks += 1

    def go_on(self) -> None:
        """A line was answered: the next report is asked for, or the link is ready."""
        link = self._link
        if link.is_ready:
            return
        command = self.handshake.next_command()
        if command is not None:
            link.submit(command)
        elif link.is_idle:
            self.become_ready(is_numbered=True)

    def become_ready(self, *, is_numbered: bool) -> None:
        """Say LinkReady."""
        link, shake = self._link, self.handshake
        link.is_ready = True
        link.events.put(
            LinkReady(shake.firmware, shake.machine, dict(shake.capabilities), link.profile, is_numbered)
        )

    def _identified(self, now: float) -> None:
        link = self._link
        link.use(self.handshake.profile())
        self._patience.profile = link.profile
        self._patience.has_keepalive |= bool(self.handshake.capabilities)
        if self._may_number:
            link.signal(Signal.IDENTIFIED)
            self.number(now)
        else:
            link.signal(Signal.IDENTIFIED_IN_MID_PRINT)
            link.window.restart(0)
            self.become_ready(is_numbered=False)

    def _prove_numbering(self, now: float) -> None:
        link = self._link
        self.handshake.numbering_goes_on(now)
        link.window.forget_bare()
        link.window.append(framing.numbered(1, "M105"), is_marker=link.profile.temperature_in_ok)
