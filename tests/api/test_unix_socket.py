"""On the host's own socket the kernel says who asks: the first authority, without any key."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.api.http.credentials import login_name
from gateway.auth.peer import OPERATOR_ID
from tests.api.host import GCODE, Host
from tests.support.stand import ANA

ROOT = "/gateway/v1"
STRANGER = 2**31 - 2  # nobody has this uid


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api.sock"


async def test_the_service_s_own_user_may_do_everything(host: Host, path: Path) -> None:
    client = await host.on_socket(path)
    response = await client.post(f"{ROOT}/members", json={"name": "first"})
    assert response.status == 201
    asked = {"member": "first", "name": "cli", "scopes": ["data:read"]}
    key = await (await client.post(f"{ROOT}/keys", json=asked)).json()
    works = await host.client.get(f"{ROOT}/jobs", headers={"Authorization": f"Bearer {key['token']}"})
    assert works.status == 200


async def test_nobody_has_that_authority_over_tcp(host: Host) -> None:
    assert (await host.client.get(f"{ROOT}/jobs")).status == 401


async def test_a_wrong_key_is_refused_on_the_socket_too(host: Host, path: Path) -> None:
    client = await host.on_socket(path)
    assert (await client.get(f"{ROOT}/jobs", headers={"Authorization": "Bearer no"})).status == 401


async def test_a_key_decides_alone(host: Host, path: Path) -> None:
    client = await host.on_socket(path)
    response = await client.get(f"{ROOT}/members", headers=await host.bearer(ANA))
    assert [member["name"] for member in (await response.json())["members"]] == ["ana"]


async def test_the_operator_s_jobs_are_the_printer_owner_s(host: Host, path: Path) -> None:
    client = await host.on_socket(path)
    upload = await client.post(
        f"{ROOT}/files?name=a.gcode", data=GCODE, headers={"Content-Type": "application/octet-stream"}
    )
    file = await upload.json()
    assert (upload.status, file["member_id"]) == (201, OPERATOR_ID)
    for asked, owner in (({}, "ana"), ({"member": "ben"}, "ben")):
        body = {"printer": "mk3", "file_id": file["id"], **asked}
        job = await (await client.post(f"{ROOT}/jobs", json=body)).json()
        assert job["member"] == owner
    listed = await (await client.get(f"{ROOT}/jobs")).json()
    assert listed["total"] == 2


async def test_the_forge_api_wants_a_member_s_token_there_too(host: Host, path: Path) -> None:
    """User context required (Forge: GET jobs, resource information)."""
    client = await host.on_socket(path)
    assert (await client.get("/ps/v1/print/jobs")).status == 401


#: Asks as another user: only root can become one.
ASK = """
import os, socket, sys
os.setuid(int(sys.argv[2]))
with socket.socket(socket.AF_UNIX) as sock:
    sock.connect(sys.argv[1])
    sock.sendall(b"GET /gateway/v1/jobs HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
    while piece := sock.recv(65536):
        sys.stdout.buffer.write(piece)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can ask as another user")
async def test_a_stranger_is_told_how_to_get_in(host: Host) -> None:
    with TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        path = Path(folder) / "api.sock"
        await host.on_socket(path)
        Path(folder).chmod(0o755)
        path.chmod(0o777)
        asking = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", ASK, str(path), str(STRANGER), stdout=asyncio.subprocess.PIPE
        )
        answer, _ = await asking.communicate()
    assert answer.startswith(b"HTTP/1.1 401")
    detail = json.loads(answer.partition(b"\r\n\r\n")[2])["detail"]
    assert detail == (
        f"The user with uid {STRANGER} is no member of this gateway: ask its operator for "
        "`print-gateway members add NAME`, or use a key."
    )


async def test_a_login_name_that_is_a_members(tmp_path: Path, path: Path) -> None:
    name = login_name(os.getuid())
    if name is None or os.getuid() == 0:
        pytest.skip("root is the operator")
    async with Host(tmp_path, service_uid=STRANGER) as host:
        await host.change(lambda draft: draft.members.update({ANA.member_id: replace(ANA, name=name)}))
        client = await host.on_socket(path)
        members = (await (await client.get(f"{ROOT}/members")).json())["members"]
        assert [member["id"] for member in members] == [ANA.member_id]
        assert (await client.post(f"{ROOT}/members", json={"name": "x"})).status == 403


def test_login_names() -> None:
    assert login_name(0) == "root"
    assert login_name(STRANGER) is None
