"""Members, their organizations and keys: bodies and described answers. Output is built in `shapes`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from gateway.api.http.reading import Name
from gateway.api.native.fields import Body, Email
from gateway.domain.member import Scope


class Member(BaseModel):
    """Who owns jobs and printers."""

    id: str
    name: str
    email: str | None
    organization_id: int
    is_admin: bool


class Members(BaseModel):
    """All members one may know."""

    members: list[Member]


class NewMember(Body):
    """A member to be."""

    name: Name
    email: Email | None = None
    organization: Name | None = Field(None, description="Name of an organization; yours, if it is left out.")
    is_admin: bool = Field(False, description="Of the organization: sees and commands all that is in it.")


class Organization(BaseModel):
    """A group of members that share printers."""

    id: int
    name: str
    public_id: str


class Organizations(BaseModel):
    """All of them."""

    organizations: list[Organization]


class NewOrganization(Body):
    """An organization to be."""

    name: Name


class Key(BaseModel):
    """A credential, without its secret."""

    id: str
    member: str | None
    name: str
    scopes: list[Scope]
    created_at: datetime
    revoked_at: datetime | None


class KeyWithToken(Key):
    """A new credential. The token is shown this once."""

    token: str


class Keys(BaseModel):
    """All keys one may know."""

    keys: list[Key]


class NewKey(Body):
    """A key to be made."""

    member: Name
    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
