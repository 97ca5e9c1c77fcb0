"""What lists read, kept until the next commit: a list that many clients poll costs no SQL and no thread.

A query asks for it with one call in the place of `Database.read_plain`:

    page = await database.read_kept(listed.key(values), unit, rows=lambda page: len(page.jobs))

The key says everything that the answer depends on: `Prepared.key` has the statement's text and its values,
and whose rows they are is among those. Two statements of one answer (rows and their total) are one unit and
one key, so that they stay of one moment. What is kept is given to many: nobody may change what they get.

    writer    COMMIT, then commits += 1, then the answer to whoever wrote
    reader    seen = commits, then its first SELECT, which fixes its snapshot; kept with `seen`
    list      given from what is kept if it was kept with the `commits` of now

So whoever was answered has its own write in the very next list; a snapshot that is newer than `seen` says
costs one more read, never a stale one. Only this process writes: the database is locked for it
(`database.SoleUse`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Final

#: Rows kept in all, a good kilobyte each as jobs: 8 MB.
KEPT_ROWS: Final = 6_000
#: Added to the rows of each answer: what the key and an empty page take.
_OF_ITSELF: Final = 1
#: Answers of before that are given back each time one is asked for, a tenth of a millisecond. All of them at
#: once, as soon as something is committed, would hold the event loop for 10 ms.
_GIVEN_BACK: Final = 4


class Kept:
    """Answers of one moment, the latest asked for; bounded by their rows. Of one thread."""

    def __init__(self, most_rows: int = KEPT_ROWS) -> None:
        self._most_rows = most_rows
        self._commits = 0  # when all of them were read
        self._rows = 0
        self._answers: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._gone: list[tuple[Any, int]] = []  # of commits before

    def find(self, key: Hashable, commits: int) -> tuple[Any] | None:
        """The answer, in a tuple of its own; None: it is to be read. `commits`: so many were made by now."""
        del self._gone[-_GIVEN_BACK:]
        if commits != self._commits:
            self._empty(commits)
            return None
        found = self._answers.get(key)
        if found is None:
            return None
        self._answers.move_to_end(key)
        return (found[0],)

    def keep(self, key: Hashable, answer: Any, rows: int, seen: int) -> None:
        """Keep what was read when `seen` commits were made. What is longer than all may be is not kept."""
        weight = rows + _OF_ITSELF
        if seen < self._commits or weight > self._most_rows:
            return
        if seen > self._commits:
            self._empty(seen)
        before = self._answers.pop(key, None)
        self._rows += weight - (before[1] if before is not None else 0)
        self._answers[key] = (answer, weight)
        while self._rows > self._most_rows:
            _, (_, oldest) = self._answers.popitem(last=False)
            self._rows -= oldest

    def _empty(self, commits: int) -> None:
        self._commits, self._rows = commits, 0
        self._gone += self._answers.values()
        self._answers.clear()
