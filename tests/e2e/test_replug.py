"""Real processes: the cable is pulled in mid-print and put back; the printer comes back as another device."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.house import SMALL, House, is_whole


def test_a_print_goes_on_when_its_printer_comes_back_under_another_name(tmp_path: Path) -> None:
    with House(tmp_path, {"mk3": "marlin-full"}, speed=60, has_cables=True) as house:
        cable = house.cables["mk3"]
        house.ready("mk3")
        job_id = house.submit("mk3", SMALL)
        house.until(lambda: house.count("mk3") > 200)
        cable.pull()
        house.until(lambda: house.printer("mk3").get("status") == "offline")
        cable.plug()
        house.until(lambda: house.job(job_id)["status"] in ("completed", "failed", "canceled"))
        before, after = cable.devices
        assert before != after, "it did come back as another device"
        job = house.job(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 1)
        assert is_whole(house.executed("mk3"), SMALL), "no line lost, none doubled"
        kept = tmp_path / "wire" / "kept"
        house.until(lambda: list(kept.glob("mk3-*.wire")))
        (path,) = kept.glob("mk3-*.wire")
        assert "! lost: " in path.read_text(), "what was said when the cable was pulled is kept"
