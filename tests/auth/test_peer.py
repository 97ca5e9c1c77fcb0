"""The Unix socket: who a local process is."""

from __future__ import annotations

from gateway.auth.peer import ADMIN_SCOPES, MEMBER_SCOPES, OPERATOR_ID, ROOT_UID, peer_principal
from gateway.domain.member import Member, Scope

SERVICE = 987
ANA = Member("FPEJMQHAG3NXE", "ana", 4, is_admin=True)
OPERATOR = Member(OPERATOR_ID, "operator", 1, is_admin=True)
MEMBERS = {member.member_id: member for member in (ANA, OPERATOR)}


def test_root_and_the_service_may_do_everything_as_the_operator() -> None:
    for uid, name in ((ROOT_UID, "root"), (SERVICE, "print-gateway"), (SERVICE, None)):
        for members in (MEMBERS, {}):
            principal = peer_principal(uid, name, SERVICE, members).principal
            assert principal is not None
            assert (principal.member_id, principal.organization_id) == (OPERATOR_ID, 1)
            assert principal.is_admin
            assert principal.scopes == ADMIN_SCOPES


def test_root_who_is_a_member_owns_what_it_submits() -> None:
    found = peer_principal(SERVICE, "ana", SERVICE, MEMBERS)
    assert found.principal is not None
    assert (found.principal.member_id, found.principal.is_admin) == (ANA.member_id, True)
    assert found.reason == "the service's own user on this host"


def test_a_login_name_that_is_a_members_is_that_member() -> None:
    found = peer_principal(1000, "ana", SERVICE, MEMBERS)
    assert found.principal is not None
    assert (found.principal.member_id, found.principal.organization_id) == (ANA.member_id, 4)
    assert found.principal.scopes == MEMBER_SCOPES
    assert found.principal.is_org_admin
    assert not found.principal.may(Scope.ADMIN)


def test_anybody_else_is_told_how_to_get_in() -> None:
    stranger = peer_principal(1001, "mallory", SERVICE, MEMBERS)
    assert stranger.principal is None
    assert "'mallory' is no member" in stranger.reason
    assert "members add mallory" in stranger.reason
    nameless = peer_principal(1002, None, SERVICE, MEMBERS)
    assert nameless.principal is None
    assert "uid 1002" in nameless.reason


def test_a_login_named_operator_is_nobody_special() -> None:
    assert peer_principal(11, "operator", SERVICE, MEMBERS).principal is None
    assert peer_principal(1001, OPERATOR_ID, SERVICE, MEMBERS).principal is None
