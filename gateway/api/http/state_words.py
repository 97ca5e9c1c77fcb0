"""A dialect's words for the states of the domain: tables in, one total function out.

Every dialect has words for all that works, also for what its lists do not show, so that each can be asked
what is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from gateway.domain.job import JobStatus
from gateway.domain.schedule import RunState, ScheduleStatus
from gateway.domain.task import Standing, TaskStatus

Word = TypeVar("Word")
#: A state of the domain, whatever it is of.
WorkState = JobStatus | Standing | TaskStatus | RunState | ScheduleStatus


def one_word_each(*tables: Mapping[Any, Word]) -> Callable[[WorkState], Word]:
    """The word of any state. Each table is of one enumeration, and whole; raises ValueError where one is not.

    A state of an enumeration without a table has no word: KeyError.
    """
    # By class first: equal words of different enumerations are equal as keys.
    words: dict[type[Enum], Mapping[Any, Word]] = {}
    for table in tables:
        kind: type[Enum] = type(next(iter(table)))
        if missing := set(kind) - table.keys():
            raise ValueError(f"{kind.__name__}: no word for {', '.join(sorted(map(str, missing)))}")
        words[kind] = table

    def word(state: WorkState) -> Word:
        return words[type(state)][state]

    return word
