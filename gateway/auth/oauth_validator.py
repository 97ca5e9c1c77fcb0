"""What oauthlib asks about apps, codes and tokens, answered from the state; what it wants kept is a command.

oauthlib checks and saves in one synchronous call. Here nothing is saved in it: the command it ends with is
the engine's to decide, and the answer goes out only if the engine agrees. One object serves one request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from oauthlib.common import Request
from oauthlib.oauth2 import RequestValidator
from oauthlib.oauth2.rfc6749 import errors

from gateway.auth.keys import hash_of
from gateway.auth.tokens import is_secret_of
from gateway.domain.grant import CODE_LIFETIME, App, AuthorizationCode, Token, TokenUse
from gateway.domain.grant_commands import (
    AllowAccess,
    GrantCommand,
    IssueToken,
    RefreshTokens,
    RevokeToken,
    TradeCode,
)
from gateway.domain.grants import Grants
from gateway.domain.member import Scope

#: The only way to hide a verifier that this server takes (RFC 9700 2.1.1 advises against `plain`).
CHALLENGE_METHOD = "S256"
#: base64url of a SHA-256 (RFC 7636 4.2).
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
#: RFC 7636 4.1.
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class View:
    """What one request may know."""

    grants: Grants
    now: datetime
    new_family: str  # a fresh UUID


class StateValidator(RequestValidator):
    """oauthlib's questions. `command` is what shall be done if the answer is to be true."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self._view = view
        self.command: GrantCommand | None = None

    # ---------------------------------------------------------------- apps

    def _app(self, client_id: str | None) -> App | None:
        app = self._view.grants.apps.get(client_id or "")
        return app if app is not None and app.revoked_at is None else None

    def validate_client_id(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> bool:
        """Whether there is such an app."""
        request.client = self._app(client_id)
        return request.client is not None

    def client_authentication_required(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        """A public app has only its id; everybody else, strangers included, needs the secret."""
        app = self._app(request.client_id)
        return app is None or not app.is_public or bool(request.client_secret)

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        """By the secret, wherever it came from: `oauth_exchange` has put it into the parameters."""
        app = self._app(request.client_id)
        if app is None or not is_secret_of(app, request.client_secret or ""):
            return False
        request.client = app
        return True

    def authenticate_client_id(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> bool:
        """A public app, by its id alone."""
        request.client = self._app(client_id)
        return request.client is not None and bool(request.client.is_public)

    def validate_redirect_uri(
        self, client_id: str, redirect_uri: str, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Registered, character by character (RFC 9700 2.1)."""
        app: App = request.client
        return redirect_uri in app.redirect_uris

    def get_default_redirect_uri(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> str:
        """An app with one address need not name it; empty: it has to."""
        uris: tuple[str, ...] = request.client.redirect_uris
        return uris[0] if len(uris) == 1 else ""

    def validate_response_type(
        self, client_id: str, response_type: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Tokens in an address (implicit) only for apps that were registered for it."""
        return response_type == "code" or (response_type == "token" and client.allow_implicit)

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Acting with its own credentials is for apps that have some."""
        return grant_type != "client_credentials" or not client.is_public

    def get_default_scopes(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> list[str]:
        """All that the app may have."""
        return sorted(request.client.scopes)

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Nothing but what it was registered for."""
        return set(scopes) <= {scope.value for scope in client.scopes}

    # ---------------------------------------------------------------- PKCE

    def is_pkce_required(self, client_id: str, request: Any) -> bool:
        """For apps without a secret: else whoever sees the code can trade it."""
        return bool(request.client.is_public)

    def get_code_challenge(self, code: str, request: Any) -> Any:
        """The challenge that came with the request for the code, or None."""
        return self._code(code).challenge

    def get_code_challenge_method(self, code: str, request: Any) -> str:
        """There is one."""
        return CHALLENGE_METHOD

    # ---------------------------------------------------------------- codes

    def _code(self, code: str) -> AuthorizationCode:
        return self._view.grants.codes[hash_of(code)]

    def save_authorization_code(
        self, client_id: str, code: Any, request: Any, *args: Any, **kwargs: Any
    ) -> None:
        """`request.user` is the member who agreed."""
        self.command = AllowAccess(
            AuthorizationCode(
                code_sha256=hash_of(code["code"]),
                app_id=client_id,
                member_id=request.user,
                family=self._view.new_family,
                scopes=_scopes(request.scopes),
                redirect_uri=request.redirect_uri,
                challenge=request.code_challenge,
                expires_at=self._view.now + CODE_LIFETIME,
            )
        )

    def validate_code(
        self, client_id: str, code: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Whether it is this app's and still good. The engine hears of a traded one, too."""
        known = self._view.grants.codes.get(hash_of(code))
        if known is None or known.app_id != client.app_id:
            return False
        if known.traded_at is not None:
            self.command = TradeCode(known.code_sha256, "", "")  # refused there; its family ends
            return False
        if known.challenge is None and request.code_verifier is not None:
            return False  # somebody took the challenge out of the first request (RFC 9700 2.1.1)
        request.user, request.scopes = known.member_id, sorted(known.scopes)
        return known.expires_at > self._view.now

    def confirm_redirect_uri(
        self, client_id: str, code: str, redirect_uri: str, client: Any, request: Any,
        *args: Any, **kwargs: Any,
    ) -> bool:  # fmt: skip
        """The address that the code went to. Raises InvalidGrantError, as RFC 6749 5.2 has it."""
        if self._code(code).redirect_uri != redirect_uri:
            raise errors.InvalidGrantError("Another redirect_uri than in the first request.", request=request)
        return True

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Any, *args: Any, **kwargs: Any
    ) -> None:
        """TradeCode does it, in the same transaction that makes the tokens."""

    # ---------------------------------------------------------------- tokens

    def _refresh(self, token: str) -> Token | None:
        known = self._view.grants.tokens.get(hash_of(token))
        return known if known is not None and known.use is TokenUse.REFRESH else None

    def validate_refresh_token(
        self, refresh_token: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Whether it is this app's and still good. The engine hears of a spent one, too."""
        known = self._refresh(refresh_token)
        if known is None or known.app_id != client.app_id:
            return False
        if known.spent_at is not None:
            self.command = RefreshTokens(known.token_sha256, "", "", frozenset())  # its family ends
            return False
        request.user = known.member_id
        return known.expires_at > self._view.now

    def get_original_scopes(self, refresh_token: str, request: Any, *args: Any, **kwargs: Any) -> list[str]:
        """What the member agreed to."""
        known = self._refresh(refresh_token)
        return [] if known is None else sorted(known.scopes)

    def save_token(self, token: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        """What the engine is asked to make true of the new tokens."""
        access = hash_of(token["access_token"])
        if request.grant_type == "authorization_code":
            self.command = TradeCode(hash_of(request.code), access, hash_of(token["refresh_token"]))
        elif request.grant_type == "refresh_token":
            self.command = RefreshTokens(
                hash_of(request.refresh_token), access, hash_of(token["refresh_token"]),
                _scopes(request.scopes),
            )  # fmt: skip
        else:
            app: App = request.client
            member_id = request.user or app.owner_id  # client credentials: the app acts for its owner
            scopes = _scopes(request.scopes)
            self.command = IssueToken(app.app_id, member_id, self._view.new_family, scopes, access)

    def revoke_token(self, token: str, token_type_hint: str, request: Any, *args: Any, **kwargs: Any) -> None:
        """The hint is not needed: hashes tell them apart."""
        self.command = RevokeToken(hash_of(token), request.client.app_id)


def check_code_request(request: Request) -> dict[str, Any]:
    """What oauthlib leaves open about requests for a code. Raises OAuth2Error."""
    if request.response_type not in (None, "code"):
        raise errors.UnsupportedResponseTypeError(request=request)
    if request.code_challenge is not None:
        if request.code_challenge_method != CHALLENGE_METHOD:
            raise errors.UnsupportedCodeChallengeMethodError(request=request)
        if not _CHALLENGE.fullmatch(request.code_challenge):
            raise errors.InvalidRequestError("code_challenge is no base64url SHA-256.", request=request)
    return {}


def check_code_exchange(request: Request) -> None:
    """What oauthlib leaves open about trading a code. Raises OAuth2Error."""
    if request.code_verifier is not None and not _VERIFIER.fullmatch(request.code_verifier):
        raise errors.InvalidRequestError(
            "code_verifier needs 43 to 128 of A-Z a-z 0-9 - . _ ~", request=request
        )


def _scopes(words: list[str]) -> frozenset[Scope]:
    return frozenset(map(Scope, words))
