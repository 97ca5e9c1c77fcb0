"""What became of each job in the nights of starts: `python -m tests.sim.start_nights_table FILE...`.

The files are those that START_NIGHTS_TABLE named (`test_mqtt_starts`). By the step of the first death too.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from tests.benchmarks.table import columns


def main(paths: list[str]) -> None:
    """Print both tables."""
    nights = [json.loads(line) for path in paths for line in Path(path).read_text().splitlines()]
    outcomes: Counter[str] = Counter()
    by_death: dict[str, Counter[str]] = {}
    for night in nights:
        outcomes.update(night["outcomes"])
        died_at = night["died_at"][0] if night["died_at"] else "nowhere"
        by_death.setdefault(died_at, Counter()).update(night["outcomes"])
    jobs = sum(count for name, count in outcomes.items() if not name.startswith("local"))
    deaths = sum(len(night["died_at"]) for night in nights)
    print(f"{len(nights)} nights, {deaths} deaths of the gateway, {jobs} jobs")
    print(columns(("outcome", "jobs"), [(name, str(count)) for name, count in sorted(outcomes.items())]))
    names = sorted(name for name in outcomes if not name.startswith("local"))
    rows = [(where, *(str(found[name]) for name in names)) for where, found in sorted(by_death.items())]
    print(columns(("first death", *names), rows))


if __name__ == "__main__":
    main(sys.argv[1:])
