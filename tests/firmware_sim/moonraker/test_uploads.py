"""Files over HTTP, without HTTP: checksum, names, the file that is printed, and accidents on the way."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from firmware_sim.moonraker.faults import Misfortune
from firmware_sim.moonraker.uploads import HttpAnswer, UploadForm
from tests.firmware_sim.moonraker.bench import PART, Bench

SHA = hashlib.sha256(PART).hexdigest()


def error(answer: HttpAnswer) -> tuple[int, str]:
    body: Any = answer.body
    return answer.status, body["error"]["message"]


def test_an_upload_is_stored_whole() -> None:
    bench = Bench().began()
    answer = bench.upload(UploadForm("new part.gcode", PART, checksum=SHA))
    body: Any = answer.body
    assert answer.status == 201
    assert (body["item"]["path"], body["item"]["size"]) == ("new part.gcode", len(PART))
    assert (body["print_started"], body["print_queued"]) == (False, False)
    assert bench.printer.download("new part.gcode", bench.now).content == PART
    metadata = bench.get("server.files.metadata", filename="new part.gcode")
    assert (metadata["size"], metadata["job_id"]) == (len(PART), None)


def test_a_file_can_be_printed_by_its_folder() -> None:
    bench = Bench().began()
    bench.upload(UploadForm("a.gcode", PART, path="jobs/of ana"))
    assert bench.get("printer.print.start", filename="jobs/of ana/a.gcode") == "ok"
    assert [entry.line for entry in bench.printer.physical_starts()] == ["jobs/of ana/a.gcode"]


def test_a_wrong_checksum_stores_nothing() -> None:
    bench = Bench().began()
    answer = bench.upload(UploadForm("x.gcode", PART, checksum="00" * 32))
    assert error(answer) == (422, f"File checksum mismatch: expected {'00' * 32}, calculated {SHA}")
    assert bench.printer.download("x.gcode", bench.now).status == 404


def test_the_file_that_is_printed_stays() -> None:
    bench = Bench().began().started()
    answer = bench.upload(UploadForm("part.gcode", b"G28\n"))
    assert error(answer) == (403, "File is loaded, upload not permitted")
    assert error(bench.printer.delete("part.gcode", bench.now)) == (403, "File currently in use")
    assert bench.get("server.files.delete_file", path="gcodes/part.gcode")["code"] == 403


def test_print_after_upload() -> None:
    bench = Bench().began()
    body: Any = bench.upload(UploadForm("x.gcode", PART, should_print=True)).body
    assert body["print_started"]
    [start] = bench.printer.physical_starts()
    assert (start.source, start.line) == ("http", "x.gcode")
    body = bench.upload(UploadForm("y.gcode", PART, should_print=True)).body
    assert not body["print_started"], "the printer is busy: the file is stored, and that is all"


@pytest.mark.parametrize("name", ["../x.gcode", "a/../../x.gcode", "..", "."])
def test_names_do_not_lead_out_of_the_folder(name: str) -> None:
    assert bench_refuses(name) == 400


def bench_refuses(name: str) -> int:
    return Bench().began().upload(UploadForm(name, PART)).status


def test_delete() -> None:
    bench = Bench().began()
    assert bench.printer.delete("part.gcode", bench.now).status == 200
    assert error(bench.printer.delete("part.gcode", bench.now)) == (
        400,
        "Invalid file path: gcodes/part.gcode",
    )
    assert bench.get("server.files.list") == []
    missing = bench.get("server.files.metadata", filename="part.gcode")
    assert missing == {"code": -32601, "message": "Metadata not available for <part.gcode>"}


def test_a_truncated_upload_is_seen_by_its_checksum_only() -> None:
    bench = Bench(Misfortune("upload-truncated", count=2)).began()
    assert bench.upload(UploadForm("x.gcode", PART, checksum=SHA)).status == 422
    answer = bench.upload(UploadForm("x.gcode", PART))
    body: Any = answer.body
    assert (answer.status, body["item"]["size"]) == (201, len(PART) // 2)


def test_an_upload_whose_answer_is_lost_is_stored() -> None:
    bench = Bench(Misfortune("upload-answer-lost")).began()
    assert bench.upload(UploadForm("x.gcode", PART)).is_lost
    assert bench.printer.download("x.gcode", bench.now).content == PART


def test_a_full_disk() -> None:
    bench = Bench(Misfortune("upload-refused")).began()
    assert error(bench.upload(UploadForm("x.gcode", PART))) == (500, "Unable to save file")


def test_a_dead_moonraker_answers_nobody() -> None:
    bench = Bench().began()
    bench.printer.kill_moonraker(bench.now)
    assert bench.upload(UploadForm("x.gcode", PART)).is_lost
    assert bench.printer.info(bench.now).is_lost


def test_what_the_slicer_wrote_is_metadata() -> None:
    text = b"G28\n; estimated printing time (normal mode) = 1h 2m 3s\n; total layers count = 12\n"
    bench = Bench(sliced=text).began()
    metadata = bench.get("server.files.metadata", filename="sliced.gcode")
    assert (metadata["estimated_time"], metadata["layer_count"]) == (3723.0, 12)
