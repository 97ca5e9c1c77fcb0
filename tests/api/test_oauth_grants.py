"""Every grant as RFC 6749 tells it, step by step, and once by a foreign client (authlib)."""

from __future__ import annotations

import asyncio

import pytest
from authlib.integrations.requests_client import OAuth2Session

from gateway.domain.grant import ACCESS_LIFETIME, CODE_LIFETIME, REFRESH_LIFETIME
from gateway.domain.grant_commands import RevokeApp
from gateway.domain.member import Scope
from tests.api.host import Host
from tests.api.oauth_stand import (
    CALLBACK,
    VERIFIER,
    Browser,
    code_for,
    post,
    register,
    request_for,
    set_password,
    tokens_for,
    trade,
    works,
)
from tests.support.stand import ANA, BEN

PREFIXES = ("", "/ps/v1", "/v1", "/api/v1")


@pytest.fixture(autouse=True)
async def _password(host: Host) -> None:
    await set_password(host)


async def test_a_code_becomes_tokens_of_the_member_who_agreed(host: Host) -> None:
    app = await register(host)
    page = await Browser(host).agree(request_for(app))
    assert page.status == 303
    assert page.location is not None
    assert page.location.startswith(f"{CALLBACK}?")
    assert page.fields["state"] == "xyz"
    status, tokens = await trade(host, app, page.fields["code"])
    assert status == 200
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == ACCESS_LIFETIME.total_seconds()
    assert tokens["scope"] == "data:read data:write"
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    async with host.client.get("/ps/v1/print/jobs", headers=headers) as response:
        assert (await response.json())["member_id"] == BEN.member_id


async def test_jobs_of_an_app_carry_its_client_id(host: Host) -> None:
    app = await register(host)
    headers = {"Authorization": f"Bearer {(await tokens_for(host, app))['access_token']}"}
    async with host.client.post(
        "/gateway/v1/jobs", headers=headers, json={"name": "part", "file_id": (await host.put_file()).file_id}
    ) as response:
        assert response.status == 201, await response.text()
        job = await host.queries.job((await response.json())["id"])
    assert job is not None
    assert (job.app_id, job.member_id) == (app.id, BEN.member_id)


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_the_old_names_under_every_prefix(host: Host, prefix: str) -> None:
    app = await register(host)
    page = await Browser(host, f"{prefix}/oauth/authorize").agree(
        {"response_type": "code", "client_id": app.id, "redirect_uri": CALLBACK}
    )
    form = {"grant_type": "authorization_code", "code": page.fields["code"], "redirect_uri": CALLBACK}
    status, tokens = await post(host, f"{prefix}/oauth/accesstoken", form, app.basic)
    assert status == 200, tokens
    form = {"refresh_token": tokens["refresh_token"]}
    status, again = await post(host, f"{prefix}/oauth/refreshtoken", form, app.basic)
    assert status == 200, again
    assert await works(host, again["access_token"])


async def test_a_public_app_shows_its_verifier(host: Host) -> None:
    app = await register(host, public=True)
    tokens = await tokens_for(host, app)
    status, tokens = await post(
        host, "/oauth/token",
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": app.id},
    )  # fmt: skip
    assert status == 200
    assert await works(host, tokens["access_token"])


async def test_an_app_acts_for_its_owner_with_its_own_credentials(host: Host) -> None:
    app = await register(host, owner=ANA)
    status, body = await post(host, "/oauth/accesstoken", {"grant_type": "client_credentials"}, app.basic)
    assert status == 200
    assert "refresh_token" not in body
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    async with host.client.get("/ps/v1/print/jobs", headers=headers) as response:
        assert (await response.json())["member_id"] == ANA.member_id


async def test_credentials_in_the_body_and_as_json(host: Host) -> None:
    app = await register(host)
    form = {"grant_type": "client_credentials", "client_id": app.id, "client_secret": app.secret or ""}
    assert (await post(host, "/oauth/token", form))[0] == 200
    async with host.client.post("/oauth/accesstoken", json=form) as response:
        assert response.status == 200


async def test_implicit_puts_the_token_into_the_fragment(host: Host) -> None:
    app = await register(host, public=True, allow_implicit=True)
    page = await Browser(host).agree(
        {"response_type": "token", "client_id": app.id, "redirect_uri": CALLBACK, "state": "a b",
         "response_mode": "query"}
    )  # fmt: skip
    assert page.location is not None
    assert page.location.startswith(f"{CALLBACK}#access_token=")
    assert page.fields["token_type"] == "bearer"
    assert page.fields["expires_in"] == "3600"
    assert page.fields["state"] == "a b"
    assert "refresh_token" not in page.fields
    assert await works(host, page.fields["access_token"])


async def test_tokens_and_codes_end(host: Host) -> None:
    app = await register(host)
    code, tokens = await code_for(host, app), await tokens_for(host, app)
    host.clock.advance(CODE_LIFETIME.total_seconds())
    assert (await trade(host, app, code))[0] == 400
    host.clock.advance((ACCESS_LIFETIME - CODE_LIFETIME).total_seconds())
    assert not await works(host, tokens["access_token"])
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    status, tokens = await post(host, "/oauth/token", form, app.basic)
    assert status == 200
    host.clock.advance(REFRESH_LIFETIME.total_seconds())
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert (await post(host, "/oauth/token", form, app.basic))[0] == 400
    assert host.engine.state.grants.tokens == {}  # what expired was forgotten


async def test_of_two_exchanges_at_the_same_time_one_wins(host: Host) -> None:
    app = await register(host)
    code = await code_for(host, app)
    answers = await asyncio.gather(*(trade(host, app, code) for _ in range(5)))
    assert sorted(status for status, _ in answers) == [200, 400, 400, 400, 400]
    tokens = next(body for status, body in answers if status == 200)
    assert not await works(host, tokens["access_token"])  # somebody had the code twice: nobody keeps it


async def test_a_code_used_twice_ends_what_it_gave(host: Host) -> None:
    app = await register(host)
    code, other = await code_for(host, app), await tokens_for(host, app)
    status, tokens = await trade(host, app, code)
    assert status == 200
    assert (await trade(host, app, code))[1]["error"] == "invalid_grant"
    assert not await works(host, tokens["access_token"])
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert (await post(host, "/oauth/token", form, app.basic))[1]["error"] == "invalid_grant"
    assert await works(host, other["access_token"])  # another consent is another family


async def test_a_refresh_token_used_twice_ends_its_family(host: Host) -> None:
    app = await register(host)
    first = await tokens_for(host, app)
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    _, second = await post(host, "/oauth/token", form, app.basic)
    assert second["refresh_token"] != first["refresh_token"]
    assert await works(host, second["access_token"])
    assert (await post(host, "/oauth/token", form, app.basic))[1]["error"] == "invalid_grant"
    assert not await works(host, second["access_token"])
    form = {"grant_type": "refresh_token", "refresh_token": second["refresh_token"]}
    assert (await post(host, "/oauth/token", form, app.basic))[1]["error"] == "invalid_grant"


async def test_a_refreshed_access_token_may_have_less_but_never_more(host: Host) -> None:
    app = await register(host)
    tokens = await tokens_for(host, app, scope="data:read,data:write")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "scope": "data:read"}
    _, less = await post(host, "/oauth/token", form, app.basic)
    assert less["scope"] == "data:read"
    assert not await works(host, less["access_token"])  # GET jobs needs both
    form = {"grant_type": "refresh_token", "refresh_token": less["refresh_token"]}
    _, both = await post(host, "/oauth/token", form, app.basic)
    assert both["scope"] == "data:read data:write"
    read_only = await tokens_for(host, app, scope="data:read")
    form = {"grant_type": "refresh_token", "refresh_token": read_only["refresh_token"], "scope": "data:write"}
    assert (await post(host, "/oauth/token", form, app.basic))[1]["error"] == "invalid_scope"


async def test_scopes_open_what_is_documented(host: Host) -> None:
    """GET printers: data:read. GET jobs: both. A missing scope is 401, as an unknown token is."""
    app = await register(host)
    read = (await tokens_for(host, app, scope="data:read"))["access_token"]
    write = (await tokens_for(host, app, scope="data:write"))["access_token"]
    assert await works(host, read, "/ps/v1/print/printers")
    assert not await works(host, write, "/ps/v1/print/printers")
    assert not await works(host, read)
    async with host.client.get("/ps/v1/print/jobs", headers={"Authorization": f"Bearer {read}"}) as response:
        missing = await response.json()
    headers = {"Authorization": "Bearer gwa_" + "x" * 43}
    async with host.client.get("/ps/v1/print/jobs", headers=headers) as response:
        unknown = await response.json()
    assert (missing["code"], missing["message"]) == (unknown["code"], unknown["message"])


async def test_a_refresh_token_is_no_access_token(host: Host) -> None:
    tokens = await tokens_for(host, await register(host))
    assert not await works(host, tokens["refresh_token"])


async def test_a_revoked_app_is_out_at_once(host: Host) -> None:
    app = await register(host)
    tokens, code = await tokens_for(host, app), await code_for(host, app)
    await host.engine.execute(RevokeApp(app.id))
    assert not await works(host, tokens["access_token"])
    assert (await trade(host, app, code))[1]["error"] == "invalid_client"
    page = await Browser(host).open(request_for(app))
    assert (page.status, page.location) == (400, None)


async def test_tokens_survive_a_restart_and_are_kept_as_hashes(host: Host) -> None:
    app = await register(host)
    tokens = await tokens_for(host, app)
    state = await host.journal.load()
    assert state.grants == host.engine.state.grants
    raw = (host.folder / "gateway.db").read_bytes() + (host.folder / "gateway.db-wal").read_bytes()
    for secret in (tokens["access_token"], tokens["refresh_token"], app.secret or ""):
        assert secret.encode() not in raw


async def test_a_foreign_client_goes_all_the_way(host: Host) -> None:
    """authlib: code with PKCE, refresh, revocation."""
    app, root = await register(host), str(host.client.make_url("/")).rstrip("/")
    with OAuth2Session(
        app.id, app.secret, redirect_uri=CALLBACK, scope="data:read data:write",
        code_challenge_method="S256", revocation_endpoint_auth_method="client_secret_basic",
    ) as client:  # fmt: skip
        address, state = client.create_authorization_url(f"{root}/oauth/authorize", code_verifier=VERIFIER)
        browser = Browser(host)
        page = await browser.sign_in(await browser.open(address.partition("?")[2]))
        page = await browser.press(page, "allow")
        assert page.fields["state"] == state
        token = await asyncio.to_thread(
            client.fetch_token, f"{root}/oauth/token",
            authorization_response=page.location, code_verifier=VERIFIER, state=state,
        )  # fmt: skip
        assert await works(host, token["access_token"])
        again = await asyncio.to_thread(client.refresh_token, f"{root}/oauth/token")
        assert again["refresh_token"] != token["refresh_token"]
        answer = await asyncio.to_thread(client.get, f"{root}/ps/v1/print/jobs")
        assert answer.status_code == 200
        answer = await asyncio.to_thread(
            client.revoke_token, f"{root}/oauth/revoke", again["refresh_token"], "refresh_token"
        )
        assert answer.status_code == 200
    assert not await works(host, again["access_token"])


async def test_a_foreign_client_with_its_own_credentials(host: Host) -> None:
    app, root = await register(host), str(host.client.make_url("/")).rstrip("/")
    with OAuth2Session(app.id, app.secret) as client:
        token = await asyncio.to_thread(
            client.fetch_token, f"{root}/oauth/accesstoken", grant_type="client_credentials"
        )
    assert await works(host, token["access_token"])


async def test_what_the_server_can_do_is_described(host: Host) -> None:
    async with host.client.get("/.well-known/oauth-authorization-server") as response:
        assert response.status == 200
        about = await response.json()
    assert about["issuer"] == host.services.public_url
    assert about["code_challenge_methods_supported"] == ["S256"]
    for name in ("authorization_endpoint", "token_endpoint", "revocation_endpoint"):
        path = about[name].removeprefix(about["issuer"])
        async with host.client.options(path) as response:
            assert response.status == 405, path  # it is there


async def test_an_access_token_given_back_ends_alone_a_refresh_token_with_its_family(host: Host) -> None:
    app, other = await register(host), await register(host, "Other")
    tokens = await tokens_for(host, app)
    assert (await post(host, "/oauth/revoke", {"token": tokens["access_token"]}, other.basic))[0] == 200
    assert await works(host, tokens["access_token"])  # another app's token is left alone
    assert (await post(host, "/oauth/revoke", {"token": tokens["access_token"]}, app.basic))[0] == 200
    assert not await works(host, tokens["access_token"])
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    _, tokens = await post(host, "/oauth/token", form, app.basic)
    assert (await post(host, "/oauth/revoke", {"token": tokens["refresh_token"]}, app.basic))[0] == 200
    assert not await works(host, tokens["access_token"])
    assert (await post(host, "/oauth/revoke", {"token": "unknown"}, app.basic))[0] == 200


async def test_what_an_app_may_have_is_bounded_by_its_registration(host: Host) -> None:
    app = await register(host, scopes=frozenset({Scope.DATA_READ}))
    assert (await tokens_for(host, app))["scope"] == "data:read"
    page = await Browser(host).open(request_for(app, scope="data:read data:write"))
    assert page.fields["error"] == "invalid_scope"
