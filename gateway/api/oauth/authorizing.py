"""`authorize`: an app sends a browser here; a member signs in and says yes or no; the browser goes back.

    GET  -> sign-in page, or consent page when signed in
    POST -> sign in (303 here again), allow or deny (303 to the app), somebody else (303 here again)

The app's request is in the query all the time and is checked each time anew. Forms count only with the token
of their session. Nobody is sent to an address that is not registered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from aiohttp import web

from gateway.api.http.operations import FORM, Call, NoQuery, operation
from gateway.api.http.services import Services
from gateway.api.http.sign_in import TooManyTries
from gateway.api.oauth import pages
from gateway.api.oauth.parameters import body_pairs, query_pairs
from gateway.auth.oauth_exchange import Asked, CannotRedirect, Exchange, Pairs, RedirectError
from gateway.auth.oauth_validator import View
from gateway.auth.sessions import SESSION_SECONDS, Session
from gateway.domain.commands import CommandRefused
from gateway.domain.member import Member

COOKIE = "print_gateway_session"
_WRONG = "The name or the password is not right."
_TOO_OLD = "This page was open for too long. Please do it once more."


def exchange(services: Services) -> Exchange:
    """The authorization server for one request, at this moment."""
    view = View(services.engine.state.grants, services.clock.wall(), services.ids.uuid())
    return Exchange(view)


@dataclass(slots=True)
class _Visit:
    """One request of a browser, with what an app asks."""

    request: web.Request
    services: Services
    query: Pairs
    asked: Asked
    session: Session

    @property
    def member(self) -> Member | None:
        """Who is signed in."""
        return self.services.engine.state.members.get(self.session.member_id or "")

    @property
    def here(self) -> str:
        """This address, relative to itself."""
        return f"?{self.request.rel_url.raw_query_string}"

    def begin(self, member_id: str | None) -> None:
        """Another session from now on: signed in, or out."""
        self.session = self.services.sign_in.sessions.begin(self.services.clock.monotonic(), member_id)

    def page(self, trouble: str | None = None, *, status: int = 200, login: str = "") -> web.Response:
        """The page for where they stand."""
        form = pages.Form(self.here, self.services.sign_in.sessions.form_token(self.session))
        if self.member is None:
            html = pages.sign_in(self.asked, form, trouble=trouble, login=login)
        else:
            members = self.services.engine.state.members
            owner = members[self.asked.app.owner_id].name
            html = pages.consent(self.asked, form, member=self.member.name, owner=owner)
        return self.kept(pages.answer(html, status=status, targets=(self.asked.redirect_uri,)))

    def again(self) -> web.Response:
        """Here once more, as a GET: a reload repeats no password."""
        return self.kept(_see(self.here))

    def kept(self, response: web.Response) -> web.Response:
        """With the session's cookie, for this address alone."""
        response.set_cookie(
            COOKIE,
            self.services.sign_in.sessions.cookie(self.session),
            max_age=int(SESSION_SECONDS),
            path=self.request.path,
            secure=self.services.public_url.startswith("https://"),
            httponly=True,
            samesite="Lax",
        )
        return response


@operation(
    "GET",
    "/authorize",
    scopes=None,
    responses={200: "text/html", 302: None, 400: "text/html"},
    reads_query=False,
    response_headers={"Location": "302: back to the app, with the error."},
)
async def ask(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Ask a member whether an app may act for it: a page for browsers.

    Parameters: `response_type` (`code`; `token` for apps registered with it), `client_id`, `redirect_uri`,
    `scope`, `state`, `code_challenge` and `code_challenge_method=S256` (RFC 7636; needed without a secret).
    """
    visit = _arrive(call)
    return visit if isinstance(visit, web.Response) else visit.page()


@operation(
    "POST",
    "/authorize",
    scopes=None,
    responses={200: "text/html", 303: None, 400: "text/html", 429: "text/html"},
    accepts=(FORM,),
    reads_query=False,
    response_headers={"Location": "303: back to the app, or to the next page."},
)
async def decide(call: Call[NoQuery, None]) -> web.StreamResponse:
    """What the member answered. Only the page's own forms count."""
    visit = _arrive(call)
    if isinstance(visit, web.Response):
        return visit
    form = dict(await body_pairs(call.request))
    if not call.services.sign_in.sessions.is_form_token(visit.session, form.get("form_token", "")):
        return visit.page(_TOO_OLD, status=400)
    decision = form.get("decision")
    if decision == "deny":
        return _see(exchange(call.services).deny(visit.query, visit.asked))
    if decision == "allow" and visit.member is not None:
        return await _allow(visit, visit.member)
    if decision == "change":
        visit.begin(None)
        return visit.again()
    return await _sign_in(visit, form.get("login", ""), form.get("password", ""))


def _arrive(call: Call[NoQuery, None]) -> _Visit | web.Response:
    """Check what the app asks. A response when that ends the matter."""
    request, services = call.request, call.services
    query = query_pairs(request)
    try:
        asked = exchange(services).asked(query)
    except CannotRedirect as error:
        return _cannot_redirect(str(error))
    except RedirectError as error:
        return web.Response(status=302, headers={"Location": error.location})
    sessions, now = services.sign_in.sessions, services.clock.monotonic()
    session = sessions.read(request.cookies.get(COOKIE), now) or sessions.begin(now)
    return _Visit(request, services, query, asked, session)


async def _sign_in(visit: _Visit, login: str, password: str) -> web.Response:
    state = visit.services.engine.state
    try:
        member = await visit.services.sign_in.member(login, password, visit.request.remote or "", state)
    except TooManyTries as refused:
        wait = math.ceil(refused.wait)
        response = visit.page(f"Too many tries. Wait {wait} seconds.", status=429, login=login)
        response.headers["Retry-After"] = str(wait)
        return response
    if member is None:
        return visit.page(_WRONG, login=login)
    visit.begin(member.member_id)
    return visit.again()


async def _allow(visit: _Visit, member: Member) -> web.Response:
    answer = exchange(visit.services).allow(visit.query, visit.asked, member.member_id)
    if answer.command is not None:
        try:
            await visit.services.engine.execute(answer.command)
        except CommandRefused as refused:
            return pages.answer(pages.trouble("Nothing was allowed", f"{refused.message}."), status=400)
    return _see(answer.headers["Location"])


def _see(location: str) -> web.Response:
    """Go there with a GET (RFC 9700 4.12: never 307, which would repeat the password there)."""
    return web.Response(status=303, headers={"Location": location})


def _cannot_redirect(reason: str) -> web.Response:
    html = pages.trouble(
        "This app cannot be let in like this",
        f"The app sent you here with a request that this gateway cannot take: {reason.rstrip('.')}.",
        "You were not sent back to it: the address it gave is not known to be its own.",
        "If you are its developer: compare client_id and redirect_uri with what print-gateway apps list "
        "shows; the address must be the same to the letter.",
    )
    return pages.answer(html, status=400)
