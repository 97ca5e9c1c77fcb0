"""The Forge print API as one dialect, under the three prefixes its clients knew."""

from __future__ import annotations

from gateway.api.forge import answers
from gateway.api.forge.apps import printables
from gateway.api.forge.apps.jobs import JOB_OPERATIONS
from gateway.api.forge.apps.jobs_changing import JOB_CHANGING_OPERATIONS
from gateway.api.forge.apps.jobs_new import NEW_JOB_OPERATIONS
from gateway.api.forge.apps.members import MEMBER_OPERATIONS
from gateway.api.forge.apps.printers import PRINTER_OPERATIONS
from gateway.api.forge.apps.printers_registering import REGISTRATION_OPERATIONS
from gateway.api.forge.apps.tasks import TASK_OPERATIONS
from gateway.api.forge.firmware.posts import FIRMWARE_OPERATIONS
from gateway.api.forge.printdb.operations import PRINTDB_OPERATIONS
from gateway.api.forge.schemas import Error
from gateway.api.http.credentials import by_bearer
from gateway.api.http.operations import JSON, Dialect

FORGE = Dialect(
    name="forge",
    description="Autodesk's Forge 3D Print API v1, as it was until January 2017.",
    roots=answers.ROOTS,
    operations=(
        *JOB_OPERATIONS,
        *NEW_JOB_OPERATIONS,
        *JOB_CHANGING_OPERATIONS,
        *PRINTER_OPERATIONS,
        *REGISTRATION_OPERATIONS,
        *MEMBER_OPERATIONS,
        *TASK_OPERATIONS,
        printables.upload_file,
        printables.get_signed_printable,
        *PRINTDB_OPERATIONS,
        *FIRMWARE_OPERATIONS,
    ),
    authenticate=by_bearer,
    render=answers.render,
    error_model=Error,
    error_media=JSON,
    error_codes=frozenset({400, 401, 404, 413, 422, 429, 500, 503, 507}),
    security={"type": "http", "scheme": "bearer", "description": "A token of a member, with its scopes."},
    is_cross_origin=True,
    is_lenient=True,
)
