"""Which lines are under way, and what the firmware's answers prove about them.

All lines of a connection are numbered without gaps, so three numbers say nearly everything:

    acked  <=  sent  <=  last
    (answered) (handed to the port) (given a number)

Lines in `acked+1 .. sent` are in flight. A rewind moves `sent` back and the same frames go out again from
the history ring. What the oks are worth (measured on Marlin 2.1.2):

* `ok N7` proves line 7, and with it every line before: the firmware works in order.
* A plain `ok` proves that *some* line was answered. It is counted for the oldest line in flight. A lost ok
  makes that count lag by one (safe: the window is one line narrower); a doubled ok makes it run ahead.
* M105 is answered *inside* its ok (`ok T:…`), so a numbered M105 is a **marker**: its answer proves every
  line before it, wipes out any lag, and a plain ok is never counted for it, which stops any lead. It proves
  nothing where it may be the answer to an earlier marker, come twice: that one was unanswered still.
* Plain oks that come while a marker is the oldest line in flight are **stray**: doubled ones, or the marker's
  own answer was lost and these are for the lines behind it. Its answer comes at once, if it comes.
* `Resend: n` proves that n-1 was accepted and n was not. `proven` remembers the highest such number; a
  later Resend at or below it contradicts what the firmware said before: it has lost its memory. But a report
  in the middle of a plain `ok` reads like a marker's answer: a Resend that contradicts only the newest of
  those takes it back. A board that was reset asks for line 1, which is never obeyed once it was proven.
* After an error every line that was already under way behind the bad one may cause a Resend of its own,
  or vanish without a word (the firmware drops its receive buffer). So after a rewind to n only line n flies
  until it is answered, and as many equal Resends as there were lines behind it are not counted as refusals.
* Prusa's firmware refuses a line that it has already, where Marlin drops it: each Resend that is obeyed for
  nothing makes the next one. So a line refused twice goes out again only when its Resends have ended
  (`settle`), and as many Resends of the line behind it as it went out again are taken for such echoes.
* The `ok` behind a Resend belongs to no line.
* `B3` says that three slots of the command ring are free. Lines that find a free slot do not stay in the
  receive buffer, so while no more lines fly than the ring has slots, its bytes are no limit (measured with
  8 lines of 20 bytes over a buffer of 128). Should lines be lost all the same, with more bytes under way than
  the buffer holds, that firmware is kept to its bytes from then on.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from gateway.protocol.marlin.replies import Ok

#: Frames kept for Resends. Only lines in flight and lines wrongly counted as answered are ever asked for
#: again, at most a few windows; 256 is what the line record keeps too. Power of two: used as a mask.
HISTORY_LINES = 256
#: Refusals of one and the same line before the link gives up: noise that spoils one line in ten still passes
#: with 1 - 10^-6, a line the firmware can never take (too long for it) ends within three seconds.
REFUSALS_MAX = 6
#: Un-numbered lines (emergency commands, questions) whose answers are awaited; more than a person can press.
BARE_LINES_MAX = 16
#: Lines in flight at most, whatever the firmware says: BUFSIZE 32 is the largest in use.
WINDOW_LINES_MAX = 31

_MASK = HISTORY_LINES - 1
_ANY_BYTES = 1 << 30
_BYTES_MASK = 2 * HISTORY_LINES - 1  # a rewind goes back a whole history, and one line before it is looked up


class Verdict(Enum):
    """What a Resend meant."""

    REWOUND = auto()  # lines go out again
    REPEATED = auto()  # an echo of a Resend already obeyed
    NOTHING_MISSING = auto()  # it asks for the very next line
    BEYOND = auto()  # it asks for a line that was never sent: garbled, or foreign numbers
    CONTRADICTED = auto()  # it denies what the firmware had accepted: the board was reset
    REFUSED = auto()  # one line refused too often


class SendWindow:
    """Numbers, frames in flight, and the history behind them. Knows no time."""

    def __init__(self, *, lines: int, receive_bytes: int) -> None:
        self.lines = lines
        self._receive_bytes = receive_bytes
        self.acked = 0
        self.sent = 0
        self.last = 0
        self.proven = 0  # last line known to be accepted
        self.done = 0  # last line known to be done: an answer of its own, or of one behind it
        self._forgeable = (0, 0, 0)  # marker whose answer is the newest proof; `proven`, `done` before it
        self._frames: list[bytes] = [b""] * HISTORY_LINES
        self._bytes_through = [0] * (2 * HISTORY_LINES)  # bytes of all frames up to a number
        self._bare_bytes = 0
        self._markers: deque[int] = deque()  # not yet answered
        self._marked: deque[int] = deque(maxlen=HISTORY_LINES)  # answered or not, for a rewind
        self._alone = 0  # the last marker that got its number while no other one was unanswered
        self._lost_answers = 0  # of markers believed to be answered: they may come after all
        self._block_free: int | None = None  # what `B` was last
        self._idle_free = 0  # what it is when nothing waits: BUFSIZE - 1
        self._read = 0  # number of the last line known to have left the receive buffer
        self._byte_limit = receive_bytes  # none, while the command ring takes every line under way
        self._has_overflowed = False
        self.stray = 0  # oks that belonged to no line, since the last one that did
        self._bare: deque[tuple[int, int, bool]] = deque()  # (behind which number, bytes, answers with T:)
        self._probe_limit = 0
        self._recovering: int | None = None
        self._echoes = 0
        self._refused = (-1, 0)
        self._repeated = (0, 0)  # line behind one that went out again, and how many times that did
        self._owes_ok_of_resend = False
        self.names_lines = False  # oks say which line they answer

    @property
    def receive_bytes(self) -> int:
        """Bytes that the firmware's receive buffer holds."""
        return self._receive_bytes

    @receive_bytes.setter
    def receive_bytes(self, size: int) -> None:
        self._receive_bytes = self._byte_limit = size

    @property
    def in_flight(self) -> int:
        """Lines without an answer, un-numbered ones included."""
        return self.sent - self.acked + len(self._bare)

    @property
    def bytes_in_flight(self) -> int:
        """Bytes that may be in the firmware's receive buffer: without an answer, and not known to be read."""
        return self._bytes_behind(self.sent)

    def _bytes_behind(self, number: int) -> int:
        through = self._bytes_through
        read = max(self.acked, self._read)
        return through[number & _BYTES_MASK] - through[read & _BYTES_MASK] + self._bare_bytes

    def room(self) -> tuple[int, int]:
        """(lines, bytes) to be handed over now. The last line may exceed the bytes, and waits then."""
        waiting = self.last - self.acked + len(self._bare)
        if self._recovering is not None:  # one flies at a time, and one may wait for it
            return (0, 0) if self.last > self.sent else (1, self._byte_limit)
        if waiting == 0:
            return self.lines, self._byte_limit
        through = self._bytes_through
        behind = self.acked if self.acked > self._read else self._read
        used = through[self.last & _BYTES_MASK] - through[behind & _BYTES_MASK] + self._bare_bytes
        return self.lines - waiting, self._byte_limit - used

    @property
    def unsent(self) -> int:
        """Numbered lines waiting for room."""
        return self.last - self.sent

    @property
    def is_recovering(self) -> bool:
        """Whether a refused line is on its way again."""
        return self._recovering is not None

    @property
    def lines_behind_marker(self) -> int:
        """Lines that have a number since the last marker had one."""
        return self.last - (self._marked[-1] if self._marked else 0)

    @property
    def awaits_marker(self) -> bool:
        """Whether the oldest line in flight is a marker: nothing is in the way of its answer."""
        return bool(self._markers) and self._markers[0] == self.acked + 1 <= self.sent

    @property
    def awaits_only_markers(self) -> bool:
        """Whether all lines in flight are markers, un-numbered lines aside."""
        flying = self.sent - self.acked
        return 0 < flying <= len(self._markers) and self._markers[flying - 1] == self.sent

    def restart(self, number: int) -> None:
        """Forget everything; the firmware was told that the last line was `number`."""
        self.acked = self.sent = self.last = number
        self.proven = self.done = number
        self._forgeable = (0, 0, 0)
        self._bytes_through[number & _BYTES_MASK] = self._bare_bytes = 0
        self._lost_answers = self.stray = self._alone = 0
        self._read = number
        self._byte_limit, self._has_overflowed = self._receive_bytes, False
        self._markers.clear()
        self._marked.clear()
        self._bare.clear()
        self._probe_limit = self._echoes = 0
        self._recovering = None
        self._refused, self._repeated = (-1, 0), (0, 0)
        self._owes_ok_of_resend = False

    def append(self, frame: bytes, *, is_marker: bool = False) -> int:
        """Give the next number to `frame`, which was built for `last + 1`."""
        through, before = self._bytes_through, self.last
        self.last = number = before + 1
        self._frames[number & _MASK] = frame
        through[number & _BYTES_MASK] = through[before & _BYTES_MASK] + len(frame)
        if is_marker:
            if not self._markers:
                self._alone = number
            self._markers.append(number)
            self._marked.append(number)
        return number

    def append_bare(self, frame: bytes, *, is_marker: bool = False) -> None:
        """Count an un-numbered line that goes out now."""
        if len(self._bare) >= BARE_LINES_MAX:
            self._bare_bytes -= self._bare.popleft()[1]
        self._bare.append((self.sent, len(frame), is_marker))
        self._bare_bytes += len(frame)

    def has_sent(self, text: str) -> bool:
        """Whether a line in the history has this text or begins with it (Klipper says the word alone)."""
        wanted = text.upper()
        for number in range(self.sent, max(0, self.sent - HISTORY_LINES), -1):
            frame = self._frames[number & _MASK].decode("ascii")
            body = frame[frame.index(" ") + 1 : frame.rindex("*")] if frame[:1] == "N" else frame.rstrip()
            if body.upper().startswith(wanted):
                return True
        return False

    def has_room_for(self, size: int) -> bool:
        """Whether a frame of `size` bytes may go out now. A single one always may."""
        flying = self.sent - self.acked + len(self._bare)
        if flying < self._probe_limit:
            return True
        if self._recovering is not None and self.sent >= self._recovering:
            return flying == 0
        return flying < self.lines and (flying == 0 or self.bytes_in_flight + size <= self._byte_limit)

    def frames_to_send(self) -> list[bytes]:
        """The frames that have room now, in order; they count as sent."""
        if self._recovering is not None or self._probe_limit:
            return self._frames_one_by_one()
        sent = self.sent
        last = min(self.last, self.acked + self.lines - len(self._bare))
        may_one = sent == self.acked and not self._bare
        while last > sent and self._bytes_behind(last) > self._byte_limit:
            if last == sent + 1 and may_one:
                break
            last -= 1
        if last <= sent:
            return []
        self.sent = last
        return [self._frames[number & _MASK] for number in range(sent + 1, last + 1)]

    def _frames_one_by_one(self) -> list[bytes]:
        out: list[bytes] = []
        while self.sent < self.last:
            frame = self._frames[(self.sent + 1) & _MASK]
            if not self.has_room_for(len(frame)):
                break
            out.append(frame)
            self.sent += 1
        return out

    def allow(self, frames: int) -> None:
        """Let this many frames pass beyond window and bytes, as a question into the silence.

        The lines in flight sit in the firmware's command ring by now (or are lost), not in its receive
        buffer: the ring holds one more line than the window.
        """
        self._probe_limit = self.in_flight + frames
        self._recovering = None
        self._echoes = 0

    def learn(self, block_free: int, number: int | None) -> None:
        """`B` of ADVANCED_OK: free slots of the command ring when line `number` was done; BUFSIZE - 1 idle.

        The slots in use hold the lines behind it, so these have left the receive buffer. What widens the
        window is believed when said twice: one may be garbled.
        """
        if block_free != self._block_free:
            self._block_free = block_free
        elif block_free > self._idle_free or block_free > self.lines:
            self._idle_free = max(self._idle_free, min(block_free, WINDOW_LINES_MAX))
            self.lines = max(self.lines, self._idle_free)
        if number is not None and self.lines <= self._idle_free and not self._has_overflowed:
            self._byte_limit = _ANY_BYTES
        if number is not None and self.acked < number <= self.sent and not self._bare:
            read = number + self._idle_free - block_free
            if read > self._read:
                self._read = min(read, self.sent)

    def count_named(self, number: int) -> bool:
        """Count an ok that says which line it answers."""
        self._owes_ok_of_resend = False
        self.names_lines = True
        if not self.acked < number <= self.sent:
            return False  # doubled, or garbled
        self.proven = max(self.proven, number)
        self.done = max(self.done, number)
        return self._answered_through(number)

    def count_plain(self, oks: int) -> bool:
        """`count_ok` so many times for plain oks, if all of them answer lines and no marker is next then."""
        if self._bare or self.names_lines or self._owes_ok_of_resend or self._recovering is not None:
            return False
        acked = self.acked + oks
        if self.stray or acked > self.sent or (self._markers and acked + 1 >= self._markers[0]):
            return False
        self.acked = acked
        self._probe_limit = 0
        return True

    def count_ok(self, ok: Ok) -> bool:
        """Count an ok. Returns whether it answered something."""
        if ok.number is not None:
            return self.count_named(ok.number)
        if ok.temperatures is not None:
            return self._count_marker()
        if self._owes_ok_of_resend:
            self._owes_ok_of_resend = False
            return False
        if self._bare and (self.names_lines or self._bare[0][0] <= self.acked) and not self._bare[0][2]:
            self._bare_bytes -= self._bare.popleft()[1]
            return True
        if self.names_lines or (self._markers and self._markers[0] == self.acked + 1):
            self.stray += 1
            return False
        return self.acked < self.sent and self._answered_through(self.acked + 1)

    def count_execution(self) -> None:
        """Something was said that is only said when a line is executed: all lines answered before it were."""
        self.done = max(self.done, self.acked)

    def pass_lost_marker(self) -> bool:
        """Oks of lines behind the oldest marker came and its own did not: count it, and them.

        Only asked for when a firmware that had still to answer the marker would have done so. Proves nothing,
        as no plain ok does. False: that is not how it looks.
        """
        if not (self.stray and self.awaits_marker) or self._bare or self.names_lines:
            return False
        marker = self._markers.popleft()
        last = min(self._markers[0] - 1 if self._markers else self.sent, self.sent, marker + self.stray)
        self._lost_answers += 1
        return self._answered_through(last)

    def count_probe_answer(self, number: int) -> bool:
        """Marker `number` was sent into a silence, its kind of answer was heard, and then nothing more.

        The answers of older markers are lost then: counted for the oldest alone, this one would leave the
        count behind for ever, each question's answer being taken for that of the one before. It proves
        nothing: should the firmware ask for such a line again, it gets it.
        """
        if not self.acked < number <= self.sent:
            return False
        self._lost_answers += sum(1 for marker in self._markers if self.acked < marker <= number)
        return self._answered_through(number)

    def count_accepted(self, number: int) -> bool:
        """All lines up to `number` were accepted, and their oks do not come. Proves nothing that was done."""
        return self.acked < number <= self.sent and self._answered_through(number)

    def forgive(self, questions: set[int]) -> bool:
        """If only these questions are in flight, stop waiting: nobody needs their answers any more."""
        flying = range(self.acked + 1, self.sent + 1)
        if self.sent < self.last or not flying or not all(number in questions for number in flying):
            return False
        self._lost_answers += sum(1 for marker in self._markers if marker <= self.sent)
        return self._answered_through(self.sent)

    def _count_marker(self) -> bool:
        markers = self._markers
        if self._bare and self._bare[0][2] and not (markers and markers[0] <= self._bare[0][0]):
            self._bare_bytes -= self._bare.popleft()[1]
            return True
        if not markers or markers[0] > self.sent:
            return False
        number = markers[0]
        if self._is_overtaken(number):
            self._lost_answers += 1
            number = markers[1]
        if self._lost_answers:
            self._lost_answers -= 1  # this may be one of those: counted, and no proof
        elif number == self._alone:
            if number > self.proven:
                self._forgeable = (number, self.proven, self.done)
            self.proven = max(self.proven, number)
            self.done = max(self.done, number)
        return self._answered_through(number)

    def _is_overtaken(self, marker: int) -> bool:
        """Whether all lines between this marker, the oldest in flight, and the next one were answered."""
        if not self.stray or not self.awaits_marker or len(self._markers) < 2:
            return False
        return self._markers[1] <= min(self.sent, marker + self.stray + 1)

    def _answered_through(self, number: int) -> bool:
        self.acked = number
        self.stray = 0
        while self._bare and self._bare[0][0] < number:
            self._bare_bytes -= self._bare.popleft()[1]
        while self._markers and self._markers[0] <= number:
            self._markers.popleft()
        self._probe_limit = 0
        if self._recovering is not None and number >= self._recovering:
            self._recovering = None
            self._echoes = 0
        return True

    def count_resend(self, number: int) -> Verdict:
        """Judge `Resend: number` and rewind where it asks for it."""
        self._owes_ok_of_resend = True
        if number > self.sent + 1:
            return Verdict.BEYOND
        if number <= self.proven:
            self._take_back_answer(number)
        if number <= self.proven or number <= self.last - HISTORY_LINES:
            return Verdict.CONTRADICTED
        self.proven = max(self.proven, number - 1)
        is_echo = self._is_echo_of_repetition(number)
        if number == self._recovering and self._echoes > 0:
            self._echoes -= 1
            return Verdict.REPEATED
        if number == self.sent + 1:
            return Verdict.NOTHING_MISSING
        if is_echo and self._recovering in (None, number):
            self._recovering = number  # if it was refused all the same, `settle` rewinds to it
            return Verdict.REPEATED
        return self._rewind(number)

    def _take_back_answer(self, number: int) -> None:
        """A marker's answer is all that `Resend: number` contradicts: it was a forged one."""
        marker, proven, done = self._forgeable
        if max(proven, 1) < number <= marker == self.proven:
            self.proven, self.done = proven, done

    def _is_echo_of_repetition(self, number: int) -> bool:
        line, times = self._repeated
        if number != line or not times:
            return False
        self._repeated = (line, times - 1)
        return True

    def settle(self) -> Verdict:
        """No answer came behind echoes of a Resend: the second try was refused too, so rewind once more."""
        self._echoes = 0
        if self._recovering is None or self._recovering > self.sent:
            return Verdict.NOTHING_MISSING
        return self._rewind(self._recovering)

    def _rewind(self, number: int) -> Verdict:
        refused, times = self._refused
        times = times + 1 if refused == number else 1
        self._refused = (number, times)
        if times > REFUSALS_MAX:
            return Verdict.REFUSED
        through = self._bytes_through
        if through[self.sent & _BYTES_MASK] - through[number - 1 & _BYTES_MASK] > self._receive_bytes:
            self._has_overflowed, self._byte_limit = True, self._receive_bytes
        self._echoes = self.sent - number if times == 1 else HISTORY_LINES
        line, repeated = self._repeated
        is_again = refused in (number, number - 1)  # or each line makes an echo of the next
        self._repeated = (number + 1, (repeated if line == number + 1 else 0) + is_again)
        self.sent = number - 1
        self.acked = min(self.acked, self.sent)
        self.done = min(self.done, self.sent)
        self._read = min(self._read, self.sent)
        self._bare = deque((min(behind, self.sent), size, marks) for behind, size, marks in self._bare)
        self._markers = deque(marker for marker in self._marked if marker > self.acked)
        self.stray = self._alone = 0
        self._recovering = number
        self._probe_limit = self.in_flight + 1  # it was out before: whatever else is unanswered, it may again
        return Verdict.REWOUND

    def forget_bare(self) -> None:
        """Stop waiting for answers to un-numbered lines."""
        self._bare.clear()
        self._bare_bytes = 0
