"""The native API as one dialect."""

from __future__ import annotations

from gateway.api.http.app import render_problem
from gateway.api.http.credentials import by_bearer_or_peer
from gateway.api.http.operations import Dialect
from gateway.api.http.problems import Problem
from gateway.api.native import apps, events, files, jobs, members, printers, registering, sharing

NATIVE = Dialect(
    name="gateway",
    description="The gateway's own API: everything it knows and does.",
    roots=(jobs.ROOT,),
    operations=(
        printers.list_printers,
        printers.get_printer,
        printers.set_plate,
        printers.adjust_printer,
        printers.answer_prompt,
        printers.stop_printer,
        registering.register_printer,
        sharing.list_printer_members,
        sharing.set_printer_role,
        sharing.create_printer_code,
        sharing.unregister_printer,
        sharing.list_organizations,
        sharing.create_organization,
        jobs.create_job,
        jobs.list_jobs,
        jobs.get_job,
        jobs.start_job,
        jobs.pause_job,
        jobs.resume_job,
        jobs.cancel_job,
        jobs.resolve_job,
        jobs.plan_job_recovery,
        jobs.recover_job,
        jobs.get_command,
        files.upload_file,
        files.list_files,
        files.get_file,
        members.list_members,
        members.create_member,
        members.list_keys,
        members.create_key,
        members.revoke_key,
        apps.list_apps,
        apps.create_app,
        apps.revoke_app,
        apps.list_grants,
        apps.withdraw_grant,
        apps.set_password,
        events.stream_events,
    ),
    authenticate=by_bearer_or_peer,
    render=render_problem,
    error_model=Problem,
    error_media="application/problem+json",
    error_codes=frozenset({400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503}),
    security={
        "type": "http",
        "scheme": "bearer",
        "description": "A key; on the host's socket also the peer.",
    },
)
