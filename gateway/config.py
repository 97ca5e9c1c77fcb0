"""One frozen object with everything that can be configured, and errors that say what to do.

Where a value comes from, the stronger first: the environment (`PRINT_GATEWAY_SERVER__LISTEN`), systemd's
credentials (`$CREDENTIALS_DIRECTORY/store.url`), the file, the default. Secrets are never repeated in errors.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from gateway.config_auth import Auth
from gateway.config_printing import Park, Scripts

#: Read when no path is given and it exists.
DEFAULT_PATH = Path("/etc/print-gateway/config.toml")
#: Bytes of a Unix socket's path that Linux takes (sun_path is 108 with its end mark).
SOCKET_PATH_BYTES = 107
#: Bytes of one upload: the largest sliced files seen are about 300 MB; twice that still fits on a small card.
MAX_UPLOAD_BYTES = 600_000_000
#: Bytes of each of the two files of a printer's wire log: a minute at 800 lines/s. 0 switches it off.
WIRE_LOG_BYTES = 4_194_304
#: Printers of one gateway: one streamer process feeds all of them (streamer.host.MAX_PRINTERS).
MAX_PRINTERS = 64
ENV_PREFIX = "PRINT_GATEWAY_"
USB_PORT = re.compile(r"usb:[0-9a-fA-F]{4}:[0-9a-fA-F]{4}(:.+)?")
#: Requests of one token, printer or client: an app asks each second, a page loads thirty things at once, a
#: printer reports each layer; a loop that ran away is stopped.
RATE_LIMIT = "1200/minute"
RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class ConfigError(Exception):
    """The configuration cannot be used. `problems` are whole sentences, all of them at once."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{source}: {count}", *(f"  {problem}" for problem in problems)]))


def _host_and_port(value: str, example: str = "127.0.0.1:8080") -> tuple[str, int]:
    host, _, port = value.removeprefix("tcp://").rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not bare or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f'"{value}" is not an address with a port; write it like "{example}"')
    return bare, int(port)


def _address(value: str) -> str:
    _host_and_port(value)
    return value


def _web_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f'"{value}" is not a web address; write it like "http://printhost.local:8080"')
    return value.rstrip("/")


def _absolute(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError(f'"{value}" must be an absolute path: a service has no working directory of its own')
    return value


def _socket(value: str) -> str:
    _absolute(value)
    if len(os.fsencode(value)) > SOCKET_PATH_BYTES:
        raise ValueError(f"it is longer than the {SOCKET_PATH_BYTES} bytes of a Unix socket; shorten it")
    return value


def _store_url(value: str) -> str:
    if value.startswith("postgresql"):
        raise ValueError(
            "PostgreSQL is not available in this version; use sqlite:////absolute/path/gateway.db"
        )
    if not value.startswith("sqlite:////") or value == "sqlite:////":
        raise ValueError("must be sqlite:////absolute/path/gateway.db (four slashes)")
    return value


def _name(value: str) -> str:
    if not NAME.fullmatch(value) or value.isdigit():
        raise ValueError(
            f'"{value}" cannot be a name; use up to 63 letters, digits, ".", "_", "-", starting with a '
            "letter or digit, and not digits alone"
        )
    return value


def _baud(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError(f'{_shown(value)} is not a speed; write a number such as 115200 or 250000, or "auto"')


def _port(value: str) -> str:
    if value.startswith("tcp://"):
        _host_and_port(value, "tcp://192.0.2.7:8080")
        return value
    if value.startswith("usb:"):
        if not USB_PORT.fullmatch(value):
            raise ValueError(
                f'"{value}" is not a USB device; write usb:VID:PID:SERIAL or usb:VID:PID as lsusb shows '
                "them, such as usb:2c99:0002:CZPX1234X567XK12345"
            )
        return value
    if not value.startswith("/"):
        raise ValueError(
            f'"{value}" is not a port; write /dev/serial/by-id/… (ls /dev/serial/by-id), usb:VID:PID:SERIAL '
            "or tcp://host:port"
        )
    return value


def _rate(value: str) -> str:
    if value != "off" and not RATE.fullmatch(value):
        raise ValueError(
            f'"{value}" is not a rate; write a number per second, minute, hour or day such as '
            f'"{RATE_LIMIT}", or "off"'
        )
    return value


SocketPath = Annotated[str, AfterValidator(_socket)]
AbsolutePath = Annotated[str, AfterValidator(_absolute)]
Name = Annotated[str, AfterValidator(_name)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Server(_Section):
    """Where the HTTP surfaces are."""

    listen: Annotated[str, AfterValidator(_address)] = "127.0.0.1:8080"
    public_url: Annotated[str, AfterValidator(_web_url)] | None = None
    socket: SocketPath = "/run/print-gateway/api.sock"
    max_upload_bytes: int = Field(default=MAX_UPLOAD_BYTES, gt=0)
    rate_limit: Annotated[str, AfterValidator(_rate)] = RATE_LIMIT

    @property
    def host(self) -> str:
        """The address to bind."""
        return _host_and_port(self.listen)[0]

    @property
    def port(self) -> int:
        """The TCP port to bind; 0 takes any that is free."""
        return _host_and_port(self.listen)[1]

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


class Store(_Section):
    """Where jobs and files are kept."""

    url: Annotated[str, AfterValidator(_store_url)] = "sqlite:////var/lib/print-gateway/gateway.db"
    files: AbsolutePath = "/var/lib/print-gateway/files"


class Streamer(_Section):
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


class Safety(_Section):
    """What the safety monitor of the streamer tolerates (docs/SAFETY.md). Minutes; 0 switches a rule off."""

    idle_minutes: float = Field(default=15, ge=0)
    held_minutes: float = Field(default=15, ge=0)
    paused_hotend_minutes: float = Field(default=30, ge=0)
    paused_bed_minutes: float = Field(default=240, ge=0)
    watch_temperatures: bool = True
    hotend_max: float = Field(default=350, gt=0)
    bed_max: float = Field(default=150, gt=0)


class Outbound(_Section):
    """Where the gateway goes because an app named the address: callbacks, files to fetch (docs/FORGE.md)."""

    private_addresses: bool = False


class Forge(_Section):
    """The Forge print API: its printer database, and printers that call in (docs/FORGE.md)."""

    printdb: AbsolutePath | None = None
    lenient_faye: bool = False


class PrinterConfig(_Section):
    """One `[[printers]]` entry."""

    name: Name
    driver: Literal["marlin"]
    port: Annotated[str, AfterValidator(_port)]
    baud: Annotated[int | Literal["auto"], BeforeValidator(_baud)] = 115200
    owner: Name
    plate_clear: Literal["confirm", "auto"] = "confirm"
    profile: Literal["prusa", "klipper", "repetier", "marlin", "unknown"] | None = None
    max_hotend: int = Field(default=300, gt=0, le=500)
    max_bed: int = Field(default=120, gt=0, le=500)
    park: Park = Park()
    scripts: Scripts = Scripts()


class Config(BaseSettings):
    """The whole configuration; `load` is the usual way to get one."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENV_PREFIX, env_nested_delimiter="__", env_ignore_empty=True
    )

    server: Server = Server()
    store: Store = Store()
    streamer: Streamer = Streamer()
    safety: Safety = Safety()
    forge: Forge = Forge()
    outbound: Outbound = Outbound()
    auth: Auth = Auth()
    printers: tuple[PrinterConfig, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in: `load` merges the sources, so that errors can name theirs."""
        return (init_settings,)

    def warnings(self) -> list[str]:
        """What is accepted but will not do what one may hope for."""
        notes = [
            f'[[printers]] "{printer.name}" plate_clear = "auto": this version has no ejection macro yet, so '
            'the plate stays occupied after a print until someone confirms it clear, as with "confirm"'
            for printer in self.printers
            if printer.plate_clear == "auto"
        ]
        if self.server.public_url is None and self.server.host in ("0.0.0.0", "::"):
            notes.append(
                f'[server] listen = "{self.server.listen}" without public_url: links in answers name that '
                'address; write public_url = "http://<this host>:8080"'
            )
        if not self.printers:
            notes.append(
                "no [[printers]]: there is nothing to print on until a printer calls in (docs/FORGE.md)"
            )
        return notes


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration of the file (default: /etc/print-gateway/config.toml if present), or ConfigError."""
    chosen = path if path is not None else (DEFAULT_PATH if DEFAULT_PATH.exists() else None)
    source = str(chosen) if chosen else "the configuration (no file)"
    layers = [read_toml(chosen) if chosen else {}]
    layers += _outer_layers(os.environ if environ is None else environ)
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge(merged, layer)
    problems: dict[str, None] = {}
    config = None
    try:
        config = Config(**merged)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            problems[_sentence(details, merged)] = None
    problems |= dict.fromkeys(_repeated(merged.get("printers")))
    problems |= dict.fromkeys(_too_many(merged.get("printers")))
    if problems or config is None:
        raise ConfigError(source, list(problems))
    return config


def read_toml(path: Path) -> dict[str, Any]:
    """The file as TOML tables, or ConfigError with the line that is wrong."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise ConfigError(str(path), ["there is no such file; give another one with --config"]) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(str(path), [f"cannot be read: {reason}; check its owner and mode"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), [f"is not UTF-8 text (byte {error.start}); save it as UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), [f"is not valid TOML: {_plain_toml(str(error))}"]) from None


def _plain_toml(message: str) -> str:
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL)
    return f"line {found[2]}, column {found[3]}: {found[1]}" if found else message


def _outer_layers(environ: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What systemd's credentials say, then what the environment says."""
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if directory:
        yield _credentials(Path(directory))
    source = EnvSettingsSource(Config)
    source.env_vars = {name.lower(): value for name, value in environ.items() if value}
    known = set(Config.model_fields)
    for name in environ:
        section, nested, _ = name.removeprefix(ENV_PREFIX).lower().partition("__")
        if name.startswith(ENV_PREFIX) and nested and section not in known:
            raise ConfigError("the environment", [f"{name}: {_unknown(section, known, 'section')}"])
    try:
        yield source()
    except SettingsError:
        raise ConfigError(
            "the environment",
            [f"{ENV_PREFIX}PRINTERS must be JSON; single keys are set like {ENV_PREFIX}SERVER__LISTEN"],
        ) from None


def _credentials(directory: Path) -> dict[str, Any]:
    """Files named `section.key`, for values that are secrets; other credentials are none of ours."""
    found: dict[str, Any] = {}
    for section, model in _sections().items():
        for key in model.model_fields:
            path = directory / f"{section}.{key}"
            if path.is_file():
                found.setdefault(section, {})[key] = path.read_text(encoding="utf-8").strip()
    return found


def _sections() -> dict[str, type[BaseModel]]:
    return {
        "server": Server, "store": Store, "streamer": Streamer, "safety": Safety, "forge": Forge,
        "outbound": Outbound, "auth": Auth,
    }  # fmt: skip


def _merge(base: dict[str, Any], stronger: Mapping[str, Any]) -> None:
    for key, value in stronger.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value


def _too_many(printers: object) -> Iterator[str]:
    if isinstance(printers, list) and len(printers) > MAX_PRINTERS:
        yield (
            f"[[printers]]: there are {len(printers)}, and {MAX_PRINTERS} are possible; run a second gateway "
            "for the others, with other paths in [server], [store] and [streamer] of its configuration"
        )


def _repeated(printers: object) -> Iterator[str]:
    """Names and ports given twice, found in the raw tables so that they are reported beside other errors."""
    entries = [entry for entry in printers if isinstance(entry, dict)] if isinstance(printers, list) else []
    for key, reason in (
        ("name", "give each printer its own name"),
        ("port", "two printers cannot share a port"),
    ):
        seen: dict[str, int] = {}
        for number, entry in enumerate(entries, start=1):
            value = entry.get(key)
            if not isinstance(value, str):
                continue
            first = seen.setdefault(value.casefold() if key == "name" else value, number)
            if first != number:
                yield f'[[printers]] no. {number} {key}: "{value}" is that of no. {first} already; {reason}'


def _sentence(details: ErrorDetails, merged: Mapping[str, Any]) -> str:
    """One pydantic error as a sentence for people: where, what, and what to do."""
    place, model = _place(details["loc"], merged)
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "extra_forbidden" and len(details["loc"]) == 1:
        return f"{place}: {_unknown(str(details['loc'][0]), set(Config.model_fields), 'section')}"
    if kind == "extra_forbidden":
        return f"{place}: {_unknown(str(details['loc'][-1]), set(model.model_fields))}"
    if kind == "missing":
        return f"{place} is missing; {_WANTED.get(str(details['loc'][-1]), 'it has no default')}"
    if kind == "value_error":
        return f"{place}: {context['error']}"
    if kind == "literal_error" and value == "forge":
        return f"{place}: {_CALLS_IN}"
    if kind == "literal_error":
        return f'{place}: "{value}" is not available in this version; choose {context["expected"]}'
    wanted = next((text for start, text in _TYPES.items() if kind.startswith(start)), "is not a usable value")
    return f"{place}: {_shown(value)} {wanted}"


_TYPES = {
    "int": "is not a whole number",
    "float": "is not a number",
    "bool": "is neither true nor false",
    "greater_than_equal": "must not be less than 0",
    "greater_than": "must be more than 0",
    "string": "must be text in quotes",
    "model": "must be a section with keys",
    "tuple": "must be [[printers]] sections, one for each printer",
}
_CALLS_IN = (
    '"forge" printers call in by themselves: remove this section, point the printer at the gateway, '
    "and register it with the code on its display (docs/FORGE.md)"
)
_WANTED = {
    "name": 'give the printer a name, such as name = "mk3"',
    "driver": 'write driver = "marlin"',
    "port": 'write port = "/dev/serial/by-id/…" (see ls /dev/serial/by-id) or "tcp://host:port"',
    "owner": "name the member who owns the printer and the prints started at its panel",
}


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str | int | float) else "it"


def _unknown(key: str, known: set[str], what: str = "key") -> str:
    close = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.5)
    hint = f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(sorted(known))}"
    return f'unknown {what} "{key}"; {hint}'


_PRINTER_SECTIONS: dict[str, type[BaseModel]] = {"park": Park, "scripts": Scripts}


def _place(loc: tuple[int | str, ...], merged: Mapping[str, Any]) -> tuple[str, type[BaseModel]]:
    """Where an error is, as people see it in the file, and the model whose keys are known there."""
    section, rest = str(loc[0]), loc[1:]
    if section == "printers" and rest and isinstance(rest[0], int):
        entry = cast("Any", merged["printers"])[rest[0]]
        name = entry.get("name") if isinstance(entry, dict) else None
        title = f"[[printers]] no. {rest[0] + 1}" + (f' ("{name}")' if name else "")
        inner = _PRINTER_SECTIONS.get(str(rest[1])) if len(rest) > 2 else None
        return " ".join([title, *(str(part) for part in rest[1:])]), inner or PrinterConfig
    model = _sections().get(section, Config)
    return " ".join([f"[{section}]", *(str(part) for part in rest)]), model
