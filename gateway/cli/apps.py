"""`print-gateway apps …`: apps of the authorization server, and what members let them do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import show
from gateway.cli.access import APP_SCOPES, DEFAULT_SCOPES, Json
from gateway.cli.session import Exit, call, fail

if TYPE_CHECKING:
    from gateway.client.native import GatewayClient

app = typer.Typer(no_args_is_help=True, help="Apps that get tokens by OAuth, and what members granted them.")

AppId = Annotated[str, typer.Argument(metavar="ID", help="The app's client_id.")]


@app.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What people see when they are asked.")],
    owner: Annotated[str, typer.Option(help="The member it acts for with its own credentials.")],
    redirect_uri: Annotated[
        list[str] | None, typer.Option(help="Where people go back to; the same to the letter; repeat it.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help=f"The most it may ask for: {APP_SCOPES}; repeat it.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="It cannot keep a secret (phone, browser); it uses PKCE.")
    ] = False,
    allow_implicit: Annotated[
        bool, typer.Option("--allow-implicit", help="Old browser apps: the token comes in the address.")
    ] = False,
    json: Json = False,
) -> None:
    """Register an app; its secret is shown this once."""
    made = call(
        context,
        lambda client: client.create_app(
            name, owner, redirect_uri or [], scope or DEFAULT_SCOPES, public=public, implicit=allow_implicit
        ),
    )
    if json:
        show.as_json(made)
        return
    print(f"app {made.name} for {owner}: {', '.join(made.scopes)}")
    print(f"client_id:     {made.id}")
    if made.secret is None:
        print("it has no secret: it must use PKCE (S256)")
    else:
        print(f"client_secret: {made.secret}   (shown only now)")


@app.command("list")
def list_apps(context: typer.Context, json: Json = False) -> None:
    """All apps, without their secrets."""
    found = call(context, lambda client: client.apps())
    if json:
        show.as_json(found)
        return
    show.table(
        ("ID", "NAME", "OWNER", "KIND", "SCOPES", "REDIRECT URIS", "REVOKED"),
        (
            (a.id, a.name, a.owner, _kind(a.is_public, a.allow_implicit), ", ".join(a.scopes),
             " ".join(a.redirect_uris), show.instant(a.revoked_at))
            for a in found
        ),
    )  # fmt: skip


@app.command("revoke")
def revoke(context: typer.Context, app_id: AppId) -> None:
    """An app and all its tokens stop working at once, whoever they act for."""
    call(context, lambda client: client.revoke_app(app_id))
    print(f"app {app_id} is revoked, with all its tokens")


@app.command("granted")
def granted(context: typer.Context, json: Json = False) -> None:
    """Which apps may act for whom now."""
    found = call(context, lambda client: client.grants())
    if json:
        show.as_json(found)
        return
    show.table(
        ("ID", "APP", "MEMBER", "SCOPES", "SINCE"),
        ((g.app, g.name, g.member, ", ".join(g.scopes), show.instant(g.since)) for g in found),
    )


@app.command("withdraw")
def withdraw(
    context: typer.Context,
    app_id: AppId,
    member: Annotated[str | None, typer.Option(help="For administrators: whose grant; else yours.")] = None,
) -> None:
    """An app may act for a member no more; for others it goes on."""

    async def work(client: GatewayClient) -> None:
        shown = await client.grants()
        await client.withdraw_grant(app_id, member)  # in any case: what it has not yet traded in is not shown
        if all(grant.app != app_id for grant in shown):
            fail(f'nobody let an app "{app_id}" in; see print-gateway apps granted', Exit.USAGE)

    call(context, work)
    print(f"app {app_id} may act for {member or 'you'} no more")


def _kind(is_public: bool, allow_implicit: bool) -> str:
    return ("public" if is_public else "with secret") + (", implicit" if allow_implicit else "")
