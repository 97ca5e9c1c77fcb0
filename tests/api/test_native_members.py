"""Members and keys in the native API."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain.member import Scope
from tests.api.host import EVE, Host
from tests.api.native import ROOT, call
from tests.support.stand import ANA


async def test_members_are_added_by_administrators(host: Host) -> None:
    new = {"name": "cleo", "email": "cleo@example.org"}
    assert (await call(host, "POST", "/members", json=new)).status == 403
    response = await call(host, "POST", "/members", ANA, Scope.ADMIN, json=new)
    member = await response.json()
    assert response.status == 201
    assert (member["name"], member["email"], member["organization_id"]) == ("cleo", "cleo@example.org", 1)
    assert (await call(host, "POST", "/members", ANA, Scope.ADMIN, json=new)).status == 409
    assert (
        await call(host, "POST", "/members", ANA, Scope.ADMIN, json={"name": "x", "email": "x"})
    ).status == 422
    everybody = await (await call(host, "GET", "/members", ANA, Scope.ADMIN)).json()
    assert {"ana", "ben", "eve", "cleo"} <= {item["name"] for item in everybody["members"]}
    me = await (await call(host, "GET", "/members")).json()
    assert [item["name"] for item in me["members"]] == ["ben"]


async def test_token_is_shown_once(host: Host) -> None:
    asked = {"member": "ben", "name": "slicer", "scopes": ["data:read", "data:write"]}
    assert (await call(host, "POST", "/keys", json=asked)).status == 403
    response = await call(host, "POST", "/keys", ANA, Scope.ADMIN, json=asked)
    key = await response.json()
    assert response.status == 201, key
    assert (key["member"], key["name"], key["scopes"]) == ("ben", "slicer", ["data:read", "data:write"])
    assert response.headers["Cache-Control"] == "no-store"
    works = await host.client.get(f"{ROOT}/jobs", headers={"Authorization": f"Bearer {key['token']}"})
    assert works.status == 200
    listed = await (await call(host, "GET", "/keys", ANA, Scope.ADMIN)).json()
    assert "token" not in str(listed)
    assert key["id"] in [item["id"] for item in listed["keys"]]
    assert (await call(host, "DELETE", f"/keys/{key['id']}", EVE)).status == 404
    for _ in range(2):
        assert (await call(host, "DELETE", f"/keys/{key['id']}")).status == 204
    gone = await host.client.get(f"{ROOT}/jobs", headers={"Authorization": f"Bearer {key['token']}"})
    assert gone.status == 401


@pytest.mark.parametrize(
    "asked",
    [
        {"member": "nobody", "name": "x", "scopes": ["data:read"]},
        {"member": "ben", "name": "x", "scopes": []},
        {"member": "ben", "name": "x", "scopes": ["root"]},
        {"member": "ben", "name": "x"},
    ],
)
async def test_keys_that_are_not_made(host: Host, asked: dict[str, Any]) -> None:
    assert (await call(host, "POST", "/keys", ANA, Scope.ADMIN, json=asked)).status == 422
