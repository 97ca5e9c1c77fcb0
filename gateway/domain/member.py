"""Members, organizations, keys: who owns jobs and printers, and what a credential may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

#: The organization that the first migration creates; printers and members without another one are in it.
HOME_ORGANIZATION_ID = 1


class Scope(StrEnum):
    """What a key allows. The `data:*` scopes are Forge's; `admin` is the gateway's own."""

    DATA_READ = "data:read"
    DATA_WRITE = "data:write"
    READ_ASYNC_JOBS = "read_async_jobs"  # Conversio's: tasks
    PUBLIC = "public"  # Cloud 66's: stacks, their schedules, and to run them
    ADMIN = "admin"  # everything on this gateway: every member's jobs, keys, printers


@dataclass(frozen=True, slots=True)
class Organization:
    """A group of members that share printers ("organization", "shop" in other dialects)."""

    organization_id: int
    name: str
    public_id: str  # 24 hex digits


@dataclass(frozen=True, slots=True)
class Member:
    """A person (or a service) that owns jobs and printers."""

    member_id: str  # 13 of A-Z 0-9, as in Forge's `FPEJMQHAG3NXE`
    name: str  # unique; the configuration's `owner`
    organization_id: int
    email: str | None = None
    is_admin: bool = False  # of the organization
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A bearer credential, hashed: the secret itself is shown once and never stored."""

    key_id: str  # public part, 12 characters; also the app id of jobs created with it
    member_id: str
    name: str
    scopes: frozenset[Scope]
    secret_sha256: str  # hex digest of the whole token
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: resolved from a credential, passed to everything that decides what may be seen or done."""

    member_id: str
    organization_id: int
    scopes: frozenset[Scope]
    app_id: str | None = None  # the key's id
    is_org_admin: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether it may do everything on this gateway."""
        return Scope.ADMIN in self.scopes

    def may(self, *needed: Scope) -> bool:
        """Whether all of the scopes are held (admin holds every one)."""
        return self.is_admin or self.scopes.issuperset(needed)
