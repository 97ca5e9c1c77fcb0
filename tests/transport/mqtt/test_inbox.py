"""What waits to be read: bounded, in order, the newest of a state."""

from __future__ import annotations

import asyncio

import pytest

from gateway.transport.mqtt import MqttLost, MqttMessage, MqttRefused
from gateway.transport.mqtt_inbox import Inbox


def message(topic: str, payload: bytes = b"x") -> MqttMessage:
    return MqttMessage(topic, payload)


def is_state(topic: str) -> bool:
    return topic.startswith("state/")


async def test_messages_come_out_as_they_came_in() -> None:
    inbox = Inbox()
    for number in range(3):
        inbox.put(message("report", b"%d" % number))
    assert [(await inbox.get()).payload for _ in range(3)] == [b"0", b"1", b"2"]


async def test_the_newest_of_a_state_takes_the_place_of_the_one_that_waits() -> None:
    inbox = Inbox(is_state)
    for topic, payload in [
        ("state/a", b"1"),
        ("state/b", b"1"),
        ("event", b"1"),
        ("state/a", b"2"),
        ("event", b"2"),
    ]:
        inbox.put(message(topic, payload))
    came = [await inbox.get() for _ in range(4)]
    assert [(one.topic, one.payload) for one in came] == [
        ("state/a", b"2"), ("state/b", b"1"), ("event", b"1"), ("event", b"2"),
    ]  # fmt: skip


async def test_a_state_that_was_read_does_not_swallow_the_next() -> None:
    inbox = Inbox(is_state)
    inbox.put(message("state/a", b"1"))
    assert (await inbox.get()).payload == b"1"
    inbox.put(message("state/a", b"2"))
    assert (await inbox.get()).payload == b"2"


async def test_a_reader_is_woken() -> None:
    inbox = Inbox()
    asyncio.get_running_loop().call_later(5, inbox.put, message("report"))
    assert (await inbox.get()).topic == "report"
    assert asyncio.get_running_loop().time() == 5


async def test_a_reader_that_gave_up_takes_no_message_along() -> None:
    inbox = Inbox()
    reading = asyncio.create_task(inbox.get())
    await asyncio.sleep(1)
    inbox.put(message("report"))
    reading.cancel()
    assert (await asyncio.gather(reading, return_exceptions=True)) != [message("report")]
    assert await inbox.get() == message("report")


@pytest.mark.parametrize(("messages", "size"), [(5, 1), (2, 60)], ids=["too many", "too large"])
async def test_one_too_many_ends_the_inbox(messages: int, size: int) -> None:
    inbox = Inbox(most_messages=4, most_bytes=100)
    for _ in range(messages - 1):
        inbox.put(message("report", b"x" * size))
    assert inbox.lost is None
    inbox.put(message("report", b"x" * size))
    with pytest.raises(MqttLost, match="more arrived than"):
        await inbox.get()


async def test_states_fill_no_inbox() -> None:
    inbox = Inbox(is_state, most_messages=4, most_bytes=100)
    for number in range(1000):
        inbox.put(message("state/a", b"%60d" % number))
    assert (await inbox.get()).payload == b"%60d" % 999
    inbox.put(message("state/a", b"x" * 100))
    assert inbox.lost is None


async def test_what_was_read_makes_room() -> None:
    inbox = Inbox(most_messages=4, most_bytes=100)
    for _ in range(50):
        inbox.put(message("report", b"x" * 40))
        inbox.put(message("report", b"x" * 40))
        await inbox.get()
        await inbox.get()
    assert inbox.lost is None


async def test_the_first_end_counts_and_stays() -> None:
    inbox = Inbox()
    inbox.put(message("report"))
    inbox.end(MqttRefused("wrong password"))
    inbox.end(MqttLost("gone"))
    inbox.put(message("report"))
    for _ in range(2):
        with pytest.raises(MqttRefused, match="wrong password"):
            await inbox.get()


async def test_the_end_wakes_the_reader() -> None:
    inbox = Inbox()
    asyncio.get_running_loop().call_later(5, inbox.end, MqttLost("gone"))
    with pytest.raises(MqttLost, match="gone"):
        await inbox.get()
