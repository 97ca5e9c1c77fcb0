"""One frozen object with everything that can be configured, and where its values come from.

The stronger first: the environment (`PRINT_GATEWAY_SERVER__LISTEN`), systemd's credentials
(`$CREDENTIALS_DIRECTORY/store.url`), the file, the default. Secrets are never repeated in errors.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from gateway.config.auth import Auth
from gateway.config.errors import ConfigError, sentence, unknown
from gateway.config.fields import BrokerAddress, broker_address
from gateway.config.mqtt import Mqtt
from gateway.config.printers import AnyPrinter, BambuPrinter, MarlinPrinter
from gateway.config.printers import problems as problems_together
from gateway.config.sections import SECTIONS, Forge, Outbound, Safety, Server, Store, Streamer, Tasks

#: Read when no path is given and it exists.
DEFAULT_PATH = Path("/etc/print-gateway/config.toml")
#: Where the embedded broker listens unless `url` under [mqtt] says otherwise: nobody else may reach it.
EMBEDDED_BROKER = "mqtt://127.0.0.1:1883"
ENV_PREFIX = "PRINT_GATEWAY_"


class Config(BaseSettings):
    """The whole configuration; `load` is the usual way to get one."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENV_PREFIX, env_nested_delimiter="__", env_ignore_empty=True
    )

    server: Server = Server()
    store: Store = Store()
    tasks: Tasks = Tasks()
    streamer: Streamer = Streamer()
    safety: Safety = Safety()
    forge: Forge = Forge()
    outbound: Outbound = Outbound()
    auth: Auth = Auth()
    mqtt: Mqtt = Mqtt()
    printers: tuple[AnyPrinter, ...] = ()

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

    @property
    def speaks_mqtt(self) -> bool:
        """Whether there is a broker, or a printer that is reached over one."""
        return self.mqtt.url is not None or any(printer.driver != "marlin" for printer in self.printers)

    def with_embedded_broker(self) -> Config:
        """The same, with the broker's usual address on this host where none was given."""
        if self.mqtt.url is not None:
            return self
        return self.model_copy(update={"mqtt": self.mqtt.model_copy(update={"url": EMBEDDED_BROKER})})

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
        notes += self.exposures()
        if not self.printers:
            notes.append(
                "no [[printers]]: there is nothing to print on until a printer calls in (docs/FORGE.md)"
            )
        return notes

    def exposures(self) -> list[str]:
        """Which secrets others may learn; `serve` says it in its log as well."""
        notes = [
            f'[[printers]] "{printer.name}" verify = "off": whoever answers there learns its access code'
            for printer in self.printers
            if isinstance(printer, BambuPrinter) and printer.verified_by == "off"
        ]
        if self.mqtt.broker is not None and self.mqtt.username is not None:
            notes += _in_the_clear("[mqtt] url", self.mqtt.broker)
        for printer in self.printers:
            if not isinstance(printer, MarlinPrinter) and printer.broker and printer.broker_username:
                where = f'[[printers]] "{printer.name}" broker'
                notes += _in_the_clear(where, broker_address(printer.broker))
        return notes


def _in_the_clear(where: str, broker: BrokerAddress) -> list[str]:
    """That a password goes over the network as it is; on this host it does not leave it."""
    is_here = broker.host in ("localhost", "::1") or broker.host.startswith("127.")
    if is_here or broker.is_tls:
        return []
    return [f'{where} = "{broker}": the password goes over the network as it is; mqtts:// hides it']


def chosen_path(path: Path | None) -> Path | None:
    """The file that `load` reads, if any."""
    return path if path is not None else (DEFAULT_PATH if DEFAULT_PATH.exists() else None)


def source_of(path: Path | None) -> str:
    """What errors call the configuration."""
    chosen = chosen_path(path)
    return str(chosen) if chosen else "the configuration (no file)"


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration of the file (default: /etc/print-gateway/config.toml if present), or ConfigError."""
    chosen, source = chosen_path(path), source_of(path)
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
            problems[sentence(details, merged)] = None
    problems |= dict.fromkeys(problems_together(merged.get("printers"), merged.get("mqtt")))
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
            raise ConfigError("the environment", [f"{name}: {unknown(section, known, 'section')}"])
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
    for section, model in SECTIONS.items():
        for key in model.model_fields:
            path = directory / f"{section}.{key}"
            if path.is_file():
                found.setdefault(section, {})[key] = path.read_text(encoding="utf-8").strip()
    return found


def _merge(base: dict[str, Any], stronger: Mapping[str, Any]) -> None:
    for key, value in stronger.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value
