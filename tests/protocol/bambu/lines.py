"""The vectors of `tests/vectors/bambu`, one object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "vectors" / "bambu"


def vectors(name: str) -> list[dict[str, Any]]:
    """All but the first, which names the source."""
    source, *rows = [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()]
    assert source["source"]
    return rows
