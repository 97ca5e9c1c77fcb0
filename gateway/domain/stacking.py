"""Stacks: groups of an organization's printers. Commands, as in `asking`.

Each organization has one at least, "all printers"; it is made with the organization, and after an upgrade.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from gateway.domain.call_in import CALL_IN_DRIVER
from gateway.domain.commands import CommandRefused, Refusal
from gateway.domain.printer import Printer
from gateway.domain.schedule import STACKS_KEPT, Stack
from gateway.domain.schedule_commands import AddStack, ChangeStack, RemoveStack
from gateway.domain.state import Draft
from gateway.domain.work_events import StackChanged

#: The name of the stack that every organization has from the start.
ALL_PRINTERS: Final = "all printers"


class HasPrinters(Protocol):
    """A State, or a Draft over one."""

    @property
    def printers(self) -> Mapping[int, Printer]:
        """By printer_id."""


def begin(draft: Draft) -> None:
    """Organizations of a database that had no stacks get theirs."""
    for organization_id in draft.organizations:
        ensure(draft, organization_id)


def ensure(draft: Draft, organization_id: int) -> None:
    """The organization's first stack, if it has none. Nobody asked for it, so no event tells of it."""
    if any(stack.organization_id == organization_id for stack in draft.stacks.values()):
        return
    draft.put_stack(_new(draft, organization_id, ALL_PRINTERS, None))


def add(draft: Draft, asked: AddStack) -> Stack:
    """A new stack. Refused to an organization that has too many."""
    count = sum(stack.organization_id == asked.organization_id for stack in draft.stacks.values())
    if count >= STACKS_KEPT:
        raise CommandRefused(
            Refusal.CONFLICT, f"there are {count} stacks, which is as many as may be; remove one first"
        )
    _must_be_named_alone(draft, asked.name, asked.organization_id)
    printer_ids = _checked(draft, asked.organization_id, asked.printer_ids)
    stack = draft.put_stack(_new(draft, asked.organization_id, asked.name, printer_ids))
    _tell(draft, stack, asked.member_id, "added")
    return stack


def change(draft: Draft, asked: ChangeStack) -> Stack:
    """Runs that wait keep the printers they had when they were asked for."""
    stack = stack_numbered(draft, asked.number)
    if asked.name != stack.name:
        _must_be_named_alone(draft, asked.name, stack.organization_id)
    printer_ids = _checked(draft, stack.organization_id, asked.printer_ids)
    changed = replace(stack, name=asked.name, printer_ids=printer_ids)
    if changed == stack:
        return stack
    changed = draft.put_stack(changed)
    _tell(draft, changed, asked.member_id, "changed")
    return changed


def remove(draft: Draft, asked: RemoveStack) -> None:
    """Refused while it has schedules, and when it is the last one."""
    stack = stack_numbered(draft, asked.number)
    schedules = [schedule for schedule in draft.schedules.values() if schedule.stack_number == stack.number]
    if schedules:
        raise CommandRefused(
            Refusal.CONFLICT,
            f"{stack.name!r} has schedules ({len(schedules)}); remove them first "
            "(`print-gateway schedules list`)",
        )
    mine = [other for other in draft.stacks.values() if other.organization_id == stack.organization_id]
    if len(mine) == 1:
        raise CommandRefused(
            Refusal.CONFLICT, f"{stack.name!r} is the only stack; make another one before it is removed"
        )
    draft.drop_stack(stack.number)
    _tell(draft, stack, asked.member_id, "removed")


def _must_be_named_alone(draft: Draft, name: str, organization_id: int) -> None:
    """People mean stacks by their names."""
    stacks = draft.stacks.values()
    if any(name == known.name and organization_id == known.organization_id for known in stacks):
        raise CommandRefused(Refusal.CONFLICT, f"there is a stack {name!r} already; take another name")


def stack_numbered(draft: Draft, number: int) -> Stack:
    """The stack with that number, or CommandRefused."""
    stack = draft.stacks.get(number)
    if stack is None:
        raise CommandRefused(
            Refusal.UNKNOWN, "there is no such stack; `print-gateway stacks list` shows them"
        )
    return stack


def printers_of(standing: HasPrinters, stack: Stack, *, with_gcode: bool = False) -> list[Printer]:
    """Those that a run is for, by number: enabled, and of the stack's organization.

    Of a stack of all printers, those that take no G-code have no part in a run that sends some; where a stack
    names one, its step fails and says so.
    """
    return [
        printer
        for printer_id, printer in sorted(standing.printers.items())
        if printer.enabled
        and printer.organization_id == stack.organization_id
        and _is_meant(stack, printer_id, is_able=not with_gcode or printer.driver != CALL_IN_DRIVER)
    ]


def _is_meant(stack: Stack, printer_id: int, *, is_able: bool) -> bool:
    return is_able if stack.printer_ids is None else printer_id in stack.printer_ids


def _checked(
    draft: Draft, organization_id: int, printer_ids: tuple[int, ...] | None
) -> tuple[int, ...] | None:
    if printer_ids is None:
        return None
    if not printer_ids:
        raise CommandRefused(
            Refusal.INVALID, "a stack needs a printer: name one, or leave them out to mean every one"
        )
    for printer_id in printer_ids:
        printer = draft.printers.get(printer_id)
        if printer is None or not printer.enabled or printer.organization_id != organization_id:
            raise CommandRefused(
                Refusal.UNKNOWN,
                f"there is no printer {printer_id} in this organization; "
                "`print-gateway printers list` shows them",
            )
    return tuple(sorted(set(printer_ids)))


def _new(draft: Draft, organization_id: int, name: str, printer_ids: tuple[int, ...] | None) -> Stack:
    return Stack(
        number=draft.next_stack_number(),
        stack_id=draft.moment.new_hex(32),
        organization_id=organization_id,
        name=name,
        created_at=draft.moment.wall,
        printer_ids=printer_ids,
    )


def _tell(draft: Draft, stack: Stack, member_id: str, what: str) -> None:
    draft.events.append(
        StackChanged(
            at=draft.moment.wall,
            organization_id=stack.organization_id,
            member_id=member_id,
            printer_id=None,
            work_id=None,
            stack_id=stack.stack_id,
            name=stack.name,
            what=what,
        )
    )


#: For `deciding`.
HANDLERS: dict[type, Callable[[Draft, Any], Any]] = {AddStack: add, ChangeStack: change, RemoveStack: remove}
