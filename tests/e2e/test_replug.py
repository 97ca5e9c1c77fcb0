"""Real processes: the cable is pulled in mid-print and put back; the printer comes back as another device."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.cable import Cable
from tests.e2e.house import SMALL, House, is_whole


def test_a_print_goes_on_when_its_printer_comes_back_under_another_name(tmp_path: Path) -> None:
    stable = tmp_path / "usb-Prusa_Research_MK3-if00"
    with House(tmp_path, {"mk3": "marlin-full"}, speed=100) as house:
        config = tmp_path / "config.toml"
        house.kill("streamer")
        cable = Cable(tmp_path / "mk3.tty", stable)
        config.write_text(config.read_text().replace(f"{tmp_path}/mk3.tty", str(stable)))
        house.start("streamer")
        try:
            house.ready("mk3")
            job_id = house.submit("mk3", SMALL)
            house.until(lambda: house.count("mk3") > 200)
            cable.pull()
            house.until(lambda: house.printer("mk3").get("status") == "offline")
            cable.plug()
            house.until(lambda: house.job(job_id)["status"] in ("completed", "failed", "canceled"))
        finally:
            cable.close()
        before, after = cable.devices
        assert before != after, "it did come back as another device"
        job = house.job(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 1)
        assert is_whole(house.executed("mk3"), SMALL), "no line lost, none doubled"
        kept = list((tmp_path / "wire" / "kept").glob("mk3-*.wire"))
        assert kept, "what was said when the cable was pulled is kept"
        assert any("! lost: " in line for path in kept for line in path.read_text().splitlines())
