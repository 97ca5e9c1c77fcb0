"""The native API: what is said when something is wrong, and shapes as the command line reads them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.http.answers import encode
from gateway.api.native import job_schemas, printer_schemas, shapes
from gateway.domain.job import Job
from gateway.domain.member import Scope
from gateway.domain.printer_command import CommandStatus, PrinterCommand
from tests.api.host import Host
from tests.api.native import call
from tests.api.test_forge_mapping import jobs
from tests.support.stand import ANA, START, house


@given(jobs(), st.none() | st.text(max_size=5))
def test_every_job_has_a_shape(job: Job, waiting: str | None) -> None:
    job_schemas.Job.model_validate_json(encode(shapes.job(job, house(), waiting)))


@given(st.sampled_from(CommandStatus), st.none() | st.integers(1, 9))
def test_every_command_has_a_shape(state: CommandStatus, printer_id: int | None) -> None:
    number = "00000000-0000-4000-8000-000000000001"
    command = PrinterCommand(number, printer_id, 1, "pause", "M", START, state)
    printer_schemas.Task.model_validate_json(encode(shapes.task(command)))


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/members", {"name": "a\tb"}, "name: A name is one line of text"),
        ("/members", {"name": " "}, "name: A name is one line of text"),
        (
            "/members",
            {"name": "zoe", "email": "zoe"},
            "email: An e-mail address is needed, like ana@example.org",
        ),
        ("/members", {}, "name: this field is needed"),
        ("/keys", {"member": "ben", "name": "k", "scopes": []}, "scopes: List should have at least 1 item"),
        (
            "/keys",
            {"member": "ben", "name": "k", "scopes": ["root"]},
            "scopes.0: Input should be 'data:read'",
        ),
        ("/keys", {"member": "zoe", "name": "k", "scopes": ["admin"]}, "print-gateway members add"),
        ("/printers/mk3/plate", {"plate": "dirty"}, "plate: Input should be 'clear' or 'occupied'"),
        ("/jobs", {"name": "x" * 201}, "name: String should have at most 200 characters"),
        ("/printers/mk3/adjust", {"fan": 101}, "fan: 100 is the most that is possible"),
        ("/printers/mk3/adjust", {"z_step": -1}, "z_step: -0.5 is the least that is possible"),
        ("/jobs", [], "body: an object is needed"),
    ],
)
async def test_what_is_wrong_is_said_in_words(host: Host, path: str, body: Any, words: str) -> None:
    """The field first, then what it takes: no regular expressions, no "body:" in front."""
    response = await call(host, "POST", path, ANA, Scope.ADMIN, json=body)
    detail = (await response.json())["detail"]
    assert response.status == 422
    assert words in detail
    assert "pattern" not in detail
