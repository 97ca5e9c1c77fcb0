"""A browser without scripts, apps to sign in to, and a foreign OAuth client (authlib) at a real gateway."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import ClientResponse
from yarl import URL

from gateway.auth.keys import hash_of
from gateway.auth.passwords import encode_password
from gateway.auth.tokens import SECRET_PREFIX, make_app_id, make_secret
from gateway.domain.grant import App, Password
from gateway.domain.grant_commands import AddApp, SetPassword
from gateway.domain.member import Member
from tests.api.host import ALL_SCOPES, CHEAP, Host
from tests.support.stand import ANA, BEN

CALLBACK = "https://app.example/signed-in"
PASSWORD = "a very good password"
#: RFC 7636 appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@dataclass(frozen=True)
class Registered:
    """An app and its secret."""

    app: App
    secret: str | None

    @property
    def id(self) -> str:
        return self.app.app_id

    @property
    def basic(self) -> dict[str, str]:
        """HTTP Basic."""
        return basic(self.id, self.secret or "")


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


async def register(host: Host, name: str = "Slicer", owner: Member = ANA, **changes: Any) -> Registered:
    """An app with a secret and one address, unless `changes` say otherwise; `public=True`: without secret."""
    is_public = changes.pop("public", False)
    secret = None if is_public else make_secret(SECRET_PREFIX)
    app = App(
        make_app_id(), name, owner.member_id,
        **{
            "redirect_uris": (CALLBACK,), "scopes": ALL_SCOPES, "created_at": host.clock.wall(),
            "secret_sha256": None if secret is None else hash_of(secret), **changes,
        },
    )  # fmt: skip
    await host.engine.execute(AddApp(app))
    return Registered(app, secret)


async def set_password(host: Host, member: Member = BEN, password: str = PASSWORD) -> None:
    encoded = encode_password(password, CHEAP)
    await host.engine.execute(SetPassword(Password(member.member_id, encoded, set_at=host.clock.wall())))


def request_for(app: Registered, **changes: Any) -> dict[str, str]:
    """A good request for a code; None takes a parameter out."""
    asked = {
        "response_type": "code", "client_id": app.id, "redirect_uri": CALLBACK, "state": "xyz",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changes,
    }  # fmt: skip
    return {name: value for name, value in asked.items() if value is not None}


@dataclass
class Page:
    """What the browser shows, or where it was sent."""

    status: int
    text: str
    headers: dict[str, str]
    location: str | None

    @property
    def fields(self) -> dict[str, str]:
        """What came back to the app, from the query or the fragment."""
        assert self.location is not None, self.text
        parts = urlsplit(self.location)
        return dict(parse_qsl(parts.fragment or parts.query, keep_blank_values=True))

    def hidden(self, name: str) -> str:
        """The value of a hidden field."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert found, self.text
        return unescape(found[1])


@dataclass
class Browser:
    """Keeps cookies as it is told, presses buttons as a person does; redirects to apps are not followed."""

    host: Host
    path: str = "/oauth/authorize"
    cookies: dict[str, str] = field(default_factory=dict)

    async def open(self, asked: dict[str, str] | str) -> Page:
        """Where an app sends it."""
        self.query = asked if isinstance(asked, str) else urlencode(asked)
        return await self._show(await self._send("GET"))

    async def press(self, page: Page, decision: str, **fields: str) -> Page:
        """A button of the page, with what is typed."""
        form = {"form_token": page.hidden("form_token"), "decision": decision, **fields}
        return await self._show(await self._send("POST", form))

    async def sign_in(self, page: Page, login: str = "ben", password: str = PASSWORD) -> Page:
        page = await self.press(page, "sign-in", login=login, password=password)
        if page.location == f"?{self.query}":
            return await self._show(await self._send("GET"))
        return page

    async def agree(self, asked: dict[str, str]) -> Page:
        """All the way: open, sign in, allow."""
        return await self.press(await self.sign_in(await self.open(asked)), "allow")

    async def _send(self, method: str, form: dict[str, str] | None = None) -> ClientResponse:
        address = f"{self.host.client.make_url(self.path)}?{self.query}"
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        session = self.host.client.session
        session.cookie_jar.clear()  # several browsers share it: each brings its own
        return await session.request(
            method, URL(address, encoded=True), data=form, allow_redirects=False,
            headers={"Cookie": cookie} if cookie else {},
        )  # fmt: skip

    async def _show(self, response: ClientResponse) -> Page:
        for name, morsel in response.cookies.items():
            self.cookies[name] = morsel.value
            self.morsel = morsel
        headers = dict(response.headers)
        return Page(response.status, await response.text(), headers, headers.get("Location"))


async def code_for(host: Host, app: Registered, **changes: Any) -> str:
    """A code that ben agreed to."""
    page = await Browser(host).agree(request_for(app, **changes))
    return page.fields["code"]


async def post(
    host: Host, path: str, form: dict[str, str], headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """A request of an app; the JSON of the answer."""
    async with host.client.post(path, data=form, headers=headers or {}) as response:
        text = await response.text()
        return response.status, (await response.json(content_type=None)) if text else {}


async def trade(host: Host, app: Registered, code: str, **changes: Any) -> tuple[int, dict[str, Any]]:
    """A code for tokens, as a good app does it."""
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "client_id": app.id,
        "code_verifier": VERIFIER, **changes,
    }  # fmt: skip
    form = {name: value for name, value in form.items() if value is not None}
    return await post(host, "/oauth/token", form, app.basic if app.secret else None)


async def tokens_for(host: Host, app: Registered, **changes: Any) -> dict[str, Any]:
    """Tokens that ben agreed to."""
    status, body = await trade(host, app, await code_for(host, app, **changes))
    assert status == 200, body
    return body


async def works(host: Host, token: str, path: str = "/ps/v1/print/jobs", method: str = "GET") -> bool:
    """Whether a token opens this door."""
    headers = {"Authorization": f"Bearer {token}"}
    async with host.client.request(method, path, headers=headers) as response:
        assert response.status in (200, 401), await response.text()
        return response.status == 200
