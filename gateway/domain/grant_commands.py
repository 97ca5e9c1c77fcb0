"""What apps, members and administrators ask about grants. Secrets are made and hashed by the caller."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.grant import App, AuthorizationCode, Password
from gateway.domain.member import Scope


@dataclass(frozen=True, slots=True)
class AddApp:
    """Register an app. Result: App."""

    app: App


@dataclass(frozen=True, slots=True)
class RevokeApp:
    """The app and all its tokens stop working. Result: App."""

    app_id: str


@dataclass(frozen=True, slots=True)
class SetPassword:
    """A member's password from now on. Result: None."""

    password: Password


@dataclass(frozen=True, slots=True)
class AllowAccess:
    """A member agreed that an app may act for it. Result: None."""

    code: AuthorizationCode


@dataclass(frozen=True, slots=True)
class WithdrawAccess:
    """A member lets an app act for it no more: all tokens of the two go. Result: None."""

    app_id: str
    member_id: str


@dataclass(frozen=True, slots=True)
class TradeCode:
    """Tokens for a code. Result: bool. False: it is not to be had (any more), and issued nothing.

    A code that was traded before ends its family.
    """

    code_sha256: str
    access_sha256: str
    refresh_sha256: str


@dataclass(frozen=True, slots=True)
class RefreshTokens:
    """New tokens for a refresh token, which is spent by it. Result: bool, as of TradeCode.

    One that was spent before ends its family.
    """

    token_sha256: str
    access_sha256: str
    refresh_sha256: str
    scopes: frozenset[Scope]  # of the access token; the refresh token keeps its own (RFC 6749 6)


@dataclass(frozen=True, slots=True)
class IssueToken:
    """An access token without a refresh token: implicit grant, client credentials. Result: None."""

    app_id: str
    member_id: str
    family: str
    scopes: frozenset[Scope]
    access_sha256: str


@dataclass(frozen=True, slots=True)
class RevokeToken:
    """An app gives a token back: a refresh token with its whole family (RFC 7009 2.1). Result: None."""

    token_sha256: str
    app_id: str


@dataclass(frozen=True, slots=True)
class ForgetExpired:
    """Drop codes and tokens that have expired. Result: None."""


GrantCommand = (
    AddApp
    | RevokeApp
    | SetPassword
    | AllowAccess
    | WithdrawAccess
    | TradeCode
    | RefreshTokens
    | IssueToken
    | RevokeToken
    | ForgetExpired
)
