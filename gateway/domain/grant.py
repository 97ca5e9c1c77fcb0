"""Apps, and what members let them do: authorization codes, access and refresh tokens (RFC 6749), passwords.

    app (registered) -> a member signs in and agrees -> code -> access token + refresh token
                                                                    refreshed: both anew, the old one is spent

All tokens that came from one consent are a *family*. A code or a refresh token that is used twice was
stolen, by the second or by the first: its family ends (RFC 6749 4.1.2, RFC 9700 4.14.2).
Of every secret only the SHA-256 is here; it is random, so nothing can be guessed from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.domain.member import Scope

#: What an app can be given; `admin` is for keys that the operator makes.
APP_SCOPES = frozenset(Scope) - {Scope.ADMIN}

#: An app trades its code at once; two minutes are enough for a slow host, and for a person who copies it.
CODE_LIFETIME = timedelta(minutes=2)
#: What clients of the Forge API expect of an access token: an hour.
ACCESS_LIFETIME = timedelta(hours=1)
#: Since the last refresh. Who prints every other month need not sign in again.
REFRESH_LIFETIME = timedelta(days=60)

#: Apps of one member that are not revoked: far more than anybody registers by hand.
APPS_KEPT = 100
#: Tokens of one app for one member, about 400 bytes each; room for 100 refreshes or devices. Beyond, those
#: that were spent go first, then access tokens, then refresh tokens; the oldest first.
TOKENS_KEPT = 200
#: Codes of one app for one member that wait to be traded: sign-ins within two minutes.
CODES_KEPT = 10


@dataclass(frozen=True, slots=True)
class App:
    """A client of the authorization server, registered by an administrator."""

    app_id: str  # `client_id`
    name: str
    owner_id: str  # the member it acts for with its own credentials
    redirect_uris: tuple[str, ...]  # compared as they are, character by character
    scopes: frozenset[Scope]  # the most it may ask for
    created_at: datetime
    secret_sha256: str | None = field(default=None, repr=False)  # None: public, it can keep no secret
    allow_implicit: bool = False
    revoked_at: datetime | None = None

    @property
    def client_id(self) -> str:
        """Its id in OAuth's word."""
        return self.app_id

    @property
    def is_public(self) -> bool:
        """Whether it runs where its secret would not be one: a phone, a browser, a desktop program."""
        return self.secret_sha256 is None


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """A member agreed; the app can trade this once for tokens."""

    code_sha256: str
    app_id: str
    member_id: str
    family: str  # UUID
    scopes: frozenset[Scope]
    redirect_uri: str
    challenge: str | None  # PKCE, S256 (RFC 7636)
    expires_at: datetime
    traded_at: datetime | None = None


class TokenUse(StrEnum):
    """What a token is for."""

    ACCESS = "access"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class Token:
    """An access or a refresh token."""

    token_sha256: str
    use: TokenUse
    family: str
    app_id: str
    member_id: str
    scopes: frozenset[Scope]
    issued_at: datetime
    expires_at: datetime
    spent_at: datetime | None = None  # a refresh token that was used; kept to tell a second use


@dataclass(frozen=True, slots=True)
class Password:
    """What is kept of a member's password."""

    member_id: str
    encoded: str = field(repr=False)  # scheme, its parameters, salt and hash: `gateway.auth.passwords`
    set_at: datetime = field(kw_only=True)
