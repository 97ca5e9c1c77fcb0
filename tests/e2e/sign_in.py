"""An app gets a token of a member: code and PKCE at the gateway's own authorization server."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from html import unescape
from http.client import HTTPConnection
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.e2e.house import PATIENCE

SIGNED_IN = "https://slicer.example/signed-in"


class Browser:
    """A person's browser on the consent page: one cookie jar, no scripts, no redirects to the app."""

    def __init__(self, url: str, asked: dict[str, str]) -> None:
        self._host = urlsplit(url).netloc
        self._target = "/ps/v1/oauth/authorize?" + urlencode(asked)
        self._cookie = ""

    def open(self) -> str:
        """The page as it is now."""
        return self._ask("GET", None)[1]

    def press(self, page: str, decision: str, **typed: str) -> str:
        """Press a button; where the browser is sent then."""
        token = re.search(r'name="form_token" value="([^"]*)"', page)
        assert token, page
        form = {"form_token": unescape(token[1]), "decision": decision, **typed}
        location, shown = self._ask("POST", urlencode(form))
        assert location, shown
        return location

    def _ask(self, method: str, body: str | None) -> tuple[str, str]:
        connection = HTTPConnection(self._host, timeout=PATIENCE)
        headers = {"Cookie": self._cookie, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, self._target, body, headers)
        answer = connection.getresponse()
        if cookie := answer.getheader("Set-Cookie"):
            self._cookie = cookie.partition(";")[0]
        page = answer.read().decode()
        connection.close()
        return answer.getheader("Location", ""), page


def token_for(url: str, client_id: str, login: str, password: str) -> str:
    """An access token with both scopes, as a public app gets it."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "response_type": "code", "client_id": client_id, "redirect_uri": SIGNED_IN,
        "scope": "data:read data:write", "state": secrets.token_hex(8), "code_challenge_method": "S256",
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
    }  # fmt: skip
    browser = Browser(url, asked)
    browser.press(browser.open(), "sign-in", login=login, password=password)
    came_back = browser.press(browser.open(), "allow")
    assert came_back.startswith(SIGNED_IN), came_back
    fields = parse_qs(urlsplit(came_back).query)
    assert fields["state"] == [asked["state"]]
    return _exchange(url, client_id, fields["code"][0], verifier)


def _exchange(url: str, client_id: str, code: str, verifier: str) -> str:
    form = {
        "grant_type": "authorization_code", "client_id": client_id, "code": code,
        "redirect_uri": SIGNED_IN, "code_verifier": verifier,
    }  # fmt: skip
    connection = HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/ps/v1/oauth/accesstoken", urlencode(form), headers)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    assert answer.status == 200, said
    return str(said["access_token"])
