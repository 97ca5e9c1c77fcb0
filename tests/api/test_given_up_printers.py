"""A printer that was given up keeps its token, and whoever has the machine now has that, too.

It reads nothing of its former owner's jobs, whose files are behind the links in them, and cancels none.
"""

from __future__ import annotations

from gateway.domain.call_in_commands import RegisterPrinter, UnregisterPrinter
from gateway.domain.job import JobStatus
from tests.api.host import Host
from tests.api.test_firmware import Firmware, job_of, submit
from tests.support.stand import ANA, BEN


async def ana_s_ember(host: Host) -> Firmware:
    """A printer that Ana registered."""
    ember = Firmware(host)
    code = (await ember.contact()).body["registration_code"]
    await host.engine.execute(RegisterPrinter(ANA.member_id, code, "my_ember"))
    return ember


async def test_it_lists_no_jobs_until_somebody_has_it_again(host: Host) -> None:
    ember = await ana_s_ember(host)
    await submit(host, ember)
    assert (await ember.call("GET", "/jobs")).body["count"] == 1
    await host.engine.execute(UnregisterPrinter(ember.printer_id, ANA.member_id))
    listed = await ember.call("GET", "/jobs")
    assert (listed.status, listed.body["jobs"], listed.headers["X-Total-Count"]) == (200, [], "0")
    code = (await ember.contact()).body["registration_code"]
    await host.engine.execute(RegisterPrinter(BEN.member_id, code, "bens"))
    assert (await ember.call("GET", "/jobs")).body["jobs"] == []


async def test_it_cancels_no_job(host: Host) -> None:
    ember = await ana_s_ember(host)
    job = await submit(host, ember)
    await host.engine.execute(UnregisterPrinter(ember.printer_id, ANA.member_id))
    assert (await ember.call("DELETE", f"/jobs/{job.job_id}")).status == 422
    assert (await job_of(host, job)).status is JobStatus.QUEUED


async def test_it_announces_no_print(host: Host) -> None:
    ember = await ana_s_ember(host)
    await host.engine.execute(UnregisterPrinter(ember.printer_id, ANA.member_id))
    refused = await ember.call("POST", "/jobs", {"job_name": "somebody else's"})
    assert (refused.status, host.engine.state.jobs) == (422, {})
    assert "Nobody has registered this printer" in refused.body["message"]
