"""The child process: reads how to listen from its standard input, listens, ends when that input ends.

    parent --one line of JSON, an empty one as farewell--> stdin     stdout --"ready" or a sentence--> parent

The input closes when the parent ends, however it ends: nothing is left behind. Signals are ignored, because
those of a terminal or of systemd reach the child too, and the parent still has goodbyes to publish.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from amqtt.broker import Broker, BrokerContext
from amqtt.contexts import BrokerConfig
from amqtt.errors import BrokerError
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

#: What the parent waits for.
READY: Final = "ready"
#: Turns of the event loop between the parent's farewell and the end, and seconds between two: what was
#: published last is still on its way to those who listen, and amqtt hangs up without waiting for that. Turns,
#: because a busy host may let it sleep for longer than all of them. A parent that was killed says no
#: farewell, and the next one wants the port: then it ends at once.
LAST_TURNS: Final = 20
LAST_TURN_SECONDS: Final = 0.01
#: Seconds for amqtt's goodbyes, less than the parent has patience.
SHUTDOWN_SECONDS: Final = 4.0
#: Connections at the same time: 200 printers and what else is in a house.
MOST_CONNECTIONS: Final = 1000
#: amqtt loads its plugins by name, and this module's is another one while it is a script.
LOGIN: Final = "gateway.broker.child.Login"


class Login(BaseAuthPlugin):  # type: ignore[misc]  # amqtt says nothing of its types
    """One user, known by name and password; without a name in the configuration anybody."""

    @dataclass
    class Config:
        """As amqtt hands it over."""

        username: str = ""
        password: str = ""

    def __init__(self, context: BrokerContext) -> None:
        super().__init__(context)
        self._wanted = tuple(self._get_config_option(name, "") for name in ("username", "password"))

    async def authenticate(self, *, session: Session) -> bool:
        """amqtt: whether a client is let in."""
        if not self._wanted[0]:
            return True
        given = (session.username or "", session.password or "")
        pairs = zip(self._wanted, given, strict=True)
        return all([hmac.compare_digest(wanted.encode(), said.encode()) for wanted, said in pairs])


def configuration(asked: dict[str, Any]) -> BrokerConfig:
    """amqtt's, of what the parent asks for (`gateway.broker.supervisor.Listening`)."""
    listener: dict[str, Any] = {
        "type": "tcp",
        "bind": f"{asked['host']}:{asked['port']}",
        "max_connections": MOST_CONNECTIONS,
    }
    if asked["certificate_file"]:
        listener |= {"ssl": True, "certfile": asked["certificate_file"], "keyfile": asked["key_file"]}
    login = {"username": asked["username"] or "", "password": asked["password"] or ""}
    return BrokerConfig.from_dict({"listeners": {"default": listener}, "plugins": {LOGIN: login}})


async def serve(asked: dict[str, Any]) -> NoReturn:
    """Listen until the input ends, and the process with it."""
    broker = Broker(configuration(asked))
    await broker.start()
    print(READY, flush=True)
    if await asyncio.to_thread(sys.stdin.buffer.read):
        for _ in range(LAST_TURNS):
            await asyncio.sleep(LAST_TURN_SECONDS)
        await asyncio.wait({asyncio.create_task(broker.shutdown())}, timeout=SHUTDOWN_SECONDS)
    # Without more ado: amqtt closes its port last, behind goodbyes to clients that may acknowledge nothing.
    os._exit(0)


def main() -> int:
    """The exit code of a child that could not listen."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(level=logging.CRITICAL)
    asked = json.loads(sys.stdin.buffer.readline())
    try:
        asyncio.run(serve(asked))
    except (BrokerError, OSError) as error:
        print(_why(error), flush=True)
    return 1


def _why(error: BaseException) -> str:
    """The system's words, which amqtt wraps."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found.strerror.lower()
        found = found.__cause__ or found.__context__
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
