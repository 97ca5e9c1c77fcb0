"""Deciding about grants: who gets a code, which code and which token is still good. Commands, as in `asking`.

A code is traded once and a refresh token is used once because the one writer decides it: of two exchanges
at the same time the second finds it spent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.domain import subjects
from gateway.domain.commands import CommandRefused, Refusal
from gateway.domain.events import Event
from gateway.domain.grant import (
    ACCESS_LIFETIME,
    APPS_KEPT,
    CODES_KEPT,
    REFRESH_LIFETIME,
    TOKENS_KEPT,
    App,
    AuthorizationCode,
    Token,
    TokenUse,
)
from gateway.domain.grant_commands import (
    AddApp,
    AllowAccess,
    ForgetExpired,
    IssueToken,
    RefreshTokens,
    RevokeApp,
    RevokeToken,
    SetPassword,
    TradeCode,
    WithdrawAccess,
)
from gateway.domain.grant_events import AccessAllowed, AccessEnded, AppAdded, AppRevoked, PasswordSet
from gateway.domain.grants import Pair
from gateway.domain.member import Member, Scope
from gateway.domain.state import Draft


def add_app(draft: Draft, asked: AddApp) -> App:
    """Refused when its owner is unknown or has too many."""
    app = asked.app
    owner = _member(draft, app.owner_id)
    mine = [
        other
        for other in draft.grants.apps.values()
        if other.owner_id == app.owner_id and other.revoked_at is None
    ]
    if len(mine) >= APPS_KEPT:
        raise CommandRefused(
            Refusal.CONFLICT,
            f"{owner.name} has {len(mine)} apps: revoke one that is not used (`print-gateway apps revoke`)",
        )
    draft.grants.put_app(app)
    draft.events.append(AppAdded(**subjects.of_member(draft, owner), app_id=app.app_id, name=app.name))
    return app


def revoke_app(draft: Draft, asked: RevokeApp) -> App:
    """Its tokens and codes go with it, whoever they act for. Revoking twice is no error."""
    app = draft.grants.apps.get(asked.app_id)
    if app is None:
        raise CommandRefused(Refusal.UNKNOWN, "there is no such app; `print-gateway apps list` shows them")
    if app.revoked_at is not None:
        return app
    app = draft.grants.put_app(replace(app, revoked_at=draft.moment.wall))
    for pair in [*draft.grants.pair_codes, *draft.grants.pair_tokens]:
        if pair[0] == app.app_id:
            _end_pair(draft, pair)
    owner = _member(draft, app.owner_id)
    draft.events.append(AppRevoked(**subjects.of_member(draft, owner), app_id=app.app_id, name=app.name))
    return app


def set_password(draft: Draft, asked: SetPassword) -> None:
    """Refused when there is no such member."""
    member = _member(draft, asked.password.member_id)
    draft.grants.put_password(asked.password)
    draft.events.append(PasswordSet(**subjects.of_member(draft, member), name=member.name))


def allow_access(draft: Draft, asked: AllowAccess) -> None:
    """Keep the code; older ones that wait too long give way. Refused when the app was revoked meanwhile."""
    code = asked.code
    app, member = draft.grants.apps.get(code.app_id), _member(draft, code.member_id)
    if app is None or app.revoked_at is not None:
        raise CommandRefused(Refusal.UNKNOWN, "this app was revoked")
    draft.grants.put_code(code)
    for old in draft.grants.codes_of((code.app_id, code.member_id))[:-CODES_KEPT]:
        draft.grants.drop_code(old)
    scopes = tuple(sorted(code.scopes))
    draft.events.append(
        AccessAllowed(**subjects.of_member(draft, member), app_id=app.app_id, name=app.name, scopes=scopes)
    )


def withdraw_access(draft: Draft, asked: WithdrawAccess) -> None:
    """A member has second thoughts. Nothing to withdraw is no error."""
    pair = asked.app_id, asked.member_id
    if draft.grants.codes_of(pair) or draft.grants.tokens_of(pair):
        _end_pair(draft, pair)
        _tell_end(draft, pair, "withdrawn")


def trade_code(draft: Draft, asked: TradeCode) -> bool:
    """Whether the code was good; then the tokens are."""
    code = draft.grants.codes.get(asked.code_sha256)
    if code is None or not _is_live(draft, code.app_id, code.member_id):
        return False
    if code.traded_at is not None:
        _end_family(draft, code.app_id, code.member_id, code.family)
        return False
    if code.expires_at <= draft.moment.wall:
        return False
    draft.grants.put_code(replace(code, traded_at=draft.moment.wall))
    _issue(draft, code, code.scopes, TokenUse.REFRESH, asked.refresh_sha256)
    _issue(draft, code, code.scopes, TokenUse.ACCESS, asked.access_sha256)
    return True


def refresh_tokens(draft: Draft, asked: RefreshTokens) -> bool:
    """Whether the refresh token was good; then the new ones are."""
    token = draft.grants.tokens.get(asked.token_sha256)
    if token is None or token.use is not TokenUse.REFRESH:
        return False
    if not _is_live(draft, token.app_id, token.member_id):
        return False
    if token.spent_at is not None:
        _end_family(draft, token.app_id, token.member_id, token.family)
        return False
    if token.expires_at <= draft.moment.wall or not asked.scopes <= token.scopes:
        return False
    draft.grants.put_token(replace(token, spent_at=draft.moment.wall))
    _issue(draft, token, token.scopes, TokenUse.REFRESH, asked.refresh_sha256)
    _issue(draft, token, asked.scopes, TokenUse.ACCESS, asked.access_sha256)
    return True


def issue_token(draft: Draft, asked: IssueToken) -> None:
    """Refused when the app was revoked meanwhile."""
    if not _is_live(draft, asked.app_id, asked.member_id):
        raise CommandRefused(Refusal.UNKNOWN, "this app was revoked")
    _issue(draft, asked, asked.scopes, TokenUse.ACCESS, asked.access_sha256)


def revoke_token(draft: Draft, asked: RevokeToken) -> None:
    """Another app's token is left alone, as one that nobody knows is (RFC 7009 2.2)."""
    token = draft.grants.tokens.get(asked.token_sha256)
    if token is None or token.app_id != asked.app_id:
        return
    if token.use is TokenUse.ACCESS:
        draft.grants.drop_token(token)
        return
    for other in draft.grants.tokens_of((token.app_id, token.member_id)):
        if other.family == token.family:
            draft.grants.drop_token(other)


def forget_expired(draft: Draft, asked: ForgetExpired) -> None:
    """Everything whose time is over."""
    now = draft.moment.wall
    for code in [code for code in draft.grants.codes.values() if code.expires_at <= now]:
        draft.grants.drop_code(code)
    for token in [token for token in draft.grants.tokens.values() if token.expires_at <= now]:
        draft.grants.drop_token(token)


#: For `deciding`.
HANDLERS: dict[type, Callable[[Draft, Any], Any]] = {
    AddApp: add_app,
    RevokeApp: revoke_app,
    SetPassword: set_password,
    AllowAccess: allow_access,
    WithdrawAccess: withdraw_access,
    TradeCode: trade_code,
    RefreshTokens: refresh_tokens,
    IssueToken: issue_token,
    RevokeToken: revoke_token,
    ForgetExpired: forget_expired,
}


def _issue(
    draft: Draft,
    origin: AuthorizationCode | Token | IssueToken,
    scopes: frozenset[Scope],
    use: TokenUse,
    token_sha256: str,
) -> None:
    """One more token of a family; what expired or is too much goes."""
    now = draft.moment.wall
    lifetime = ACCESS_LIFETIME if use is TokenUse.ACCESS else REFRESH_LIFETIME
    draft.grants.put_token(
        Token(
            token_sha256=token_sha256,
            use=use,
            family=origin.family,
            app_id=origin.app_id,
            member_id=origin.member_id,
            scopes=scopes,
            issued_at=now,
            expires_at=now + lifetime,
        )
    )
    for old in _surplus(draft.grants.tokens_of((origin.app_id, origin.member_id)), now):
        draft.grants.drop_token(old)


def _surplus(tokens: list[Token], now: datetime) -> Iterable[Token]:
    """What of a pair's tokens goes: the expired ones, and by TOKENS_KEPT the least missed."""
    yield from (token for token in tokens if token.expires_at <= now)
    kept = [token for token in tokens if token.expires_at > now]
    kept.sort(key=lambda token: (token.spent_at is None, token.use is TokenUse.REFRESH))  # else by age
    yield from kept[: max(0, len(kept) - TOKENS_KEPT)]


def _end_family(draft: Draft, app_id: str, member_id: str, family: str) -> None:
    pair = app_id, member_id
    ended = [token for token in draft.grants.tokens_of(pair) if token.family == family]
    for token in ended:
        draft.grants.drop_token(token)
    if ended:
        _tell_end(draft, pair, "reused")


def _end_pair(draft: Draft, pair: Pair) -> None:
    for code in draft.grants.codes_of(pair):
        draft.grants.drop_code(code)
    for token in draft.grants.tokens_of(pair):
        draft.grants.drop_token(token)


def _tell_end(draft: Draft, pair: Pair, reason: str) -> None:
    app, member = draft.grants.apps[pair[0]], _member(draft, pair[1])
    event: Event = AccessEnded(
        **subjects.of_member(draft, member), app_id=app.app_id, name=app.name, reason=reason
    )
    draft.events.append(event)


def _is_live(draft: Draft, app_id: str, member_id: str) -> bool:
    app = draft.grants.apps.get(app_id)
    return app is not None and app.revoked_at is None and member_id in draft.members


def _member(draft: Draft, member_id: str) -> Member:
    member = draft.members.get(member_id)
    if member is None:
        raise CommandRefused(
            Refusal.UNKNOWN, "there is no such member; `print-gateway members list` shows them"
        )
    return member
