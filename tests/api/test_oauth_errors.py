"""Every error of RFC 6749, RFC 7636 and RFC 7009 that an app can meet here, in the RFCs' own words."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from gateway.api.oauth.parameters import BODY_BYTES
from tests.api.host import Host
from tests.api.oauth_stand import (
    CALLBACK,
    CHALLENGE,
    VERIFIER,
    Browser,
    basic,
    code_for,
    post,
    register,
    request_for,
    set_password,
    tokens_for,
    trade,
)

OTHER = "https://app.example/elsewhere"


@pytest.fixture(autouse=True)
async def _password(host: Host) -> None:
    await set_password(host)


WRONG_REQUESTS: list[tuple[dict[str, Any], str]] = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "id_token"}, "unsupported_response_type"),
    ({"response_type": "code token"}, "unsupported_response_type"),
    ({"response_type": "none"}, "unsupported_response_type"),
    ({"response_type": "token"}, "unauthorized_client"),
    ({"scope": "admin"}, "invalid_scope"),
    ({"scope": "data:read,data:delete"}, "invalid_scope"),
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
]


async def test_the_app_hears_of_a_wrong_request(host: Host) -> None:
    """RFC 6749 4.1.2.1, RFC 7636 4.4.1; for an app without a secret."""
    app = await register(host, public=True)
    for changes, error in WRONG_REQUESTS:
        page = await Browser(host).open(request_for(app, **changes))
        assert page.status == 302, changes
        separator = "#" if changes.get("response_type") == "token" else "?"
        assert (page.location or "").startswith(f"{CALLBACK}{separator}error="), changes
        assert (page.fields["error"], page.fields["state"]) == (error, "xyz"), changes
        assert page.fields["error_description"], changes


WRONG_ADDRESSES: list[dict[str, Any]] = [
    {"client_id": None},
    {"client_id": "nobody"},
    {"redirect_uri": OTHER},
    {"redirect_uri": CALLBACK + "/"},
    {"redirect_uri": CALLBACK + "?a=b"},
    {"redirect_uri": "//app.example/signed-in"},
    {"redirect_uri": "javascript:alert(1)"},
]


async def test_nobody_is_sent_to_an_address_that_is_not_the_apps(host: Host) -> None:
    app = await register(host)
    for changes in WRONG_ADDRESSES:
        page = await Browser(host).open(request_for(app, **changes))
        assert (page.status, page.location) == (400, None), changes
        assert "print-gateway apps list" in page.text


async def test_a_repeated_parameter_is_no_request(host: Host) -> None:
    asked = request_for(await register(host), scope="data:read")
    for name in ("client_id", "redirect_uri", "state", "scope", "response_type"):
        page = await Browser(host).open(urlencode([*asked.items(), (name, asked[name])]))
        assert (page.status, page.location) == (400, None), name


async def test_an_app_with_several_addresses_must_say_which(host: Host) -> None:
    app = await register(host, redirect_uris=(CALLBACK, OTHER))
    page = await Browser(host).open(request_for(app, redirect_uri=None))
    assert (page.status, page.location) == (400, None)
    one = await register(host)
    page = await Browser(host).agree(request_for(one, redirect_uri=None))
    assert (await trade(host, one, page.fields["code"], redirect_uri=None))[0] == 200


async def test_a_no_is_told_to_the_app(host: Host) -> None:
    app = await register(host, allow_implicit=True)
    for response_type, mark in (("code", "?"), ("token", "#")):
        browser = Browser(host)
        page = await browser.open(request_for(app, response_type=response_type))
        page = await browser.press(page, "deny")
        assert page.location is not None
        assert page.location.startswith(f"{CALLBACK}{mark}error=access_denied")
        assert page.fields["state"] == "xyz"
    assert host.engine.state.grants.codes == {}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"code": None}, "invalid_request"),
        ({"code": "wrong"}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"redirect_uri": OTHER}, "invalid_grant"),
    ],
)
async def test_a_code_is_not_traded(host: Host, changes: dict[str, Any], error: str) -> None:
    """RFC 6749 5.2, RFC 7636 4.6. The code is still good for who does it right."""
    app = await register(host)
    code = await code_for(host, app)
    status, body = await trade(host, app, **{"code": code, **changes})
    assert (status, body["error"]) == (400, error), body
    assert len(body["error_description"]) > 20, body
    assert (await trade(host, app, code))[0] == 200


async def test_a_challenge_that_was_taken_out_on_the_way_is_missed(host: Host) -> None:
    """RFC 9700 2.1.1: a verifier without a challenge is a downgrade."""
    app = await register(host)
    code = await code_for(host, app, code_challenge=None, code_challenge_method=None)
    assert (await trade(host, app, code))[1]["error"] == "invalid_grant"
    assert (await trade(host, app, code, code_verifier=None))[0] == 200  # PKCE is optional with a secret


async def test_a_code_is_for_the_app_that_asked(host: Host) -> None:
    app, thief = await register(host), await register(host, "Thief")
    code = await code_for(host, app)
    assert (await trade(host, thief, code, client_id=thief.id))[1]["error"] == "invalid_grant"
    assert (await trade(host, app, code))[0] == 200


async def test_a_refresh_token_is_for_its_app(host: Host) -> None:
    app, thief = await register(host), await register(host, "Thief")
    tokens = await tokens_for(host, app)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert (await post(host, "/oauth/token", form, thief.basic))[1]["error"] == "invalid_grant"
    assert (await post(host, "/oauth/token", form, app.basic))[0] == 200
    form = {"grant_type": "refresh_token", "refresh_token": tokens["access_token"]}
    assert (await post(host, "/oauth/token", form, app.basic))[1]["error"] == "invalid_grant"
    assert (await post(host, "/oauth/token", {"grant_type": "refresh_token"}, app.basic))[1]["error"] == (
        "invalid_request"
    )


@pytest.mark.parametrize("path", ["/oauth/token", "/ps/v1/oauth/accesstoken", "/oauth/revoke"])
async def test_who_is_not_the_app_gets_401_with_a_challenge(host: Host, path: str) -> None:
    """RFC 6749 5.2. The same for an unknown app, a wrong secret, none, and a public app's secret."""
    app, public = await register(host), await register(host, public=True)
    form = {"grant_type": "client_credentials", "token": "x"}
    for headers, more in (
        (basic("nobody", "x"), {}),
        (basic(app.id, "wrong"), {}),
        (basic(app.id, ""), {}),
        ({}, {"client_id": app.id}),
        ({}, {"client_id": app.id, "client_secret": "wrong"}),
        ({}, {}),
        (basic(public.id, "x"), {}),
    ):
        async with host.client.post(path, data=form | more, headers=headers) as response:
            body = await response.json()
            assert (response.status, body["error"]) == (401, "invalid_client"), more
            assert response.headers["WWW-Authenticate"].startswith("Basic ")
            assert response.headers["Cache-Control"] == "no-store"


async def test_a_public_app_cannot_act_for_itself(host: Host) -> None:
    app = await register(host, public=True)
    form = {"grant_type": "client_credentials", "client_id": app.id}
    assert (await post(host, "/oauth/token", form))[1]["error"] == "invalid_client"


NO_REQUESTS = [
    (b"grant_type=client_credentials&grant_type=client_credentials", "application/x-www-form-urlencoded"),
    (b"grant_type=%ff", "application/x-www-form-urlencoded"),
    ("grant_type=é".encode(), "application/x-www-form-urlencoded"),
    (b"a=1&" * 60, "application/x-www-form-urlencoded"),
    (b'{"grant_type": 1}', "application/json"),
    (b'["grant_type"]', "application/json"),
    (b"{", "application/json"),
    (b"<grant_type/>", "text/xml"),
    (b"", "application/x-www-form-urlencoded"),
]


async def test_what_is_no_request_is_told_so(host: Host) -> None:
    app = await register(host)
    for body, kind in NO_REQUESTS:
        headers = app.basic | {"Content-Type": kind}
        async with host.client.post("/oauth/token", data=body, headers=headers) as response:
            assert (response.status, (await response.json())["error"]) == (400, "invalid_request"), body


async def test_parameters_of_a_token_request_do_not_belong_into_the_address(host: Host) -> None:
    """They would be in every log on the way."""
    app = await register(host)
    async with host.client.post("/oauth/token?grant_type=client_credentials", headers=app.basic) as response:
        assert (response.status, (await response.json())["error"]) == (400, "invalid_request")


async def test_a_header_that_is_no_basic_one(host: Host) -> None:
    form = {"grant_type": "client_credentials"}
    for header in ("Basic !!!", "Basic bm9jb2xvbg==", "Bearer gwk_x", "Basic /w=="):
        status, body = await post(host, "/oauth/token", form, {"Authorization": header})
        assert (status, body["error"]) == (400, "invalid_request"), header


async def test_two_credentials_are_one_too_many(host: Host) -> None:
    app, other = await register(host), await register(host, "Other")
    form = {"grant_type": "client_credentials", "client_id": other.id}
    assert (await post(host, "/oauth/token", form, app.basic))[1]["error"] == "invalid_request"
    form = {"grant_type": "client_credentials", "client_id": app.id, "client_secret": app.secret or ""}
    assert (await post(host, "/oauth/token", form, app.basic))[1]["error"] == "invalid_request"


async def test_revoking_needs_a_token(host: Host) -> None:
    app = await register(host)
    assert (await post(host, "/oauth/revoke", {}, app.basic))[1]["error"] == "invalid_request"


async def test_methods_and_addresses_in_the_protocols_words(host: Host) -> None:
    async with host.client.get("/oauth/token") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert (await response.json())["error"] == "invalid_request"
    async with host.client.get("/v1/oauth/nothing") as response:
        assert response.status == 404
        assert set(await response.json()) == {"error", "error_description"}


async def test_an_app_with_a_secret_may_use_pkce_too(host: Host) -> None:
    app = await register(host)
    code = await code_for(host, app, code_challenge=CHALLENGE)
    assert (await trade(host, app, code, code_verifier=None))[1]["error"] == "invalid_request"
    assert (await trade(host, app, code, code_verifier=VERIFIER))[0] == 200


async def test_browsers_of_other_origins_may_trade_and_refresh(host: Host) -> None:
    """A public app in a browser: preflight, then the request, without cookies."""
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    async with host.client.options("/oauth/token", headers=headers) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "application/json"])
async def test_the_longest_request_of_an_app_is_short(host: Host, kind: str) -> None:
    """Any stranger may ask here, and what is asked is read before anybody knows who does."""
    long = b"%" * BODY_BYTES
    headers = {"Content-Type": kind}
    async with host.client.post("/oauth/token", data=long[:-1], headers=headers) as response:
        assert response.status == 400
    async with host.client.post("/oauth/token", data=long + b"%", headers=headers) as response:
        assert response.status == 413
        assert (await response.json())["error"] == "invalid_request"
