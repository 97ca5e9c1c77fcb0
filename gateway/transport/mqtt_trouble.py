"""Why there is no MQTT connection, in one sentence that says what to do."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from dataclasses import dataclass
from typing import Final

from aiomqtt import MqttCodeError

from gateway.transport.mqtt import MqttLost, MqttRefused
from gateway.transport.tls import tls_reason

#: What a broker answers to wrong credentials: MQTT 3.1.1 table 3.1 (4, 5); as paho translates it, MQTT 5
#: section 3.2.2.2 (134, 135).
_REFUSED: Final = frozenset({4, 5, 134, 135})
#: The other answers: 3.1.1 beside 5.
_ANSWERS: Final = {
    1: "speaks no MQTT 3.1.1",
    132: "speaks no MQTT 3.1.1",
    2: "refuses the client id: choose another client_id",
    133: "refuses the client id: choose another client_id",
    3: "is not ready; it is tried again",
    136: "is not ready; it is tried again",
}
#: How paho tells why it gave a connection up: MQTT 5 section 3.14.2.1.
_NO_MQTT: Final = 130
_NO_ANSWER: Final = 141
_GONE: Final = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is connected to, in words for people."""

    who: str  # "the broker", "the printer a1"
    host: str
    port: int
    if_refused: str  # what to do about wrong credentials

    @property
    def where(self) -> str:
        return f"{self.who} at {self.host}:{self.port}"

    def not_connected(self, error: OSError, seconds: float) -> MqttLost:
        """No connection came about within `seconds`."""
        if isinstance(error, TimeoutError) and error.errno is None:
            return MqttLost(
                f"{self.where} does not answer within {seconds:g} s: is it switched on and on this network?"
            )
        if isinstance(error, socket.gaierror):
            return MqttLost(f"the name of {self.where} is unknown: check the spelling, or use the address")
        if error.errno == errno.ECONNREFUSED:
            return MqttLost(f"{self.where} refuses the connection: nothing listens on that port")
        return MqttLost(f"{self.where} cannot be reached: {self._said(error)}")

    def not_welcome(self, error: MqttCodeError) -> MqttLost:
        """The broker has answered, and not with yes."""
        code = _number(error)
        if code in _REFUSED:
            return MqttRefused(f"{self.where} refuses the credentials: {self.if_refused}")
        return MqttLost(f"{self.where} {_ANSWERS.get(code, f'refuses the connection ({code})')}")

    def hung_up(self, trouble: OSError | None) -> MqttLost:
        """There was no answer to the request to be let in."""
        if trouble is not None and trouble.errno not in _GONE:
            return MqttLost(f"{self.where} cannot be reached: {self._said(trouble)}")
        return MqttLost(
            f"{self.where} hung up before it answered: check port and credentials, or it has too many clients"
        )

    def silent(self, seconds: float) -> MqttLost:
        """Connected, and no answer to the request to be let in."""
        return MqttLost(f"{self.where} does not answer to MQTT within {seconds:g} s: check the port")

    def lost(self, trouble: OSError | None, cause: BaseException | None = None) -> MqttLost:
        """A connection that stood. `cause` is the library's."""
        if trouble is not None and trouble.errno not in _GONE:
            return MqttLost(f"the connection to {self.where} is lost: {self._said(trouble)}")
        code = _number(cause) if isinstance(cause, MqttCodeError) else 0
        if code == _NO_ANSWER:
            return MqttLost(f"{self.where} does not answer any more")
        if code == _NO_MQTT or not isinstance(cause, MqttCodeError | None):
            return MqttLost(f"{self.where} sent what is no MQTT 3.1.1")
        return MqttLost(f"{self.where} closed the connection")

    def mute(self, what: str, seconds: float) -> MqttLost:
        """A question to the broker without an answer."""
        return MqttLost(f"{self.where} did not acknowledge {what} within {seconds:g} s")

    def not_granted(self, topic: str) -> MqttLost:
        """No right to listen."""
        return MqttLost(f"{self.where} does not let this user subscribe to {topic}: check its access rights")

    def _said(self, error: OSError) -> str:
        if isinstance(error, ssl.SSLError):
            return tls_reason(error)
        return os.strerror(error.errno).lower() if error.errno else str(error)


def _number(error: MqttCodeError) -> int:
    """paho's ReasonCode, or a number of its own."""
    code = error.rc
    return code if isinstance(code, int) else 0 if code is None else code.value
