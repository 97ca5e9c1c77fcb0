"""The page where a member signs in and agrees: nobody else can press its buttons, nothing in it runs."""

from __future__ import annotations

import tracemalloc
from html.parser import HTMLParser

import pytest

from gateway.api.http.sign_in import SignIn, TooManyTries
from gateway.api.oauth.pages import SCOPES_IN_WORDS
from gateway.auth.sessions import SESSION_SECONDS
from gateway.domain.grant import APP_SCOPES
from gateway.domain.member import Member, Scope
from tests.api.host import CHEAP, EVE, Host
from tests.api.oauth_stand import PASSWORD, Browser, register, request_for, set_password
from tests.support.stand import ANA, BEN, START

EVIL = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>&amp;"""


class Reader(HTMLParser):
    """What a text browser makes of a page: text, tags, fields, buttons."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.said = ""
        self.buttons: list[str | None] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "button":
            self.buttons.append(dict(attrs).get("value"))

    def handle_data(self, data: str) -> None:
        self.said += data if self.tags[-1:] != ["style"] else ""


@pytest.fixture(autouse=True)
async def _password(host: Host) -> None:
    await set_password(host)


async def test_the_page_says_who_wants_what_of_whom(host: Host) -> None:
    app = await register(host, "Slicer", owner=ANA)
    browser = Browser(host)
    page = await browser.open(request_for(app, scope="data:read"))
    assert Reader(page.text).buttons == ["sign-in", "deny"]
    page = await browser.sign_in(page)
    reader = Reader(page.text)
    assert reader.buttons == ["allow", "deny", "change"]
    for words in ("Slicer", "signed in as ben", "see your printers", "app.example", "for ana"):
        assert words in reader.said
    assert "upload files" not in reader.said
    page = await browser.open(request_for(app))
    assert "upload files, print them" in page.text
    assert "share, command or give up your printers" in page.text


async def test_nothing_in_the_page_runs_loads_or_is_framed(host: Host) -> None:
    page = await Browser(host).open(request_for(await register(host)))
    policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self' https://app.example"
    assert policy["style-src"].startswith("'sha256-")
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    reader = Reader(page.text)
    assert not {"script", "img", "iframe", "link", "object"} & set(reader.tags)
    assert [name for name, _ in reader.attributes if name.startswith("on") or name == "style"] == []


@pytest.mark.parametrize("where", ["name", "state", "login", "owner"])
async def test_markup_from_outside_stays_text(host: Host, where: str) -> None:
    owner = Member("MEMBERMALLORY", EVIL, 1, created_at=START)
    if where == "owner":
        await host.change(lambda draft: (draft.members.update({owner.member_id: owner}),
                                         draft.member_rows.append(owner)))  # fmt: skip
    app = await register(
        host, EVIL if where == "name" else "Slicer", owner=owner if where == "owner" else ANA
    )
    browser = Browser(host)
    page = await browser.open(request_for(app, **({"state": EVIL} if where == "state" else {})))
    if where == "login":
        page = await browser.press(page, "sign-in", login=EVIL, password="x")
    else:
        page = await browser.sign_in(page)
    assert "<script" not in page.text
    assert "<img" not in page.text
    assert "script" not in Reader(page.text).tags
    if where == "state":
        page = await browser.press(page, "allow")
        assert page.fields["state"] == EVIL


async def test_scripts_of_other_origins_read_answers_but_no_page(host: Host) -> None:
    """The token of its form is nothing for them, nor is whose gateway this is."""
    app = await register(host)
    for asked in (request_for(app), request_for(app, client_id="unknown")):
        page = await Browser(host).open(asked)
        assert "Access-Control-Allow-Origin" not in page.headers, page.status
    async with host.client.post("/oauth/token") as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_the_cookie_is_short_and_for_the_browser_alone(host: Host) -> None:
    browser = Browser(host, "/v1/oauth/authorize")
    await browser.open(request_for(await register(host)))
    morsel = browser.morsel
    assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "Lax", browser.path)
    assert int(morsel["max-age"]) == SESSION_SECONDS


@pytest.mark.parametrize("decision", ["allow", "deny", "sign-in", "change"])
async def test_a_form_from_elsewhere_presses_nothing(host: Host, decision: str) -> None:
    """Another site can send the browser's cookie along, but it does not know the form's token."""
    app = await register(host)
    browser = Browser(host)
    page = await browser.sign_in(await browser.open(request_for(app)))
    for token in ("", "0" * 64, "é", page.hidden("form_token")[:-1]):
        forged = await browser._show(
            await browser._send("POST", {"form_token": token, "decision": decision, "login": "ben",
                                         "password": PASSWORD})
        )  # fmt: skip
        assert (forged.status, forged.location) == (400, None)
    assert host.engine.state.grants.codes == {}


async def test_a_token_of_another_session_is_none(host: Host) -> None:
    app = await register(host)
    attacker, victim = Browser(host), Browser(host)
    bait = await attacker.open(request_for(app))
    await victim.sign_in(await victim.open(request_for(app)))
    page = await victim.press(bait, "allow")
    assert (page.status, page.location) == (400, None)


async def test_a_session_from_before_signing_in_is_worth_nothing_after(host: Host) -> None:
    """Who planted a cookie in somebody's browser is not signed in with it (session fixation)."""
    app = await register(host)
    attacker = Browser(host)
    bait = await attacker.open(request_for(app))
    victim = Browser(host, cookies=dict(attacker.cookies))
    await victim.sign_in(await victim.open(request_for(app)))
    page = await attacker.press(bait, "allow")
    assert page.location is None


@pytest.mark.parametrize("change", ["member", "time", "signature"])
async def test_a_cookie_that_was_changed_is_none(host: Host, change: str) -> None:
    browser = Browser(host)
    await browser.sign_in(await browser.open(request_for(await register(host))))
    ((name, value),) = browser.cookies.items()
    session_id, member, until, signature = value.split(".")
    assert member == BEN.member_id
    forged = {
        "member": (session_id, EVE.member_id, until, signature),
        "time": (session_id, member, str(int(until) + 9999), signature),
        "signature": (session_id, member, until, "0" * 64),
    }[change]
    browser.cookies[name] = ".".join(forged)
    page = await browser.open(browser.query)
    assert Reader(page.text).buttons == ["sign-in", "deny"]


async def test_a_session_ends(host: Host) -> None:
    browser = Browser(host)
    page = await browser.sign_in(await browser.open(request_for(await register(host))))
    host.clock.advance(SESSION_SECONDS)
    page = await browser.press(page, "allow")
    assert page.status == 400
    assert "open for too long" in page.text


async def test_by_name_or_e_mail_and_only_with_the_password(host: Host) -> None:
    carl = Member("MEMBERCARLCA0", "carl", 1, email="Carl@Example.org", created_at=START)
    await host.change(lambda draft: (draft.members.update({carl.member_id: carl}),
                                     draft.member_rows.append(carl)))  # fmt: skip
    await set_password(host, carl, "carls good password")
    app = await register(host)
    for login, password, is_in in (
        ("carl@example.org", "carls good password", True),
        ("carl", "carls good password", True),
        ("carl", PASSWORD, False),
        ("nobody", PASSWORD, False),
        ("ana", "", False),  # has no password
        ("", "", False),
    ):
        browser = Browser(host)
        page = await browser.sign_in(await browser.open(request_for(app)), login, password)
        assert ("allow" in Reader(page.text).buttons) is is_in, login
        assert is_in or "The name or the password is not right" in page.text


async def test_tries_are_counted_by_address_and_by_member(host: Host) -> None:
    browser = Browser(host)
    page = await browser.open(request_for(await register(host)))
    for _ in range(10):
        wrong = await browser.sign_in(page, password="wrong password")
        assert wrong.status == 200
    refused = await browser.sign_in(page)  # the right one, too late
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert "Too many tries" in refused.text
    host.clock.advance(60)
    assert "allow" in Reader((await browser.sign_in(page)).text).buttons


async def test_tries_from_many_addresses_tell_no_name(host: Host) -> None:
    """Two spellings share their tries or do not; whether a member has the name must not decide it."""
    for login in ("ben", "nobody"):
        guesses = SignIn(host.clock, CHEAP)
        for number in range(10):
            spelling = login if number % 2 else login.upper()
            await guesses.member(spelling, "wrong", f"10.0.0.{number}", host.engine.state)
        with pytest.raises(TooManyTries):
            await guesses.member(login, "wrong", "10.0.1.0", host.engine.state)


async def test_a_name_of_a_megabyte_is_not_kept(host: Host) -> None:
    """Counts are kept by the ten thousand: what they are kept under is short."""
    guesses = SignIn(host.clock, CHEAP)
    tracemalloc.start()
    try:
        for number in range(10):
            await guesses.member(f"{number}" * 1_000_000, "wrong", "10.0.0.1", host.engine.state)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000


async def test_somebody_else_can_sign_in(host: Host) -> None:
    await set_password(host, ANA, "anas good password")
    app, browser = await register(host), Browser(host)
    page = await browser.sign_in(await browser.open(request_for(app)))
    page = await browser.press(page, "change")
    assert (page.status, page.location) == (303, f"?{browser.query}")
    page = await browser.sign_in(await browser.open(browser.query), "ana", "anas good password")
    page = await browser.press(page, "allow")
    (code,) = host.engine.state.grants.codes.values()
    assert code.member_id == ANA.member_id


async def test_signed_in_means_asked_again_not_let_through(host: Host) -> None:
    """Every app is asked about, also within one session; no address alone gives anything away."""
    browser = Browser(host)
    await browser.agree(request_for(await register(host)))
    page = await browser.open(request_for(await register(host, "Another")))
    assert page.location is None
    assert Reader(page.text).buttons == ["allow", "deny", "change"]


async def test_an_app_on_a_phone_gets_its_own_scheme(host: Host) -> None:
    mobile = "com.example.app:/signed-in"
    app = await register(host, public=True, redirect_uris=(mobile,))
    browser = Browser(host)
    page = await browser.open(request_for(app, redirect_uri=mobile))
    assert "form-action 'self' com.example.app:;" in page.headers["Content-Security-Policy"]
    page = await browser.press(await browser.sign_in(page), "allow")
    assert page.location is not None
    assert page.location.startswith(f"{mobile}?code=")


def test_every_scope_of_apps_is_told_in_words() -> None:
    assert set(SCOPES_IN_WORDS) == APP_SCOPES == frozenset(Scope) - {Scope.ADMIN}
