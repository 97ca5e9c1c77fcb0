"""Names that Marlin's card takes: 8 letters and 3, as FAT has them (M28 creates no long names)."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

#: M20 lists files whose extension begins with G, and only these are printed from the card.
EXTENSION = "GCO"
#: Letters in front of the dot.
STEM_MAX = 8
#: Names tried for one file; a card with so many alike is one to tidy up.
NAMES_MAX = 99

_ODD = re.compile(r"[^A-Z0-9_-]+")


def names_for(title: str, taken: Container[str]) -> Iterator[str]:
    """8.3 names for a file that people call `title`, best first, without those in `taken` (in capitals)."""
    stem = title.replace("\\", "/").rpartition("/")[2]
    stem = stem.rpartition(".")[0] or stem
    stem = _ODD.sub("", stem.upper().replace(" ", "_")).strip("_-") or "FILE"
    for number in range(1, NAMES_MAX + 1):
        suffix = "" if number == 1 else f"_{number}"
        name = f"{stem[: STEM_MAX - len(suffix)]}{suffix}.{EXTENSION}"
        if name not in taken:
            yield name
