"""Whose access tokens are believed besides the gateway's own, as configured."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from gateway.config.fields import Section


def _issuer(value: str) -> str:
    """Kept as it is: it must be what the tokens' `iss` says, to the letter."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f'"{value}" is not an issuer; write it like "https://login.example.org/realms/shop"')
    if parts.scheme == "http" and not _is_this_host(parts.hostname):
        raise ValueError("must begin with https: over http anybody on the way could put in keys of their own")
    return value


def _is_this_host(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


class Auth(Section):
    """An OIDC issuer whose access tokens are taken like the gateway's own (docs/OAUTH.md)."""

    issuer: Annotated[str, AfterValidator(_issuer)] | None = None
    audience: Annotated[str, Field(min_length=1)] | None = None
    member_claim: Annotated[str, Field(min_length=1)] = "email"

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.issuer is None) != (self.audience is None):
            raise ValueError(
                "issuer and audience belong together: audience is what the issuer writes into `aud` of "
                "tokens for this gateway; without it, tokens for any other service would open this one"
            )
        return self
