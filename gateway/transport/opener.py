"""From the `port` of the configuration to a PortOpener."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Literal
from urllib.parse import urlsplit

from gateway.transport.fd_store import NO_KEEPER, PortKeeper
from gateway.transport.port import Port, PortListener, PortOpener
from gateway.transport.serial_port import open_serial
from gateway.transport.tcp_port import open_tcp
from gateway.transport.tty import TtyCalls
from gateway.transport.usb_ports import Places, UsbAddress

#: Speeds in baud that firmware is built with, the likeliest first: Marlin's and Prusa's default, what an AVR
#: board's clock divides into exactly, then what boards with weak USB chips, fast ones and very old ones use.
LIKELY_SPEEDS = (115200, 250000, 57600, 230400, 500000, 1000000, 9600, 38400, 19200)
SYSTEM_PLACES = Places()
#: Spellings of "connect by TCP": ours, and pyserial's for the same thing.
TCP_SCHEMES = ("tcp", "socket")


class BadPortAddress(ValueError):
    """The `port` of a printer is none. The text says which forms there are, for people."""


def openers_for(
    port: str,
    baud: int | Literal["auto"],
    places: Places = SYSTEM_PLACES,
    keeper: PortKeeper = NO_KEEPER,
) -> dict[int, PortOpener]:
    """Speed -> opener, the likeliest first: one for a speed that is known, or where there is none (TCP).

    Raises BadPortAddress.
    """
    if baud != "auto":
        return {baud: opener_for(port, baud, places, keeper)}
    if "://" in port:
        return {0: opener_for(port, 0)}
    return {speed: opener_for(port, speed, places, keeper) for speed in LIKELY_SPEEDS}


def opener_for(
    port: str, baud: int, places: Places = SYSTEM_PLACES, keeper: PortKeeper = NO_KEEPER
) -> PortOpener:
    """An opener for `port`: `tcp://host:port`, the path of a tty, or `usb:VID:PID[:SERIAL]`.

    Looks at the text only; whether anything is there shows when it is opened, each time anew: a printer that
    is plugged in again may come back under another name. `keeper`: who keeps serial ports open when this
    process ends. Raises BadPortAddress.
    """
    if "://" in port:
        return partial(_open_tcp, *_tcp_address(port))
    usb = UsbAddress.parse(port)
    if usb is None and (not port.startswith("/") or "\0" in port):
        raise BadPortAddress(
            f"port {port!r} is neither a device path such as /dev/serial/by-id/usb-..., nor "
            "usb:VID:PID:SERIAL, nor tcp://host:port"
        )
    if baud <= 0:
        raise BadPortAddress(f"baud {baud} for {port}: a speed such as 115200 or 250000 is wanted")
    calls = TtyCalls(by_id=places.by_id, keeper=keeper)
    if usb is not None:
        return partial(_open_usb, usb, places, baud, calls)
    return partial(_open_serial, port, baud, calls)


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


async def _open_serial(device: str, baud: int, calls: TtyCalls, listener: PortListener) -> Port:
    return await open_serial(device, baud, listener, calls=calls)


async def _open_usb(
    usb: UsbAddress, places: Places, baud: int, calls: TtyCalls, listener: PortListener
) -> Port:
    device = await asyncio.get_running_loop().run_in_executor(None, usb.find, places)
    return await open_serial(device, baud, listener, calls=calls)


async def _open_tcp(host: str, number: int, listener: PortListener) -> Port:
    return await open_tcp(host, number, listener)
