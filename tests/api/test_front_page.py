"""`/`: where a printer's `registration_url` leads, for people, strangers too."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from yarl import URL

from tests.api.host import EVE, Host
from tests.api.test_firmware import Firmware
from tests.support.stand import ANA


class Page(HTMLParser):
    """Its tags, their attributes, and what a person reads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.said = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.said += data if self.tags[-1:] != ["style"] else ""


async def test_a_printers_registration_url_leads_there(host: Host) -> None:
    """And says how the code is registered: the page's own request does it."""
    contact = (await Firmware(host).contact()).body
    path = URL(contact["registration_url"]).path
    response = await host.client.get(path)
    assert (response.status, response.content_type, response.charset) == (200, "text/html", "utf-8")
    said = " ".join(Page(await response.text()).said.split())
    assert 'sudo print-gateway printers register CODE \\ --name "My printer" --owner NAME' in said
    [asked, body] = re.findall(r"POST (/\S+) with (\{.*?\}) as JSON", said)[0]
    given = await host.client.post(
        asked,
        data=body.replace("CODE", contact["registration_code"]),
        headers={"Content-Type": "application/json", **await host.bearer(ANA)},
    )
    assert given.status == 201, await given.text()


async def test_its_one_link_leads_to_the_description(host: Host) -> None:
    page = Page(await (await host.client.get("/")).text())
    [link] = [value for name, value in page.attributes if name == "href"]
    response = await host.client.get(str(URL("/").join(URL(link or ""))))
    assert (await response.json())["openapi"] == "3.1.0"


async def test_nothing_in_it_runs_and_nothing_is_loaded(host: Host) -> None:
    response = await host.client.get("/")
    page = Page(await response.text())
    assert {"script", "img", "link", "iframe", "form", "object"} & set(page.tags) == set()
    assert {name for name, _ in page.attributes} <= {"lang", "charset", "name", "content", "href"}
    policy = response.headers["Content-Security-Policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; form-action 'none'; base-uri 'none'; "
        r"frame-ancestors 'none'",
        policy,
    )
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"


async def test_it_is_the_same_for_everybody_and_tells_nothing_of_this_gateway(host: Host) -> None:
    texts = {
        await (await host.client.get("/", headers=headers)).text()
        for headers in ({}, await host.bearer(ANA), await host.bearer(EVE), {"Host": "evil.example"})
    }
    [text] = texts
    for secret in (host.services.version, "mk3", "printhost.local", "ana", "Ember"):
        assert secret not in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_it_is_only_read(host: Host, method: str) -> None:
    response = await host.client.request(method, "/")
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
    assert response.content_type == "application/problem+json"


async def test_head_is_get_without_the_page(host: Host) -> None:
    head = await host.client.head("/")
    assert (head.status, head.content_type, await head.read()) == (200, "text/html", b"")


async def test_it_is_there_on_the_socket_too(host: Host, tmp_path: Path) -> None:
    session = await host.on_socket(tmp_path / "s")
    assert (await session.get("/")).content_type == "text/html"
