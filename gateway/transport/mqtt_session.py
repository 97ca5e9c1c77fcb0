"""Keeps a connection to an MQTT broker: connect, let it be attended, wait, connect anew.

    connect --Connection--> attend --lost, or "please anew"--> close --> on_down(why) --> wait --> connect ...

Every connection is a new one: nothing that an old one had not delivered is sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final, NoReturn

from gateway.transport.backoff import Backoff
from gateway.transport.mqtt import Connection, ConnectMqtt, MqttLost, MqttRefused, Will
from gateway.transport.own_task import in_own_task

#: Seconds between tries: a printer that restarts is seen soon, one that is switched off costs little.
LOST: Final = Backoff(first=1.0, limit=30.0)
#: Seconds between tries with credentials that were refused: only a person can mend that, and printers lock
#: out whoever tries often.
REFUSED: Final = Backoff(first=60.0, limit=600.0)
#: Seconds after which a connection was good: the next wait is a first one again.
GOOD_SECONDS: Final = 60.0
_ANEW: Final = "the connection is made anew"


class Session:
    """One broker, for ever. `on_down` is told why each time there is no connection (any more)."""

    def __init__(
        self,
        connect: ConnectMqtt,
        *,
        monotonic: Callable[[], float],
        chance: Random,
        on_down: Callable[[str], None],
        will: Will | None = None,
    ) -> None:
        self._connect = connect
        self._monotonic = monotonic
        self._chance = chance
        self._on_down = on_down
        self._will = will
        self._failures = 0
        self._refusals = 0

    async def run(self, attend: Callable[[Connection], Awaitable[None]]) -> NoReturn:
        """Ends by cancellation only, or by an exception of `attend` that is not MqttLost.

        `attend` has each connection from the beginning to its end. It may end it itself by returning. A group
        of exceptions, as a TaskGroup raises it, counts as MqttLost when it holds nothing else.
        """
        while True:
            lost = await self._attended(attend)
            self._on_down(str(lost))
            await asyncio.sleep(self._wait(lost))

    async def _attended(self, attend: Callable[[Connection], Awaitable[None]]) -> MqttLost:
        """One connection, from its begin to its end: why it ended."""
        try:
            connection = await self._connect(will=self._will)
        except MqttLost as lost:
            return lost
        began = self._monotonic()
        try:
            await in_own_task(attend(connection))
        except MqttLost as lost:
            return lost
        except BaseExceptionGroup as group:
            return _only_lost(group)
        finally:
            if self._monotonic() - began >= GOOD_SECONDS:
                self._failures = self._refusals = 0
            await connection.close()
        return MqttLost(_ANEW)

    def _wait(self, lost: MqttLost) -> float:
        """Seconds until the next try."""
        if isinstance(lost, MqttRefused):
            self._refusals, self._failures = self._refusals + 1, 0
            return REFUSED.wait(self._refusals, self._chance)
        self._failures, self._refusals = self._failures + 1, 0
        return LOST.wait(self._failures, self._chance)


def _only_lost(group: BaseExceptionGroup[BaseException]) -> MqttLost:
    """The reason in a group; raises what is no MqttLost in it."""
    lost, other = group.split(MqttLost)
    if other is not None:
        raise other
    assert lost is not None
    refused = lost.subgroup(MqttRefused)
    found: BaseException = lost if refused is None else refused
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, MqttLost)
    return found
