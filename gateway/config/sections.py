"""The sections of the configuration but for printers, MQTT and sign-in, with their defaults."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from gateway.config.auth import Auth
from gateway.config.fields import (
    RATE_LIMIT,
    AbsolutePath,
    Address,
    Rate,
    Section,
    SocketPath,
    StoreUrl,
    WebUrl,
    host_and_port,
)
from gateway.config.mqtt import Mqtt

#: Bytes of one upload: the largest sliced files seen are about 300 MB; twice that still fits on a small card.
MAX_UPLOAD_BYTES = 600_000_000
#: Bytes of each of the two files of a printer's wire log: a minute at 800 lines/s. 0 switches it off.
WIRE_LOG_BYTES = 4_194_304
#: Bytes of the disk that files leave to the database: years of rows, and its log while a backup reads.
RESERVE_BYTES = 100_000_000
#: Minutes between two runs of a schedule by the clock: what cron itself can say. An owner may want more.
SHORTEST_CRON_MINUTES = 1
#: Bytes that results of tasks keep for their week, in all: a backup of a host with many files each night. And
#: of one member: years of history a hundred times over.
RESULTS_BYTES, RESULTS_BYTES_OF_MEMBER = 20_000_000_000, 2_000_000_000


class Server(Section):
    """Where the HTTP surfaces are."""

    listen: Address = "127.0.0.1:8080"
    public_url: WebUrl | None = None
    socket: SocketPath = "/run/print-gateway/api.sock"
    max_upload_bytes: int = Field(default=MAX_UPLOAD_BYTES, gt=0)
    rate_limit: Rate = RATE_LIMIT

    @property
    def host(self) -> str:
        """The address to bind."""
        return host_and_port(self.listen)[0]

    @property
    def port(self) -> int:
        """The TCP port to bind; 0 takes any that is free."""
        return host_and_port(self.listen)[1]

    @property
    def url(self) -> str:
        """How the world reaches it: `public_url`, else the address it listens on."""
        return self.public_url or f"http://{self.listen}"

    @property
    def unreachable(self) -> str | None:
        """Why no other machine reaches `url`, with what to do; None when one may."""
        host = urlsplit(self.url).hostname or ""
        if host not in ("localhost", "0.0.0.0", "::", "::1") and not host.startswith("127."):
            return None
        wanted = f'write public_url = "http://<this host>:{urlsplit(self.url).port or 80}" under [server]'
        return f"{self.url} leads nowhere from another machine; {wanted}"


class Store(Section):
    """Where jobs and files are kept."""

    url: StoreUrl = "sqlite:////var/lib/print-gateway/gateway.db"
    files: AbsolutePath = "/var/lib/print-gateway/files"
    reserve_bytes: int = Field(default=RESERVE_BYTES, ge=0)

    @property
    def folder(self) -> Path:
        """Where the database is: what else is kept from one start to the next lies beside it."""
        return Path(self.url.removeprefix("sqlite:///")).parent


class Tasks(Section):
    """Long work and schedules (docs/TASKS.md)."""

    shortest_cron_minutes: int = Field(default=SHORTEST_CRON_MINUTES, ge=1, le=1440)
    results_bytes: int = Field(default=RESULTS_BYTES, gt=0)
    results_bytes_of_member: int = Field(default=RESULTS_BYTES_OF_MEMBER, gt=0)


class Streamer(Section):
    """The process that feeds serial printers: where it is reached, where its line records lie."""

    socket: SocketPath = "/run/print-gateway-streamer/streamer.sock"
    records: AbsolutePath = "/run/print-gateway-streamer/records"
    wire_log: AbsolutePath | None = None
    wire_log_bytes: int = Field(default=WIRE_LOG_BYTES, ge=0)
    wire_kept: AbsolutePath | None = None

    @property
    def wire_folder(self) -> Path:
        """Where the wire logs are written: `wire_log`, else beside the records, which lie on a tmpfs too."""
        return Path(self.wire_log) if self.wire_log else Path(self.records).parent / "wire"

    def kept_folder(self, state_directory: str | None) -> Path:
        """Where the ends of wire logs are kept: `wire_kept`, else in the service's state, else beside them.

        `state_directory`: $STATE_DIRECTORY, as systemd sets it.
        """
        if self.wire_kept:
            return Path(self.wire_kept)
        return Path(state_directory) / "wire" if state_directory else self.wire_folder / "kept"


class Safety(Section):
    """What the safety monitor of the streamer tolerates (docs/SAFETY.md). Minutes; 0 switches a rule off."""

    idle_minutes: float = Field(default=15, ge=0)
    held_minutes: float = Field(default=15, ge=0)
    paused_hotend_minutes: float = Field(default=30, ge=0)
    paused_bed_minutes: float = Field(default=240, ge=0)
    watch_temperatures: bool = True
    hotend_max: float = Field(default=350, gt=0)
    bed_max: float = Field(default=150, gt=0)


class Outbound(Section):
    """Where the gateway goes because an app named the address: callbacks, files to fetch (docs/FORGE.md)."""

    private_addresses: bool = False


class Forge(Section):
    """The Forge print API: its printer database, and printers that call in (docs/FORGE.md)."""

    printdb: AbsolutePath | None = None
    lenient_faye: bool = False


#: By the name in the file.
SECTIONS: dict[str, type[BaseModel]] = {
    "server": Server, "store": Store, "tasks": Tasks, "streamer": Streamer, "safety": Safety, "forge": Forge,
    "outbound": Outbound, "auth": Auth, "mqtt": Mqtt,
}  # fmt: skip
