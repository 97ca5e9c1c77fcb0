"""Apps, what members granted them, and the passwords with which members sign in to grant.

What an app may do here for its member it may not use to change who else may: these operations refuse tokens
of apps. Keys, and peers of the Unix socket, are the member itself.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.api.http.answers import reply
from gateway.api.http.operations import ADMIN, READ, READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.api.http.problems import Failure
from gateway.api.native import app_schemas
from gateway.api.native.authority import refuse_apps
from gateway.api.native.jobs import ROOT
from gateway.api.native.shapes import instant
from gateway.auth.keys import hash_of
from gateway.auth.redirects import redirect_uri_fault
from gateway.auth.tokens import SECRET_PREFIX, make_app_id, make_secret
from gateway.domain.grant import App, Password, Token
from gateway.domain.grant_commands import AddApp, RevokeApp, SetPassword, WithdrawAccess
from gateway.domain.grants import Pair
from gateway.domain.member import Member, Scope


@operation("GET", "/apps", scopes=READ, responses={200: app_schemas.Apps})
async def list_apps(call: Call[NoQuery, None]) -> web.StreamResponse:
    """The apps that act for you with their own credentials; all of them to an administrator."""
    apps = call.services.engine.state.grants.apps.values()
    return reply({"apps": [_shown(call, app) for app in apps if _is_own(call, app.owner_id)]})


@operation(
    "POST",
    "/apps",
    scopes=ADMIN,
    responses={201: app_schemas.AppWithSecret},
    response_headers={"Location": "The app."},
)
async def create_app(call: Call[NoQuery, app_schemas.NewApp]) -> web.StreamResponse:
    """Register an app with the authorization server. Its secret is in this answer and never again."""
    wanted = call.body
    _check(wanted)
    secret = None if wanted.public else make_secret(SECRET_PREFIX)
    app = App(
        app_id=make_app_id(),
        name=wanted.name,
        owner_id=_member(call, wanted.owner).member_id,
        redirect_uris=tuple(dict.fromkeys(wanted.redirect_uris)),
        scopes=frozenset(Scope(scope.value) for scope in wanted.scopes),
        created_at=call.services.clock.wall(),
        secret_sha256=None if secret is None else hash_of(secret),
        allow_implicit=wanted.allow_implicit,
    )
    added: App = await call.services.engine.execute(AddApp(app))
    headers = {"Location": f"{ROOT}/apps/{added.app_id}", "Cache-Control": "no-store"}
    return reply(_shown(call, added) | {"secret": secret}, 201, headers)


@operation("DELETE", "/apps/{app_id}", scopes=READ_WRITE, responses={204: None})
async def revoke_app(call: Call[NoQuery, None]) -> web.StreamResponse:
    """The app and all its tokens stop working at once. Revoking it again changes nothing."""
    refuse_apps(call)
    app = call.services.engine.state.grants.apps.get(call.path("app_id"))
    if app is None or not _is_own(call, app.owner_id):
        how = "`print-gateway apps list` (GET /gateway/v1/apps) lists yours"
        raise Failure(404, f"There is no such app of yours; {how}.")
    await call.services.engine.execute(RevokeApp(app.app_id))
    return web.Response(status=204)


@operation("GET", "/grants", scopes=READ, responses={200: app_schemas.Grants})
async def list_grants(call: Call[NoQuery, None]) -> web.StreamResponse:
    """The apps that may act for you now; everybody's to an administrator."""
    grants = call.services.engine.state.grants
    now = call.services.clock.wall()
    shown = []
    for pair, hashes in grants.pair_tokens.items():
        tokens = [grants.tokens[known] for known in hashes]
        live = [token for token in tokens if token.expires_at > now and token.spent_at is None]
        if live and _is_own(call, pair[1]):
            shown.append(_grant(call, pair, live))
    return reply({"grants": shown})


@operation("DELETE", "/grants/{app_id}", scopes=READ_WRITE, responses={204: None})
async def withdraw_grant(call: Call[app_schemas.WithdrawalQuery, None]) -> web.StreamResponse:
    """An app may act for you no more; its tokens for you stop working at once."""
    refuse_apps(call)
    member_id = call.principal.member_id
    if call.query.member is not None:
        if not call.principal.is_admin:
            raise Failure(403, "Only an administrator withdraws what somebody else granted.")
        member_id = _member(call, call.query.member).member_id
    await call.services.engine.execute(WithdrawAccess(call.path("app_id"), member_id))
    return web.Response(status=204)


@operation("PUT", "/members/{member}/password", scopes=READ_WRITE, responses={204: None})
async def set_password(call: Call[NoQuery, app_schemas.NewPassword]) -> web.StreamResponse:
    """The password with which a member signs in to let apps act for it.

    For administrators; and for the member itself on the host's Unix socket. A key cannot: who finds one must
    not get more by it.
    """
    member = _member(call, call.path("member"), status=404)
    if not _is_own(call, member.member_id):
        raise Failure(404, _no_member(call.path("member")))
    if not call.principal.is_admin and call.principal.app_id is not None:
        raise Failure(403, "A password is set by an administrator, or by the member on the printers' host.")
    services = call.services
    encoded = await services.sign_in.passwords.encode(call.body.password)
    password = Password(member.member_id, encoded, set_at=services.clock.wall())
    await services.engine.execute(SetPassword(password))
    return web.Response(status=204)


def _is_own(call: AnyCall, member_id: str) -> bool:
    return call.principal.is_admin or member_id == call.principal.member_id


def _member(call: AnyCall, named: str, status: int = 422) -> Member:
    members = call.services.engine.state.members
    member = next((row for row in members.values() if named in (row.name, row.member_id)), None)
    if member is None:
        raise Failure(status, _no_member(named))
    return member


def _no_member(named: str) -> str:
    """The same words for a member who is not there and for one who is somebody else."""
    return f"There is no member {named[:40]!r}; `print-gateway members list` shows them."


def _check(wanted: app_schemas.NewApp) -> None:
    """Raises Failure 422 for what would not work, or not safely."""
    for uri in wanted.redirect_uris:
        fault = redirect_uri_fault(uri)
        if fault is not None:
            raise Failure(422, f"redirect_uris: {uri[:80]!r}: {fault}.")
    if (wanted.public or wanted.allow_implicit) and not wanted.redirect_uris:
        raise Failure(422, "redirect_uris: an app to which people go back needs an address (--redirect-uri).")


def _shown(call: AnyCall, app: App) -> dict[str, Any]:
    owner = call.services.engine.state.members.get(app.owner_id)
    return {
        "id": app.app_id,
        "name": app.name,
        "owner": None if owner is None else owner.name,
        "redirect_uris": list(app.redirect_uris),
        "scopes": sorted(scope.value for scope in app.scopes),
        "is_public": app.is_public,
        "allow_implicit": app.allow_implicit,
        "created_at": instant(app.created_at),
        "revoked_at": instant(app.revoked_at),
    }


def _grant(call: AnyCall, pair: Pair, tokens: list[Token]) -> dict[str, Any]:
    state = call.services.engine.state
    member = state.members.get(pair[1])
    return {
        "app": pair[0],
        "name": state.grants.apps[pair[0]].name,
        "member": None if member is None else member.name,
        "scopes": sorted({scope.value for token in tokens for scope in token.scopes}),
        "since": instant(min(token.issued_at for token in tokens)),
    }
