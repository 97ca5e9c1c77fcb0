"""The shipped units: systemd itself reads them, judges their exposure, and the promises in them hold."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.units import GATEWAY, STREAMER, UNITS, settings, stop_seconds

BOTH = (GATEWAY, STREAMER)
#: Tenths of systemd's exposure level: 1.5 is what the best of our peers (zigbee2mqtt on NixOS) reaches.
EXPOSURE_TENTHS = 15

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (apt install systemd)"
)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)


@needs_systemd
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    for unit in BOTH:
        text = (UNITS / unit).read_text().replace("/opt/print-gateway/bin/print-gateway", "/bin/true")
        (tmp_path / unit).write_text(text)
    checked = analyze("verify", "--man=no", *(str(tmp_path / unit) for unit in BOTH))
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@needs_systemd
def test_verify_would_have_complained(tmp_path: Path) -> None:
    text = (UNITS / GATEWAY).read_text().replace("ProtectSystem=strict", "ProtectSystem=strickt")
    (tmp_path / GATEWAY).write_text(text)
    assert "strickt" in analyze("verify", "--man=no", str(tmp_path / GATEWAY)).stderr


@needs_systemd
@pytest.mark.parametrize("unit", BOTH)
def test_the_exposure_is_low(unit: str) -> None:
    limit = f"--threshold={EXPOSURE_TENTHS}"
    judged = analyze("security", "--offline=true", limit, "--no-pager", str(UNITS / unit))
    assert judged.returncode == 0, judged.stdout[-400:]


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
def test_the_user_is_well_formed() -> None:
    told = subprocess.run(
        ["systemd-sysusers", "--dry-run", str(UNITS / "print-gateway.sysusers")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize(("unit", "command"), [(GATEWAY, "serve"), (STREAMER, "streamer")])
def test_each_runs_the_shipped_command(unit: str, command: str) -> None:
    service = settings(unit, "Service")
    assert service["ExecStart"] == [f"/opt/print-gateway/bin/print-gateway {command}"]
    assert service["Type"] == ["notify"]
    assert service["User"] == ["print-gateway"]
    assert int(service["WatchdogSec"][0]) <= 30


def test_neither_takes_the_other_down() -> None:
    for unit in BOTH:
        assert not {"Requires", "BindsTo", "PartOf", "Requisite", "Conflicts"} & set(settings(unit, "Unit"))
    assert settings(GATEWAY, "Unit")["Wants"] == [STREAMER]
    assert STREAMER in settings(GATEWAY, "Unit")["After"][0]
    assert GATEWAY not in str(settings(STREAMER, "Unit"))


def test_the_line_records_outlive_the_streamer() -> None:
    from gateway.config.sections import Streamer

    service = settings(STREAMER, "Service")
    folder = Path("/run") / service["RuntimeDirectory"][0]
    assert service["RuntimeDirectoryPreserve"] == ["yes"]
    assert Path(Streamer().records).parent == folder
    assert Path(Streamer().socket).parent == folder


def test_the_ports_of_every_printer_outlive_the_streamer() -> None:
    from gateway.config.printers import MAX_SERIAL_PRINTERS

    service = settings(STREAMER, "Service")
    assert int(service["FileDescriptorStoreMax"][0]) >= 2 * MAX_SERIAL_PRINTERS
    assert "NotifyAccess" not in service, "the main process alone may fill the store"


def test_wire_logs_lie_in_memory_and_what_is_kept_of_them_on_the_disk() -> None:
    from gateway.config.sections import Streamer

    service = settings(STREAMER, "Service")
    assert Streamer().wire_folder.parent == Path("/run") / service["RuntimeDirectory"][0]
    (state,) = service["StateDirectory"]
    assert Streamer().kept_folder(f"/var/lib/{state}") == Path("/var/lib/print-gateway-streamer/wire")


def test_the_gateway_owns_what_its_defaults_name() -> None:
    from gateway.config.sections import Server, Store

    service = settings(GATEWAY, "Service")
    states = [Path("/var/lib") / name for name in service["StateDirectory"][0].split()]
    assert Path(Store().files) in states
    assert Path(Store().url.removeprefix("sqlite:///")).parent in states
    assert Path(Server().socket).parent == Path("/run") / service["RuntimeDirectory"][0]


def test_callers_of_the_socket_can_be_told_apart() -> None:
    assert "PrivateUsers" not in settings(GATEWAY, "Service")
    assert settings(GATEWAY, "Service")["RuntimeDirectoryMode"] == ["0755"]


def test_the_gateway_reaches_callbacks_and_files_and_the_streamer_nobody() -> None:
    gateway, streamer = settings(GATEWAY, "Service"), settings(STREAMER, "Service")
    assert {"AF_INET", "AF_INET6"} <= set(gateway["RestrictAddressFamilies"][0].split())
    assert not {"PrivateNetwork", "IPAddressDeny", "SocketBindDeny"} & set(gateway)
    assert streamer["PrivateNetwork"] == ["yes"]
    assert streamer["RestrictAddressFamilies"] == ["AF_UNIX"]


def test_as_many_printers_may_listen_as_are_let_in() -> None:
    """Two connections each, a poll and a post: the default of 1,024 would refuse the database its files."""
    from gateway.protocol.bayeux.bounds import Bounds

    (most,) = settings(GATEWAY, "Service")["LimitNOFILE"]
    assert int(most) >= 4 * Bounds().sessions


def test_only_the_streamer_sees_serial_ports() -> None:
    assert settings(STREAMER, "Service")["DeviceAllow"] == ["char-ttyUSB rw", "char-ttyACM rw"]
    assert settings(GATEWAY, "Service")["PrivateDevices"] == ["yes"]
    assert "DeviceAllow" not in settings(GATEWAY, "Service")


def test_the_streamer_has_time_to_end_its_line() -> None:
    from gateway.streamer.host import CLOSE_SECONDS
    from gateway.streamer.hosted import STOP_SECONDS

    assert STOP_SECONDS + CLOSE_SECONDS < 2 < stop_seconds(STREAMER), "as its unit says"
    assert settings(STREAMER, "Unit")["StartLimitIntervalSec"] == ["0"]


def test_the_gateway_has_time_to_end() -> None:
    """Requests (aiohttp waits for them, then for their connections), the last transaction, the broker."""
    from gateway.broker.supervisor import END_SECONDS
    from gateway.main import SHUTDOWN_SECONDS

    assert 3 * SHUTDOWN_SECONDS + END_SECONDS < stop_seconds(GATEWAY)
