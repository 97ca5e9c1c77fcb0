"""The topics of one Moonraker (moonraker.conf, section [mqtt]: `instance_name`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Heard(Enum):
    """What kind of message a topic carries."""

    REPLY = "reply"  # answers to everybody's requests
    SERVER = "server"  # {"server": "online"}, retained; the last will says "offline"
    STATUS = "status"  # differences of many objects, not retained
    FIELD = "field"  # one field of one object, retained (publish_split_status)


@dataclass(frozen=True, slots=True)
class Topics:
    """Names, for one `instance_name`."""

    instance: str

    @property
    def request(self) -> str:
        """Where Moonraker takes requests."""
        return f"{self.instance}/moonraker/api/request"

    @property
    def response(self) -> str:
        """Where it answers, to everybody: ids tell whose answer it is."""
        return f"{self.instance}/moonraker/api/response"

    @property
    def server(self) -> str:
        """Whether Moonraker is connected to the broker."""
        return f"{self.instance}/moonraker/status"

    @property
    def status(self) -> str:
        """Where differences come, if moonraker.conf names `status_objects`."""
        return f"{self.instance}/klipper/status"

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields worth a look when they change, if moonraker.conf says `publish_split_status: True`."""
        state = f"{self.instance}/klipper/state"
        return (
            f"{state}/print_stats/state",
            f"{state}/print_stats/filename",
            f"{state}/print_stats/message",
            f"{state}/webhooks/state",
        )

    @property
    def heard(self) -> tuple[str, ...]:
        """Everything to subscribe to."""
        return (self.response, self.server, self.status, *self.fields)

    def kind(self, topic: str) -> Heard | None:
        """What a message of this topic is; None: nothing of ours."""
        if topic == self.response:
            return Heard.REPLY
        if topic == self.status:
            return Heard.STATUS
        if topic == self.server:
            return Heard.SERVER
        return Heard.FIELD if topic in self.fields else None


def coalesces(topic: str) -> bool:
    """Whether the newest message replaces one that waits: a field is a whole, a difference is not."""
    return "/klipper/state/" in topic or topic.endswith("/moonraker/status")
