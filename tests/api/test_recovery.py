"""A held print is recovered in two steps: a plan that a person looks at, and that plan sent back."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gateway.cli
from gateway.domain.job import Job, JobStatus, Reason
from gateway.domain.orders import RecoverPrint
from tests.api.host import Host, a_job
from tests.api.native import call
from tests.support.stand import seen

CONTENT = (Path(gateway.cli.__file__).parent / "demo_files" / "cable-clip-small.gcode").read_bytes()


async def held(host: Host, *, content: bytes = CONTENT, **changes: Any) -> Job:
    """A print of the demo's file, held in its middle."""
    upload = await host.files.begin()
    await upload.write(content)
    sha256, size = await upload.finish()
    assert sha256 == hashlib.sha256(content).hexdigest()
    values: dict[str, Any] = {
        "status": JobStatus.PAUSED, "reasons": frozenset({Reason.PRINTER_STOPPED}), "print_key": "mark",
        "attempts": 1, "file_sha256": sha256, "file_size": size, "position": size // 2, **changes,
    }  # fmt: skip
    job = replace(a_job(), **values)
    await host.put_jobs(job)
    return job


@pytest.mark.parametrize(("firmware", "mode"), [("Prusa-Firmware 3.13.2", "M83"), ("Marlin 2.1.2", "M82")])
async def test_a_plan_is_for_the_firmware_that_prints_it(host: Host, firmware: str, mode: str) -> None:
    """G90 ends M83 in Marlin, and not in Prusa's firmware."""
    await host.observe(replace(seen(), firmware=firmware))
    content = CONTENT.replace(b"\nM83", b"\n").replace(b"\nM82", b"\n").replace(b"\nG90", b"\nM83\nG90", 1)
    job = await held(host, content=content, printer_id=1)
    plan = await (await call(host, "GET", f"/jobs/{job.job_id}/recovery")).json()
    assert [line for line in plan["gcode"] if line in ("M82", "M83")][-1] == mode


async def test_a_plan_is_looked_at_and_sent_back(host: Host) -> None:
    job = await held(host)
    response = await call(host, "GET", f"/jobs/{job.job_id}/recovery")
    plan = await response.json()
    assert response.status == 200
    assert (plan["hotend"] > 170, plan["bed"]) == (True, 60.0)
    assert plan["layers_done"] == plan["layer"] - 1 > 0
    assert "G28 X Y" in plan["gcode"]
    assert plan["warnings"]
    assert not [order for order in host.drivers.orders if isinstance(order, RecoverPrint)]

    wrong = await call(host, "POST", f"/jobs/{job.job_id}/recover", json={"plan": "0" * 16})
    assert (wrong.status, "changed" in (await wrong.json())["detail"]) == (409, True)
    right = await call(host, "POST", f"/jobs/{job.job_id}/recover", json={"plan": plan["plan"]})
    assert (right.status, (await right.json())["command"]) == (202, "recover")
    [order] = [order for order in host.drivers.orders if isinstance(order, RecoverPrint)]
    assert (order.expect, order.position) == ("mark", job.position)
    assert [*order.heat_lines, *order.move_lines] == plan["gcode"]
    assert CONTENT[order.offset :].startswith(b";LAYER_CHANGE")


async def test_an_earlier_layer_has_a_plan_of_its_own(host: Host) -> None:
    job = await held(host)
    usual = await (await call(host, "GET", f"/jobs/{job.job_id}/recovery")).json()
    earlier = await (await call(host, "GET", f"/jobs/{job.job_id}/recovery?layer=2")).json()
    assert (earlier["layer"], earlier["plan"] != usual["plan"]) == (2, True)
    late = await call(host, "GET", f"/jobs/{job.job_id}/recovery?layer=999")
    assert (late.status, "it may be 2 to" in (await late.json())["detail"]) == (409, True)


async def test_what_cannot_be_known_is_refused_with_its_reason(host: Host) -> None:
    job = await held(host, position=10)
    early = await call(host, "GET", f"/jobs/{job.job_id}/recovery")
    assert (early.status, "no layer was finished" in (await early.json())["detail"]) == (409, True)


async def test_only_a_held_streamed_print(host: Host) -> None:
    job = await held(host, reasons=frozenset())
    assert (await call(host, "GET", f"/jobs/{job.job_id}/recovery")).status == 409
    assert (await call(host, "POST", f"/jobs/{job.job_id}/recover", json={"plan": "x"})).status == 409


async def test_a_print_on_a_machine_that_has_the_file_has_no_plan(host: Host) -> None:
    job = await held(host)
    host.engine.state.printers[1] = replace(host.engine.state.printers[1], driver="bambu")
    response = await call(host, "GET", f"/jobs/{job.job_id}/recovery")
    assert response.status == 409
    assert "prints by itself, from its own copy of the file" in (await response.json())["detail"]
