"""On the host's own socket the kernel says who asks: the first authority, without any key."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from gateway.api.http.credentials import login_name
from gateway.auth.peer import OPERATOR_ID, peer_principal
from gateway.domain.commands import AddMember
from gateway.domain.member import Member
from tests.api.host import GCODE, Host
from tests.support.stand import ANA, BEN, START

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


@pytest.mark.parametrize(
    "header",
    ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Origin", "Sec-Fetch-Site"],
)
async def test_a_proxy_s_authority_is_not_lent_to_who_asks_through_it(
    host: Host, path: Path, header: str
) -> None:
    """One that runs as root, in a container perhaps, would make everybody on the network an administrator."""
    client = await host.on_socket(path)
    response = await client.get(f"{ROOT}/members", headers={header: "192.0.2.7"})
    assert response.status == 401
    assert "passed on by another program" in (await response.json())["detail"]
    good = await client.get(f"{ROOT}/members", headers={header: "192.0.2.7", **await host.bearer(ANA)})
    assert good.status == 200


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
path, uid, sent = sys.argv[1], int(sys.argv[2]), sys.argv[3]
os.setgroups([])
os.setgid(65534)
os.setuid(uid)
with socket.socket(socket.AF_UNIX) as sock:
    sock.connect(path)
    sock.sendall(sent.encode())
    while piece := sock.recv(65536):
        sys.stdout.buffer.write(piece)
"""
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can ask as another user")
#: A user every Debian has, and may be a member's login name.
DAEMON = 1


async def ask_as(
    uid: int,
    path: Path,
    method: str = "GET",
    target: str = f"{ROOT}/jobs",
    body: object = None,
    **headers: str,
) -> tuple[int, dict[str, Any]]:
    """What another user of this host is answered."""
    content = "" if body is None else json.dumps(body)
    lines = {"Host": "x", "Connection": "close", "Content-Type": "application/json", **headers}
    lines["Content-Length"] = str(len(content))
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    sent = f"{method} {target} HTTP/1.1\r\n{head}\r\n{content}"
    asking = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", ASK, str(path), str(uid), sent, stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await asking.communicate()
    top, _, rest = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), json.loads(rest) if rest else {}


@pytest.fixture
async def open_path(host: Host) -> AsyncIterator[Path]:
    """The socket where every user of the host can reach it, as in /run; pytest's own folders are closed."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "api.sock"
        await host.on_socket(path)
        Path(folder).chmod(0o755)
        path.chmod(0o777)
        yield path


@as_root
async def test_a_stranger_is_told_how_to_get_in(open_path: Path) -> None:
    status, problem = await ask_as(STRANGER, open_path)
    assert status == 401
    assert problem["detail"] == (
        f"The user with uid {STRANGER} is no member of this gateway: ask its operator for "
        "`print-gateway members add NAME`, or use a key."
    )


@as_root
async def test_a_stranger_with_a_login_name_is_told_its_own(open_path: Path) -> None:
    status, problem = await ask_as(DAEMON, open_path)
    assert status == 401
    assert problem["detail"].startswith("User 'daemon' is no member of this gateway")
    assert "`print-gateway members add daemon`" in problem["detail"]


@as_root
async def test_a_stranger_with_a_key_is_its_member(host: Host, open_path: Path) -> None:
    """A key decides alone, whoever shows it."""
    key = (await host.bearer(BEN))["Authorization"]
    status, members = await ask_as(STRANGER, open_path, target=f"{ROOT}/members", Authorization=key)
    assert (status, [member["name"] for member in members["members"]]) == (200, ["ben"])


@as_root
@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/jobs", None, 200),
        ("GET", "/printers/mk3", None, 200),
        ("GET", "/printers/xl", None, 404),
        ("POST", "/jobs", {"printer": "mk3", "name": "mine"}, 201),
        ("POST", "/jobs", {"printer": "mk3", "name": "for ana", "member": "ana"}, 422),
        ("POST", "/printers/mk3/plate", {"plate": "clear"}, 200),
        ("POST", "/members", {"name": "more"}, 403),
        ("POST", "/keys", {"member": "daemon", "name": "k", "scopes": ["admin"]}, 403),
        ("DELETE", "/keys/none", None, 404),
    ],
)
async def test_a_login_name_that_is_a_members_is_that_member(
    host: Host, open_path: Path, method: str, target: str, body: object, status: int
) -> None:
    """Reading and writing as that member, and no more: no key is needed on the host itself."""
    member = Member("DAEMONDAEMON0", "daemon", 1, created_at=START)
    await host.engine.execute(AddMember(member))
    given, answer = await ask_as(DAEMON, open_path, method, ROOT + target, body)
    assert given == status, answer
    if given == 201:
        assert answer["member"] == "daemon"


@as_root
async def test_nothing_a_peer_says_about_itself_counts(host: Host, open_path: Path) -> None:
    claims = {
        "X_Remote_User": "root",
        "X_Forwarded_For": "127.0.0.1",
        "X_Member_ID": ANA.member_id,
        "Cookie": "uid=0",
    }
    status, _ = await ask_as(STRANGER, open_path, **claims)
    assert status == 401


@as_root
async def test_a_member_called_operator_is_not_the_operator(host: Host, open_path: Path) -> None:
    """Some systems have a login of that name; the row of the first migration must not be its."""
    assert peer_principal(4242, "operator", 0, host.engine.state.members).principal is None


async def test_hanging_up_and_coming_back(host: Host, path: Path) -> None:
    """Each connection is asked for its own peer; a hundred of them leave nothing behind."""
    client = await host.on_socket(path)
    for _ in range(100):
        response = await client.get(f"{ROOT}/printers", headers={"Connection": "close"})
        assert response.status == 200
        response.close()


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
