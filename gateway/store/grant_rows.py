"""Apps, codes, tokens and passwords: to column values and back. One pair per table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from gateway.domain.grant import App, AuthorizationCode, Password, Token, TokenUse
from gateway.domain.grants import Grants
from gateway.domain.member import Scope
from gateway.store.rows import Values
from gateway.store.schema import member_password, oauth_app, oauth_code, oauth_token


def load_grants(connection: Connection) -> Grants:
    """Everything that is not forgotten."""
    return Grants.of(
        apps=map(app_from, connection.execute(select(oauth_app))),
        codes=map(code_from, connection.execute(select(oauth_code))),
        tokens=map(token_from, connection.execute(select(oauth_token))),
        passwords=map(password_from, connection.execute(select(member_password))),
    )


def app_values(given: App) -> Values:
    """All columns of `oauth_app`."""
    values: Values = {column.name: getattr(given, column.name) for column in oauth_app.columns}
    return values | {"redirect_uris": list(given.redirect_uris), "scopes": _words(given.scopes)}


def app_from(row: Row[Any]) -> App:
    """A row of `oauth_app`."""
    values = dict(row._mapping)
    uris, scopes = tuple(values.pop("redirect_uris")), _scopes(values.pop("scopes"))
    return App(redirect_uris=uris, scopes=scopes, **values)


def code_values(given: AuthorizationCode) -> Values:
    """All columns of `oauth_code`."""
    values: Values = {column.name: getattr(given, column.name) for column in oauth_code.columns}
    return values | {"scopes": _words(given.scopes)}


def code_from(row: Row[Any]) -> AuthorizationCode:
    """A row of `oauth_code`."""
    values = dict(row._mapping)
    return AuthorizationCode(scopes=_scopes(values.pop("scopes")), **values)


def token_values(given: Token) -> Values:
    """All columns of `oauth_token`."""
    values: Values = {column.name: getattr(given, column.name) for column in oauth_token.columns}
    return values | {"use": given.use.value, "scopes": _words(given.scopes)}


def token_from(row: Row[Any]) -> Token:
    """A row of `oauth_token`."""
    values = dict(row._mapping)
    use, scopes = TokenUse(values.pop("use")), _scopes(values.pop("scopes"))
    return Token(use=use, scopes=scopes, **values)


def password_values(given: Password) -> Values:
    """All columns of `member_password`."""
    return {column.name: getattr(given, column.name) for column in member_password.columns}


def password_from(row: Row[Any]) -> Password:
    """A row of `member_password`."""
    return Password(**row._mapping)


def _words(scopes: frozenset[Scope]) -> list[str]:
    return sorted(scope.value for scope in scopes)


def _scopes(words: list[str]) -> frozenset[Scope]:
    return frozenset(map(Scope, words))
