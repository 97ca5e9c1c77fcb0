"""Apps, grants and passwords in the native API: who may, what is refused, what is shown once."""

from __future__ import annotations

from typing import Any

from gateway.domain.grant import ACCESS_LIFETIME, APPS_KEPT
from gateway.domain.grant_commands import WithdrawAccess
from gateway.domain.member import Member, Scope
from tests.api.host import EVE, Host
from tests.api.oauth_stand import (
    CALLBACK,
    Browser,
    code_for,
    register,
    request_for,
    set_password,
    tokens_for,
    trade,
    works,
)
from tests.api.test_events import Reader, submit
from tests.support.stand import ANA, BEN

ROOT = "/gateway/v1"


async def ask(
    host: Host, method: str, path: str, who: Member | str, *scopes: Scope, **body: Any
) -> tuple[int, Any]:
    """A call with a key of a member, or with a token."""
    headers = {"Authorization": f"Bearer {who}"} if isinstance(who, str) else await host.bearer(who, *scopes)
    more = {"json": body} if body else {}
    async with host.client.request(method, ROOT + path, headers=headers, **more) as response:
        text = await response.text()
        return response.status, (await response.json(content_type=None)) if text else None


async def test_an_app_is_registered_and_its_secret_shown_once(host: Host) -> None:
    status, made = await ask(
        host, "POST", "/apps", ANA, Scope.ADMIN, name="Slicer", owner="ben", redirect_uris=[CALLBACK]
    )
    assert status == 201
    assert made["secret"].startswith("gws_")
    assert made["scopes"] == ["data:read", "data:write"]
    assert (made["owner"], made["is_public"], made["allow_implicit"]) == ("ben", False, False)
    _, shown = await ask(host, "GET", "/apps", BEN)
    assert [app["id"] for app in shown["apps"]] == [made["id"]]
    assert "secret" not in shown["apps"][0]
    async with host.client.post(
        "/oauth/token",
        data={"grant_type": "client_credentials", "client_id": made["id"], "client_secret": made["secret"]},
    ) as response:
        assert await works(host, (await response.json())["access_token"])


async def test_a_public_app_has_no_secret(host: Host) -> None:
    status, made = await ask(
        host, "POST", "/apps", ANA, Scope.ADMIN, name="App", owner=BEN.member_id, public=True,
        redirect_uris=["com.example.app:/in", "http://127.0.0.1:8000/in"], scopes=["data:read"],
    )  # fmt: skip
    assert (status, made["secret"], made["scopes"]) == (201, None, ["data:read"])


BAD_ADDRESSES = [
        "app.example", "/signed-in", "javascript:alert(1)", "data:text/html,x", "https://app.example/#here",
        "https://", "https://user@app.example/", "https://app.example/a b", "https://app.example/\u00e9",
        "https://[::1/", "https://app.example:99999/", "com.example.app:", "HTTPS://app.example/",
        "https://app.example/\n", "https://app.example/" + "x" * 2000, 'https://app.example/";',
]  # fmt: skip


async def test_addresses_that_are_none_or_dangerous(host: Host) -> None:
    for uri in BAD_ADDRESSES:
        status, body = await ask(
            host, "POST", "/apps", ANA, Scope.ADMIN, name="App", owner="ben", redirect_uris=[uri]
        )
        assert status == 422, uri
        assert "redirect_uris" in body["detail"]
    assert host.engine.state.grants.apps == {}


NO_APPS: list[dict[str, Any]] = [
    {"owner": "nobody"},
    {"scopes": ["admin"]},
    {"scopes": []},
    {"public": True},
    {"allow_implicit": True},
    {"name": "a\nb"},
    {"redirect_uris": [f"https://app.example/{number}" for number in range(21)]},
]


async def test_what_makes_no_sense_is_not_registered(host: Host) -> None:
    for changes in NO_APPS:
        wanted = {"name": "App", "owner": "ben", **changes}
        assert (await ask(host, "POST", "/apps", ANA, Scope.ADMIN, **wanted))[0] == 422, changes


async def test_apps_of_one_member_are_bounded(host: Host) -> None:
    first = await register(host)
    for _ in range(APPS_KEPT - 1):
        await register(host)
    status, body = await ask(host, "POST", "/apps", ANA, Scope.ADMIN, name="One more", owner="ana")
    assert status == 409
    assert "apps revoke" in body["detail"]
    assert (await ask(host, "DELETE", f"/apps/{first.id}", ANA))[0] == 204
    assert (await ask(host, "POST", "/apps", ANA, Scope.ADMIN, name="One more", owner="ana"))[0] == 201


async def test_an_app_is_revoked_by_its_owner_and_by_administrators(host: Host) -> None:
    app = await register(host, owner=BEN)
    foreign = await ask(host, "DELETE", f"/apps/{app.id}", EVE)
    unknown = await ask(host, "DELETE", "/apps/unknown", EVE)
    assert foreign[0] == unknown[0] == 404
    assert foreign[1]["detail"] == unknown[1]["detail"]
    assert (await ask(host, "DELETE", f"/apps/{app.id}", BEN))[0] == 204
    assert (await ask(host, "DELETE", f"/apps/{app.id}", ANA, Scope.ADMIN))[0] == 204  # again
    _, shown = await ask(host, "GET", "/apps", BEN)
    assert shown["apps"][0]["revoked_at"] is not None


async def test_a_member_sees_what_it_granted_and_takes_it_back(host: Host) -> None:
    await set_password(host)
    app, other = await register(host), await register(host, "Other")
    tokens, others, code = (
        await tokens_for(host, app), await tokens_for(host, other), await code_for(host, app),
    )  # fmt: skip
    _, shown = await ask(host, "GET", "/grants", BEN)
    assert [(grant["app"], grant["name"], grant["member"]) for grant in shown["grants"]] == [
        (app.id, "Slicer", "ben"),
        (other.id, "Other", "ben"),
    ]
    assert (await ask(host, "GET", "/grants", EVE))[1] == {"grants": []}
    assert (await ask(host, "DELETE", f"/grants/{app.id}", EVE))[0] == 204  # her own: there is none
    assert await works(host, tokens["access_token"])
    assert (await ask(host, "DELETE", f"/grants/{app.id}", BEN))[0] == 204
    assert not await works(host, tokens["access_token"])
    assert (await trade(host, app, code))[1]["error"] == "invalid_grant"
    assert await works(host, others["access_token"])
    assert (await ask(host, "DELETE", f"/grants/{other.id}?member=ben", EVE))[0] == 403
    assert (await ask(host, "DELETE", f"/grants/{other.id}?member=ben", ANA, Scope.ADMIN))[0] == 204
    assert not await works(host, others["access_token"])


async def test_an_app_cannot_change_who_may_act(host: Host) -> None:
    """A token of an app is not its member: else one app could end the others, or take the account."""
    await set_password(host)
    app, other = await register(host, owner=BEN), await register(host, "Other", owner=BEN)
    token = (await tokens_for(host, app))["access_token"]
    assert (await ask(host, "DELETE", f"/apps/{other.id}", token))[0] == 403
    assert (await ask(host, "DELETE", f"/grants/{other.id}", token))[0] == 403
    assert (await ask(host, "PUT", "/members/ben/password", token, password="taken over"))[0] == 403
    await host.bearer(BEN)
    (key_id,) = host.engine.state.keys
    assert (await ask(host, "DELETE", f"/keys/{key_id}", token))[0] == 403


async def test_a_password_is_set_by_administrators_only(host: Host) -> None:
    """A key of the member is not enough: who finds it must not get more by it."""
    assert (await ask(host, "PUT", "/members/ben/password", BEN, password="long enough"))[0] == 403
    assert (await ask(host, "PUT", "/members/ana/password", BEN, password="long enough"))[0] == 404
    assert (await ask(host, "PUT", "/members/nobody/password", BEN, password="long enough"))[0] == 404
    status, _ = await ask(host, "PUT", "/members/ben/password", ANA, Scope.ADMIN, password="long enough")
    assert status == 204
    for wrong in ("short", "x" * 257):
        status, _ = await ask(host, "PUT", "/members/ben/password", ANA, Scope.ADMIN, password=wrong)
        assert status == 422
    app, browser = await register(host), Browser(host)
    page = await browser.sign_in(await browser.open(request_for(app)), "ben", "long enough")
    assert 'value="allow"' in page.text


async def test_an_event_stream_lasts_as_long_as_its_token(host: Host) -> None:
    """What an app hears must end when it may not ask any more: revoked, or too old."""
    await set_password(host)
    app = await register(host)
    for end in ("withdrawn", "expired"):
        token = (await tokens_for(host, app))["access_token"]
        answer = await host.client.get(
            "/gateway/v1/events", headers={"Authorization": f"Bearer {token}"}, timeout=None
        )
        reader = Reader(answer)
        assert (await reader.next()).kind == "hello"  # type: ignore[union-attr]
        for _ in range(2):
            await submit(host)
            assert (await reader.next()).kind == "job-submitted"  # type: ignore[union-attr]
        if end == "withdrawn":
            await host.engine.execute(WithdrawAccess(app.id, BEN.member_id))
        else:
            host.clock.advance(ACCESS_LIFETIME.total_seconds())
        await submit(host, name="secret")
        assert await reader.next() is None, end
