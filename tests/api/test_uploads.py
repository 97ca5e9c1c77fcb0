"""Print files on their way in: every shape of a body, one outcome a shape, and nothing left behind."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from aiohttp import ClientResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.http import limits
from gateway.api.http.uploads import shown_name
from gateway.domain.member import Member, Scope
from tests.api.host import GCODE, MAX_UPLOAD, Host
from tests.support.stand import ANA, BEN

FILES, FORGE = "/gateway/v1/files", "/ps/v1/files/upload"
BYTES = {"Content-Type": "application/octet-stream"}


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    shown = f'; filename="{filename}"' if filename is not None else ""
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def multipart(*parts: bytes) -> dict[str, Any]:
    """The arguments of a request with these parts, byte by byte as they are here."""
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return {"data": b"".join(parts) + b"--b--\r\n", "headers": headers}


async def post(
    host: Host, path: str, member: Member = BEN, *scopes: Scope, headers: dict[str, str], data: Any
) -> ClientResponse:
    return await host.client.post(path, data=data, headers={**await host.bearer(member, *scopes), **headers})


def incoming(host: Host) -> list[str]:
    return [file.name for file in (host.folder / "files" / ".incoming").iterdir()]


async def rows(host: Host) -> int:
    return len(await host.queries.files(member_id=None, limit=100, offset=0))


# ---------------------------------------------------------------- bodies that are a file


async def in_pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


async def test_a_body_of_unknown_length(host: Host) -> None:
    """Chunked: nobody says before how long it will be."""
    pieces = [GCODE[at : at + 7] for at in range(0, len(GCODE), 7)]
    response = await post(host, f"{FILES}?name=a.gcode", headers=BYTES, data=in_pieces(*pieces))
    assert (response.status, (await response.json())["size"]) == (201, len(GCODE))


async def test_a_chunked_body_that_grows_too_large(host: Host) -> None:
    """It is refused at the byte that is too many, not at its end."""
    pieces = (b"G1 X1\n" * 10_000 for _ in range(MAX_UPLOAD // 60_000 + 2))
    response = await post(host, FILES, headers=BYTES, data=in_pieces(*pieces))
    assert response.status == 413
    assert (incoming(host), await rows(host)) == ([], 0)


@pytest.mark.parametrize(("size", "status"), [(MAX_UPLOAD, 201), (MAX_UPLOAD + 1, 413)])
async def test_the_largest_file(host: Host, size: int, status: int) -> None:
    content = (b"G1 X1\n" * (size // 6 + 1))[:size]
    assert (await post(host, FILES, headers=BYTES, data=in_pieces(content))).status == status


async def test_a_compressed_body_is_read(host: Host) -> None:
    headers = {**BYTES, "Content-Encoding": "gzip"}
    response = await post(host, FILES, headers=headers, data=gzip.compress(GCODE))
    assert (response.status, (await response.json())["size"]) == (201, len(GCODE))


async def test_a_compressed_body_is_measured_as_what_it_becomes(host: Host) -> None:
    """A kilobyte that becomes a megabyte and one."""
    headers = {**BYTES, "Content-Encoding": "gzip"}
    response = await post(host, FILES, headers=headers, data=gzip.compress(b"\n" * (MAX_UPLOAD + 1)))
    assert response.status == 413
    assert (incoming(host), await rows(host)) == ([], 0)


@pytest.mark.parametrize("media", ["text/x.gcode", "text/plain", "application/octet-stream"])
async def test_media_types_of_a_raw_file(host: Host, media: str) -> None:
    response = await post(host, f"{FILES}?name=a.gcode", headers={"Content-Type": media}, data=GCODE)
    assert response.status == 201


@pytest.mark.parametrize(
    "media",
    ["application/json", "application/x-www-form-urlencoded", "image/png", "multipart/mixed; boundary=b"],
)
async def test_other_media_types_are_refused_with_the_right_ones(host: Host, media: str) -> None:
    response = await post(host, FILES, headers={"Content-Type": media}, data=GCODE)
    assert response.status == 415
    assert "multipart/form-data" in (await response.json())["detail"]


# ---------------------------------------------------------------- forms


@pytest.mark.parametrize(
    "parts",
    [
        [part("file", GCODE, "a.gcode")],
        [part("member", b"ben"), part("file", GCODE, "a.gcode")],
        [part("file", GCODE, "a.gcode"), part("member", b"ben")],
        [part("unzip", b"false"), part("public", b""), part("file", GCODE, "a.gcode"), part("later", b"x")],
        [part("file", GCODE, "a.gcode"), part("file", b"second", "b.gcode")],
    ],
    ids=["alone", "field before", "field behind", "fields around", "two files"],
)
async def test_forms_in_any_order(host: Host, parts: list[bytes]) -> None:
    """The first part named `file` is the file, wherever it stands."""
    response = await post(host, FILES, **multipart(*parts))
    file = await response.json()
    assert (response.status, file["name"], file["size"]) == (201, "a.gcode", len(GCODE)), file


@pytest.mark.parametrize(
    ("parts", "status", "says"),
    [
        ([], (400, 422), ""),
        ([part("fiel", GCODE, "a.gcode")], (422,), "no field `file`"),
        ([part("file", b"", "a.gcode")], (422,), "The file is empty"),
        ([part("file", b"", "a.gcode"), part("file", GCODE, "b.gcode")], (422,), "The file is empty"),
        ([part("file", GCODE, "a.gcode"), part("member", b"eve")], (422,), "no 'eve' for whom you may act"),
        ([part("a", b"x" * (limits.FORM_FIELD_BYTES + 1))], (413,), "A form field beside the file"),
        ([part(f"f{n}", b"") for n in range(limits.FORM_FIELDS + 1)], (400,), "more than 16 fields"),
    ],
    ids=["no parts", "no file", "empty", "empty first", "not for eve", "long field", "many fields"],
)
async def test_forms_that_are_none(
    host: Host, parts: list[bytes], status: tuple[int, ...], says: str
) -> None:
    response = await post(host, FILES, **multipart(*parts))
    problem = await response.json()
    assert response.status in status, problem
    assert says in problem["detail"]
    assert (incoming(host), await rows(host)) == ([], 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b--\r\n",
        b"--c\r\n\r\n--c--\r\n",
        b"--b\r\nContent-Disposition: form-data; name=file; filename=a.gcode\r\n\r\nG28\n",
        b"--b\r\n" + b"A: " + b"x" * 20_000 + b"\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n\r\n\r\n--b--\r\n" * 3,
    ],
    ids=[
        "nothing",
        "a beginning",
        "an end",
        "another boundary",
        "no end",
        "long header",
        "nameless",
    ],
)
async def test_bytes_that_are_no_form(host: Host, body: bytes) -> None:
    """Refused in words, on both surfaces, and nothing is left."""
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    for path in (FILES, FORGE):
        response = await post(host, path, headers=headers, data=body)
        said = await response.json()
        assert response.status in (400, 422), said
        assert said.get("detail") or said.get("message")
    assert (incoming(host), await rows(host)) == ([], 0)


PIECES = [b"--b", b"--", b"\r\n", b"\r\n\r\n", b"G28\n", b'name="file"', b"\0", b"Content-"]


def test_any_bytes_are_a_form_or_refused(tmp_path: Path) -> None:
    """One host takes them all."""
    with asyncio.Runner() as runner:
        host = runner.run(Host(tmp_path).__aenter__())

        @settings(max_examples=100, deadline=None, derandomize=True)
        @given(st.lists(st.sampled_from(PIECES)))
        def play(pieces: list[bytes]) -> None:
            runner.run(send(b"".join(pieces)))

        async def send(body: bytes) -> None:
            headers = {"Content-Type": "multipart/form-data; boundary=b"}
            response = await post(host, FILES, headers=headers, data=body)
            assert response.status in (201, 400, 422)
            assert incoming(host) == []

        try:
            play()
        finally:
            runner.run(host.__aexit__())


async def test_a_form_may_say_whose_it_is(host: Host) -> None:
    """An administrator uploads for somebody else; the query counts before the field."""
    data = multipart(part("member", b"ben"), part("file", GCODE, "a.gcode"))
    first = await (await post(host, FILES, ANA, Scope.ADMIN, **data)).json()
    second = await (await post(host, f"{FILES}?member=ana", ANA, Scope.ADMIN, **data)).json()
    assert (first["member_id"], second["member_id"]) == (BEN.member_id, ANA.member_id)


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../../etc/passwd", "passwd"),
        ("..\\\\..\\\\boot.ini", "boot.ini"),
        ("/etc/shadow", "shadow"),
        ("%2e%2e%2fx.gcode", "x.gcode"),
        ("a%0d%0aSet-Cookie: b.gcode", "aSet-Cookie: b.gcode"),
        ("W%C3%BCrfel.gcode", "Würfel.gcode"),
        (".", "upload.gcode"),
        ("..", "upload.gcode"),
        ("%00", "upload.gcode"),
        ("con.gcode", "con.gcode"),
        (" .gcode ", ".gcode"),
    ],
)
async def test_a_name_is_never_a_path(host: Host, sent: str, shown: str) -> None:
    """The content lies under its hash; the name is for people, and goes into no file system."""
    before = {path for path in host.folder.rglob("*") if path.is_file()}
    response = await post(host, FILES, **multipart(part("file", GCODE, sent)))
    file = await response.json()
    assert (response.status, file["name"]) == (201, shown)
    after = {path for path in host.folder.rglob("*") if path.is_file()} - before
    assert [path.name for path in after if "gateway.db" not in path.name] in ([file["sha256"]], [])
    assert all(host.folder in path.parents for path in after)


@given(st.text(max_size=300))
def test_any_name_is_one_clean_line(name: str) -> None:
    shown = shown_name(name)
    assert 0 < len(shown) <= limits.NAME_CHARS
    assert shown.isprintable()
    assert "/" not in shown
    assert "\\" not in shown
    assert shown.strip(".")


# ---------------------------------------------------------------- the same again


async def test_the_same_content_twice_is_two_uploads_of_one_content(host: Host) -> None:
    """Two people may have the same part; it is stored once."""
    files = [
        await (await post(host, FILES, member, **multipart(part("file", GCODE, "a.gcode")))).json()
        for member in (BEN, BEN, ANA)
    ]
    assert len({file["id"] for file in files}) == 3
    assert len({file["sha256"] for file in files}) == 1
    stored = [path for path in (host.folder / "files").rglob("*") if path.is_file() and path.name != ".lock"]
    assert [path.name for path in stored if path.name == files[0]["sha256"]] == [files[0]["sha256"]]


async def test_many_at_once(host: Host) -> None:
    """Eight uploads side by side, half of them the same content, one of them broken."""
    contents = [GCODE, GCODE, b"G28\n", b"G28 X\n", GCODE, b"PK\x03\x04", GCODE, b"G28 Y\n"]
    responses = await asyncio.gather(
        *(post(host, FILES, headers=BYTES, data=content) for content in contents)
    )
    assert [response.status for response in responses] == [201, 201, 201, 201, 201, 422, 201, 201]
    assert (incoming(host), await rows(host)) == ([], 7)


@pytest.mark.parametrize("path", [FILES, FORGE])
async def test_a_retry_with_its_key_is_the_same_upload(host: Host, path: str) -> None:
    form = multipart(part("file", GCODE, "a.gcode"))
    form["headers"]["Idempotency-Key"] = "k"
    answers = [await (await post(host, path, **form)).json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert await rows(host) == 1


async def test_two_tries_at_the_same_time_are_one_upload(host: Host) -> None:
    """A client that lost patience sends again while the first is still under way."""
    headers = {**BYTES, "Idempotency-Key": "k"}
    responses = await asyncio.gather(*(post(host, FILES, headers=headers, data=GCODE) for _ in range(4)))
    bodies = [await response.json() for response in responses]
    assert {response.status for response in responses} == {201}
    assert len({body["id"] for body in bodies}) == 1
    assert await rows(host) == 1


async def test_a_key_is_for_one_content_one_name_one_address_one_member(host: Host) -> None:
    headers = {**BYTES, "Idempotency-Key": "k"}
    assert (await post(host, f"{FILES}?name=a", headers=headers, data=GCODE)).status == 201
    for path, data in ((f"{FILES}?name=a", b"G28\n"), (f"{FILES}?name=b", GCODE)):
        response = await post(host, path, headers=headers, data=data)
        assert (response.status, "Idempotency-Key" in (await response.json())["detail"]) == (422, True)
    job = await host.client.post(
        "/gateway/v1/jobs", json={"name": "x"}, headers={**await host.bearer(BEN), "Idempotency-Key": "k"}
    )
    assert job.status == 422
    assert (await post(host, f"{FILES}?name=a", ANA, headers=headers, data=b"G28\n")).status == 201, "hers"


async def test_a_refused_upload_does_not_use_its_key_up(host: Host) -> None:
    headers = {**BYTES, "Idempotency-Key": "k"}
    assert (await post(host, FILES, headers=headers, data=b"PK\x03\x04")).status == 422
    assert (await post(host, FILES, headers=headers, data=GCODE)).status == 201


@pytest.mark.parametrize(
    ("key", "status"), [("a", 201), ("~" * 255, 201), ("", 400), ("x" * 256, 400), ("a b", 400), ("é", 400)]
)
async def test_keys_of_all_lengths(host: Host, key: str, status: int) -> None:
    headers = {**BYTES, "Idempotency-Key": key}
    assert (await post(host, FILES, headers=headers, data=GCODE)).status == status


async def test_uploads_are_listed_newest_first_page_by_page(host: Host) -> None:
    headers = await host.bearer(BEN)
    for number in range(5):
        host.clock.advance(1)
        await post(host, f"{FILES}?name={number}", headers=BYTES, data=GCODE)
    seen = []
    for offset in (0, 2, 4, 6):
        listed = await host.client.get(f"{FILES}?limit=2&offset={offset}", headers=headers)
        seen += [file["name"] for file in (await listed.json())["files"]]
    assert seen == ["4", "3", "2", "1", "0"]


async def test_the_forge_upload_is_the_native_file(host: Host) -> None:
    """One file store: what one surface took, the other shows."""
    form = aiohttp.FormData()
    form.add_field("file", GCODE, filename="benchy.gcode")
    uploaded = (await (await post(host, FORGE, headers={}, data=form)).json())["files"][0]
    assert UUID(uploaded["file_id"])
    found = await host.client.get(f"{FILES}/{uploaded['file_id']}", headers=await host.bearer(BEN))
    file = await found.json()
    for forge, native in (
        ("name", "name"),
        ("file_size", "size"),
        ("sha256", "sha256"),
        ("printable_id",) * 2,
    ):
        assert uploaded[forge] == file[native]
