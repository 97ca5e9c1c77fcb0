"""Bodies about apps, what members granted them, and passwords."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field

from gateway.api.http.reading import Name
from gateway.api.native.fields import Body
from gateway.auth.passwords import LONGEST, SHORTEST
from gateway.auth.redirects import REDIRECT_URIS, URI_CHARS


class AppScope(StrEnum):
    """What an app can be given."""

    DATA_READ = "data:read"
    DATA_WRITE = "data:write"
    READ_ASYNC_JOBS = "read_async_jobs"
    PUBLIC = "public"


#: What an app is given when nobody says otherwise.
USUAL_SCOPES = (AppScope.DATA_READ, AppScope.DATA_WRITE)


class App(BaseModel):
    """A client of the authorization server, without its secret."""

    id: str = Field(description="Its `client_id`.")
    name: str
    owner: str | None = Field(description="The member it acts for with its own credentials.")
    redirect_uris: list[str]
    scopes: list[AppScope] = Field(description="The most it may ask for.")
    is_public: bool = Field(description="It has no secret, and shows a PKCE verifier instead.")
    allow_implicit: bool
    created_at: datetime
    revoked_at: datetime | None


class AppWithSecret(App):
    """A new app. The secret is shown this once; a public app has none."""

    secret: str | None


class Apps(BaseModel):
    """All apps one may know."""

    apps: list[App]


class NewApp(Body):
    """An app to be registered."""

    name: Name
    owner: Name = Field(description="A member's name or id.")
    redirect_uris: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=URI_CHARS)]], Field(max_length=REDIRECT_URIS)
    ] = Field([])
    scopes: Annotated[list[AppScope], Field(min_length=1, max_length=len(AppScope))] = Field(
        list(USUAL_SCOPES)
    )
    public: bool = False
    allow_implicit: bool = False


class Grant(BaseModel):
    """An app that may act for a member."""

    app: str = Field(description="The app's id.")
    name: str
    member: str | None
    scopes: list[AppScope]
    since: datetime


class Grants(BaseModel):
    """What members let apps do."""

    grants: list[Grant]


class WithdrawalQuery(Body):
    """Whose grant is meant."""

    member: str | None = Field(None, max_length=200, description="Administrators: a member's name or id.")


class NewPassword(Body):
    """A member's password from now on."""

    password: Annotated[str, Field(min_length=SHORTEST, max_length=LONGEST)]
