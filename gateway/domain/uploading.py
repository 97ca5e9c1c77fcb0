"""Uploads to printers: tasks that a printer's driver carries out, while nothing else is on the printer.

    due, printer idle, its turn   RUNNING, one UploadFile
    OrderProgressed               progress in bytes, memory only
    ACCEPTED                      DONE: the printer said that the file is saved, whole
    REFUSED, UNCLEAR              tried again later: an upload starts nothing, twice is no harm
    paused, canceled              AbortUpload; until it is answered nothing starts there

Whoever drives the printer may outlive this process, and an upload with it. Behind a restart, or an answer
that cannot tell, a task remembers its order: if the printer is busy then, the upload is ordered anew all the
same, and joins what is under way. A driver that is busy with something else refuses it.
"""

from __future__ import annotations

from gateway.domain.answering import REFUSED_PAUSE
from gateway.domain.asking import give
from gateway.domain.assign import is_taken, upload_waits_for, uploaded_to
from gateway.domain.call_in import CALL_IN_DRIVER
from gateway.domain.observations import Activity, LinkState, OrderAnswered, OrderProgressed, OrderResult
from gateway.domain.orders import AbortUpload, UploadFile
from gateway.domain.printer import Presence, Printer
from gateway.domain.state import Draft
from gateway.domain.task import ABORT_UPLOAD, Task, TaskKind, TaskStatus
from gateway.domain.task_moves import begin_try, fail_try, move, note_progress

_S = TaskStatus


def begin_upload(draft: Draft, printer: Printer, task: Task) -> Task:
    """The next try, on a printer that is free; ordered after the commit."""
    order_id, sha256, size = draft.moment.new_id(), str(task.arguments["sha256"]), int(task.arguments["size"])
    draft.orders.append(
        UploadFile(
            printer=printer.name,
            order_id=order_id,
            path=draft.moment.path_of(sha256),
            sha256=sha256,
            size=size,
            name=str(task.arguments["name"]),
        )
    )
    return begin_try(draft, task, order_id=order_id, progress_total=size)


def progressed(draft: Draft, printer: Printer, said: OrderProgressed) -> bool:
    """Whether the word was about an upload."""
    task = _ordered(draft, printer, said.order_id)
    if task is None:
        return False
    name, sent = said.answer.get("name_on_printer"), said.answer.get("sent")
    if isinstance(name, str):
        draft.names_on_printer[task.work_id] = name
    if isinstance(sent, int):
        note_progress(draft, task, sent, task.progress_total, task.message)
    return True


def answered(draft: Draft, printer: Printer, answer: OrderAnswered) -> bool:
    """Whether the answer was about an upload that is still wanted."""
    task = _ordered(draft, printer, answer.order_id)
    if task is None:
        return False
    name = draft.names_on_printer.pop(task.work_id, str(task.arguments["name"]))
    if answer.result is OrderResult.ACCEPTED:
        size = int(task.arguments["size"])
        result = {
            "printer_id": printer.printer_id,
            "printer": printer.shown_name,
            "name_on_printer": name,
            "size": size,
        }
        move(draft, task, _S.DONE, result=result, progress_value=size, message=None, order_id=None)
        return True
    draft.refused_until[printer.printer_id] = draft.moment.monotonic + REFUSED_PAUSE
    why = answer.message or f"{printer.shown_name} did not take the file and gave no reason"
    may_go_on = answer.result is OrderResult.UNCLEAR
    fail_try(draft, task, why, is_passing=True, order_id=task.order_id if may_go_on else None)
    return True


def give_up(draft: Draft, task: Task, member_id: str) -> None:
    """Have an upload ended on the printer, if one may be under way; does nothing for other tasks."""
    draft.names_on_printer.pop(task.work_id, None)
    printer = draft.printers.get(uploaded_to(task) or 0)
    if task.order_id is None or printer is None:
        return
    command = give(draft, printer, None, ABORT_UPLOAD, member_id, work_id=task.work_id)
    draft.orders.append(AbortUpload(printer.name, command.task_id, task.order_id))


def rejoin(draft: Draft) -> None:
    """Uploads that may be what makes their printer busy go on there."""
    for task in _waiting(draft):
        printer = draft.printers.get(uploaded_to(task) or 0)
        if task.order_id is None or printer is None or not task.is_due(draft.moment.wall):
            continue
        presence = draft.presence.get(printer.printer_id, Presence())
        is_busy = presence.link is LinkState.UP and presence.activity is Activity.BUSY
        if is_busy and presence.print_key is None and not is_taken(draft, printer):
            begin_upload(draft, printer, task)


def lose_printer(draft: Draft, printer: Printer, member_id: str, why: str) -> None:
    """What waits of a member's uploads fails: it may use the printer no more. What is under way ends."""
    for task in _waiting(draft):
        if task.member_id == member_id and uploaded_to(task) == printer.printer_id:
            move(draft, task, _S.FAILED, error=why, message=None)


def refuse_hopeless(draft: Draft) -> None:
    """Uploads that no printer will ever take fail at once."""
    for task in _waiting(draft):
        printer = draft.printers.get(uploaded_to(task) or 0)
        if printer is None:
            move(draft, task, _S.FAILED, error="there is no such printer any more", message=None)
        elif printer.driver == CALL_IN_DRIVER:
            error = f"{printer.shown_name} calls in and keeps no files for the gateway; hand in a job instead"
            move(draft, task, _S.FAILED, error=error, message=None)


def tell_waiting(draft: Draft) -> None:
    """What uploads that are due wait for, written when it changes. Behind a failed try its reason stays."""
    for task in _waiting(draft):
        if task.retry_at is None and task.is_due(draft.moment.wall):
            message = upload_waits_for(draft, task, draft.moment.monotonic)
            if message != task.message:
                move(draft, task, task.status, message=message)


def _waiting(draft: Draft) -> list[Task]:
    return [
        task
        for task in draft.tasks.values()
        if task.kind is TaskKind.PRINTER_UPLOAD and task.status is _S.PENDING
    ]


def _ordered(draft: Draft, printer: Printer, order_id: str) -> Task | None:
    """The running upload that this order is about."""
    uploads = (task for task in draft.tasks.values() if task.order_id == order_id)
    task = next(uploads, None)
    is_meant = task is not None and task.status is _S.RUNNING and uploaded_to(task) == printer.printer_id
    return task if is_meant else None
