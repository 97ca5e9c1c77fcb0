"""Which file of the card is being written, for as long as this process lives."""

from __future__ import annotations


class MemoryMark:
    """`contract.UploadMark` where nothing is to survive."""

    def __init__(self) -> None:
        self._name: str | None = None

    def note(self, name: str) -> None:
        """See the contract."""
        self._name = name

    def clear(self) -> None:
        """See the contract."""
        self._name = None

    def left(self) -> str | None:
        """See the contract."""
        return self._name
