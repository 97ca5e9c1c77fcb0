"""What is said on an FTP control connection, without I/O: RFC 959, 2428 (EPSV), 3659 (SIZE), 4217 (TLS).

The connection is encrypted from the first byte (implicit FTPS). A line gives either a reply at once, or a
`Transfer`: then the endpoint has a data connection to serve, and replies how that went.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from firmware_sim.bambu.printer import BambuPrinter
from firmware_sim.bambu.storage import tidy

MOST_LINE_BYTES = 4096
FEATURES = "211-Features:\r\n EPSV\r\n PASV\r\n PBSZ\r\n PROT\r\n SIZE\r\n UTF8\r\n211 End"
REPLY_COMPLETE = "226 Transfer complete."
REPLY_BROKEN = "426 Failure reading network stream."
REPLY_FULL = "452 No room on the storage."
REPLY_NO_DATA = "425 Use PORT or PASV first."
REPLY_NO_REUSE = "522 SSL connection failed: session reuse required"
_WITHOUT_LOGIN = ("USER", "PASS", "QUIT", "AUTH", "PBSZ", "PROT", "FEAT", "SYST", "NOOP", "OPTS")


class Way(enum.Enum):
    """What a data connection carries."""

    STORE = "store"
    RETRIEVE = "retrieve"


@dataclass(frozen=True, slots=True)
class Transfer:
    """A data connection is to be served: `content` goes out, or a file comes in under `path`."""

    way: Way
    path: str
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Passive:
    """A port for the next data connection is to be opened. is_extended: EPSV, else PASV."""

    is_extended: bool


Act = str | Transfer | Passive


class FtpSession:
    """One control connection. `is_over`: hang up after the reply."""

    def __init__(self, printer: BambuPrinter) -> None:
        self._printer = printer
        self._files = printer.files
        self._user: str | None = None
        self._folder = ""
        self.is_private = False
        """PROT P: data connections are encrypted."""
        self.is_logged_in = False
        self.is_over = False
        self._commands: Mapping[str, Callable[[str], Act]] = {
            "USER": self._on_user,
            "PASS": self._on_pass,
            "QUIT": self._on_quit,
            "AUTH": lambda _: "503 The connection is encrypted already.",
            "PBSZ": lambda _: "200 PBSZ set to 0.",
            "PROT": self._on_prot,
            "FEAT": lambda _: FEATURES,
            "SYST": lambda _: "215 UNIX Type: L8",
            "NOOP": lambda _: "200 NOOP ok.",
            "OPTS": self._on_opts,
            "TYPE": self._on_type,
            "PWD": lambda _: f'257 "/{self._folder}" is the current directory',
            "CWD": self._on_cwd,
            "CDUP": lambda _: self._on_cwd(".."),
            "MKD": self._on_mkd,
            "SIZE": self._on_size,
            "DELE": self._on_dele,
            "EPSV": lambda _: self._passive(is_extended=True),
            "PASV": lambda _: self._passive(is_extended=False),
            "STOR": self._on_stor,
            "RETR": self._on_retr,
            "NLST": self._on_nlst,
            "LIST": self._on_list,
        }

    def greeting(self) -> str:
        """The first line."""
        return (
            "220 (vsFTPd 3.0.3)" if self._printer.personality.ftps_session_reuse else "220 FTP server ready."
        )

    def obey(self, line: str) -> Act:
        """One line of the client."""
        word, _, rest = line.strip().partition(" ")
        command = word.upper()
        if not self.is_logged_in and command not in _WITHOUT_LOGIN:
            return "530 Please login with USER and PASS."
        do = self._commands.get(command)
        return do(rest.strip()) if do is not None else "500 Unknown command."

    def _path(self, name: str) -> str:
        return tidy(name if name.startswith("/") else f"{self._folder}/{name}")

    # -- login --------------------------------------------------------------------------------------------

    def _on_user(self, name: str) -> str:
        self._user, self.is_logged_in = name, False
        return "331 Please specify the password."

    def _on_pass(self, code: str) -> str:
        self.is_logged_in = self._printer.is_known(self._user, code)
        return "230 Login successful." if self.is_logged_in else "530 Login incorrect."

    def _on_quit(self, _: str) -> str:
        self.is_over = True
        return "221 Goodbye."

    def _on_prot(self, level: str) -> str:
        if level.upper() not in ("P", "C"):
            return "536 Only P and C are understood."
        self.is_private = level.upper() == "P"
        return f"200 PROT now {'Private' if self.is_private else 'Clear'}."

    def _on_opts(self, option: str) -> str:
        return "200 Always in UTF8 mode." if option.upper() == "UTF8 ON" else "501 Option not understood."

    def _on_type(self, kind: str) -> str:
        known = {"I": "200 Switching to Binary mode.", "A": "200 Switching to ASCII mode."}
        return known.get(kind.upper()[:1], "504 Only types I and A are understood.")

    # -- folders and files --------------------------------------------------------------------------------

    def _on_cwd(self, name: str) -> str:
        if not self._files.is_folder(self._path(name)):
            return "550 Failed to change directory."
        self._folder = self._path(name)
        return "250 Directory successfully changed."

    def _on_mkd(self, name: str) -> str:
        self._files.make_folder(self._path(name))
        return f'257 "/{self._path(name)}" created'

    def _on_size(self, name: str) -> str:
        content = self._files.get(self._path(name))
        return f"213 {len(content)}" if content is not None else "550 Could not get file size."

    def _on_dele(self, name: str) -> str:
        done = self._files.remove(self._path(name))
        return "250 Delete operation successful." if done else "550 Delete operation failed."

    # -- transfers ----------------------------------------------------------------------------------------

    def _passive(self, *, is_extended: bool) -> Act:
        return Passive(is_extended) if self.is_private else "521 Data connections must be encrypted."

    def _on_stor(self, name: str) -> Act:
        path = self._path(name)
        return Transfer(Way.STORE, path) if path else "553 Could not create file."

    def _on_retr(self, name: str) -> Act:
        content = self._files.get(self._path(name))
        if content is None:
            return "550 Failed to open file."
        return Transfer(Way.RETRIEVE, self._path(name), content)

    def _on_nlst(self, name: str) -> Act:
        listed = self._files.listed(self._path(_no_options(name)))
        return _listing(self._folder, [entry for entry, _ in listed])

    def _on_list(self, name: str) -> Act:
        listed = self._files.listed(self._path(_no_options(name)))
        return _listing(self._folder, [_long(entry, size) for entry, size in listed])


def _no_options(name: str) -> str:
    """`LIST -la` is no name."""
    return "" if name.startswith("-") else name


def _listing(folder: str, lines: list[str]) -> Transfer:
    return Transfer(Way.RETRIEVE, folder, "".join(f"{line}\r\n" for line in lines).encode())


def _long(name: str, size: int | None) -> str:
    """As `ls -l` has it; a folder has no size."""
    mode = "drwxr-xr-x" if size is None else "-rw-r--r--"
    return f"{mode}    1 1000     1000     {size or 0:>12} Jan 01 00:00 {name}"
