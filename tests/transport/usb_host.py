"""A host's view of its USB serial ports, in a folder: sysfs and /dev, with pseudo-terminals as devices."""

from __future__ import annotations

from pathlib import Path

from gateway.transport.usb_ports import Places


class UsbHost:
    """Devices are plugged in by socket ("1-1") and appear as ttys, as the kernel shows them."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(dev=folder / "dev", sys=folder / "sys", by_id=folder / "dev/serial/by-id")
        (self.places.sys / "class/tty").mkdir(parents=True)
        self.places.by_id.mkdir(parents=True)
        self._folder = folder

    def plug(
        self,
        socket: str,
        name: str,
        target: str,
        *,
        ids: str = "2c99:0002",
        serial: str = "",
        part: str = "1.0",
    ) -> None:
        """A device in `socket` appears as /dev/`name`, which is `target`; udev makes its stable name."""
        device = self.places.sys / "devices/pci0000:00/0000:00:14.0/usb1" / socket
        tty = device / f"{socket}:{part}" / name
        (tty / "tty" / name).mkdir(parents=True)
        vendor, product = ids.split(":")
        (device / "idVendor").write_text(f"{vendor}\n")
        (device / "idProduct").write_text(f"{product}\n")
        if serial:
            (device / "serial").write_text(f"{serial}\n")
        (tty / "tty" / name / "device").symlink_to("../../../" + name)
        (self.places.sys / "class/tty" / name).symlink_to(tty / "tty" / name)
        (self.places.dev / name).symlink_to(target)
        link = self.places.by_id / f"usb-{ids.replace(':', '_')}_{serial or socket}-if00"
        link.unlink(missing_ok=True)
        link.symlink_to(f"../../{name}")

    def unplug(self, name: str) -> None:
        """The device goes; what the kernel and udev made of it goes too."""
        (self.places.sys / "class/tty" / name).unlink()
        (self.places.dev / name).unlink()
        for link in self.places.by_id.iterdir():
            if not link.exists():
                link.unlink()

    def console(self, name: str) -> None:
        """A tty that is no USB device: the host's own UART."""
        tty = self.places.sys / "devices/platform/serial8250" / name
        (tty / "tty" / name).mkdir(parents=True)
        (tty / "tty" / name / "device").symlink_to("../../../" + name)
        (self.places.sys / "class/tty" / name).symlink_to(tty / "tty" / name)
        (self.places.sys / "class/tty" / "console").mkdir()
