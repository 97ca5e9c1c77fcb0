"""The floor of the MQTT benchmark: bare aiomqtt clients that receive the same messages and read the JSON.

    LAG_FILE=PATH python -m tests.benchmarks.mqtt_floor --bambu PORT --bambu-count 100 --broker PORT --count 9

One client a printer, as the gateway has it. Nothing is kept, nothing is told; full states are asked for once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl

import aiomqtt

from tests.benchmarks.mqtt_bambu_load import ACCESS_CODE, serial_of
from tests.benchmarks.mqtt_load import run_until_told
from tests.benchmarks.mqtt_moonraker_load import INSTANCE
from tests.benchmarks.mqtt_probed import lag_policy

PUSHALL = b'{"pushing":{"sequence_id":"1","command":"pushall","version":1,"push_target":1}}'


async def _receive(client: aiomqtt.Client, topic: str, request: str | None) -> None:
    async with client:
        await client.subscribe(topic)
        if request is not None:
            await client.publish(request, PUSHALL)
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            json.loads(message.payload)


async def receive_all(arguments: argparse.Namespace) -> None:
    """All clients, until cancelled."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with asyncio.TaskGroup() as group:
        for number in range(arguments.bambu_count):
            client = aiomqtt.Client(
                "127.0.0.1", arguments.bambu, username="bblp", password=ACCESS_CODE, tls_context=context,
                protocol=aiomqtt.ProtocolVersion.V311,
            )  # fmt: skip
            device = f"device/{serial_of(number)}"
            group.create_task(_receive(client, f"{device}/report", f"{device}/request"))
        for number in range(arguments.count):
            client = aiomqtt.Client(
                "127.0.0.1", arguments.broker, protocol=aiomqtt.ProtocolVersion.V311
            )  # fmt: skip
            group.create_task(_receive(client, f"{INSTANCE}{number}/klipper/status", None))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bambu", type=int, default=0)
    parser.add_argument("--bambu-count", type=int, default=0)
    parser.add_argument("--broker", type=int, default=0)
    parser.add_argument("--count", type=int, default=0)
    given = parser.parse_args()
    asyncio.set_event_loop_policy(lag_policy())
    run_until_told(lambda: receive_all(given))
