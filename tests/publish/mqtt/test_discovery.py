"""The discovery documents: golden files, and the form that Home Assistant documents."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.observations import Origin
from gateway.publish.mqtt.commands import parse
from gateway.publish.mqtt.discovery import Announced, Discovery
from gateway.publish.mqtt.documents import encoded
from gateway.publish.mqtt.happenings import EVENT_TYPES
from gateway.publish.mqtt.settings import Hardware
from gateway.publish.mqtt.sight import Action, Word
from gateway.publish.mqtt.topics import Topics

GOLDEN = Path(__file__).parents[2] / "vectors" / "homeassistant"
TOPICS = Topics("print-gateway", "printhost", "homeassistant")
DISCOVERY = Discovery(TOPICS, "0.6.0", "http://printhost.local:8080", takes_commands=True)
X1 = Announced(7, "x1", "bambu", "01.08.02.00", has_chamber=True)
X1_HARDWARE = Hardware("Bambu Lab", "X1C", "01S00A000000000")
#: home-assistant.io: MQTT, "Device discovery payload", and the pages of the four platforms: what each takes.
SHARED = {"p", "unique_id", "name", "icon", "entity_category", "availability", "qos"} | {
    "json_attributes_topic", "json_attributes_template", "device_class"
}  # fmt: skip
TAKES = {
    "sensor": SHARED | {"state_topic", "value_template", "options", "unit_of_measurement", "state_class"},
    "binary_sensor": SHARED | {"state_topic", "value_template", "payload_on", "payload_off"},
    "button": SHARED | {"command_topic", "command_template", "payload_press", "retain"},
    "event": SHARED | {"state_topic", "event_types", "value_template"},
}
DEVICE = {"ids", "name", "mf", "mdl", "sn", "sw", "via_device", "configuration_url"}


@pytest.mark.parametrize(
    ("name", "document"),
    [("printer", DISCOVERY.printer(X1, X1_HARDWARE)), ("gateway", DISCOVERY.gateway())],
)
def test_the_document_is_the_golden_one(name: str, document: dict[str, Any]) -> None:
    assert document == json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("document", [DISCOVERY.printer(X1, X1_HARDWARE), DISCOVERY.gateway()])
def test_the_form_is_the_documented_one(document: dict[str, Any]) -> None:
    assert {"dev", "o", "cmps"} <= document.keys()
    assert document.keys() <= {"dev", "o", "cmps", "availability", "availability_mode", "state_topic", "qos"}
    assert document["dev"].keys() <= DEVICE
    assert document["o"].keys() <= {"name", "sw", "url"}
    for component in document["cmps"].values():
        assert component.keys() <= TAKES[component["p"]]
        assert component["unique_id"]
        is_enum = component.get("device_class") == "enum"
        assert is_enum == ("options" in component)
        assert not (is_enum and {"state_class", "unit_of_measurement"} & component.keys())


def test_a_document_is_small() -> None:
    assert 4000 < len(encoded(DISCOVERY.printer(X1, X1_HARDWARE))) < 6000


def test_all_that_section_of_the_page_promises_is_there() -> None:
    document = DISCOVERY.printer(X1, X1_HARDWARE)
    assert list(document["cmps"]) == [
        "state", "progress", "remaining", "job", "origin", "layer", "queue", "nozzle", "bed", "chamber",
        "problem", "pause", "resume", "cancel", "event",
    ]  # fmt: skip
    assert document["cmps"]["state"]["options"] == [word.value for word in Word]
    assert set(document["cmps"]["origin"]["options"]) == {"none", *Origin}
    assert document["cmps"]["event"]["event_types"] == list(EVENT_TYPES)
    assert document["availability_mode"] == "all"
    assert [entry["topic"] for entry in document["availability"]] == [TOPICS.status, TOPICS.availability(7)]


@pytest.mark.parametrize("action", Action)
def test_a_button_is_there_while_the_state_allows_it(action: Action) -> None:
    button = DISCOVERY.printer(X1, X1_HARDWARE)["cmps"][action.value]
    third = button["availability"][2]
    assert third["topic"] == TOPICS.state(7)
    assert third["value_template"] == f"{{{{ 'online' if '{action}' in value_json.allowed else 'offline' }}}}"
    assert button["command_topic"] == TOPICS.command(7)


@pytest.mark.parametrize("action", Action)
def test_what_a_button_sends_is_a_command(action: Action) -> None:
    """As Home Assistant renders it: `value`, `this` and the time put in."""
    button = DISCOVERY.printer(X1, X1_HARDWARE)["cmps"][action.value]
    values = {
        "value": button["payload_press"],
        "this.attributes.job": "b1996dd1-4b7f-44d8-9040-01615530073c",
        "now().timestamp()": "1735689600.123456",
    }
    sent = re.sub(r"{{ (.+?) }}", lambda found: values[found[1]], button["command_template"])
    asked = parse(sent.encode())
    assert asked.action is action
    assert (asked.job_id, asked.command_id) == (values["this.attributes.job"], "1735689600.123456")


def test_without_commands_the_buttons_are_taken_away() -> None:
    silent = Discovery(TOPICS, "0.6.0", "", takes_commands=False)
    document = silent.printer(X1, Hardware())
    assert [document["cmps"][action.value] for action in Action] == [{"p": "button"}] * 3
    assert "configuration_url" not in document["dev"]
    assert document["dev"].keys() & {"mf", "sn"} == set()


def test_ids_are_made_of_numbers_and_unique() -> None:
    documents = [
        DISCOVERY.printer(Announced(number, "twin", "marlin", None, False), Hardware()) for number in (1, 2)
    ]
    ids = [component["unique_id"] for document in documents for component in document["cmps"].values()]
    assert len(set(ids)) == len(ids)
    assert not [one for one in ids if "twin" in one]


def test_only_topics_of_commands_name_a_printer() -> None:
    assert TOPICS.commanded(TOPICS.command(7)) == 7
    for topic in (TOPICS.state(7), TOPICS.result(7), TOPICS.command(7) + "/x", "command"):
        assert TOPICS.commanded(topic) is None
    for number in ("", "x", "-1", "\N{SUPERSCRIPT TWO}", "1" * 30):
        assert TOPICS.commanded(f"print-gateway/printhost/printer/{number}/command") is None
