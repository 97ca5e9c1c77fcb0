"""Who hears what: one day's events, told to each kind of listener, against one table."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

import pytest

from gateway.domain.commands import AddMember, CancelJob, SetPlate, SubmitJob
from gateway.domain.events import JobProgressed
from gateway.domain.member import Member, Scope
from gateway.domain.observations import LinkState, PrinterObserved, PrintPhase
from gateway.domain.orders import StartPrint
from gateway.domain.printer import Plate
from tests.api.host import EVE, Host
from tests.api.test_events import Reader, listen
from tests.support.stand import ANA, BEN, START, report, seen

ZOE = Member("ZOEZOEZOEZOE0", "zoe", 1, created_at=START)
BOSS = Member("BOSSBOSSBOSS0", "boss", 1, created_at=START, is_admin=True)


@dataclass(frozen=True)
class Listener:
    """Who listens, and what of the day it hears: the jobs by name, the printers, whether of members."""

    name: str
    member: Member
    scopes: tuple[Scope, ...]
    jobs: frozenset[str]
    printers: frozenset[str]


LISTENERS = [
    Listener("ben, whose job it is", BEN, (), frozenset({"bens"}), frozenset({"mk3"})),
    Listener("ana, whose printer it is", ANA, (), frozenset({"bens"}), frozenset({"mk3"})),
    Listener("zoe, a colleague", ZOE, (), frozenset(), frozenset({"mk3"})),
    Listener("the boss of them", BOSS, (), frozenset({"bens"}), frozenset({"mk3"})),
    Listener("eve of another shop", EVE, (), frozenset({"eves"}), frozenset({"xl"})),
    Listener("an administrator", EVE, (Scope.ADMIN,), frozenset({"bens", "eves"}), frozenset({"mk3", "xl"})),
]


async def a_day(host: Host) -> None:
    """Two shops: a print on mk3 from its start to its end, a job canceled on xl, both printers unplugged."""
    for member in (ZOE, BOSS):
        await host.engine.execute(AddMember(member))
    file = await host.put_file(BEN)
    await host.engine.execute(SubmitJob(BEN.member_id, 1, "bens", printer_id=1, file=file))
    await host.engine.execute(SetPlate(1, Plate.CLEAR, "ana"))
    (start,) = host.drivers.of(StartPrint)
    assert isinstance(start, StartPrint)
    await host.observe(seen(report(start.key, PrintPhase.PRINTING, progress=0.1)))
    await host.observe(seen(ended=(report(start.key, PrintPhase.COMPLETED),)))
    eves = await host.engine.execute(SubmitJob(EVE.member_id, 2, "eves", printer_id=2))
    await host.engine.execute(CancelJob(eves.job_id, EVE.member_id))
    for name in ("mk3", "xl"):
        await host.observe(PrinterObserved(name, LinkState.DOWN, link_reason="unplugged", silent_for=0.0))


async def heard(host: Host, listener: Listener) -> list[tuple[str, dict[str, object]]]:
    """The whole day, from its first event on."""
    newest = str(await host.queries.last_event_seq())
    reader: Reader = await listen(host, listener.member, *listener.scopes, query="?after=0")
    told = []
    await host.engine.execute(
        AddMember(Member(f"LAST{listener.member.member_id[4:]}", f"end {listener.name}", 1))
    )
    host.hub.publish(
        [], [JobProgressed(START, 1, listener.member.member_id, None, 0, "end", 1.0, None, None)]
    )
    while (event := await reader.next()) is not None:
        if event.body.get("details", {}).get("job_id") == "end":
            break
        if event.number is None or int(event.number) <= int(newest):
            told.append((event.kind, event.body.get("details", {})))
    reader.response.close()
    return told


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, dict[str, object]]]]:
    """What each listener heard of the same day."""

    async def play() -> dict[str, list[tuple[str, dict[str, object]]]]:
        async with Host(tmp_path_factory.mktemp("host")) as host:
            await a_day(host)
            names = {job.job_id: job.name for job in await all_jobs(host)}
            found = {}
            for listener in LISTENERS:
                told = await heard(host, listener)
                for _, details in told:
                    if "job_id" in details:
                        details["name"] = names[str(details["job_id"])]
                found[listener.name] = told
            return found

    return asyncio.run(play())


async def all_jobs(host: Host) -> list:  # type: ignore[type-arg]
    page = await host.queries.jobs(
        member_id=None, organization_id=None, printer_id=None, statuses=frozenset(), limit=100, offset=0
    )
    return list(page.jobs)


@pytest.mark.parametrize("listener", LISTENERS, ids=lambda listener: listener.name)
def test_each_hears_of_the_jobs_it_may_see(
    days: dict[str, list[tuple[str, dict[str, object]]]], listener: Listener
) -> None:
    """From their submission to their end; of others nothing, not even that there are any."""
    told = days[listener.name]
    about = {str(details["name"]) for _, details in told if "job_id" in details}
    assert about == listener.jobs
    for name in listener.jobs:
        kinds = [kind for kind, details in told if details.get("name") == name and "job_id" in details]
        assert kinds[0] == "job-submitted"
        assert "job-moved" in kinds


@pytest.mark.parametrize("listener", LISTENERS, ids=lambda listener: listener.name)
def test_each_hears_of_the_printers_it_may_use(
    days: dict[str, list[tuple[str, dict[str, object]]]], listener: Listener
) -> None:
    """Plates and links, of all printers of its own shop: they are looked at before walking there."""
    told = days[listener.name]
    about = {str(details["printer"]) for kind, details in told if kind.startswith(("printer-", "plate-"))}
    assert about == listener.printers


@pytest.mark.parametrize("listener", LISTENERS[:-1], ids=lambda listener: listener.name)
def test_names_of_another_shop_are_nowhere_in_the_text(
    days: dict[str, list[tuple[str, dict[str, object]]]], listener: Listener
) -> None:
    """Also not in a message, a reason, or what occupied a plate."""
    text = str(days[listener.name])
    for name in ("mk3", "bens") if listener.member is EVE else ("xl", "eves"):
        assert re.search(rf"\b{name}\b", text) is None  # a key's random id may have the letters


def test_only_an_administrator_hears_of_all_members(
    days: dict[str, list[tuple[str, dict[str, object]]]],
) -> None:
    added = {
        name: {str(details["name"]) for kind, details in told if kind == "member-added"}
        for name, told in days.items()
    }
    assert {"zoe", "boss"} <= added["an administrator"]
    assert added["eve of another shop"] <= {"eve"}
    assert added["ben, whose job it is"] <= {"ben"}


async def test_a_revoked_key_hears_nothing_more(host: Host) -> None:
    """ "The key stops working at once": also on a stream that was open before; others go on."""
    bens, anas = await listen(host, BEN), await listen(host, ANA)
    await bens.next()
    await anas.next()
    key = next(key.key_id for key in host.engine.state.keys.values() if key.member_id == BEN.member_id)
    path, headers = f"/gateway/v1/keys/{key}", await host.bearer(BEN)
    assert (await host.client.delete(path, headers=headers)).status == 204
    await host.engine.execute(SubmitJob(BEN.member_id, 1, "later", printer_id=1))
    assert await bens.next() is None, "the stream has ended, and told nothing"
    told = await anas.next()
    assert told is not None
    assert told.body["details"]["name"] == "later"
    assert (await host.client.get("/gateway/v1/events", headers=headers)).status == 401
