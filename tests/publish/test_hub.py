"""Fan-out: every listener hears all committed events in order, or is told to; nobody is waited for."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.events import JobProgressed
from gateway.engine.ports import StoredEvent
from gateway.publish.hub import BUFFERED_EVENTS, BUFFERED_PROGRESS, Hub
from tests.support.stand import START


def stored(seq: int) -> StoredEvent:
    return StoredEvent(seq, "job-moved", START, 1, "M", 1, 1, {"job_id": "j"})


def progress(work_id: int, reached: float) -> JobProgressed:
    return JobProgressed(START, 1, "M", 1, work_id, f"job {work_id}", reached, None, None)


async def test_everybody_hears_everything_in_order() -> None:
    hub = Hub()
    listeners = [hub.subscribe(), hub.subscribe()]
    hub.publish([stored(1), stored(2)], [])
    hub.publish([stored(3)], [])
    for listener in listeners:
        heard = await listener.take()
        assert [event.seq for event in heard.events] == [1, 2, 3]
        assert not heard.overflowed


async def test_a_listener_hears_nothing_from_before_it_listened() -> None:
    hub = Hub()
    hub.publish([stored(1)], [])
    listener = hub.subscribe()
    hub.publish([stored(2)], [])
    assert [event.seq for event in (await listener.take()).events] == [2]


async def test_take_waits_until_there_is_something() -> None:
    hub = Hub()
    listener = hub.subscribe()
    waiting = asyncio.create_task(listener.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    hub.publish([], [])
    await asyncio.sleep(0)
    assert not waiting.done()
    hub.publish([stored(1)], [])
    assert len((await waiting).events) == 1


async def test_progress_is_coalesced_by_job() -> None:
    hub = Hub()
    listener = hub.subscribe()
    for step in range(10):
        hub.publish([], [progress(1, step / 10), progress(2, step / 20)])
    heard = await listener.take()
    assert [(event.work_id, event.progress) for event in heard.fleeting] == [(1, 0.9), (2, 0.45)]


async def test_too_many_events_are_dropped_and_said_to_be() -> None:
    hub = Hub()
    slow, quick = hub.subscribe(), hub.subscribe()
    for seq in range(BUFFERED_EVENTS):
        hub.publish([stored(seq)], [])
    assert len((await quick.take()).events) == BUFFERED_EVENTS
    hub.publish([stored(BUFFERED_EVENTS)], [])
    heard = await slow.take()
    assert (heard.events, heard.overflowed) == ((), True)
    assert [event.seq for event in (await quick.take()).events] == [BUFFERED_EVENTS]
    hub.publish([stored(BUFFERED_EVENTS + 1)], [])
    again = await slow.take()
    assert ([event.seq for event in again.events], again.overflowed) == ([BUFFERED_EVENTS + 1], False)


async def test_nothing_live_is_kept_behind_an_overflow() -> None:
    """A listener that overflowed reads the store; what is kept here would come too early."""
    hub = Hub()
    listener = hub.subscribe()
    hub.publish([stored(seq) for seq in range(BUFFERED_EVENTS + 1)], [])
    hub.publish([stored(BUFFERED_EVENTS + 1)], [])
    heard = await listener.take()
    assert (heard.events, heard.overflowed) == ((), True)


async def test_progress_is_bounded_too() -> None:
    hub = Hub()
    listener = hub.subscribe()
    hub.publish([], [progress(number, 0.5) for number in range(BUFFERED_PROGRESS * 2)])
    assert len((await listener.take()).fleeting) == BUFFERED_PROGRESS


async def test_close_ends_after_what_is_buffered() -> None:
    hub = Hub()
    listener = hub.subscribe()
    hub.publish([stored(1)], [])
    hub.close()
    hub.close()
    heard = await listener.take()
    assert ([event.seq for event in heard.events], heard.closed) == ([1], True)
    assert (await listener.take()).closed


async def test_who_listens_after_the_close_is_told_at_once() -> None:
    hub = Hub()
    hub.close()
    assert (await hub.subscribe().take()).closed
    assert hub.listeners == 0


async def test_who_went_away_is_forgotten() -> None:
    hub = Hub()
    listener = hub.subscribe()
    assert hub.listeners == 1
    listener.close()
    listener.close()
    hub.publish([stored(1)], [])
    assert hub.listeners == 0


async def test_a_broken_listener_does_not_disturb_the_others() -> None:
    class Broken(list[StoredEvent]):
        def __iter__(self) -> object:  # type: ignore[override]
            raise RuntimeError("broken")

    hub = Hub()
    listener = hub.subscribe()
    hub.publish(Broken([stored(1)]), [])
    assert (await listener.take()).closed
    assert hub.listeners == 0


@given(st.lists(st.integers(0, 3), max_size=30))
def test_what_is_taken_is_what_was_published(steps: list[int]) -> None:
    """0 takes, n publishes n events: together the takes hold all events, once and in order."""

    async def play() -> None:
        hub = Hub()
        listener, published, taken = hub.subscribe(), 0, []
        for step in steps:
            if step:
                hub.publish([stored(published + number) for number in range(step)], [])
                published += step
            elif published > len(taken):
                taken += [event.seq for event in (await listener.take()).events]
        hub.close()
        taken += [event.seq for event in (await listener.take()).events]
        assert taken == list(range(published))

    asyncio.run(play())


async def test_closing_wakes_the_task_that_takes() -> None:
    """A stream whose client is gone ends though nothing happens."""
    hub = Hub()
    listener, other = hub.subscribe(), hub.subscribe()
    waiting = asyncio.create_task(listener.take())
    await asyncio.sleep(0)
    listener.close()
    heard = await waiting
    assert (heard.closed, heard.events, hub.listeners) == (True, (), 1)
    hub.publish([stored(1)], [])
    assert [event.seq for event in (await other.take()).events] == [1], "the others go on"
    listener.close()
    assert (await listener.take()).closed, "it stays closed"


async def test_what_was_buffered_is_still_given_after_closing() -> None:
    hub = Hub()
    listener = hub.subscribe()
    hub.publish([stored(1)], [progress(1, 0.5)])
    listener.close()
    hub.publish([stored(2)], [])
    heard = await listener.take()
    assert ([event.seq for event in heard.events], len(heard.fleeting), heard.closed) == ([1], 1, True)


class Deaf:
    """Events that cannot be read."""

    @property
    def kind(self) -> str:
        raise RuntimeError("a bug")


async def test_a_listener_that_cannot_be_told_costs_the_others_nothing() -> None:
    """The engine never hears of it: publishing does not raise."""
    hub = Hub()
    listeners = [hub.subscribe() for _ in range(3)]
    hub.publish([], [Deaf()])  # type: ignore[list-item]
    assert hub.listeners == 0
    assert [(await listener.take()).closed for listener in listeners] == [True] * 3
    hub.publish([stored(1)], [])


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("publish"), st.integers(1, BUFFERED_EVENTS)),
            st.tuples(st.sampled_from(["take", "join", "leave"]), st.integers(0, 3)),
        ),
        max_size=30,
    )
)
def test_any_life_of_listeners_is_complete_or_told(steps: list[tuple[str, int]]) -> None:
    """Whoever joins, leaves and takes when: each hears all from its joining on, in order, or `overflowed`."""

    async def play() -> None:
        hub, newest = Hub(), 0
        alive: list[tuple[object, list[int]]] = []
        for what, number in steps:
            if what == "publish":
                hub.publish([stored(newest + step) for step in range(1, number + 1)], [])
                newest += number
            elif what == "join":
                alive.append((hub.subscribe(), [newest]))
            elif number < len(alive) and what == "leave":
                listener, _ = alive.pop(number)
                listener.close()  # type: ignore[attr-defined]
            elif number < len(alive) and alive[number][1][-1] < newest:
                listener, last = alive[number]
                heard = await listener.take()  # type: ignore[attr-defined]
                if not heard.overflowed:
                    assert [event.seq for event in heard.events] == list(range(last[-1] + 1, newest + 1))
                last.append(newest)
        assert hub.listeners == len(alive)

    asyncio.run(play())
