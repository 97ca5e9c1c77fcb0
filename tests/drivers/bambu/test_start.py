"""A start reaches the printer once at most; each way it can go has its own answer. Judged by the ledger."""

from __future__ import annotations

import asyncio
import io
import zipfile
from pathlib import Path

import pytest

from gateway.domain.observations import Activity, OrderResult, PrintPhase
from gateway.drivers.bambu.starting import CALLED_OFF, UNPROVEN
from gateway.drivers.left import mark_number
from tests.contract.stand import MARK, SECOND, on_virtual_time
from tests.support.bambu_stand import PROGRAM, VASE, BambuStand, gcode, sliced

START = "print.project_file"


@pytest.mark.parametrize("model", ["a1", "a1-mini", "p1s", "x1c", "h2d-like"])
@on_virtual_time
async def test_every_model_prints_it_once(tmp_path: Path, model: str) -> None:
    async with BambuStand(tmp_path, model) as stand:
        await stand.ready()
        assert (await stand.start(stand.print_file())).result is OrderResult.ACCEPTED
        ended = await stand.phase(PrintPhase.COMPLETED)
        assert (ended.key, ended.name, ended.progress) == (MARK, "part.gcode.3mf", 1.0)
        assert stand.moves() == PROGRAM
        assert stand.physical_starts() == ["gateway"]
        await asyncio.sleep(5)
        assert set(stand.stored()) == {VASE}, "its file is removed"


@on_virtual_time
async def test_the_mark_is_in_all_three_ids_and_in_the_name(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.phase(PrintPhase.PRINTING)
        [start] = stand.ledger.events("print-started")
        mark = mark_number(MARK)
        assert (start.effect or "").count(f'"{mark}"') == 3
        assert start.line == f"part-{mark}.gcode.3mf"


@on_virtual_time
async def test_plain_gcode_is_known_by_its_name(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        assert (await stand.start(stand.plain_file())).result is OrderResult.ACCEPTED
        assert (await stand.phase(PrintPhase.PRINTING)).key == MARK
        await stand.kill_host()
        await stand.raise_host()
        assert (await stand.phase(PrintPhase.COMPLETED)).key == MARK
        assert (stand.told(START), stand.told("print.gcode_file")) == (0, 1)
        assert stand.moves() == PROGRAM


@on_virtual_time
async def test_the_plate_that_is_in_the_archive_is_printed(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        path = tmp_path / "third.3mf"
        path.write_bytes(sliced(gcode(PROGRAM), plate=3))
        assert (await stand.start(path)).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == PROGRAM


def unsliced() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("3D/3dmodel.model", "<model/>")
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [unsliced(), sliced("G28")[:-30] + b"PK\x05\x06", b"PK", b"", b" \n", b"G28\n\0"],
    ids=["not sliced", "cut off", "nothing of an archive", "empty", "blank", "no text"],
)
@on_virtual_time
async def test_what_cannot_be_printed_is_refused_for_good(tmp_path: Path, content: bytes) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        path = tmp_path / "model.3mf"
        path.write_bytes(content)
        refused = await stand.start(path)
        assert (refused.result, refused.is_final) == (OrderResult.REFUSED, True)
        assert refused.message
        assert set(stand.stored()) == {VASE}
        assert stand.told(START) == 0


@on_virtual_time
async def test_the_upload_is_told_and_its_file_has_a_name_of_its_own(tmp_path: Path) -> None:
    async with BambuStand(tmp_path, upload_rate=500.0) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        said = [shot.current.message for shot in stand.seen if shot.current is not None]
        assert [words for words in said if words and words.startswith("uploading")]
        assert {shot.current.phase for shot in stand.seen if shot.current} >= {PrintPhase.STARTING}
        await stand.phase(PrintPhase.COMPLETED)
        stand.acknowledge(MARK)
        await stand.start(stand.print_file(), SECOND)
        names = [entry.line for entry in stand.ledger.events("file-stored")]
        assert len(set(names)) == 2


# -- it goes wrong before anything moved ------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["storage-full", "upload-cut", "file-truncated"])
@on_virtual_time
async def test_a_file_that_does_not_arrive_refuses_the_start(tmp_path: Path, fault: str) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.arm(fault)
        refused = await stand.start(stand.print_file())
        assert (refused.result, refused.is_final) == (OrderResult.REFUSED, False)
        assert refused.message
        assert stand.snapshot().current is None
        await asyncio.sleep(30)
        assert set(stand.stored()) == {VASE}, "no part of it stays"
        assert stand.told(START) == 0


@on_virtual_time
async def test_a_refusal_of_the_printer_is_told_in_its_words(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.arm("refused", command="project_file")
        refused = await stand.start(stand.print_file())
        assert (refused.result, refused.is_final) == (OrderResult.REFUSED, False)
        assert "did not take it" in (refused.message or "")
        await asyncio.sleep(60)
        assert stand.physical_starts() == []
        assert set(stand.stored()) == {VASE}
        assert (await stand.start(stand.print_file(), SECOND)).result is OrderResult.ACCEPTED


@on_virtual_time
async def test_a_printer_that_verifies_signatures_takes_no_job_and_says_what_to_do(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.arm("verify-failed", command="project_file")
        refused = await stand.start(stand.print_file())
        assert (refused.result, refused.is_final) == (OrderResult.REFUSED, True)
        assert "Developer Mode" in (refused.message or "")
        assert stand.snapshot().link.value == "up", "it is read all the same"
        assert "Developer Mode" in (stand.snapshot().obstacle or "")
        again = await stand.start(stand.print_file(), SECOND)
        assert (again.result, again.is_final) == (OrderResult.REFUSED, True)
        assert stand.told(START) == 1


@on_virtual_time
async def test_a_printer_that_says_so_beforehand_is_not_even_asked(tmp_path: Path) -> None:
    async with BambuStand(tmp_path, "x1c", developer_mode=False) as stand:
        await stand.until(lambda: stand.snapshot().activity is Activity.READY)
        assert "Developer Mode" in (stand.snapshot().obstacle or "")
        refused = await stand.start(stand.print_file())
        assert (refused.result, refused.is_final) == (OrderResult.REFUSED, True)
        assert (await stand.gcode("G28")).result is OrderResult.REFUSED
        assert (stand.told(START), stand.told("print.gcode_line")) == (0, 0)
        assert set(stand.stored()) == {VASE}


@on_virtual_time
async def test_a_cancel_during_the_upload_ends_it(tmp_path: Path) -> None:
    async with BambuStand(tmp_path, upload_rate=100.0) as stand:
        await stand.ready()
        order = stand.start_order(stand.print_file())
        await stand.submit(order)
        await stand.phase(PrintPhase.STARTING)
        await asyncio.sleep(3)
        assert (await stand.cancel()).result is OrderResult.ACCEPTED
        refused = await stand.answered(order.order_id)
        assert (refused.result, refused.message) == (OrderResult.REFUSED, CALLED_OFF)
        assert (await stand.phase(PrintPhase.CANCELED)).key == MARK
        await asyncio.sleep(300)
        assert (stand.told(START), stand.physical_starts()) == (0, [])
        assert set(stand.stored()) == {VASE}


@on_virtual_time
async def test_a_print_from_the_panel_during_the_upload_is_left_alone(tmp_path: Path) -> None:
    async with BambuStand(tmp_path, "a1-mini", upload_rate=100.0) as stand:
        await stand.ready()
        order = stand.start_order(stand.print_file())
        await stand.submit(order)
        await asyncio.sleep(3)
        stand.panel_start()
        assert (await stand.answered(order.order_id)).result is OrderResult.REFUSED
        local = await stand.phase(PrintPhase.COMPLETED)
        assert local.is_local
        assert (stand.told(START), stand.physical_starts()) == (0, ["panel"])
        assert set(stand.stored()) == {VASE}


@on_virtual_time
async def test_nothing_is_published_to_a_printer_whose_state_is_old(tmp_path: Path) -> None:
    async with BambuStand(tmp_path, upload_rate=100.0) as stand:
        await stand.ready()
        order = stand.start_order(stand.print_file())
        await stand.submit(order)
        await asyncio.sleep(10)
        stand.cut("network")
        refused = await stand.answered(order.order_id)
        assert refused.result is OrderResult.REFUSED
        stand.mend("network")
        await asyncio.sleep(300)
        assert (stand.told(START), stand.physical_starts()) == (0, [])


# -- it may have arrived ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["no-echo", "echo-late", "lost-after"])
@on_virtual_time
async def test_the_state_proves_it_when_no_reply_does(tmp_path: Path, fault: str) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.arm(fault, command="project_file")
        assert (await stand.start(stand.print_file())).result is OrderResult.ACCEPTED
        assert (await stand.phase(PrintPhase.COMPLETED)).key == MARK
        assert (stand.told(START), stand.physical_starts()) == (1, ["gateway"])


@pytest.mark.parametrize("fault", ["vanished", "lost-before", "half-dead"])
@on_virtual_time
async def test_what_nothing_proves_is_unclear_and_never_sent_again(tmp_path: Path, fault: str) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.arm(fault, command="project_file")
        began = asyncio.get_running_loop().time()
        unclear = await stand.start(stand.print_file())
        assert (unclear.result, unclear.message) == (OrderResult.UNCLEAR, UNPROVEN)
        assert asyncio.get_running_loop().time() - began < 120
        assert stand.snapshot().current is None
        again = await stand.start(stand.print_file(), order_id="again")
        assert again.result is OrderResult.UNCLEAR
        await asyncio.sleep(600)
        assert (stand.told(START), stand.physical_starts()) == (1, [])
        assert len(stand.stored()) == 2, "it may be printed yet"
        stand.acknowledge(MARK)  # a person has looked
        await asyncio.sleep(5)
        assert set(stand.stored()) == {VASE}


@on_virtual_time
async def test_a_start_that_a_death_left_in_doubt_leaves_no_file(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.arm("vanished", command="project_file")
        await stand.submit(stand.start_order(stand.print_file()))
        await stand.until(lambda: stand.told(START))
        await stand.kill_host()
        await stand.raise_host()
        assert (await stand.answered(MARK)).result is OrderResult.UNCLEAR
        stand.acknowledge(MARK)
        await asyncio.sleep(5)
        assert (stand.told(START), set(stand.stored())) == (1, {VASE})


@on_virtual_time
async def test_a_session_that_does_not_listen_is_made_anew(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.arm("half-dead", command="project_file")
        await stand.start(stand.print_file())
        assert stand.wire.opened == 2
        stand.acknowledge(MARK)
        assert (await stand.start(stand.print_file(), SECOND)).result is OrderResult.ACCEPTED


@on_virtual_time
async def test_an_unclear_start_that_turns_up_goes_on_as_the_same_print(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.arm("no-echo", command="project_file")
        order = stand.start_order(stand.print_file())
        await stand.submit(order)
        await stand.until(lambda: stand.told(START))
        stand.cut("network")
        assert (await stand.answered(order.order_id)).result is OrderResult.UNCLEAR
        stand.mend("network")
        assert (await stand.phase(PrintPhase.COMPLETED)).key == MARK
        assert not [shot for shot in stand.seen if shot.current is not None and shot.current.is_local]


@on_virtual_time
async def test_the_end_of_the_print_before_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    """H2D shows FINISH under the new print's id for 48 s."""
    async with BambuStand(tmp_path, "h2d-like") as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.phase(PrintPhase.COMPLETED)
        stand.acknowledge(MARK)
        assert (await stand.start(stand.print_file(), SECOND)).result is OrderResult.ACCEPTED
        assert not stand.snapshot().ended
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == [*PROGRAM, *PROGRAM]


@on_virtual_time
async def test_a_cancel_of_a_start_that_left_is_passed_on_when_it_runs(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        order = stand.start_order(stand.print_file())
        await stand.submit(order)
        await stand.until(lambda: stand.told(START))
        assert (await stand.cancel()).result is OrderResult.ACCEPTED
        assert (await stand.answered(order.order_id)).result is OrderResult.ACCEPTED
        assert (await stand.phase(PrintPhase.CANCELED)).key == MARK
        assert stand.told("print.stop") == 1
        await stand.until(lambda: stand.snapshot().activity is Activity.READY)


@on_virtual_time
async def test_a_file_that_is_gone_fails_the_print(tmp_path: Path) -> None:
    async with BambuStand(tmp_path, settings={"url_form": "ftp:///other/{name}"}) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        failed = await stand.phase(PrintPhase.FAILED)
        assert "name or path" in (failed.message or "")
        assert stand.snapshot().activity is Activity.ERROR
        assert stand.physical_starts() == []
