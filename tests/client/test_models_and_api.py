"""What `--json` prints goes through the client's models: no field that the API answers is lost on the way."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from gateway.api.native import (
    app_schemas,
    job_schemas,
    member_schemas,
    printer_schemas,
    schedule_schemas,
    task_schemas,
)
from gateway.client import models

#: Each attempt of a job is told by the API alone: the command line shows where the last one stands.
LEFT_OUT = {job_schemas.JobWithAttempts: {"attempt_list"}}
PAIRS: list[tuple[type[BaseModel], type[BaseModel]]] = [
    (printer_schemas.Printer, models.Printer),
    (printer_schemas.PrinterMember, models.PrinterMember),
    (printer_schemas.PrinterCode, models.PrinterCode),
    (printer_schemas.Task, models.Answer),
    (job_schemas.JobWithAttempts, models.Job),
    (job_schemas.RecoveryPlan, models.RecoveryPlan),
    (member_schemas.Member, models.Member),
    (member_schemas.Organization, models.Organization),
    (member_schemas.KeyWithToken, models.Key),
    (app_schemas.App, models.App),
    (app_schemas.Grant, models.Grant),
    (schedule_schemas.Stack, models.Stack),
    (schedule_schemas.Schedule, models.Schedule),
    (schedule_schemas.Action, models.Action),
    (task_schemas.BackgroundTask, models.Task),
]


@pytest.mark.parametrize(("answered", "known"), PAIRS, ids=lambda model: model.__name__)
def test_no_field_is_lost(answered: type[BaseModel], known: type[BaseModel]) -> None:
    names = {field.alias or name for name, field in known.model_fields.items()}
    assert set(answered.model_fields) - names == LEFT_OUT.get(answered, set())
