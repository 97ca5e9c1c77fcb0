"""The grants in memory, and the draft of their next state; both are parts of `State` and `Draft`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.domain.grant import App, AuthorizationCode, Password, Token
from gateway.domain.overlay import Overlay

#: An app and a member that let it act.
Pair = tuple[str, str]


@dataclass(slots=True)
class Grants:
    """Everything that is not forgotten. A live token is one look-up away."""

    apps: dict[str, App] = field(default_factory=dict)  # by app_id
    codes: dict[str, AuthorizationCode] = field(default_factory=dict)  # by code_sha256
    tokens: dict[str, Token] = field(default_factory=dict)  # by token_sha256
    passwords: dict[str, Password] = field(default_factory=dict)  # by member_id
    #: hashes of what a pair has, oldest first; follows from the above
    pair_codes: dict[Pair, tuple[str, ...]] = field(default_factory=dict)
    pair_tokens: dict[Pair, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        apps: Iterable[App],
        codes: Iterable[AuthorizationCode],
        tokens: Iterable[Token],
        passwords: Iterable[Password],
    ) -> Grants:
        """What was stored."""
        grants = cls(
            apps={app.app_id: app for app in apps},
            codes={code.code_sha256: code for code in codes},
            tokens={token.token_sha256: token for token in tokens},
            passwords={password.member_id: password for password in passwords},
        )
        for code in sorted(grants.codes.values(), key=lambda code: code.expires_at):
            pair = code.app_id, code.member_id
            grants.pair_codes[pair] = (*grants.pair_codes.get(pair, ()), code.code_sha256)
        for token in sorted(grants.tokens.values(), key=lambda token: token.issued_at):
            pair = token.app_id, token.member_id
            grants.pair_tokens[pair] = (*grants.pair_tokens.get(pair, ()), token.token_sha256)
        return grants


@dataclass(slots=True)
class GrantsDraft:
    """Changes of the grants, with the rows that go with them."""

    grants: Grants
    apps: Overlay[str, App] = field(init=False)
    codes: Overlay[str, AuthorizationCode] = field(init=False)
    tokens: Overlay[str, Token] = field(init=False)
    passwords: Overlay[str, Password] = field(init=False)
    pair_codes: Overlay[Pair, tuple[str, ...]] = field(init=False)
    pair_tokens: Overlay[Pair, tuple[str, ...]] = field(init=False)
    # what the transaction writes; None: the row goes
    app_rows: dict[str, App] = field(default_factory=dict)
    code_rows: dict[str, AuthorizationCode | None] = field(default_factory=dict)
    token_rows: dict[str, Token | None] = field(default_factory=dict)
    password_rows: dict[str, Password] = field(default_factory=dict)

    _NAMES = ("apps", "codes", "tokens", "passwords", "pair_codes", "pair_tokens")

    def __post_init__(self) -> None:
        for name in self._NAMES:
            setattr(self, name, Overlay(getattr(self.grants, name)))

    @property
    def is_durable(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.app_rows or self.code_rows or self.token_rows or self.password_rows)

    def put_app(self, app: App) -> App:
        """A durable change of an app."""
        self.apps[app.app_id] = self.app_rows[app.app_id] = app
        return app

    def put_password(self, password: Password) -> None:
        """A durable change of a password."""
        self.passwords[password.member_id] = self.password_rows[password.member_id] = password

    def put_code(self, code: AuthorizationCode) -> None:
        """A new code, or a change of one."""
        if code.code_sha256 not in self.codes:
            pair = code.app_id, code.member_id
            self.pair_codes[pair] = (*self.pair_codes.get(pair, ()), code.code_sha256)
        self.codes[code.code_sha256] = self.code_rows[code.code_sha256] = code

    def put_token(self, token: Token) -> None:
        """A new token, or a change of one."""
        if token.token_sha256 not in self.tokens:
            pair = token.app_id, token.member_id
            self.pair_tokens[pair] = (*self.pair_tokens.get(pair, ()), token.token_sha256)
        self.tokens[token.token_sha256] = self.token_rows[token.token_sha256] = token

    def drop_code(self, code: AuthorizationCode) -> None:
        """A code goes; one that is not there is no error."""
        self.codes.pop(code.code_sha256, None)
        self.code_rows[code.code_sha256] = None
        _leave(self.pair_codes, (code.app_id, code.member_id), code.code_sha256)

    def drop_token(self, token: Token) -> None:
        """A token goes; one that is not there is no error."""
        self.tokens.pop(token.token_sha256, None)
        self.token_rows[token.token_sha256] = None
        _leave(self.pair_tokens, (token.app_id, token.member_id), token.token_sha256)

    def codes_of(self, pair: Pair) -> list[AuthorizationCode]:
        """Codes of an app for a member, oldest first."""
        return [self.codes[code] for code in self.pair_codes.get(pair, ())]

    def tokens_of(self, pair: Pair) -> list[Token]:
        """Tokens of an app for a member, oldest first."""
        return [self.tokens[token] for token in self.pair_tokens.get(pair, ())]

    def apply(self) -> None:
        """Make the draft the state. Only after its transaction was committed."""
        for name in self._NAMES:
            getattr(self, name).apply()


def _leave(index: Overlay[Pair, tuple[str, ...]], pair: Pair, gone: str) -> None:
    left = tuple(known for known in index.get(pair, ()) if known != gone)
    if left:
        index[pair] = left
    else:
        index.pop(pair, None)
