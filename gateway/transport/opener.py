"""From the `port` of the configuration to a PortOpener."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

from gateway.transport.port import Port, PortListener, PortOpener
from gateway.transport.serial_port import open_serial
from gateway.transport.tcp_port import open_tcp

#: Spellings of "connect by TCP": ours, and pyserial's for the same thing.
TCP_SCHEMES = ("tcp", "socket")


class BadPortAddress(ValueError):
    """The `port` of a printer is none. The text says which forms there are, for people."""


def opener_for(port: str, baud: int) -> PortOpener:
    """An opener for `port`: `tcp://host:port`, or the path of a tty.

    Looks at the text only; whether anything is there shows when it is opened. Raises BadPortAddress.
    """
    if "://" in port:
        return partial(_open_tcp, *_tcp_address(port))
    if not port.startswith("/") or "\0" in port:
        raise BadPortAddress(
            f"port {port!r} is neither a device path such as /dev/serial/by-id/usb-... nor tcp://host:port"
        )
    if baud <= 0:
        raise BadPortAddress(f"baud {baud} for {port}: a speed such as 115200 or 250000 is wanted")
    return partial(_open_serial, port, baud)


def _tcp_address(port: str) -> tuple[str, int]:
    wanted = f"port {port!r} is no address: tcp://host:port is wanted, such as tcp://192.0.2.7:8080"
    try:
        parts = urlsplit(port)
        host, number = parts.hostname, parts.port
    except ValueError as error:
        raise BadPortAddress(wanted) from error
    if parts.scheme not in TCP_SCHEMES:
        raise BadPortAddress(
            f"port {port!r}: {parts.scheme}:// is unknown; use a device path or tcp://host:port"
        )
    if not host or not number or parts.path not in ("", "/") or parts.query or parts.username:
        raise BadPortAddress(wanted)
    return host, number


async def _open_serial(device: str, baud: int, listener: PortListener) -> Port:
    return await open_serial(device, baud, listener)


async def _open_tcp(host: str, number: int, listener: PortListener) -> Port:
    return await open_tcp(host, number, listener)
