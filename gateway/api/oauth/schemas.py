"""What the authorization server answers, for the description of the API."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Tokens(BaseModel):
    """RFC 6749 5.1."""

    access_token: str
    token_type: str = Field(description="`Bearer`.")
    expires_in: int = Field(description="Seconds.")
    scope: str = Field(description="Separated by spaces.")
    refresh_token: str | None = Field(default=None, description="New at every refresh; the old one is spent.")


class OAuthError(BaseModel):
    """RFC 6749 5.2."""

    error: str
    error_description: str | None = None


class Metadata(BaseModel):
    """RFC 8414 2."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str
    scopes_supported: list[str]
    response_types_supported: list[str]
    response_modes_supported: list[str]
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    code_challenge_methods_supported: list[str]
