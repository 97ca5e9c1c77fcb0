"""What apps leave with their jobs stays in memory and on disk: so much of it and no more, anywhere."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api.http import limits
from gateway.domain.commands import SubmitJob
from tests.api.host import Host
from tests.support.stand import BEN

#: `{"a":"..."}` with quotes, braces and colon.
AROUND = 8
MOST = "x" * (limits.OBJECT_BYTES - AROUND)


@pytest.mark.parametrize(
    ("method", "path", "around"),
    [
        ("POST", "/ps/v1/print/printers/0/jobs", lambda kept: {"settings": kept}),
        ("POST", "/gateway/v1/jobs", lambda kept: {"settings": kept}),
        ("PUT", "/ps/v1/print/jobs/{job_id}", lambda kept: kept),
    ],
)
async def test_so_much_is_kept_and_no_more(host: Host, method: str, path: str, around: Any) -> None:
    job = await host.engine.execute(SubmitJob(BEN.member_id, BEN.organization_id, "part"))
    path, headers = path.format(job_id=job.job_id), await host.bearer()
    taken = await host.client.request(method, path, json=around({"a": MOST}), headers=headers)
    assert taken.status in (200, 201), await taken.text()
    refused = await host.client.request(method, path, json=around({"a": MOST + "x"}), headers=headers)
    assert refused.status == 422
    assert f"{limits.OBJECT_BYTES} bytes as JSON are the most that is kept" in await refused.text()
