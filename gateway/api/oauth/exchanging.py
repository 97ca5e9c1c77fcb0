"""Where apps themselves talk to the authorization server: tokens, revocation, what it can do (RFC 8414)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from gateway.api.http.answers import reply
from gateway.api.http.operations import FORM, JSON, AnyCall, Call, NoQuery, operation
from gateway.api.oauth.authorizing import exchange
from gateway.api.oauth.parameters import basic_credentials, body_pairs
from gateway.api.oauth.schemas import Metadata, OAuthError, Tokens
from gateway.auth.oauth_exchange import Answer, Credentials, Exchange, Pairs, no_longer_good
from gateway.auth.oauth_validator import CHALLENGE_METHOD
from gateway.domain.commands import CommandRefused
from gateway.domain.grant import APP_SCOPES
from gateway.domain.grant_commands import ForgetExpired

_OPTIONS: dict[str, Any] = {"scopes": None, "accepts": (FORM, JSON), "reads_query": False}


@operation(
    "POST",
    "/token",
    aliases=("/accesstoken",),
    responses={200: Tokens, 400: OAuthError, 401: OAuthError},
    **_OPTIONS,
)
async def get_tokens(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Tokens for a code (`grant_type=authorization_code`), a refresh token, or the app's own credentials.

    The app shows who it is with HTTP Basic or with `client_id` and `client_secret`; one without a secret with
    `client_id` and `code_verifier`. `accesstoken` is the same under its old name.
    """
    return await _answer(call, Exchange.token, await body_pairs(call.request))


@operation(
    "POST",
    "/refreshtoken",
    responses={200: Tokens, 400: OAuthError, 401: OAuthError},
    **_OPTIONS,
)
async def refresh_tokens(call: Call[NoQuery, None]) -> web.StreamResponse:
    """The old name of `token` for refresh tokens; `grant_type=refresh_token` may be left out here."""
    pairs = await body_pairs(call.request)
    if not any(name == "grant_type" for name, _ in pairs):
        pairs = [*pairs, ("grant_type", "refresh_token")]
    return await _answer(call, Exchange.token, pairs)


@operation("POST", "/revoke", responses={200: None, 400: OAuthError, 401: OAuthError}, **_OPTIONS)
async def revoke_token(call: Call[NoQuery, None]) -> web.StreamResponse:
    """An app gives back a token (RFC 7009). A token that nobody knows is no error."""
    return await _answer(call, Exchange.revoke, await body_pairs(call.request))


async def _answer(
    call: AnyCall, ask: Callable[[Exchange, Pairs, Credentials | None], Answer], pairs: Pairs
) -> web.Response:
    """The protocol's answer, if the engine agrees with it."""
    if call.services.sign_in.is_time_to_forget():
        await call.services.engine.execute(ForgetExpired())
    answer = ask(exchange(call.services), pairs, basic_credentials(call.request))
    if answer.command is not None:
        try:
            is_done = await call.services.engine.execute(answer.command)
        except CommandRefused:
            is_done = False
        if is_done is False and answer.status == 200:
            answer = no_longer_good()
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body.encode())


@operation("GET", "/oauth-authorization-server", scopes=None, responses={200: Metadata})
async def describe(call: Call[NoQuery, None]) -> web.StreamResponse:
    """What this authorization server can do, and where (RFC 8414)."""
    root = call.services.public_url
    methods = ["client_secret_basic", "client_secret_post"]
    return reply(
        {
            "issuer": root,
            "authorization_endpoint": f"{root}/oauth/authorize",
            "token_endpoint": f"{root}/oauth/token",
            "revocation_endpoint": f"{root}/oauth/revoke",
            "scopes_supported": sorted(scope.value for scope in APP_SCOPES),
            "response_types_supported": ["code", "token"],
            "response_modes_supported": ["query", "fragment"],
            "grant_types_supported": [
                "authorization_code",
                "refresh_token",
                "client_credentials",
                "implicit",
            ],
            "token_endpoint_auth_methods_supported": [*methods, "none"],
            "revocation_endpoint_auth_methods_supported": [*methods, "none"],
            "code_challenge_methods_supported": [CHALLENGE_METHOD],
        }
    )
