"""Uploads in the native API: kept whole and once, refused without a trace."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from gateway.engine.ports import StoreUnavailable
from tests.api.host import EVE, GCODE, MAX_UPLOAD, Host
from tests.api.native import ROOT, call, form


async def test_uploaded_file_is_there(host: Host) -> None:
    response = await call(host, "POST", "/files", data=form(name="Würfel 2.gcode"))
    file = await response.json()
    assert response.status == 201, file
    assert (file["name"], file["size"], file["metadata"]) == ("Würfel 2.gcode", len(GCODE), {"lines": 3})
    assert response.headers["Location"] == f"{ROOT}/files/{file['id']}"
    assert await (await call(host, "GET", f"/files/{file['id']}")).json() == file
    listed = await (await call(host, "GET", "/files")).json()
    assert listed == {"files": [file], "limit": 20, "offset": 0}
    assert (await call(host, "GET", f"/files/{file['id']}", EVE)).status == 404


async def test_raw_upload(host: Host) -> None:
    response = await call(
        host, "POST", "/files?name=a.gcode", data=GCODE, headers={"Content-Type": "application/octet-stream"}
    )
    assert (response.status, (await response.json())["name"]) == (201, "a.gcode")


async def test_an_archive_is_taken_from_who_says_so(host: Host) -> None:
    """For printers that call in and read it themselves."""
    raw: dict[str, Any] = {"data": b"PK\x03\x04", "headers": {"Content-Type": "application/octet-stream"}}
    assert (await call(host, "POST", "/files?name=a.zip", **raw)).status == 422
    response = await call(host, "POST", "/files?name=a.zip&archive=true", **raw)
    assert (response.status, (await response.json())["name"]) == (201, "a.zip")


async def test_repeated_upload_is_one_file(host: Host) -> None:
    key = {"Idempotency-Key": "k1"}
    ids = [(await (await call(host, "POST", "/files", data=form(), headers=key)).json())["id"] for _ in "ab"]
    assert ids[0] == ids[1]
    other = await call(host, "POST", "/files", data=form(b"G28\n"), headers=key)
    assert other.status == 422


def leftovers(host: Host) -> list[str]:
    return [path.name for path in (host.folder / "files" / ".incoming").iterdir()]


@pytest.mark.parametrize(
    ("data", "status", "word"),
    [
        (form(b"PK\x03\x04"), 422, "sliced file"),
        (form(b""), 422, "empty"),
        (
            form(b"x" * (MAX_UPLOAD + 1)),
            413,
            f"the {MAX_UPLOAD} bytes this gateway takes. Its operator can raise",
        ),
        (form(member="eve"), 422, "member"),
        (form(note="x" * 5000), 413, "field"),
        (aiohttp.FormData({"a": "b"}), 415, "multipart"),
    ],
    ids=["archive", "empty", "large", "member", "note", "urlencoded"],
)
async def test_upload_that_is_refused_leaves_nothing(
    host: Host, data: aiohttp.FormData, status: int, word: str
) -> None:
    response = await call(host, "POST", "/files", data=data)
    problem = await response.json()
    assert response.status == status, problem
    assert word in problem["detail"]
    assert leftovers(host) == []
    assert (await (await call(host, "GET", "/files")).json())["files"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--\r\n",
        b"nonsense",
        b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n--x--\r\n",
        b"".join(b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" for _ in range(40))
        + b"--x--\r\n",
    ],
)
async def test_broken_multipart(host: Host, body: bytes) -> None:
    response = await call(
        host, "POST", "/files", data=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert response.status in (400, 422)
    assert leftovers(host) == []


async def test_part_header_that_cannot_be_read(host: Host) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="\xff\x1f"\r\n\r\n1\r\n--x--\r\n'
    response = await call(
        host, "POST", "/files", data=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert response.status in (400, 422)
    assert leftovers(host) == []


async def test_body_that_is_not_compressed_as_it_says(host: Host) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = await call(host, "POST", "/jobs", data=b"{}", headers=headers)
    assert response.status == 400


async def test_multipart_without_boundary(host: Host) -> None:
    response = await call(host, "POST", "/files", data=b"x", headers={"Content-Type": "multipart/form-data"})
    assert response.status == 400


async def test_disk_that_cannot_be_written_is_503(host: Host) -> None:
    class Full:
        async def begin(self, expected: int) -> None:
            raise StoreUnavailable("/var/lib cannot be written")

    object.__setattr__(host.services, "files", Full())
    response = await call(host, "POST", "/files", data=form())
    assert (response.status, "cannot be written" in await response.text()) == (503, True)
