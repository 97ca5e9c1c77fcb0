"""Conversio's async jobs as one dialect, and the files of their results as another, which needs no key."""

from __future__ import annotations

from gateway.api.conversio import answers
from gateway.api.conversio.jobs import get_async_job, list_async_jobs
from gateway.api.conversio.results import RESULTS, get_result_file
from gateway.api.conversio.schemas import Error
from gateway.api.conversio.shop import authenticate
from gateway.api.http.credentials import API_KEY
from gateway.api.http.operations import JSON, Dialect
from gateway.api.http.task_results import ASYNC_JOBS

CONVERSIO = Dialect(
    name="conversio",
    description="Conversio's async jobs: the tasks. `X-ApiKey`, or a bearer with `read_async_jobs`.",
    roots=(ASYNC_JOBS,),
    operations=(list_async_jobs, get_async_job),
    authenticate=authenticate,
    render=answers.render,
    error_model=Error,
    error_media=JSON,
    error_codes=frozenset(answers.WORDS),
    security={
        "type": "apiKey",
        "in": "header",
        "name": API_KEY,
        "description": "A key; or instead of it, in `Authorization`, an app's bearer token.",
    },
    is_cross_origin=True,
)
CONVERSIO_RESULTS = Dialect(
    name="conversio-results",
    description="Result files of tasks, by addresses that are their own permission.",
    roots=(RESULTS,),
    operations=(get_result_file,),
    authenticate=authenticate,
    render=answers.render,
    error_model=Error,
    error_media=JSON,
    error_codes=frozenset(answers.WORDS),
    security=CONVERSIO.security,
    is_cross_origin=True,
)
