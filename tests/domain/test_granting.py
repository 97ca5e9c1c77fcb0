"""Codes and tokens as the one writer decides them: what is bounded, what goes first, what ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.commands import CommandRefused, Refusal
from gateway.domain.deciding import decide
from gateway.domain.grant import (
    ACCESS_LIFETIME,
    APP_SCOPES,
    CODES_KEPT,
    REFRESH_LIFETIME,
    TOKENS_KEPT,
    App,
    AuthorizationCode,
    Password,
    TokenUse,
)
from gateway.domain.grant_commands import (
    AddApp,
    AllowAccess,
    ForgetExpired,
    GrantCommand,
    IssueToken,
    RefreshTokens,
    RevokeApp,
    RevokeToken,
    SetPassword,
    TradeCode,
    WithdrawAccess,
)
from gateway.domain.grants import Grants
from gateway.domain.state import State
from tests.support.stand import ANA, BEN, HOME, START, Table

APP = App("app", "Slicer", ANA.member_id, ("https://app.example/",), APP_SCOPES, START)
CODE = AuthorizationCode(
    "c1", "app", BEN.member_id, "f1", APP_SCOPES, "https://app.example/", None, START + timedelta(minutes=2)
)


@pytest.fixture
def table() -> Table:
    state = State(members={member.member_id: member for member in (ANA, BEN)}, organizations={1: HOME})
    table = Table(state)
    table.give(AddApp(APP))
    return table


def test_a_code_is_traded_once_and_its_second_use_ends_the_family(table: Table) -> None:
    table.give(AllowAccess(CODE))
    assert table.give(TradeCode("c1", "a1", "r1")) is True
    grants = table.state.grants
    assert {token.token_sha256: token.use for token in grants.tokens.values()} == {
        "a1": TokenUse.ACCESS,
        "r1": TokenUse.REFRESH,
    }
    assert table.give(TradeCode("c1", "a2", "r2")) is False
    assert grants.tokens == grants.pair_tokens == {}


def test_two_uses_in_one_batch_are_two_uses(table: Table) -> None:
    """Both were read while the code was good; the draft knows better."""
    table.give(AllowAccess(CODE))
    draft = table._new()
    assert [decide(draft, TradeCode("c1", name, f"r{name}")) for name in ("a1", "a2")] == [True, False]
    draft.apply()
    assert table.state.grants.tokens == {}
    assert [event.kind for event in draft.events] == ["access-ended"]


def test_a_spent_refresh_token_ends_its_family_and_no_other(table: Table) -> None:
    for number in (1, 2):
        table.give(AllowAccess(replace(CODE, code_sha256=f"c{number}", family=f"f{number}")))
        assert table.give(TradeCode(f"c{number}", f"a{number}", f"r{number}"))
    assert table.give(RefreshTokens("r1", "a1b", "r1b", APP_SCOPES)) is True
    assert table.give(RefreshTokens("r1", "a1c", "r1c", APP_SCOPES)) is False
    assert table.kinds() == ["access-ended"]
    assert set(table.state.grants.tokens) == {"a2", "r2"}


@pytest.mark.parametrize("token", ["unknown", "a1"])
def test_what_is_no_refresh_token_refreshes_nothing(table: Table, token: str) -> None:
    table.give(AllowAccess(CODE))
    table.give(TradeCode("c1", "a1", "r1"))
    before = dict(table.state.grants.tokens)
    assert table.give(RefreshTokens(token, "x", "y", APP_SCOPES)) is False
    assert table.state.grants.tokens == before


def test_everything_ends_at_its_time_and_is_forgotten(table: Table) -> None:
    table.give(AllowAccess(CODE))
    table.give(TradeCode("c1", "a1", "r1"))
    table.give(AllowAccess(replace(CODE, code_sha256="c2", family="f2")))
    table.clock.advance(120)
    assert table.give(TradeCode("c2", "a2", "r2")) is False
    table.clock.advance(ACCESS_LIFETIME.total_seconds() - 120)
    table.give(ForgetExpired())
    assert (set(table.state.grants.tokens), table.state.grants.codes) == ({"r1"}, {})
    table.clock.advance((REFRESH_LIFETIME - ACCESS_LIFETIME).total_seconds())
    assert table.give(RefreshTokens("r1", "a", "r", APP_SCOPES)) is False
    table.give(ForgetExpired())
    grants = table.state.grants
    assert grants.tokens == grants.pair_tokens == grants.pair_codes == {}


def test_tokens_are_bounded_and_those_in_use_stay_longest(table: Table) -> None:
    """An app that refreshes all the time loses what it spent, not what its other devices hold."""
    table.give(AllowAccess(CODE))
    table.give(TradeCode("c1", "quiet access", "quiet refresh"))
    table.give(AllowAccess(replace(CODE, code_sha256="c2", family="f2")))
    table.give(TradeCode("c2", "a", "r0"))
    for number in range(2 * TOKENS_KEPT):
        table.clock.advance(1)
        assert table.give(RefreshTokens(f"r{number}", f"a{number}", f"r{number + 1}", APP_SCOPES)) is True
        assert len(table.state.grants.tokens) <= TOKENS_KEPT
    assert {"quiet refresh", f"r{2 * TOKENS_KEPT}"} <= set(table.state.grants.tokens)
    assert f"a{2 * TOKENS_KEPT - 1}" in table.state.grants.tokens


def test_codes_that_wait_are_bounded(table: Table) -> None:
    for number in range(CODES_KEPT + 5):
        table.give(AllowAccess(replace(CODE, code_sha256=f"c{number}", family=f"f{number}")))
    assert set(table.state.grants.codes) == {f"c{number}" for number in range(5, CODES_KEPT + 5)}


def test_a_revoked_app_has_nothing_left_and_gets_nothing(table: Table) -> None:
    table.give(AllowAccess(CODE))
    table.give(TradeCode("c1", "a1", "r1"))
    table.give(AllowAccess(replace(CODE, code_sha256="c2")))
    table.give(RevokeApp("app"))
    assert table.kinds() == ["app-revoked"]
    grants = table.state.grants
    assert grants.tokens == grants.codes == grants.pair_tokens == grants.pair_codes == {}
    for late in (AllowAccess(CODE), IssueToken("app", BEN.member_id, "f", APP_SCOPES, "a")):
        with pytest.raises(CommandRefused) as refused:
            table.give(late)
        assert refused.value.refusal is Refusal.UNKNOWN
    table.give(RevokeApp("app"))
    assert not table.draft.is_durable


def test_a_member_withdraws_for_itself_alone(table: Table) -> None:
    for member, token in ((BEN, "bens"), (ANA, "anas")):
        table.give(IssueToken("app", member.member_id, token, APP_SCOPES, token))
    table.give(WithdrawAccess("app", BEN.member_id))
    assert set(table.state.grants.tokens) == {"anas"}
    table.give(WithdrawAccess("app", BEN.member_id))
    assert not table.draft.is_durable


def test_an_app_gives_back_only_its_own(table: Table) -> None:
    table.give(AllowAccess(CODE))
    table.give(TradeCode("c1", "a1", "r1"))
    table.give(RevokeToken("r1", "another app"))
    assert set(table.state.grants.tokens) == {"a1", "r1"}
    table.give(RevokeToken("a1", "app"))
    assert set(table.state.grants.tokens) == {"r1"}


@pytest.mark.parametrize(
    "asked",
    [
        AddApp(replace(APP, app_id="other", owner_id="nobody")),
        SetPassword(Password("nobody", "x", set_at=START)),
        AllowAccess(replace(CODE, member_id="nobody")),
        RevokeApp("nothing"),
    ],
    ids=lambda asked: type(asked).__name__,
)
def test_what_is_unknown_is_refused_and_changes_nothing(table: Table, asked: GrantCommand) -> None:
    with pytest.raises(CommandRefused) as refused:
        table.give(asked)
    assert refused.value.refusal is Refusal.UNKNOWN
    assert not table.draft.is_durable


def test_what_is_stored_adds_up_to_the_same_state(table: Table) -> None:
    table.give(AllowAccess(CODE))
    table.give(TradeCode("c1", "a1", "r1"))
    table.clock.advance(1)
    table.give(RefreshTokens("r1", "a2", "r2", APP_SCOPES))
    grants = table.state.grants
    again = Grants.of(grants.apps.values(), grants.codes.values(), grants.tokens.values(), ())
    assert again.tokens == grants.tokens
    assert {pair: set(known) for pair, known in again.pair_tokens.items()} == {
        pair: set(known) for pair, known in grants.pair_tokens.items()
    }


def test_no_secret_shows_in_what_is_printed() -> None:
    assert "hash" not in repr(replace(APP, secret_sha256="hash"))
    assert "hash" not in repr(Password("m", "hash", set_at=START))
