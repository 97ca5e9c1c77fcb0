"""Parameters as OAuth clients send them: query, form, JSON, HTTP Basic. Repeated names are kept."""

from __future__ import annotations

import base64
import binascii
from typing import Final
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from gateway.api.http.operations import FORM, JSON
from gateway.api.http.problems import Failure
from gateway.api.http.reading import parse_json, whole_body
from gateway.auth.oauth_exchange import Credentials, Pairs

#: Parameters of one request; the RFCs define a dozen.
PARAMETERS: Final = 50
#: Bytes of a request's body: codes, tokens and addresses are hundreds. It is read before anybody knows whose.
BODY_BYTES: Final = 16 * 1024


def query_pairs(request: web.Request) -> Pairs:
    """The query, decoded."""
    return _decoded(request.rel_url.raw_query_string)


async def body_pairs(request: web.Request) -> Pairs:
    """The body: a form, or as some clients have it one JSON object of texts. Raises Failure 400, 413."""
    raw = await whole_body(request)
    if len(raw) > BODY_BYTES:
        raise Failure(413, f"A request may have {BODY_BYTES} bytes here.")
    if request.content_type == JSON and raw:
        return _from_json(raw)
    if raw and request.content_type not in (FORM, "application/octet-stream"):
        raise Failure(400, f"Send the parameters as {FORM}.")
    try:
        return _decoded(raw.decode("ascii"))
    except UnicodeDecodeError:
        raise Failure(400, "The form is not URL-encoded.") from None


def basic_credentials(request: web.Request) -> Credentials | None:
    """An app's id and secret from HTTP Basic, percent-decoded as RFC 6749 2.3.1 has it; None: not given.

    Raises Failure 400 for a header that is none.
    """
    given = request.headers.getall("Authorization", [])
    if not given:
        return None
    scheme, _, encoded = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "basic":
        raise Failure(400, "Send client_id and client_secret with HTTP Basic, or in the body.")
    try:
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        raise Failure(400, "The Basic header is not base64 of client_id:client_secret.")
    return unquote(client_id), unquote(secret)


def _decoded(text: str) -> Pairs:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS)
    except ValueError:
        raise Failure(400, f"The parameters are not UTF-8, or more than {PARAMETERS}.") from None


def _from_json(raw: bytes) -> Pairs:
    value = parse_json(raw)
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise Failure(400, "Send the parameters as one JSON object of texts, or better as a form.")
    return list(value.items())
