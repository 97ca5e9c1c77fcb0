"""The typed client against a gateway that answers as told: words, errors, repetitions, event streams."""

from __future__ import annotations

import os
import re
from collections import deque
from contextlib import aclosing
from pathlib import Path
from urllib.parse import unquote

import pytest
from aiohttp import web

from gateway.client.calls import CREATE_AGAIN_AFTER, Address
from gateway.client.errors import GatewayUnreachable, Refused
from gateway.client.follow import find_job, follow
from gateway.client.models import GatewayEvent
from gateway.client.native import RECONNECT_AFTER, GatewayClient, Opened
from tests.client.fake_gateway import FakeGateway, event, job, printer, problem, served


async def test_reads_printers_and_ignores_what_is_new(client: GatewayClient, fake: FakeGateway) -> None:
    (found,) = await client.printers()
    assert (found.name, found.plate, found.temperatures["B"]) == ("mk3", "occupied", 20.5)
    assert fake.headers[0]["Authorization"] == "Bearer t0"


async def test_names_are_escaped(client: GatewayClient, fake: FakeGateway) -> None:
    with pytest.raises(Refused):
        await client.printer("../jobs")
    assert fake.asked == [("GET", "/printers/..%2Fjobs")]


async def test_sets_the_plate_and_stops(client: GatewayClient, fake: FakeGateway) -> None:
    await client.set_plate(1, "clear")
    assert (await client.stop(1)).state == "pending"
    assert fake.bodies == [{"plate": "clear"}]


async def test_uploads_and_submits(client: GatewayClient, fake: FakeGateway, tmp_path: Path) -> None:
    path = tmp_path / "clip.gcode"
    path.write_bytes(b"G28\nM84\n")
    stored = await client.upload(path)
    submitted = await client.submit(printer="mk3", file_id=stored.id, name="clip", member="ana")
    assert fake.files == {"clip.gcode": b"G28\nM84\n"}
    assert submitted.number == 7
    assert fake.bodies == [
        {"file_id": stored.id, "name": "clip", "settings": {}, "printer": "mk3", "member": "ana"}
    ]
    keys = {headers["Idempotency-Key"] for headers in fake.headers}
    assert len(keys) == 2


async def test_a_creation_is_repeated_with_the_same_key(
    client: GatewayClient, fake: FakeGateway, slept: list[float]
) -> None:
    fake.instead["/jobs"] = deque([None, None])
    await client.submit(printer="mk3", file_id="f", name="n")
    assert len({headers["Idempotency-Key"] for headers in fake.headers}) == 1
    assert [method for method, _ in fake.asked] == ["POST"] * 3
    assert slept == [CREATE_AGAIN_AFTER] * 2


async def test_a_creation_is_not_repeated_for_ever(client: GatewayClient, fake: FakeGateway) -> None:
    fake.instead["/jobs"] = deque([None] * 9)
    with pytest.raises(GatewayUnreachable, match=r"broke|answers"):
        await client.submit(printer=None, file_id="f", name="n")
    assert len(fake.asked) == 3


async def test_a_refusal_carries_the_gateways_sentence(client: GatewayClient, fake: FakeGateway) -> None:
    fake.instead["/jobs"] = deque([problem(422, "the plate of mk3 is occupied")])
    with pytest.raises(Refused, match="the plate of mk3 is occupied") as caught:
        await client.submit(printer="mk3", file_id="f", name="n")
    assert (caught.value.status, caught.value.title) == (422, "No")


async def test_a_refusal_without_words_has_its_status(client: GatewayClient, fake: FakeGateway) -> None:
    fake.instead["/printers"] = deque([web.Response(status=502, text="<html>")])
    with pytest.raises(Refused, match="502 Bad Gateway"):
        await client.printers()


async def test_a_wrong_key_says_where_keys_come_from(client: GatewayClient, fake: FakeGateway) -> None:
    fake.instead["/printers"] = deque([problem(401, "This key is not known.")])
    with pytest.raises(Refused, match=r"does not know this key, or it was revoked; make one with .*--token"):
        await client.printers()


async def test_a_missing_key_is_asked_for(url: str, fake: FakeGateway) -> None:
    fake.instead["/printers"] = deque([problem(401, "A key is needed.")])
    async with GatewayClient(Address(url)) as client:
        with pytest.raises(Refused, match=r"wants a key; make one with `print-gateway keys create`"):
            await client.printers()


async def test_a_stranger_on_the_socket_gets_the_gateways_own_advice(
    fake: FakeGateway, tmp_path: Path
) -> None:
    """There it is not a key that is missing, but a member of that login name."""
    fake.instead["/printers"] = deque([problem(401, "User 'zoe' is no member: ask its operator.")])
    with served(fake, tmp_path / "s") as path:
        async with GatewayClient(Address(socket=path)) as client:
            with pytest.raises(Refused, match=r"^User 'zoe' is no member: ask its operator\.$"):
                await client.printers()


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text="<html>hello</html>"),
        web.json_response({"printers": [{"id": "x"}]}),
        web.json_response([1]),
    ],
)
async def test_another_server_is_told_from_a_gateway(
    client: GatewayClient, fake: FakeGateway, answer: web.Response
) -> None:
    fake.instead["/printers"] = deque([answer])
    with pytest.raises(GatewayUnreachable, match="check the URL"):
        await client.printers()


async def test_lists_jobs_with_what_is_asked(client: GatewayClient, fake: FakeGateway) -> None:
    page = await client.jobs(status="queued", scope="all", limit=5)
    assert (page.total, page.jobs[0].name) == (1, "clip.gcode")
    assert fake.asked == [("GET", "/jobs?status=queued&scope=all&limit=5&offset=0")]


async def test_orders_and_resolves(client: GatewayClient, fake: FakeGateway) -> None:
    await client.command("a-b", "pause")
    await client.resolve("a-b", "failed")
    assert fake.asked == [("POST", "/jobs/a-b/pause"), ("POST", "/jobs/a-b/resolve")]
    assert fake.bodies == [{"outcome": "failed"}]


async def test_members_and_keys(client: GatewayClient, fake: FakeGateway) -> None:
    assert (await client.add_member("ben", "ben@example.org")).name == "ben"
    assert [member.name for member in await client.members()] == ["ana", "ben"]
    key = await client.create_key("ana", "slicer", ["data:write"])
    assert (key.token, (await client.keys())[0].token) == ("secret-token", None)
    await client.revoke_key(key.id)
    assert fake.asked[-1] == ("DELETE", "/keys/k1")


async def test_over_a_unix_socket(fake: FakeGateway, tmp_path: Path) -> None:
    with served(fake, tmp_path / "api.sock") as where:
        async with GatewayClient(Address(socket=where)) as client:
            assert [found.name for found in await client.printers()] == ["mk3"]


async def test_nobody_on_this_host(tmp_path: Path) -> None:
    async with GatewayClient(Address(socket=str(tmp_path / "none.sock"))) as client:
        with pytest.raises(GatewayUnreachable, match="no gateway runs on this host"):
            await client.printers()


async def test_nobody_at_the_url(free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}"
    async with GatewayClient(Address(url)) as client:
        with pytest.raises(GatewayUnreachable, match=re.escape(f"no gateway answers at {url} (")):
            await client.printers()


async def test_events_go_on_over_connections(
    client: GatewayClient, fake: FakeGateway, slept: list[float]
) -> None:
    fake.streams.extend([[event("job-moved", 5), ": ping\n\n"], [event("job-moved", 6)]])
    found: list[object] = []
    async with aclosing(client.events()) as events:
        async for item in events:
            found.append(item.seq if isinstance(item, GatewayEvent) else "opened")
            if found[-1] == 6:
                break
    assert found == ["opened", 5, "opened", 6]
    assert [headers.get("Last-Event-ID") for headers in fake.headers] == [None, "5"]
    assert slept == [RECONNECT_AFTER[0]]


async def test_waits_grow_while_nothing_comes(
    client: GatewayClient, fake: FakeGateway, slept: list[float]
) -> None:
    fake.streams.append([event("job-moved", 1)])
    async with aclosing(client.events()) as events:
        await anext(events)
        await anext(events)
        fake.instead["/events"] = deque(web.Response(status=503) for _ in range(3))
        assert isinstance(await anext(events), Opened)
    assert slept == [RECONNECT_AFTER[0] * 2**power for power in range(4)]


async def test_a_first_connection_that_fails_is_told(client: GatewayClient, fake: FakeGateway) -> None:
    fake.instead["/events"] = deque([problem(503, "starting"), problem(403, "no")])
    for status in (503, 403):
        with pytest.raises(Refused) as caught:
            await anext(client.events())
        assert caught.value.status == status


async def test_follows_a_job_through_a_restart(client: GatewayClient, fake: FakeGateway) -> None:
    mine, other = {"job_id": fake.jobs[0]["id"]}, {"job_id": "other"}
    fake.fate.extend({"status": status} for status in ("queued", "printing", "printing", "completed"))
    fake.streams.extend(
        [
            [
                event("job-moved", 1, **other),
                event("job-moved", 2, **mine),
                event("job-progressed", None, progress=0.4, line=40, position=None, **mine),
                event("job-progressed", None, progress=0.9, **other),
            ],
            [event("hello", 2), event("plate-changed", 3), event("resync", 4)],
        ]
    )
    async with aclosing(follow(client, fake.jobs[0]["id"])) as jobs:
        seen = [(found.status, found.progress, found.line) async for found in jobs]
    assert seen == [
        ("queued", None, None),
        ("printing", None, None),
        ("printing", 0.4, 40),
        ("printing", None, None),
        ("completed", None, None),
    ]


async def test_finds_jobs_by_number_and_by_the_beginning_of_the_id(
    client: GatewayClient, fake: FakeGateway
) -> None:
    tail = "-0000-4000-8000-000000000000"
    fake.jobs = [job(id=f"{number:08x}{tail}", number=number) for number in range(1, 251)]
    assert (await find_job(client, "3")).number == 3
    assert (await find_job(client, "250")).number == 250
    assert (await find_job(client, "000000Fa")).number == 250
    assert (await find_job(client, fake.jobs[9]["id"])).number == 10
    with pytest.raises(Refused, match='there is no job "999"'):
        await find_job(client, "999")
    with pytest.raises(Refused, match="begins the ids of"):
        await find_job(client, "000000f")


async def test_no_job_is_meant_by_a_slip(client: GatewayClient, fake: FakeGateway) -> None:
    """`jobs cancel "$UNSET"` must not cancel the only job there is."""
    for text in ("", " ", "4", "4b", "4b5", "-", "4b5a3181-8997-4d6a-979f-e1af7eb5b54"[1:]):
        with pytest.raises(Refused, match=re.escape(f'there is no job "{text}"')):
            await find_job(client, text)
    assert (await find_job(client, "4b5a")).number == 7


async def test_an_id_may_begin_with_digits_alone(client: GatewayClient, fake: FakeGateway) -> None:
    """Listings show eight characters of an id; one id in forty begins with eight digits."""
    fake.jobs = [job(id="12345678-0000-4000-8000-000000000000", number=1), job(id="f" * 36, number=12345)]
    assert (await find_job(client, "12345678")).number == 1
    assert (await find_job(client, "12345")).number == 12345, "a number goes before an id"


async def test_a_beginning_is_unmistakable_among_all_jobs(client: GatewayClient, fake: FakeGateway) -> None:
    """Also when the other one is a thousand jobs ago, on another page."""
    tail = "-0000-4000-8000-000000000000"
    fake.jobs = [job(id=f"{number:08x}{tail}", number=number) for number in range(1, 1200)]
    fake.jobs[0]["id"], fake.jobs[-1]["id"] = "deadbeef" + tail, "deadbe00" + tail
    with pytest.raises(Refused, match='"deadbe" begins the ids of 2 jobs; give more of it'):
        await find_job(client, "deadbe")
    assert (await find_job(client, "DEADBEEF")).number == 1


async def test_file_names_that_are_no_text(client: GatewayClient, fake: FakeGateway, tmp_path: Path) -> None:
    """A name on disk is bytes."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.gcode"))
    path.write_bytes(b"G28\n")
    await client.upload(path)
    assert [unquote(known) for known in fake.files] == ["b?.gcode"]


@pytest.mark.parametrize("name", ["Würfel.gcode", 'a "b".gcode', "a;b=c.gcode", "a%20b.gcode", "x" * 200])
async def test_file_names_arrive_as_they_are(
    client: GatewayClient, fake: FakeGateway, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"G28\n")
    await client.upload(path, name)
    assert [unquote(known) for known in fake.files] == [name]


async def test_using_it_unopened_is_a_mistake() -> None:
    with pytest.raises(RuntimeError):
        await GatewayClient(Address("http://127.0.0.1:1")).printers()


def test_the_fakes_printer_changes() -> None:
    assert printer(plate="clear")["plate"] == "clear"
