"""What makes the printers appear in Home Assistant by themselves: one discovery document a device.

The form is Home Assistant's device discovery (since 2024.11; home-assistant.io/integrations/mqtt, "Device
discovery payload"), with its abbreviations `dev`, `o`, `cmps`, `p` and a device's short keys. A component is
taken away by naming it with nothing but its platform.

* All ids are made of the gateway's id and the printer's number: a rename changes no entity.
* An entity is available while the gateway is, the printer is, and, for a button, while the state document
  allows what it does: Home Assistant sends nothing else.
* A button names the job that its user saw: it keeps the id from the state document as an attribute, and a
  command that comes too late for that job is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.observations import Origin
from gateway.publish.mqtt.happenings import EVENT_TYPES
from gateway.publish.mqtt.settings import Hardware
from gateway.publish.mqtt.sight import Action, Word
from gateway.publish.mqtt.topics import OFFLINE, ONLINE, Topics

_NO_JOB: Final = "none"
_JOB_ATTRIBUTE: Final = "{{ {'job': value_json.job.id if value_json.job else none} | tojson }}"
_ICONS: Final = {Action.PAUSE: "mdi:pause", Action.RESUME: "mdi:play", Action.CANCEL: "mdi:stop"}


@dataclass(frozen=True, slots=True)
class Announced:
    """What a printer's document depends on: while this is the same, so is the document."""

    printer_id: int
    name: str
    driver: str
    firmware: str | None
    has_chamber: bool


@dataclass(frozen=True, slots=True)
class Discovery:
    """Writes the documents of one gateway. `public_url`: where people find it; empty: nowhere."""

    topics: Topics
    version: str
    public_url: str
    takes_commands: bool

    def gateway(self) -> dict[str, Any]:
        """The gateway as a device of its own: what the printers are reached through."""
        device = self.topics.gateway_device
        connection = {
            "p": "binary_sensor",
            "unique_id": f"{device}_status",
            "name": "Connection",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": self.topics.status,
            "payload_on": ONLINE.decode(),
            "payload_off": OFFLINE.decode(),
        }
        name = f"Print Gateway {self.topics.gateway}"
        described = {"ids": [device], "name": name, "mf": "Print Gateway", "sw": self.version}
        return {
            "dev": described | self._link(),
            "o": self._origin(),
            "cmps": {"status": connection},
        }

    def printer(self, seen: Announced, hardware: Hardware) -> dict[str, Any]:
        """One printer with all its entities."""
        device = self.topics.printer_device(seen.printer_id)
        described = {
            "ids": [device],
            "name": seen.name,
            "mf": hardware.manufacturer,
            "mdl": hardware.model or f"3D printer ({seen.driver})",
            "sn": hardware.serial,
            "sw": seen.firmware,
            "via_device": self.topics.gateway_device,
        }
        components = {
            **_sensors(has_chamber=seen.has_chamber),
            "problem": self._problem(seen.printer_id),
            **{action.value: self._button(seen.printer_id, action) for action in Action},
            "event": _event(self.topics.event(seen.printer_id)),
        }
        for name, component in components.items():
            if len(component) > 1:
                component["unique_id"] = f"{device}_{name}"
        return {
            "dev": {key: value for key, value in described.items() if value} | self._link(),
            "o": self._origin(),
            "availability": self._availability(seen.printer_id),
            "availability_mode": "all",
            "state_topic": self.topics.state(seen.printer_id),
            "qos": 1,
            "cmps": components,
        }

    def _origin(self) -> dict[str, str]:
        return {"name": "Print Gateway", "sw": self.version}

    def _link(self) -> dict[str, str]:
        return {"configuration_url": self.public_url} if self.public_url else {}

    def _availability(self, printer_id: int) -> list[dict[str, str]]:
        return [{"topic": self.topics.status}, {"topic": self.topics.availability(printer_id)}]

    def _problem(self, printer_id: int) -> dict[str, Any]:
        return {
            "p": "binary_sensor",
            "name": "Problem",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.error else 'OFF' }}",
            "json_attributes_topic": self.topics.state(printer_id),
            "json_attributes_template": "{{ {'message': value_json.error} | tojson }}",
        }

    def _button(self, printer_id: int, action: Action) -> dict[str, Any]:
        """`this` is the button's own state in Home Assistant, with the attributes that it was given."""
        if not self.takes_commands:
            return {"p": "button"}
        state = self.topics.state(printer_id)
        wanted = f"{{{{ 'online' if '{action}' in value_json.allowed else 'offline' }}}}"
        return {
            "p": "button",
            "name": action.value.capitalize(),
            "icon": _ICONS[action],
            "availability": [
                *self._availability(printer_id),
                {"topic": state, "value_template": wanted},
            ],
            "json_attributes_topic": state,
            "json_attributes_template": _JOB_ATTRIBUTE,
            "command_topic": self.topics.command(printer_id),
            "payload_press": action.value,
            "command_template": (
                '{"command": "{{ value }}", "job": "{{ this.attributes.job }}", '
                '"id": "{{ now().timestamp() }}"}'
            ),
        }


def _sensors(*, has_chamber: bool) -> dict[str, dict[str, Any]]:
    sensors = {
        "state": _enum("State", "{{ value_json.state }}", [word.value for word in Word], "mdi:printer-3d"),
        "progress": _of_job(
            "Progress",
            "progress",
            "(value_json.job.progress * 100) | round(1)",
            "%",
            state_class="measurement",
        ),
        "remaining": _of_job("Remaining", "remaining_s", unit="s", device_class="duration"),
        "job": _sensor(
            "Job", "{{ value_json.job.name if value_json.job else '' }}", icon="mdi:file-document"
        ),
        "origin": _enum(
            "Origin",
            f"{{{{ value_json.job.origin if value_json.job else '{_NO_JOB}' }}}}",
            [_NO_JOB, *(origin.value for origin in Origin)],
            "mdi:account-arrow-right",
        ),
        "layer": _of_job("Layer", "layer", icon="mdi:layers"),
        "queue": _sensor(
            "Queue", "{{ value_json.queue_len }}", icon="mdi:tray-full", state_class="measurement"
        ),
        "nozzle": _temperature("Nozzle", "nozzle"),
        "bed": _temperature("Bed", "bed"),
    }
    return sensors | ({"chamber": _temperature("Chamber", "chamber")} if has_chamber else {})


def _sensor(name: str, template: str, unit: str | None = None, **more: str) -> dict[str, Any]:
    units = {} if unit is None else {"unit_of_measurement": unit}
    return {"p": "sensor", "name": name, "value_template": template, **units, **more}


def _enum(name: str, template: str, options: list[str], icon: str) -> dict[str, Any]:
    return {**_sensor(name, template, device_class="enum", icon=icon), "options": options}


def _of_job(
    name: str, key: str, value: str | None = None, unit: str | None = None, **more: str
) -> dict[str, Any]:
    """A number of the job; `None` (Home Assistant: unknown) while there is no job, or it is not known."""
    number = f"value_json.job.{key}"
    template = f"{{{{ {value or number} if value_json.job and {number} is not none else none }}}}"
    return _sensor(name, template, unit, **more)


def _temperature(name: str, key: str) -> dict[str, Any]:
    return _sensor(
        name,
        f"{{{{ value_json.temps.{key} }}}}",
        "\N{DEGREE SIGN}C",
        device_class="temperature",
        state_class="measurement",
    )


def _event(topic: str) -> dict[str, Any]:
    return {
        "p": "event",
        "name": "Print",
        "icon": "mdi:printer-3d-nozzle",
        "state_topic": topic,
        "event_types": list(EVENT_TYPES),
    }
