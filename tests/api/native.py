"""Calls of the native API, as a member with a key of its own makes them."""

from __future__ import annotations

from typing import Any

import aiohttp
from aiohttp import ClientResponse

from gateway.domain.member import Member, Scope
from tests.api.host import GCODE, Host
from tests.support.stand import BEN

ROOT = "/gateway/v1"


async def call(
    host: Host, method: str, path: str, member: Member = BEN, *scopes: Scope, **more: Any
) -> ClientResponse:
    headers = {**await host.bearer(member, *scopes), **more.pop("headers", {})}
    return await host.client.request(method, ROOT + path, headers=headers, **more)


def form(content: bytes = GCODE, name: str = "part.gcode", **fields: str) -> aiohttp.FormData:
    data = aiohttp.FormData()
    for field, value in fields.items():
        data.add_field(field, value)
    data.add_field("file", content, filename=name)
    return data
