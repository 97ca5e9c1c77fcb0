"""One command taken apart the way Marlin's parser does: letter, code, parameters or free text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_CODE = re.compile(r"([GMT])(\d+)(?:\.\d+)? *")
_WORD = re.compile(r"([A-Z]) *([-+]?(?:\d+\.?\d*|\.\d+))?")


@dataclass(slots=True)
class Command:
    """A command to run. `code` is `G1`, `M104`, `T0`, or empty when the parser knows no such thing.

    altered: the label of a line that harm on the wire made of another, unseen by any checksum.
    """

    text: str
    source: str
    number: int | None = None
    number_text: str = ""
    says_ok: bool = True
    altered: str = ""
    code: str = field(init=False)
    rest: str = field(init=False)
    _words: dict[str, float] | None = field(init=False, default=None)
    _values: dict[str, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        found = _CODE.match(self.text)
        self.code = f"{found[1]}{int(found[2])}" if found else ""
        self.rest = self.text[found.end() :] if found else ""

    @property
    def words(self) -> dict[str, float]:
        """Parameters with their values; a letter without a value counts as 0, as in Marlin."""
        if self._words is None:
            found = _WORD.findall(self.rest)
            self._values = {letter: float(value) for letter, value in found if value}
            self._words = {letter: float(value) if value else 0.0 for letter, value in found}
        return self._words

    @property
    def values(self) -> dict[str, float]:
        """Only the parameters that have a value: `M104 S` sets nothing."""
        return self._values if self._words is not None or self.words else {}

    def flag(self, letter: str, default: bool = False) -> bool:
        """A switch: absent = `default`, bare letter = true, `S0` = false."""
        if letter not in self.words:
            return default
        found = re.search(rf"{letter} *([-+]?\d*\.?\d*)", self.rest)
        return not found or found[1] == "" or float(found[1]) != 0.0

    def first_word(self) -> str:
        """The first blank-separated piece of the free text: a file name."""
        return self.rest.split(" ", 1)[0]
