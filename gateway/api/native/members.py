"""Members and their keys."""

from __future__ import annotations

from aiohttp import web

from gateway.api.http.answers import encode, reply
from gateway.api.http.operations import ADMIN, READ, READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.api.http.problems import Failure
from gateway.api.native import member_schemas as schemas
from gateway.api.native import shapes
from gateway.api.native.authority import refuse_apps
from gateway.api.native.jobs import ROOT
from gateway.auth.keys import make_key
from gateway.domain.commands import AddKey, AddMember, RevokeKey
from gateway.domain.member import Key, Member


def _visible_members(call: AnyCall) -> list[Member]:
    principal = call.principal
    members = call.services.engine.state.members.values()
    if principal.is_admin:
        return list(members)
    if principal.is_org_admin:
        return [member for member in members if member.organization_id == principal.organization_id]
    return [member for member in members if member.member_id == principal.member_id]


@operation("GET", "/members", scopes=READ, responses={200: schemas.Members})
async def list_members(call: Call[NoQuery, None]) -> web.StreamResponse:
    """The members you may know: all to an administrator, those of the organization to its own, else you."""
    return reply({"members": [shapes.member(member) for member in _visible_members(call)]})


@operation("POST", "/members", scopes=ADMIN, responses={201: schemas.Member})
async def create_member(call: Call[NoQuery, schemas.NewMember]) -> web.StreamResponse:
    """A new member of your organization, or of the one that is named."""
    services = call.services
    member = Member(
        member_id=services.ids.member_id(),
        name=call.body.name,
        organization_id=_organization_id(call, call.body.organization),
        email=call.body.email,
        is_admin=call.body.is_admin,
        created_at=services.clock.wall(),
    )
    added: Member = await services.engine.execute(AddMember(member))
    return reply(shapes.member(added), 201)


def _organization_id(call: AnyCall, name: str | None) -> int:
    if name is None:
        return call.principal.organization_id
    organizations = call.services.engine.state.organizations.values()
    found = next((each for each in organizations if each.name == name), None)
    if found is None:
        how = "`print-gateway organizations add` (POST /gateway/v1/organizations) adds one"
        raise Failure(422, f"organization: there is no {name[:40]!r}; {how}.")
    return found.organization_id


@operation("GET", "/keys", scopes=READ, responses={200: schemas.Keys})
async def list_keys(call: Call[NoQuery, None]) -> web.StreamResponse:
    """The keys of the members you may act for, without their secrets."""
    members = call.services.engine.state.members
    keys = [key for key in call.services.engine.state.keys.values() if _is_own(call, key)]
    return reply({"keys": [shapes.key(key, members) for key in keys]})


def _is_own(call: AnyCall, key: Key) -> bool:
    return call.principal.is_admin or key.member_id == call.principal.member_id


@operation(
    "POST",
    "/keys",
    scopes=ADMIN,
    responses={201: schemas.KeyWithToken},
    response_headers={"Location": "The key."},
)
async def create_key(call: Call[NoQuery, schemas.NewKey]) -> web.StreamResponse:
    """A new key for a member. Its token is in this answer and never again."""
    members = call.services.engine.state.members
    named = call.body.member
    member = next((row for row in members.values() if named in (row.name, row.member_id)), None)
    if member is None:
        how = "`print-gateway members add` (POST /gateway/v1/members) adds one"
        raise Failure(422, f"member: there is no {named[:40]!r}; {how}.")
    made = make_key(member.member_id, call.body.name, frozenset(call.body.scopes), call.services.clock.wall())
    added: Key = await call.services.engine.execute(AddKey(made.key))
    body = shapes.key(added, members) | {"token": made.token}
    return web.Response(
        body=encode(body),
        status=201,
        content_type="application/json",
        headers={"Location": f"{ROOT}/keys/{added.key_id}", "Cache-Control": "no-store"},
    )


@operation("DELETE", "/keys/{key_id}", scopes=READ_WRITE, responses={204: None})
async def revoke_key(call: Call[NoQuery, None]) -> web.StreamResponse:
    """The key stops working at once. Revoking it again changes nothing."""
    refuse_apps(call)
    key = call.services.engine.state.keys.get(call.path("key_id"))
    if key is None or not _is_own(call, key):
        how = "`print-gateway keys list` (GET /gateway/v1/keys) lists yours"
        raise Failure(404, f"There is no such key for you; {how}.")
    if key.revoked_at is None:
        await call.services.engine.execute(RevokeKey(key.key_id))
    return web.Response(status=204)
