"""Secrets and certificates that the configuration names as files: found, read, and never shown.

A relative name is looked for among systemd's credentials (`$CREDENTIALS_DIRECTORY`, LoadCredential=) first,
then beside the configuration. Only the gateway's process reads them: the streamer needs none.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.errors import ConfigError
from gateway.config.loading import Config, chosen_path, source_of
from gateway.config.printers import title

#: Bytes of a file with one secret: the longest are keys of some hundred letters.
SECRET_BYTES = 4096
#: Keys that name files with a secret, and those that name certificates.
_TEXTS = ("access_code_file", "api_key_file", "broker_password_file", "password_file")
_CERTIFICATES = ("ca_file", "broker_ca_file")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the files held; by the owner (a printer's name, "" for [mqtt]) and the key that names the file."""

    texts: Mapping[tuple[str, str], str] = field(default_factory=dict, repr=False)
    paths: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    exposures: tuple[str, ...] = ()  # which of them others may read, in sentences

    def text(self, owner: str, key: str) -> str | None:
        """The content, without blanks around it; None: the key is not set."""
        return self.texts.get((owner, key))

    def path(self, owner: str, key: str) -> Path | None:
        """Where the certificates are; None: the key is not set."""
        return self.paths.get((owner, key))


def read_secrets(
    config: Config, path: Path | None = None, environ: Mapping[str, str] | None = None
) -> Secrets:
    """Those of `config`, which was loaded from `path`, or ConfigError with everything that is wrong."""
    folders = _folders(chosen_path(path), os.environ if environ is None else environ)
    texts: dict[tuple[str, str], str] = {}
    paths: dict[tuple[str, str], Path] = {}
    exposures: list[str] = []
    problems: list[str] = []
    for owner, place, key, name in _named(config):
        try:
            found = _find(name, folders)
            if key in _TEXTS:
                texts[owner, key] = _read(found)
                if found.stat().st_mode & stat.S_IROTH:
                    exposures.append(f"{place} {key}: everybody on this host may read {found}; chmod o= it")
            else:
                _check_certificates(found)
                paths[owner, key] = found
        except (OSError, ValueError) as error:
            problems.append(f'{place} {key}: "{name}" {_reason(error)}')
    if problems:
        raise ConfigError(source_of(path), problems)
    return Secrets(texts, paths, tuple(exposures))


def _folders(config: Path | None, environ: Mapping[str, str]) -> list[Path]:
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    return [*([Path(credentials)] if credentials else []), *([config.parent] if config is not None else [])]


def _named(config: Config) -> Iterator[tuple[str, str, str, str]]:
    """Owner, place in the file, key and the name of each file."""
    tables = [("", "[mqtt]", config.mqtt.model_dump())]
    for number, printer in enumerate(config.printers, start=1):
        tables.append((printer.name, title(number, {"name": printer.name}), printer.model_dump()))
    for owner, place, table in tables:
        for key in (*_TEXTS, *_CERTIFICATES):
            if table.get(key) is not None:
                yield owner, place, key, table[key]


def _find(name: str, folders: list[Path]) -> Path:
    """The first that is there; where it should have been, when there is none."""
    places = [folder / name for folder in folders] or [Path(name)]
    return next((place for place in places if place.exists()), places[-1])


def _check_certificates(path: Path) -> None:
    import ssl  # seldom needed, and slow to load

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=path.read_text("ascii"))
    except (ssl.SSLError, ValueError):
        raise ValueError("holds no certificate in PEM form") from None


def _read(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(SECRET_BYTES + 1)
    if len(content) > SECRET_BYTES:
        raise ValueError(f"is longer than {SECRET_BYTES} bytes: that is no code and no password")
    try:
        text = content.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text; write the secret alone into it") from None
    if not text:
        raise ValueError("is empty; write the secret into it")
    if len(text.splitlines()) > 1:
        raise ValueError("has more than one line; write the secret alone into it")
    return text


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"is not there (looked for {error.filename}); write the file, or name another one"
    if isinstance(error, OSError):
        why = (error.strerror or str(error)).lower()
        return f"cannot be read ({error.filename}): {why}; check its owner and mode"
    return str(error)
