"""Against a real OpenID provider in a process of its own: discovery, keys and tokens as it makes them.

The provider (oidc-provider-mock) signs ID tokens only, with the client's id as audience, so that is what
stands for an access token here: the same JWT by the same keys. Its custom claims carry the scope.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from gateway.config.auth import Auth
from gateway.domain.member import Member
from gateway.main_gateway import issuer_of
from gateway.transport.web import WebClient
from tests.api.host import Host
from tests.api.oauth_stand import basic, works
from tests.support.ports import free_port
from tests.support.stand import START

CLIENT = "print-gateway"
CARL = Member("MEMBERCARLCA0", "carl", 1, email="carl@example.org", created_at=START)
PEOPLE = [
    {"sub": "carl", "email": "carl@example.org", "email_verified": True, "scope": "data:read data:write"},
    {"sub": "reader", "email": "carl@example.org", "email_verified": True, "scope": "data:read"},
    {"sub": "mallory", "email": "carl@example.org", "email_verified": False, "scope": "data:read data:write"},
    {"sub": "stranger", "email": "x@example.org", "email_verified": True, "scope": "data:read data:write"},
]


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The address of the running provider."""
    port = free_port()
    users = [word for person in PEOPLE for word in ("--user-claims", json.dumps(person))]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *users],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60.0
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1.0).close()
                break
            except OSError:
                assert process.poll() is None, "the provider ended"
                assert time.monotonic() < deadline, "the provider does not answer"
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


async def token_of(provider: str, sub: str) -> str:
    """Sign in at the provider as a person does, and trade the code as an app does."""
    back = "https://app.example/back"
    asked = {"client_id": CLIENT, "redirect_uri": back, "response_type": "code", "scope": "openid email"}
    async with aiohttp.ClientSession() as session:
        async with session.post(
            f"{provider}/oauth2/authorize", params=asked, data={"sub": sub}, allow_redirects=False
        ) as response:
            code = parse_qs(urlsplit(response.headers["Location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
        headers = basic(CLIENT, "any")
        async with session.post(f"{provider}/oauth2/token", data=form, headers=headers) as response:
            return str((await response.json())["id_token"])


async def test_people_of_the_issuer_are_members_here(provider: str, tmp_path: Path) -> None:
    web = WebClient(is_private_allowed=True)
    issuer = issuer_of(Auth(issuer=provider, audience=CLIENT), web)
    try:
        async with Host(tmp_path, issuer=issuer) as host:
            # The provider signs with the real time.
            host.clock.passed = time.time() - START.timestamp()
            await host.change(lambda draft: (draft.members.update({CARL.member_id: CARL}),
                                             draft.member_rows.append(CARL)))  # fmt: skip
            token = await token_of(provider, "carl")
            assert await works(host, token)
            async with host.client.get(
                "/ps/v1/print/jobs", headers={"Authorization": f"Bearer {token}"}
            ) as response:
                assert (await response.json())["member_id"] == CARL.member_id
            reader = await token_of(provider, "reader")
            assert await works(host, reader, "/ps/v1/print/printers")
            assert not await works(host, reader)
            assert not await works(host, await token_of(provider, "mallory"))
            assert not await works(host, await token_of(provider, "stranger"))
            host.clock.advance(3600 + 61)
            assert not await works(host, token)
            async with host.client.get("/ps/v1/print/jobs", headers=await host.bearer()) as response:
                assert response.status == 200  # keys work beside it
    finally:
        await web.close()


async def test_another_audience_is_not_ours(provider: str, tmp_path: Path) -> None:
    web = WebClient(is_private_allowed=True)
    try:
        async with Host(tmp_path, issuer=issuer_of(Auth(issuer=provider, audience="another"), web)) as host:
            host.clock.passed = time.time() - START.timestamp()
            assert not await works(host, await token_of(provider, "carl"))
    finally:
        await web.close()


async def test_without_configuration_there_is_no_issuer() -> None:
    web = WebClient(is_private_allowed=True)
    assert issuer_of(Auth(), web) is None
    await web.close()
