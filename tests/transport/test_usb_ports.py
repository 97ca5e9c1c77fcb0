"""A printer keeps its port when it comes back under another name."""

from __future__ import annotations

import os
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.transport.opener import BadPortAddress, opener_for
from gateway.transport.port import PortUnavailable
from gateway.transport.usb_ports import UsbAddress, usb_ports
from tests.transport.ptys import Listener, PtyMachine
from tests.transport.usb_host import UsbHost

PRUSA = "usb:2c99:0002:CZPX1"


@pytest.fixture
def host(tmp_path: Path) -> UsbHost:
    return UsbHost(tmp_path)


@pytest.fixture
def another_machine() -> Iterator[PtyMachine]:
    made = PtyMachine()
    yield made
    made.unplug()


def find(host: UsbHost, text: str) -> str:
    address = UsbAddress.parse(text)
    assert address is not None
    assert str(address) == text.lower() or address.serial
    return address.find(host.places)


def test_a_device_is_found_by_what_it_is(host: UsbHost) -> None:
    host.console("ttyS0")
    host.plug("1-1", "ttyACM0", "/dev/null", serial="CZPX1")
    host.plug("1-2.4", "ttyUSB0", "/dev/null", ids="1a86:7523")
    assert find(host, PRUSA) == find(host, "usb:2C99:0002") == str(host.places.dev / "ttyACM0")
    assert find(host, "usb:1a86:7523") == str(host.places.dev / "ttyUSB0")
    assert sorted(port.name for port in usb_ports(host.places)) == ["ttyACM0", "ttyUSB0"]


def test_a_device_with_two_ttys_has_its_first_one_meant(host: UsbHost) -> None:
    host.plug("1-1", "ttyACM1", "/dev/null", serial="A", part="1.2")
    host.plug("1-1", "ttyACM5", "/dev/null", serial="A", part="1.0")
    assert find(host, "usb:2c99:0002:A") == str(host.places.dev / "ttyACM5")


def test_two_that_fit_are_not_guessed_between(host: UsbHost) -> None:
    host.plug("1-1", "ttyACM0", "/dev/null", serial="A")
    host.plug("1-2", "ttyACM1", "/dev/null", serial="B")
    with pytest.raises(PortUnavailable) as trouble:
        find(host, "usb:2c99:0002")
    assert str(trouble.value) == (
        "usb:2c99:0002 fits more than one printer: usb:2c99:0002:A (ttyACM0), usb:2c99:0002:B (ttyACM1); "
        "add the serial number to `port`"
    )
    assert find(host, "usb:2c99:0002:B").endswith("ttyACM1")


def test_two_without_a_serial_number_are_told_apart_by_their_sockets(host: UsbHost) -> None:
    host.plug("1-1", "ttyUSB0", "/dev/null", ids="1a86:7523")
    host.plug("1-2", "ttyUSB1", "/dev/null", ids="1a86:7523")
    with pytest.raises(PortUnavailable, match="/dev/serial/by-path/"):
        find(host, "usb:1a86:7523")


def test_an_absent_device_says_what_is_there(host: UsbHost) -> None:
    with pytest.raises(PortUnavailable, match="Present USB serial ports: none"):
        find(host, PRUSA)
    host.plug("1-2", "ttyUSB0", "/dev/null", ids="1a86:7523")
    with pytest.raises(PortUnavailable) as trouble:
        find(host, PRUSA)
    assert str(trouble.value) == (
        "usb:2c99:0002:CZPX1 is not there: is the printer plugged in and switched on? "
        "Present USB serial ports: usb:1a86:7523 (ttyUSB0)"
    )


@pytest.mark.parametrize(
    "text", ["usb:", "usb:2c99", "usb:2c99:2", "usb:2c99:0002:", "usb:zzzz:0002", "usb:2c99:00022"]
)
def test_other_words_are_no_address(text: str) -> None:
    assert UsbAddress.parse(text) is None
    with pytest.raises(BadPortAddress, match="usb:VID:PID:SERIAL"):
        opener_for(text, 115200)


def by_id(host: UsbHost) -> str:
    return str(host.places.by_id / "usb-2c99_0002_CZPX1-if00")


@pytest.mark.parametrize("form", ["by-id", "usb"])
async def test_a_printer_that_is_plugged_in_again_is_the_same_under_another_name(
    host: UsbHost, form: str, machine: PtyMachine, another_machine: PtyMachine
) -> None:
    port = by_id(host) if form == "by-id" else PRUSA
    open_port = opener_for(port, 115200, host.places)
    host.plug("1-1", "ttyACM0", machine.path, serial="CZPX1")
    first = Listener()
    before = await open_port(first)
    before.write(b"M105\n")
    assert await machine.hear_bytes(5) == b"M105\n"
    machine.unplug()
    host.unplug("ttyACM0")
    await first.until_lost()
    with pytest.raises(PortUnavailable, match="is not there: is the printer plugged in"):
        await open_port(Listener())
    host.plug("1-3", "ttyACM7", another_machine.path, serial="CZPX1")
    second = Listener()
    after = await open_port(second)
    after.write(b"M115\n")
    assert await another_machine.hear_bytes(5) == b"M115\n"
    another_machine.say(b"ok\n")
    assert await second.until_heard(3) == b"ok\n"
    _no_hang_up_at_close(another_machine.path)
    after.close()


def _no_hang_up_at_close(device: str) -> None:
    """DTR stays up when this program goes; no pty has a DTR, but the flag that would lower it can be read."""
    fd = os.open(device, os.O_RDWR | os.O_NOCTTY)
    try:
        assert not termios.tcgetattr(fd)[2] & termios.HUPCL
    finally:
        os.close(fd)


async def test_a_missing_stable_name_lists_those_that_are_there(host: UsbHost, machine: PtyMachine) -> None:
    host.plug("1-2", "ttyUSB0", machine.path, ids="1a86:7523")
    with pytest.raises(PortUnavailable, match=r"Present serial ports: .*usb-1a86_7523_1-2-if00"):
        await opener_for(by_id(host), 115200, host.places)(Listener())
