"""Bad luck on the way: by plan, by seed, by hand; each strike is written down."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.faults.strokes import BadFaults
from firmware_sim.forge import NetworkFault, NetworkFaults
from firmware_sim.forge.network_faults import KINDS
from tests.firmware_sim.forge.scene import at_home, at_rest
from tests.firmware_sim.forge.stub_server import Posted, StubServer


def only(name: str, **when: Any) -> NetworkFaults:
    return NetworkFaults([NetworkFault(name, **when)])


def told_layers(server: StubServer) -> list[int]:
    """As the status posts of a documented printer came in."""
    return [post.body["data"]["layer"] for post in printing_posts(server)]


def printing_posts(server: StubServer) -> list[Posted]:
    return [post for post in server.of("printers/status") if post.body.get("job_status") == "printing"]


async def printed(faults: NetworkFaults) -> list[int]:
    """The layers that the server heard of, in the order of their coming, when one post is struck."""
    async with at_home("documented", faults=faults) as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("completed") and at_rest(printer))
        assert [deed.facts["name"] for deed in printer.ledger.events("fault")] == [faults.plan[0].name]
        assert printer.ledger.count("layer") == 6
        return told_layers(server)


async def number_of_the_post_with_layer(layer: int) -> int:
    """Posts are counted from switch-on."""
    async with at_home("documented") as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("completed") and at_rest(printer))
        return 1 + [post.body.get("data", {}).get("layer", 0) for post in server.posted].index(layer)


@pytest.mark.parametrize(
    ("name", "heard"),
    [
        ("post-lost", [1, 2, 4, 5, 6]),
        ("post-doubled", [1, 2, 3, 3, 4, 5, 6]),
        ("posts-swapped", [1, 2, 4, 3, 5, 6]),
        ("answer-lost", [1, 2, 3, 4, 5, 6]),
        ("answer-late", [1, 2, 3, 4, 5, 6]),
    ],
)
async def test_what_happens_to_the_post_of_the_third_layer(name: str, heard: list[int]) -> None:
    number = await number_of_the_post_with_layer(3)
    assert await printed(only(name, post=number, seconds=1.5)) == heard


async def test_a_late_post_is_overtaken() -> None:
    number = await number_of_the_post_with_layer(3)
    assert await printed(only("post-late", post=number, seconds=1.5)) == [1, 2, 4, 3, 5, 6]


async def test_an_answer_that_is_late_keeps_the_next_posts_waiting() -> None:
    number = await number_of_the_post_with_layer(3)
    async with at_home("documented", faults=only("answer-late", post=number, seconds=2.5)) as (
        server,
        printer,
    ):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("completed") and at_rest(printer))
        times = [post.at for post in printing_posts(server)]
        assert [round(at - times[0], 1) for at in times] == [0.0, 1.0, 2.0, 4.5, 4.5, 5.0]


async def test_a_registration_whose_answer_is_lost_makes_another_printer_a_minute_later() -> None:
    async with at_home(faults=only("answer-lost", what="registration")) as (server, _):
        contacts = server.of("registration_code")
        assert [contact.token for contact in contacts] == [None, None]
        assert round(contacts[1].at - contacts[0].at) == 60


@pytest.mark.parametrize("transport", ["long-polling", "callback-polling", "websocket"])
async def test_a_poll_that_is_cut_is_opened_again(transport: str) -> None:
    async with at_home(transport=transport) as (server, printer):
        printer.panel.arm("poll-cut", seconds=3.0)
        await printer.until(lambda: printer.ledger.count("fault"))
        await asyncio.sleep(0.5)
        before = server.connects
        await asyncio.sleep(3.0 + printer.personality.bayeux_retry - 1.0)
        assert server.connects == before, "cut after 3 s, and then it waits"
        await asyncio.sleep(1.0)
        assert server.connects == before + 1
        server.tell("home")
        await printer.until(lambda: printer.ledger.count("moved"))


@pytest.mark.parametrize("personality", ["documented", "ember", "spark-simulator"])
async def test_a_power_failure_in_mid_print_leaves_a_ready_printer_without_a_job(personality: str) -> None:
    async with at_home(personality, faults=only("power-cycle", layer=3, seconds=20.0)) as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("power_on") == 2)
        heard = len(server.posted)
        await asyncio.sleep(100)
        assert printer.ledger.count("layer") == 3
        assert not printer.ledger.events("completed", "canceled", "failed")
        assert server.statuses()[-1] == ("ready", None)
        off, on = printer.ledger.events("power_off")[0].t, printer.ledger.events("power_on")[1].t
        assert (on - off, printer.printer_id) == (20.0, 58)
        assert {post.body.get("job_id") for post in server.posted[heard:]} == {None}
        assert not [post for post in server.posted if off + 0.1 < post.at - server.posted[0].at < on]


async def test_a_silent_printer_prints_on_and_comes_back_with_its_new_state() -> None:
    async with at_home("ember") as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("layer") == 2)
        printer.panel.silence()
        await asyncio.sleep(0.1)  # what is on its way may arrive
        said = len(server.posted)
        await asyncio.sleep(100)
        assert len(server.posted) == said
        assert printer.ledger.count("completed") == 1
        printer.panel.speak()
        await printer.until(lambda: server.statuses()[-1] == ("ready", None))
        server.tell("home")
        await printer.until(lambda: printer.ledger.count("moved"))


async def test_a_printer_that_was_silent_goes_on_with_its_bayeux_session() -> None:
    """What the server kept for it in the meantime comes then; how much that is the server decides."""
    async with at_home("ember") as (server, printer):
        printer.panel.silence()
        await asyncio.sleep(100)
        before = server.connects
        printer.panel.speak()
        await printer.until(lambda: server.connects > before)
        assert server.shaken == 1


async def test_faults_by_seed_are_the_same_faults_again() -> None:
    async def strikes(seed: int) -> list[tuple[float, object]]:
        rates = {"post-lost": 0.2, "post-doubled": 0.2, "posts-swapped": 0.2}
        async with at_home("documented", faults=NetworkFaults(rates=rates, seed=seed)) as (server, printer):
            server.print_data()
            await printer.until(lambda: printer.ledger.count("completed"))
            await asyncio.sleep(200)
            return [(round(deed.t, 1), deed.facts["name"]) for deed in printer.ledger.events("fault")]

    first, again, other = await strikes(1), await strikes(1), await strikes(2)
    assert first == again
    assert first != other
    assert {name for _, name in first} == {"post-lost", "post-doubled", "posts-swapped"}


# ------------------------------------------------------------------------------------------------ plan files


def test_a_plan_file_says_what_and_when(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        'seed = 3\n[[fault]]\nname = "post-lost"\nwhat = "ack"\ncount = 2\n'
        '[[fault]]\nname = "power-cycle"\nlayer = 5\nseconds = 30\n[random]\npost-doubled = 0.5\n'
    )
    faults = NetworkFaults.read(path)
    assert faults.plan == [
        NetworkFault("post-lost", what="ack", count=2),
        NetworkFault("power-cycle", layer=5, seconds=30),
    ]
    assert (faults.rates, faults.seed) == ({"post-doubled": 0.5}, 3)
    hits = [faults.strikes("layer", 0.0, layer=layer) for layer in range(1, 8)]
    assert [bool(hit) for hit in hits] == [False, False, False, False, True, False, False]


def test_an_entry_strikes_as_often_as_it_says_and_from_its_time_on() -> None:
    faults = NetworkFaults([NetworkFault("post-lost", at=10.0, count=2)])
    assert [len(faults.strikes("post", at)) for at in (0.0, 9.9, 10.0, 11.0, 12.0)] == [0, 0, 1, 1, 0]


BAD = [
    ("fault = 1", "write [[fault]]"),
    ("[[fault]]\nwhat = 'ack'", "fault 1 has no name"),
    ("[[fault]]\nname = 'flood'", "no fault 'flood'"),
    ("[[fault]]\nname = 'post-lost'\nwhat = 'mail'", "no post 'mail'"),
    ("[[fault]]\nname = 'post-lost'\npost = 0", "post = 0 is not a whole number from 1 up"),
    ("[[fault]]\nname = 'post-lost'\ncount = true", "count = True"),
    ("[[fault]]\nname = 'post-lost'\nseconds = -1", "seconds = -1 is not a number"),
    ("[[fault]]\nname = 'post-lost'\nseconds = inf", "seconds = inf"),
    ("[[fault]]\nname = 'post-lost'\nwhen = 1", "no such key: when"),
    ("[random]\nflood = 0.5", "no fault 'flood'"),
    ("[random]\npost-lost = 2", "rates from 0 to 1"),
    ("[random]\npost-lost = 'x'", "rates from 0 to 1"),
    ("seed = 'x'", "seed = 'x'"),
    ("other = 1", "no such key: other"),
    ("[[", ""),
]


@pytest.mark.parametrize(("text", "says"), BAD)
def test_a_plan_that_is_none_is_one_line(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(BadFaults) as caught:
        NetworkFaults.read(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_plan_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadFaults, match="No such file"):
        NetworkFaults.read(tmp_path / "nope.toml")


def test_every_kind_has_an_occasion_that_comes() -> None:
    assert {occasion for occasion, _ in KINDS.values()} == {"post", "poll", "layer"}
