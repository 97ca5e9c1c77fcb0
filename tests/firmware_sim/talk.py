"""A host that writes and listens, for tests that read like the protocol."""

from __future__ import annotations

from firmware_sim import Board, Ledger


def frame(number: int, payload: str) -> str:
    """A numbered line with its checksum, made here and not by the code under test."""
    text = f"N{number} {payload}"
    checksum = 0
    for byte in text.encode("latin-1"):
        checksum ^= byte
    return f"{text}*{checksum}\n"


class Talk:
    """One board and the clock. `said` since the last look, as lines without their LF."""

    def __init__(
        self, personality: str = "marlin-stock", *, sd: dict[str, bytes] | None = None, quiet: bool = True
    ) -> None:
        self.ledger = Ledger()
        self.board = Board(personality, ledger=self.ledger, sd_files=sd)
        self.now = 0.0
        self.banner = self.wait(0.0)
        if quiet:
            self.wait(1.0)

    def send(self, text: str) -> list[str]:
        """Write, and what comes back at the same instant."""
        self.board.receive(text.encode("latin-1"), self.now)
        return self._heard()

    def wait(self, seconds: float) -> list[str]:
        """Let time pass, and what comes meanwhile."""
        self.now += seconds
        return self._heard()

    def wait_for(self, line: str, limit: float = 3600.0) -> list[str]:
        """Let time pass until `line` comes; everything up to and including that instant."""
        heard: list[str] = []
        end = self.now + limit
        while line not in heard:
            due = self.board.next_deadline()
            assert due is not None, f"{line!r} will never come; heard {heard}"
            assert due <= end, f"{line!r} did not come within {limit} s; heard {heard}"
            self.now = max(self.now, due)
            heard += self._heard()
        return heard

    def _heard(self) -> list[str]:
        text = self.board.poll(self.now).decode("latin-1")
        assert text == "" or text.endswith("\n"), "the board says whole lines"
        return text.split("\n")[:-1]
