"""Who is in the demo: two organizations, their people and an app, and what each of them shows at which API.

ana     owns the printers; everything is printed for her, and the app acts for her
ben     a colleague without printers
dora    administers their organization, which is the shop of its key: that sees everybody's exports
carla   administers another organization, the school, which sees nothing of the workshop
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

from gateway.cli.demo_http import Http
from gateway.cli.demo_place import OWNER, STRANGER
from gateway.client.models import App, Key
from gateway.client.native import GatewayClient

BOSS = "dora"
SCHOOL, TEACHER = "school", "carla"
#: What the app may do: read, create tasks, and follow those it created.
APP_NAME, APP_SCOPES = "History app", ("data:read", "data:write", "read_async_jobs")
_READ_WRITE = ("data:read", "data:write")


@dataclass(frozen=True, slots=True)
class Credentials:
    """One for each API and role, as that API wants it; the names are those of the ready file."""

    forge: str  # bearer of the owner
    forge_other: str  # bearer of a member without printers
    greenarrow_admin: str  # id:key of a system administrator
    greenarrow_org: str  # id:key of another organization's administrator
    conversio: str  # X-ApiKey of their organization
    conversio_app: str  # bearer of the app
    cloud66: str  # bearer that may see and run schedules


async def introduce(host: GatewayClient, url: str) -> Credentials:
    """Add them all, as this host's administrator."""
    await host.add_member(STRANGER)
    await host.add_member(BOSS, is_admin=True)
    await host.add_organization(SCHOOL)
    await host.add_member(TEACHER, organization=SCHOOL, is_admin=True)
    app = await host.create_app(APP_NAME, OWNER, (), APP_SCOPES, public=False, implicit=False)

    async def key(member: str, *scopes: str) -> Key:
        return await host.create_key(member, "demo", scopes)

    return Credentials(
        forge=_token(await key(OWNER, *_READ_WRITE)),
        forge_other=_token(await key(STRANGER, *_READ_WRITE)),
        greenarrow_admin=_pair(await key(OWNER, "admin")),
        greenarrow_org=_pair(await key(TEACHER, *_READ_WRITE)),
        conversio=_token(await key(BOSS, *_READ_WRITE, "read_async_jobs")),
        conversio_app=await _app_token(app, url),
        cloud66=_token(await key(OWNER, "public")),
    )


def basic(pair: str) -> dict[str, str]:
    """The header of an `id:key`, as GreenArrow's clients make it."""
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


async def _app_token(app: App, url: str) -> str:
    """The app signs in by itself (RFC 6749 4.4), and acts for its owner."""
    form = {"grant_type": "client_credentials", "scope": " ".join(APP_SCOPES)}
    oauth = Http(url, basic(f"{app.id}:{app.secret}"))
    return str((await oauth.ask("POST", "/oauth/token", data=form)).json()["access_token"])


def _token(key: Key) -> str:
    return key.token or ""


def _pair(key: Key) -> str:
    return f"{key.id}:{key.token}"
