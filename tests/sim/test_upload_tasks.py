"""`printer-upload` tasks from end to end: the task's word against the card's, whoever dies meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_sim import Entry
from gateway.domain.task import Task, TaskKind, TaskStatus
from gateway.domain.task_commands import AddTask, CancelTask
from tests.support.stand import ANA
from tests.support.town import Town

#: Long enough for something to happen in the middle: on a board without delays 1500 lines take 0.2 s.
LINES = [f"G1 X{n % 150} Y{n // 150} F6000" for n in range(1500)]
AS_WRITTEN = b"".join(f"{line}\r\n".encode() for line in LINES)


async def upload(town: Town) -> Task:
    """Ana's task, some hundred lines of it on the card."""
    file = await town.upload("\n".join(LINES).encode(), "part.gcode")
    arguments = {
        "printer_id": town.printer("mk3").printer_id,
        "sha256": file.sha256,
        "size": file.size,
        "name": file.name,
    }
    task = await town.engine.execute(
        AddTask(ANA.member_id, 1, TaskKind.PRINTER_UPLOAD, "to the card", arguments=arguments)
    )
    assert isinstance(task, Task)
    await town.until(lambda: town.ledger("mk3").count("sd_write") > 300)
    assert saved(town) == []
    return task


def saved(town: Town) -> list[Entry]:
    return town.ledger("mk3").events("sd_saved")


def on_card(town: Town) -> dict[str, bytes]:
    return {file.short: file.content for file in town.wires["mk3"].board.card.files}


async def over(town: Town, task: Task) -> Task:
    """The task as the store has it, once it is over."""

    async def is_over() -> bool:
        return (await stored(town, task)).status in (TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.CANCELED)

    await town.until_async(is_over)
    return await stored(town, task)


async def stored(town: Town, task: Task) -> Task:
    found = await town.queries.task(task_id=task.task_id)
    assert found is not None
    return found


@pytest.mark.parametrize("dies", ["nobody", "gateway", "streamer", "cable", "board"])
async def test_a_task_that_says_done_is_whole_on_the_card(dies: str, tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        task = await upload(town)
        if dies == "gateway":
            await town.kill_gateway()
            await town.start_gateway()
        elif dies == "streamer":
            await town.kill_streamer()
            town.start_streamer()
        elif dies == "cable":
            town.wires["mk3"].unplug(5.0)
        elif dies == "board":
            town.wires["mk3"].board.reset(town.wires["mk3"].now)
            town.wires["mk3"].turn()
        done = await over(town, task)
        assert (done.status, done.error) == (TaskStatus.DONE, None)
        assert done.result is not None
        assert on_card(town) == {done.result["name_on_printer"]: AS_WRITTEN}
        assert town.moves("mk3") == [], "nothing of it was run"
        sent = town.ledger("mk3").count("sd_write")
        assert (sent == len(LINES)) == (dies in ("nobody", "gateway")), (
            "a gateway's death sends nothing twice"
        )


async def test_a_canceled_task_leaves_nothing_on_the_card(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        task = await upload(town)
        await town.engine.execute(CancelTask(task.task_id, ANA.member_id))
        assert (await over(town, task)).status is TaskStatus.CANCELED
        await town.until(lambda: not on_card(town))
        await town.until(lambda: not town.wires["mk3"].board.card.saving)
        assert town.moves("mk3") == []
