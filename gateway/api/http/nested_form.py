"""URL-encoded forms whose field names nest, as PHP, Rails and jQuery write them.

    data[layer]=3&data[job_name]=Part1      {"data": {"layer": "3", "job_name": "Part1"}}
    users[]=ana&users[]=ben                 {"users": ["ana", "ben"]}
    parts[][id]=1&parts[][id]=2             {"parts": [{"id": "1"}, {"id": "2"}]}

Values stay text: what a number is, the model of the body says. Where two fields disagree about what a name
is, the later one counts. A name that is not well-formed is taken as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

from gateway.api.http.problems import Failure

#: Bytes of a form: an object that is kept (`limits.OBJECT_BYTES`), each of them as %xx. Four times as much
#: would hold the event loop for a tenth of a second.
FORM_BYTES: Final = 64 * 1024
#: Fields of a form. The printers' longest post has thirty.
FORM_PAIRS: Final = 200
#: How deep a name may nest, its root counted: what is known nests two deep.
FORM_DEPTH: Final = 5

_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")
_BRACKETS: Final = re.compile(r"\[([^\[\]]*)\]")


def parse_form(raw: bytes) -> dict[str, Any]:
    """A form's fields, nested. Raises Failure: 400 not UTF-8, too many fields, too deep; 413 too long."""
    if len(raw) > FORM_BYTES:
        raise Failure(413, f"A form may have {FORM_BYTES} bytes. Send more as JSON.")
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=FORM_PAIRS
        )
    except ValueError:
        raise Failure(400, f"The form is not UTF-8, or has more than {FORM_PAIRS} fields.") from None
    return nest(pairs)


def nest(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The fields as one object. Raises Failure 400 for names that nest too deep."""
    result: dict[str, Any] = {}
    for name, value in pairs:
        steps = _steps(name)
        if len(steps) > FORM_DEPTH:
            raise Failure(400, f"Form field names nest at most {FORM_DEPTH} deep.")
        _put(result, steps, value)
    return result


def _steps(name: str) -> list[str]:
    """`a[b][]` -> `a`, `b` and an empty step: the next element of a list."""
    match = _NAME.fullmatch(name)
    if match is None or "[][]" in name:
        return [name]
    return [match[1], *_BRACKETS.findall(match[2])]


def _put(level: dict[str, Any], steps: list[str], value: str) -> None:
    name, rest = steps[0], steps[1:]
    if not rest:
        level[name] = value
    elif rest[0]:
        below = level.get(name)
        if not isinstance(below, dict):
            below = level[name] = {}
        _put(below, rest, value)
    else:
        _append(level, name, rest[1:], value)


def _append(level: dict[str, Any], name: str, inner: list[str], value: str) -> None:
    found = level.get(name)
    if not isinstance(found, list):
        found = level[name] = []
    if not inner:
        found.append(value)
        return
    last = found[-1] if found else None
    if not isinstance(last, dict) or (len(inner) == 1 and inner[0] in last):
        last = {}  # a field that is there already begins the next element
        found.append(last)
    _put(last, inner, value)
