"""USB serial ports by what they are and not by where they are plugged in: `usb:VID:PID[:SERIAL]`.

The kernel gives /dev/ttyUSB0 to whoever comes first; a printer that is plugged in again may come back as
/dev/ttyUSB1. sysfs says which device is behind each name: from /sys/class/tty/ttyUSB0/device upwards, the
first folder with an `idVendor` is the USB device (Linux, Documentation/ABI/testing/sysfs-bus-usb).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.transport.port import PortUnavailable

#: Ports named in one sentence.
MAX_LISTED = 16
_ADDRESS = re.compile(r"usb:([0-9a-f]{4}):([0-9a-f]{4})(?::(.+))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the system shows its ports; arguments, so that tests have ports of their own."""

    dev: Path = Path("/dev")
    sys: Path = Path("/sys")
    by_id: Path = Path("/dev/serial/by-id")


@dataclass(frozen=True, slots=True, order=True)
class UsbPort:
    """One tty of a USB device."""

    vendor: str  # 4 hex digits, lower case
    product: str
    serial: str  # "" where the device has none
    device: str  # folder of the USB device in sysfs
    interface: str  # folder of the tty in sysfs: orders the ttys of one device
    name: str  # ttyACM0

    @property
    def address(self) -> str:
        """How to write it as a `port`."""
        return f"usb:{self.vendor}:{self.product}" + (f":{self.serial}" if self.serial else "")


@dataclass(frozen=True, slots=True)
class UsbAddress:
    """`usb:VID:PID` or `usb:VID:PID:SERIAL`."""

    vendor: str
    product: str
    serial: str | None

    @classmethod
    def parse(cls, text: str) -> UsbAddress | None:
        """None when `text` is no such address."""
        found = _ADDRESS.fullmatch(text)
        return cls(found[1].lower(), found[2].lower(), found[3]) if found else None

    def __str__(self) -> str:
        return f"usb:{self.vendor}:{self.product}" + (f":{self.serial}" if self.serial else "")

    def fits(self, port: UsbPort) -> bool:
        """Whether `port` is one of those meant."""
        if (self.vendor, self.product) != (port.vendor, port.product):
            return False
        return self.serial is None or self.serial == port.serial

    def find(self, places: Places) -> str:
        """The path of the device's tty, now. A device with several has its first one meant.

        Raises PortUnavailable when none or more than one device fits.
        """
        present = sorted(usb_ports(places))
        fitting = [port for port in present if self.fits(port)]
        if not fitting:
            raise PortUnavailable(
                f"{self} is not there: is the printer plugged in and switched on? "
                f"Present USB serial ports: {_listed(present)}"
            )
        if len({port.device for port in fitting}) > 1:
            remedy = (
                "write /dev/serial/by-path/... for this printer, the socket it is plugged into"
                if len({port.address for port in fitting}) == 1
                else "add the serial number to `port`"
            )
            raise PortUnavailable(f"{self} fits more than one printer: {_listed(fitting)}; {remedy}")
        return str(places.dev / fitting[0].name)


def usb_ports(places: Places) -> Iterator[UsbPort]:
    """The ttys of USB devices that are there now."""
    try:
        names = os.listdir(places.sys / "class" / "tty")
    except OSError:
        return
    for name in names:
        try:
            tty = (places.sys / "class" / "tty" / name / "device").resolve(strict=True)
        except OSError:
            continue  # a tty of no device (a console), or one that goes away just now
        device = _usb_device(tty, places.sys.resolve())
        if device is not None:
            yield UsbPort(
                _word(device, "idVendor").lower(),
                _word(device, "idProduct").lower(),
                _word(device, "serial"),
                str(device),
                str(tty),
                name,
            )


def _usb_device(tty: Path, top: Path) -> Path | None:
    for folder in (tty, *tty.parents):
        if folder == top:
            return None
        if (folder / "idVendor").is_file():
            return folder
    return None


def _word(device: Path, name: str) -> str:
    try:
        return (device / name).read_text(errors="replace").strip()
    except OSError:
        return ""


def _listed(ports: list[UsbPort]) -> str:
    shown = [f"{port.address} ({port.name})" for port in ports[:MAX_LISTED]]
    if len(ports) > MAX_LISTED:
        shown.append(f"{len(ports) - MAX_LISTED} more")
    return ", ".join(shown) or "none"
