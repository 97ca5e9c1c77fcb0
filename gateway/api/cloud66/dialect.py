"""Cloud 66's stack jobs as one dialect."""

from __future__ import annotations

from gateway.api.cloud66 import answers
from gateway.api.cloud66.jobs import JOB_OPERATIONS
from gateway.api.cloud66.schemas import Error
from gateway.api.http.credentials import by_bearer
from gateway.api.http.operations import JSON, Dialect

CLOUD66 = Dialect(
    name="cloud66",
    description="Cloud 66's stack jobs: schedules of a printer group, and their runs. "
    "Every path is also served with `.json` behind it.",
    roots=answers.ROOTS,
    operations=JOB_OPERATIONS,
    authenticate=by_bearer,
    render=answers.render,
    error_model=Error,
    error_media=JSON,
    error_codes=frozenset(answers.WORDS),
    security={"type": "http", "scheme": "bearer", "description": "A token with the scope `public`."},
    is_lenient=True,
)
