"""Who is at the other end of the Unix socket. The kernel says it (SO_PEERCRED), so it needs no key.

root, the service's own user      every scope; as the member of that login name, else as the operator
a login name that is a member's   that member, reading and writing
anybody else                      nobody, with a sentence on how to get in
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.auth.keys import principal_of
from gateway.domain.member import HOME_ORGANIZATION_ID, Member, Principal, Scope

ROOT_UID = 0
#: The member who owns what root submits without being a member; a row of the first migration.
OPERATOR_ID = "OPERATOR00000"

MEMBER_SCOPES = frozenset({Scope.DATA_READ, Scope.DATA_WRITE})
ADMIN_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Peer:
    """The answer, with why in words for the log and for whoever was turned away."""

    principal: Principal | None
    reason: str


def peer_principal(uid: int, login_name: str | None, service_uid: int, members: Mapping[str, Member]) -> Peer:
    """Who a process with this uid is; `login_name` is None when the host knows no name for it."""
    # Not the operator: a login of that name, which some systems have, must not become an administrator by it.
    named = next((m for m in members.values() if m.name == login_name and m.member_id != OPERATOR_ID), None)
    if uid in (ROOT_UID, service_uid):
        who = "root" if uid == ROOT_UID else "the service's own user"
        return Peer(_administrator(named or members.get(OPERATOR_ID)), f"{who} on this host")
    if named is not None:
        return Peer(principal_of(named, MEMBER_SCOPES), f"the login name of member {named.name!r}")
    name = f"user {login_name!r}" if login_name else f"the user with uid {uid}"
    return Peer(
        None,
        f"{name} is no member of this gateway: ask its operator for "
        f"`print-gateway members add {login_name or 'NAME'}`, or use a key",
    )


def _administrator(member: Member | None) -> Principal:
    if member is not None:
        return principal_of(member, ADMIN_SCOPES)
    return Principal(OPERATOR_ID, HOME_ORGANIZATION_ID, ADMIN_SCOPES, is_org_admin=True)
