"""The gateway's own authorization server, without HTTP: parameters in, answers and commands out.

The protocol is oauthlib's: authorization code with PKCE (RFC 6749 4.1, RFC 7636), refresh (6), client
credentials (4.4), implicit (4.2) for apps that were registered for it, revocation (RFC 7009).
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from oauthlib.common import add_params_to_uri
from oauthlib.oauth2 import (
    AuthorizationCodeGrant,
    AuthorizationEndpoint,
    BearerToken,
    ClientCredentialsGrant,
    ImplicitGrant,
    RefreshTokenGrant,
    RevocationEndpoint,
    TokenEndpoint,
)
from oauthlib.oauth2.rfc6749 import errors

from gateway.auth.keys import Randomness
from gateway.auth.oauth_validator import StateValidator, View, check_code_exchange, check_code_request
from gateway.auth.oauth_words import WHAT_TO_DO, explained
from gateway.auth.tokens import ACCESS_PREFIX, REFRESH_PREFIX, make_secret
from gateway.domain.grant import ACCESS_LIFETIME, App
from gateway.domain.grant_commands import GrantCommand
from gateway.domain.member import Scope

# What it says for debugging holds codes and refresh tokens: never to be seen, whatever is logged otherwise.
logging.getLogger("oauthlib").setLevel(logging.INFO)

#: Names and values as they came, in order; repeated ones are still there.
Pairs = Sequence[tuple[str, str]]
#: An app's id and secret from HTTP Basic.
Credentials = tuple[str, str]

#: What an authorization request may say; everything else is ignored (RFC 6749 3.1). Above all
#: `response_mode`, with which a token would get into a query and so into logs.
ASKED = frozenset(
    {"client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge",
     "code_challenge_method"}
)  # fmt: skip
_SEPARATORS = re.compile(r"[\s,]+")
_NO_STORE = {"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache"}
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="print-gateway"'}
#: oauthlib wants an address; where the endpoints lie does not matter to it.
_PATH = "/oauth"


class CannotRedirect(Exception):
    """The request names no app or no address of it: nobody may be sent anywhere (RFC 6749 4.1.2.1)."""


class RedirectError(Exception):
    """The request is wrong, and the app shall hear of it at this address."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


@dataclass(frozen=True, slots=True)
class Asked:
    """A good authorization request: who wants what, for a person to decide."""

    app: App
    scopes: tuple[Scope, ...]
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to an app, if the engine carries out `command` (and its result is not False)."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    command: GrantCommand | None = None


class Exchange:
    """One request at the authorization server."""

    def __init__(self, view: View, randomness: Randomness = secrets.token_bytes) -> None:
        self._validator = validator = StateValidator(view)
        bearer: Any = BearerToken(
            validator,
            token_generator=lambda request: make_secret(ACCESS_PREFIX, randomness),
            refresh_token_generator=lambda request: make_secret(REFRESH_PREFIX, randomness),
            expires_in=int(ACCESS_LIFETIME.total_seconds()),
        )
        code = AuthorizationCodeGrant(
            validator, pre_auth=[check_code_request], pre_token=[check_code_exchange]
        )
        implicit = ImplicitGrant(validator)
        implicit.register_token_modifier(_in_small_letters)
        grants = {
            "authorization_code": code,
            "refresh_token": RefreshTokenGrant(validator),
            "client_credentials": ClientCredentialsGrant(validator),
        }
        self._authorization = AuthorizationEndpoint("code", bearer, {"code": code, "token": implicit})
        self._token = TokenEndpoint("authorization_code", bearer, grants)
        self._revocation = RevocationEndpoint(validator)

    # ---------------------------------------------------------------- for a person

    def asked(self, query: Pairs) -> Asked:
        """What an app asks for. Raises CannotRedirect or RedirectError."""
        try:
            scopes, about = self._authorization.validate_authorization_request(_uri(query))
        except errors.FatalClientError as error:
            raise CannotRedirect(error.description or error.error) from error
        except errors.OAuth2Error as error:
            raise RedirectError(_location(error, error.redirect_uri, error.response_type)) from error
        request = about["request"]
        return Asked(request.client, tuple(sorted(map(Scope, scopes))), request.redirect_uri)

    def allow(self, query: Pairs, asked: Asked, member_id: str) -> Answer:
        """The member agrees. The answer's `Location` leads back to the app."""
        headers, _, status = self._authorization.create_authorization_response(
            _uri(query), scopes=[scope.value for scope in asked.scopes], credentials={"user": member_id}
        )
        return Answer(status, headers, command=self._validator.command)

    def deny(self, query: Pairs, asked: Asked) -> str:
        """The member does not. The address to go to, with `access_denied` in it."""
        given = dict(query)
        error = errors.AccessDeniedError(state=given.get("state") or None)
        return _location(error, asked.redirect_uri, given.get("response_type"))

    # ---------------------------------------------------------------- for apps

    def token(self, body: Pairs, credentials: Credentials | None) -> Answer:
        """Tokens for a code, a refresh token, or the app's own credentials."""
        return self._answer(self._token.create_token_response, body, credentials, needs="grant_type")

    def revoke(self, body: Pairs, credentials: Credentials | None) -> Answer:
        """Take a token back (RFC 7009)."""
        return self._answer(self._revocation.create_revocation_response, body, credentials, needs="token")

    def _answer(
        self, answer_to: Callable[..., Any], body: Pairs, credentials: Credentials | None, needs: str
    ) -> Answer:
        try:
            parameters = _with_credentials(_sensible(body), credentials)
            if needs not in parameters:
                raise errors.InvalidRequestError(f"Missing {needs} parameter.")
        except errors.OAuth2Error as error:
            return failed(error)
        headers, text, status = answer_to(_PATH, "POST", urlencode(parameters))
        if status == 401:
            headers = {**headers, **_CHALLENGE}
        return Answer(status, headers, explained(text or "", status), self._validator.command)


def failed(error: errors.OAuth2Error) -> Answer:
    """An error for the app (RFC 6749 5.2)."""
    headers = {**_NO_STORE, **(_CHALLENGE if error.status_code == 401 else {})}
    return Answer(error.status_code, headers, explained(error.json, error.status_code))


def no_longer_good() -> Answer:
    """The engine decided against it: somebody was faster, or the app was revoked meanwhile."""
    return failed(errors.InvalidGrantError())


def _sensible(pairs: Pairs) -> dict[str, str]:
    """One value a name, none of them empty (RFC 6749 3.2). Raises InvalidRequestError."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise errors.InvalidRequestError("A parameter is given twice.")
        found[name] = value
    found = {name: value for name, value in found.items() if value}
    if "scope" in found:
        found["scope"] = _spaced(found["scope"])
    return found


def _with_credentials(parameters: dict[str, str], credentials: Credentials | None) -> dict[str, str]:
    """HTTP Basic and the body are one; both at once are one too many (RFC 6749 2.3)."""
    if credentials is None:
        return parameters
    client_id, secret = credentials
    if parameters.get("client_id", client_id) != client_id or ("client_secret" in parameters and secret):
        raise errors.InvalidRequestError("Two different client credentials.")
    return {**parameters, "client_id": client_id, **({"client_secret": secret} if secret else {})}


def _uri(query: Pairs) -> str:
    """The request as oauthlib reads it: what counts, and nothing that is empty."""
    known = [
        (name, _spaced(value) if name == "scope" else value)
        for name, value in query
        if name in ASKED and value
    ]
    return f"{_PATH}?{urlencode(known)}"


def _in_small_letters(token: dict[str, Any], *_: object) -> dict[str, Any]:
    """`token_type=bearer` in the fragment: how the scripts of that time compare it."""
    return {**token, "token_type": "bearer"}


def _spaced(scope: str) -> str:
    """Scopes separated by commas, as old clients send them, in the RFC's form."""
    return " ".join(word for word in _SEPARATORS.split(scope) if word)


def _location(error: errors.OAuth2Error, redirect_uri: Any, response_type: str | None) -> str:
    """The app's address with the error, where it would have looked for the code or the token."""
    parameters: Any = list(error.twotuples)
    if not error.description and (words := WHAT_TO_DO.get(str(error.error))):
        parameters.append(("error_description", words))
    return str(add_params_to_uri(redirect_uri, parameters, fragment=response_type == "token"))
