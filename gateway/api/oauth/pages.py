"""The pages that a person sees: signing in, agreeing, and what is wrong. `http.pages` makes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from gateway.api.http import pages
from gateway.auth.oauth_exchange import Asked
from gateway.auth.redirects import form_target
from gateway.domain.member import Scope

#: The scopes in words for people.
SCOPES_IN_WORDS: Final = {
    Scope.DATA_READ: "see your printers, jobs and files",
    Scope.DATA_WRITE: (
        "upload files, print them on your printers, pause, resume or cancel your jobs, "
        "and register, share, command or give up your printers"
    ),
    Scope.READ_ASYNC_JOBS: "see the tasks that it started for you, and their results",
    Scope.PUBLIC: (
        "see your organization's stacks and schedules, and run them on the printers that you may use"
    ),
}


@dataclass(frozen=True, slots=True)
class Form:
    """What every form on a page carries."""

    action: str  # where it goes: this very address, with the app's request in the query
    token: str  # proves that it came from a page of this session

    def html(self, inside: str) -> str:
        """The form with this inside."""
        return (
            f'<form method="post" action="{escape(self.action)}">'
            f'<input type="hidden" name="form_token" value="{escape(self.token)}">{inside}</form>'
        )


def sign_in(asked: Asked, form: Form, *, trouble: str | None = None, login: str = "") -> str:
    """Who are you?"""
    at_name, at_password = ("", " autofocus") if login else (" autofocus", "")
    return pages.page(
        "Sign in",
        f"<h1>Sign in to let <b>{_name(asked)}</b> use this print gateway</h1>",
        _trouble(trouble),
        form.html(
            '<label for="login">Member name or e-mail address</label>'
            f'<input id="login" name="login" value="{escape(login)}" autocomplete="username" '
            f'autocapitalize="none" spellcheck="false"{at_name}>'
            '<label for="password">Password</label>'
            '<input id="password" name="password" type="password" autocomplete="current-password"'
            f"{at_password}>"
            '<button name="decision" value="sign-in">Sign in</button>'
            '<button name="decision" value="deny">Cancel</button>'
        ),
        '<p class="small">No password yet? On the printers\' host, <code>print-gateway members password '
        "NAME</code> sets one.</p>",
    )


def consent(asked: Asked, form: Form, *, member: str, owner: str) -> str:
    """May this app?"""
    wishes = "".join(f"<li>{escape(SCOPES_IN_WORDS[scope])}</li>" for scope in asked.scopes)
    return pages.page(
        "Allow access",
        f"<h1>Allow <b>{_name(asked)}</b> to use this print gateway?</h1>",
        f"<p>You are signed in as <b>{escape(member)}</b>. For you it could</p><ul>{wishes}</ul>",
        "<p>until you withdraw it (<code>print-gateway apps withdraw</code>) or it has not been used for "
        "two months.</p>",
        form.html(
            '<button name="decision" value="allow">Allow</button>'
            '<button name="decision" value="deny">Deny</button>'
            '<button name="decision" value="change">Somebody else</button>'
        ),
        f'<p class="small">The app was registered here for {escape(owner)}. You will go on to '
        f"<b>{escape(_place(asked.redirect_uri))}</b>.</p>",
    )


def trouble(title: str, *paragraphs: str) -> str:
    """What is wrong, and what to do."""
    return pages.page(title, f"<h1>{escape(title)}</h1>", *(f"<p>{escape(text)}</p>" for text in paragraphs))


def answer(html: str, *, status: int = 200, targets: Iterable[str] = ()) -> web.Response:
    """A page from which forms lead here or to `targets` (redirect URIs)."""
    return pages.answer(html, status=status, forms_to=("'self'", *(form_target(uri) for uri in targets)))


def _name(asked: Asked) -> str:
    return escape(asked.app.name)


def _trouble(text: str | None) -> str:
    return f'<p class="trouble" role="alert">{escape(text)}</p>' if text else ""


def _place(uri: str) -> str:
    """Where an address leads, as people recognise it."""
    parts = urlsplit(uri)
    return parts.netloc or f"the program that opens {parts.scheme}: addresses"
