"""How the demo asks as an app does: plain HTTP with whatever credential the API wants."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from gateway.cli.demo_children import DemoFailed

#: Seconds for one answer.
ANSWER_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        """The body. Raises DemoFailed for what is no JSON."""
        try:
            return json.loads(self.text)
        except ValueError as error:
            raise DemoFailed(f"the gateway's answer is no JSON: {error}", "gateway") from error


class Http:
    """One API of the gateway, and how an app shows who it is there."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._headers = headers

    async def ask(self, method: str, path: str, *, status: int = 200, **arguments: Any) -> Answer:
        """The answer, which must have this status. Raises DemoFailed."""
        within = aiohttp.ClientTimeout(total=ANSWER_WITHIN)
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=within) as session,
                session.request(method, self._url + path, **arguments) as response,
            ):
                text = await response.text()
                if response.status != status:
                    raise DemoFailed(f"{method} {path}: {response.status} {_words(text)}", "gateway")
                return Answer(response.headers, text)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise DemoFailed(f"{method} {path}: {error}", "gateway") from error


def _words(text: str) -> str:
    """Why it was refused, in whichever of its dialects the gateway says so."""
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    names = ("message", "detail", "error_message", "error_description", "details")
    found = [said[name] for name in names if said.get(name)] if isinstance(said, dict) else []
    return str(found[0]) if found else text[:200]
