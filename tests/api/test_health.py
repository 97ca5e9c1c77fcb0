"""How the gateway's connections are, told to who runs it."""

from __future__ import annotations

from collections.abc import Collection

from gateway.domain.member import Scope
from gateway.domain.observations import Activity, Alarm, LinkState
from gateway.publish.mqtt.rights import NorthboundStatus, Proof, Right
from gateway.transport.storage_looks import StorageLook
from tests.api.host import Host
from tests.api.native import call
from tests.support.stand import ANA, BEN, START, printer, ready


async def test_only_administrators_are_told(host: Host) -> None:
    assert (await call(host, "GET", "/health", BEN)).status == 403
    response = await call(host, "GET", "/health", ANA, Scope.ADMIN)
    assert response.status == 200
    body = await response.json()
    assert body["broker"] is None
    assert [(found["name"], found["driver"]) for found in body["printers"]] == [
        ("mk3", "marlin"),
        ("xl", "marlin"),
    ]


async def test_what_is_to_be_done_is_said(host: Host) -> None:
    state = host.engine.state
    await host.put_printers(printer(3, "gone", enabled=False), printer(4, "a1", driver="bambu"))
    state.presence[1] = ready(link=LinkState.DOWN, link_reason="the cable is out")
    state.presence[4] = ready(obstacle="signed commands only: switch Developer Mode on")
    body = await (await call(host, "GET", "/health", ANA, Scope.ADMIN)).json()
    assert [(found["name"], found["link"], found["troubles"]) for found in body["printers"]] == [
        ("mk3", "down", ["not connected: the cable is out"]),
        ("xl", "up", []),
        ("a1", "up", ["takes no job now: signed commands only: switch Developer Mode on"]),
    ]
    shown = await (await call(host, "GET", "/printers/a1")).json()
    assert shown["obstacle"] == "signed commands only: switch Developer Mode on"
    state.presence[4] = ready(
        activity=Activity.ERROR, message="the bed is cold", alarms=(Alarm("idle-heat", "it is hot"),)
    )
    body = await (await call(host, "GET", "/health", ANA, Scope.ADMIN)).json()
    assert body["printers"][2]["troubles"] == [
        "it has an error (the bed is cold): look at it, then reset it",
        "it is hot",
    ]


async def test_storages_are_looked_at_when_somebody_asks_for_it(host: Host) -> None:
    await host.put_printers(printer(3, "v2", driver="moonraker"), printer(4, "a1", driver="bambu"))
    state, asked = host.engine.state, []
    state.presence[1] = ready(link=LinkState.DOWN, link_reason="the cable is out")
    state.presence[3], state.presence[4] = ready(), ready()

    async def look(names: Collection[str]) -> dict[str, StorageLook]:
        asked.append(sorted(names))
        return {"v2": StorageLook(False, "cannot put print files there: check url"), "a1": StorageLook(True)}

    host.storages = look
    body = await (await call(host, "GET", "/health", ANA, Scope.ADMIN)).json()
    assert (asked, [found["storage"] for found in body["printers"]]) == ([], [None] * 4)
    body = await (await call(host, "GET", "/health?storage=true", ANA, Scope.ADMIN)).json()
    assert asked == [["a1", "v2", "xl"]]  # whose link is down has told why
    _, xl, v2, a1 = body["printers"]
    assert (xl["storage"], xl["troubles"]) == (None, [])
    assert v2["storage"] == {"is_open": False, "reason": "cannot put print files there: check url"}
    assert v2["troubles"] == ["cannot put print files there: check url"]
    assert (a1["storage"], a1["troubles"]) == ({"is_open": True, "reason": None}, [])


async def test_the_users_broker_is_shown_with_its_rights(host: Host) -> None:
    rights = (Right("homeassistant", Proof.DENIED, "let it write there"), Right("pg/shelf", Proof.PROVEN))
    host.broker = NorthboundStatus(True, START, None, rights)
    body = await (await call(host, "GET", "/health", ANA, Scope.ADMIN)).json()
    assert body["broker"] == {
        "is_connected": True,
        "since": "2016-05-18T05:42:02.000Z",
        "reason": None,
        "rights": [
            {"prefix": "homeassistant", "proof": "denied", "advice": "let it write there"},
            {"prefix": "pg/shelf", "proof": "proven", "advice": None},
        ],
    }
