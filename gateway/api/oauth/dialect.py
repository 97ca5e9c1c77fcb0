"""The authorization server as dialects: its endpoints at the root and under the prefixes old clients know."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aiohttp import web

from gateway.api.http.answers import reply
from gateway.api.http.operations import JSON, Dialect
from gateway.api.http.problems import Failure
from gateway.api.http.services import Services
from gateway.api.oauth import authorizing, exchanging
from gateway.api.oauth.schemas import OAuthError
from gateway.domain.member import Principal

#: The roots of the Forge API in front of `oauth`, besides the gateway's own.
ROOTS: Final = ("/oauth", "/ps/v1/oauth", "/v1/oauth", "/api/v1/oauth")


async def _nobody(request: web.Request, services: Services) -> Principal | None:
    """Apps and members show who they are in the protocol's own ways."""
    return None


def render(failure: Failure, request: web.Request) -> web.Response:
    """A failure of the request itself in OAuth's words (RFC 6749 5.2)."""
    word = "invalid_request" if failure.status < 500 else "temporarily_unavailable"
    return reply({"error": word, "error_description": failure.detail}, failure.status, failure.headers)


OAUTH = Dialect(
    name="oauth",
    description="The gateway's own authorization server: OAuth 2.0 for apps (RFC 6749, RFC 7636, RFC 7009).",
    roots=ROOTS,
    operations=(
        authorizing.ask,
        authorizing.decide,
        exchanging.get_tokens,
        exchanging.refresh_tokens,
        exchanging.revoke_token,
    ),
    authenticate=_nobody,
    render=render,
    error_model=OAuthError,
    error_media=JSON,
    error_codes=frozenset({404, 405, 413, 500, 503}),
    security={"type": "http", "scheme": "basic", "description": "An app's client_id and client_secret."},
    is_cross_origin=True,
)

DISCOVERY = replace(
    OAUTH,
    name="oauth-discovery",
    description="Where the authorization server is (RFC 8414).",
    roots=("/.well-known",),
    operations=(exchanging.describe,),
)
