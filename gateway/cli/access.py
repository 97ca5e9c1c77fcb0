"""`print-gateway keys …`, `print-gateway members …`, `print-gateway organizations …`"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import show
from gateway.cli.session import Exit, call, fail

if TYPE_CHECKING:
    from gateway.client.models import Key
    from gateway.client.native import GatewayClient

keys = typer.Typer(no_args_is_help=True, help="Keys: what apps and people on other hosts show.")
members = typer.Typer(no_args_is_help=True, help="Members: who owns printers and jobs.")
organizations = typer.Typer(no_args_is_help=True, help="Organizations: members that share printers.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_SCOPES = ["data:read", "data:write"]
APP_SCOPES = "data:read, data:write, read_async_jobs, public"


@keys.command("create")
def create_key(
    context: typer.Context,
    member: Annotated[str, typer.Argument(help="Whose key.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    scope: Annotated[list[str] | None, typer.Option(help=f"{APP_SCOPES}, admin; repeat it.")] = None,
    json: Json = False,
) -> None:
    """Make a key; its token is shown this once."""
    key = call(context, lambda client: client.create_key(member, name, scope or DEFAULT_SCOPES))
    if json:
        show.as_json(key)
        return
    print(f"key {key.id} for {member}: {', '.join(key.scopes)}")
    print("the token, shown only now:")
    print(key.token)


@keys.command("list")
def list_keys(context: typer.Context, json: Json = False) -> None:
    """All keys, without their tokens."""
    found = call(context, lambda client: client.keys())
    if json:
        show.as_json(found)
        return
    show.table(
        ("ID", "MEMBER", "NAME", "SCOPES", "CREATED", "REVOKED"),
        (
            (k.id, k.member, k.name, ", ".join(k.scopes), show.instant(k.created_at),
             show.instant(k.revoked_at))
            for k in found
        ),
    )  # fmt: skip


@keys.command("revoke")
def revoke_key(
    context: typer.Context, key_id: Annotated[str, typer.Argument(metavar="ID")], json: Json = False
) -> None:
    """A key stops working at once."""

    async def work(client: GatewayClient) -> Key | None:
        await client.revoke_key(key_id)
        return next((key for key in await client.keys() if key.id == key_id), None) if json else None

    key = call(context, work)
    if key is not None:
        show.as_json(key)
    else:
        print(f"key {key_id} is revoked")


@members.command("add")
def add_member(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The configuration's `owner`.")],
    email: Annotated[str | None, typer.Option(help="Where to reach them.")] = None,
    organization: Annotated[str | None, typer.Option(help="Its name; yours, if left out.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Administers the organization.")] = False,
    json: Json = False,
) -> None:
    """A new member; give them a key with `keys create`."""
    member = call(context, lambda client: client.add_member(name, email, organization, is_admin=admin))
    if json:
        show.as_json(member)
    else:
        print(f"member {member.name} has the id {member.id}")


@members.command("list")
def list_members(context: typer.Context, json: Json = False) -> None:
    """All members."""
    found = call(context, lambda client: client.members())
    if json:
        show.as_json(found)
    else:
        rows = ((m.id, m.name, m.email, "yes" if m.is_admin else "no") for m in found)
        show.table(("ID", "NAME", "EMAIL", "ADMIN"), rows)


@organizations.command("add")
def add_organization(
    context: typer.Context, name: Annotated[str, typer.Argument()], json: Json = False
) -> None:
    """A new organization; add its members with `members add --organization`."""
    added = call(context, lambda client: client.add_organization(name))
    if json:
        show.as_json(added)
    else:
        print(f"organization {added.name} has the id {added.id}")


@organizations.command("list")
def list_organizations(context: typer.Context, json: Json = False) -> None:
    """All organizations."""
    found = call(context, lambda client: client.organizations())
    if json:
        show.as_json(found)
    else:
        show.table(("ID", "NAME"), ((o.id, o.name) for o in found))


@members.command("password")
def set_password(
    context: typer.Context, name: Annotated[str, typer.Argument(help="The member's name.")]
) -> None:
    """The password with which a member signs in to let apps act for them: asked for, or read from stdin."""
    password = _read_password(name)
    call(context, lambda client: client.set_password(name, password))
    print(f"{name} has a new password")


def _read_password(name: str) -> str:
    """Never from the command line: every user of the host could read it there."""
    if sys.stdin.isatty():
        return str(typer.prompt(f"New password of {name}", hide_input=True, confirmation_prompt=True))
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        fail("no password on stdin; call it in a terminal, or write the password to its stdin", Exit.USAGE)
    return password
