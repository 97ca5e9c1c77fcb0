"""A printer's storage over Moonraker's HTTP: files below its root `gcodes`.

Moonraker's documentation, "File Operations": an upload is multipart with `root`, `checksum` (SHA-256, checked
there, 422 when it differs) and the file; the answer is 201 with the item's path, root and size. Where
Moonraker is, its operator says: any address is right.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Final

import aiohttp
from yarl import URL

from gateway.transport.storage import StorageTrouble

ROOT: Final = "gcodes"
#: Bytes of one piece of a file.
PIECE: Final = 256 * 1024
#: Bytes a second that an upload takes at least: a Raspberry Pi Zero on a bad radio link writes 100 kB.
SLOWEST: Final = 50_000
#: Seconds beside the bytes: connecting, and Moonraker reading the file's header when it is there.
MARGIN_SECONDS: Final = 60.0
CONNECT_SECONDS: Final = 10.0
#: Seconds between two words on progress.
TOLD_SECONDS: Final = 1.0
#: Bytes of an answer that is about a file and not the file.
MOST_ANSWER: Final = 64 * 1024
#: Characters of what Moonraker says, for people.
_WORDS: Final = 200
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class HttpStorage:
    """One printer's Storage. `session` is shared, its owner closes it; `who` is for people."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, *, api_key: str | None = None, who: str = "Moonraker"
    ) -> None:
        self._session = session
        self._url = URL(url)
        self._headers = {} if api_key is None else {"X-Api-Key": api_key}
        self._where = f"{who} at {self._url.host}:{self._url.port}"

    async def store(self, path: str, name: str, *, told: Callable[[int], None]) -> None:
        """Upload, and compare what it says is there. Prints nothing. Raises StorageTrouble."""
        loop = asyncio.get_running_loop()
        what = f"upload {name}"
        try:
            size, digest = await loop.run_in_executor(None, _looked_at, path)
        except OSError as error:
            raise StorageTrouble(f"cannot {what}: {path}: {error.strerror}") from error
        form = _Form(name, digest)
        pieces = _body(form, path, loop.time, told)
        headers = {"Content-Type": form.content_type, "Content-Length": str(form.size + size)}
        # A refusal in the middle of an upload is often only felt, as a broken connection: so ask first.
        async with self._asked(what, "GET", self._url / "server/info", 0):
            pass
        url = self._url / "server/files/upload"
        async with self._asked(what, "POST", url, size, data=pieces, headers=headers) as response:
            _compare(await _json(response), name, size, what, self._where)

    async def fetch(self, name: str, most_bytes: int) -> bytes:
        """A file's content. Raises StorageTrouble."""
        what = f"read {name}"
        async with self._asked(what, "GET", self._file(name), most_bytes) as response:
            return await _read(response, what, most_bytes)

    async def delete(self, name: str) -> None:
        """Raises StorageTrouble, unless it is not there."""
        try:
            async with self._asked(f"delete {name}", "DELETE", self._file(name), 0):
                pass
        except StorageTrouble as trouble:
            if not trouble.is_absent:
                raise

    async def check(self) -> None:
        """What Moonraker says of itself: that it takes the key, and has a folder for files.

        Raises StorageTrouble.
        """
        what = "put print files there"
        async with self._asked(what, "GET", self._url / "server/info", 0) as response:
            answer = await _json(response)
        result = answer.get("result") if isinstance(answer, dict) else None
        folders = result.get("registered_directories") if isinstance(result, dict) else None
        if not isinstance(folders, list):
            raise StorageTrouble(f"cannot {what}: what answers at {self._where} is no Moonraker: check url")
        if ROOT not in folders:
            raise StorageTrouble(
                f"cannot {what}: {self._where} has no folder {ROOT} for them: is the folder of"
                " [virtual_sdcard] in printer.cfg there, and has Klipper been started since?"
            )

    def _file(self, name: str) -> URL:
        return self._url.joinpath("server/files", ROOT, *name.split("/"))

    @asynccontextmanager
    async def _asked(
        self,
        what: str,
        method: str,
        url: URL,
        size: int,
        data: AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is a success; `size` in bytes bounds the time. Raises StorageTrouble."""
        limits = aiohttp.ClientTimeout(total=MARGIN_SECONDS + size / SLOWEST, sock_connect=CONNECT_SECONDS)
        try:
            async with self._session.request(
                method,
                url,
                data=data,
                headers={**self._headers, **headers},
                timeout=limits,
                allow_redirects=False,
            ) as response:
                if response.status not in (200, 201):
                    raise await self._refused(response, what)
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise StorageTrouble(f"cannot {what}: {self._where} {_why(error)}") from error

    async def _refused(self, response: aiohttp.ClientResponse, what: str) -> StorageTrouble:
        """An answer that is no success."""
        said = await _said(response)
        if response.status in (401, 403):
            reason = f"{self._where} wants an API key, or another one: set api_key_file ({said})"
        elif _is_no_file(response.status, said) and response.method != "POST":
            return StorageTrouble(f"cannot {what}: {self._where} has no such file", is_absent=True)
        elif response.status == 413:
            reason = f"the file is larger than {self._where} allows: raise max_upload_size in moonraker.conf"
        elif response.status == 422:
            reason = f"it arrived damaged at {self._where}: try again"
        elif response.status == 507 or os.strerror(errno.ENOSPC).lower() in said.lower():
            reason = f"the storage of {self._where} is full: delete files there"
        else:
            reason = f"{self._where} answers with status {response.status} ({said})"
        return StorageTrouble(f"cannot {what}: {reason}")


class _Form:
    """What stands before and after the file in the body of an upload (RFC 7578).

    Written here, because the length has to be known: in front of some Moonrakers stands a proxy that takes no
    body in chunks. The name is UTF-8 as it is, as browsers send it.
    """

    def __init__(self, name: str, checksum: str) -> None:
        folder, _, base = name.rpartition("/")
        boundary = secrets.token_hex(16)
        fields = {"root": ROOT, "path": folder, "checksum": checksum}
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
            for field, value in fields.items()
            if value
        ]
        shown = base.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{shown}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        self.head = "".join(parts).encode()
        self.tail = f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.size = len(self.head) + len(self.tail)  # in bytes, without the file


def _looked_at(path: str) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, digest


async def _body(
    form: _Form, path: str, clock: Callable[[], float], told: Callable[[int], None]
) -> AsyncIterator[bytes]:
    """The whole body; what is asked for next was sent."""
    loop = asyncio.get_running_loop()
    sent, due = 0, clock() + TOLD_SECONDS
    yield form.head
    with await loop.run_in_executor(None, open, path, "rb") as file:
        while piece := await loop.run_in_executor(None, file.read, PIECE):
            yield piece
            sent += len(piece)
            if clock() >= due:
                due = clock() + TOLD_SECONDS
                told(sent)
    yield form.tail


async def _read(response: aiohttp.ClientResponse, what: str, most_bytes: int) -> bytes:
    found = bytearray()
    async for piece in response.content.iter_chunked(PIECE):
        found += piece
        if len(found) > most_bytes:
            raise StorageTrouble(f"cannot {what}: it has more than {most_bytes} bytes")
    return bytes(found)


def _compare(answer: Any, name: str, size: int, what: str, where: str) -> None:
    """Moonraker's word on what is there now: `result` encloses it in some versions."""
    found = answer.get("result", answer) if isinstance(answer, dict) else {}
    item = found.get("item") if isinstance(found, dict) else None
    if not isinstance(item, dict):
        raise StorageTrouble(f"cannot {what}: {where} does not say what it stored")
    if item.get("path") != name or item.get("root") != ROOT:
        raise StorageTrouble(f"cannot {what}: {where} stored it as {_named(item)}")
    # Versions before 2022 do not tell the size; the checksum was compared there.
    if item.get("size", size) != size:
        raise StorageTrouble(
            f"cannot {what}: {_line(item['size'])} of {size} bytes are on {where}: try again"
        )


async def _json(response: aiohttp.ClientResponse) -> Any:
    body = await response.content.read(MOST_ANSWER)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


async def _said(response: aiohttp.ClientResponse) -> str:
    """Moonraker's words for an error: `{"error": {"code": ..., "message": "..."}}`."""
    answer = await _json(response)
    error = answer.get("error") if isinstance(answer, dict) else None
    words = error.get("message") if isinstance(error, dict) else error
    return _line(words or response.reason or "no reason given")


def _named(item: Mapping[str, Any]) -> str:
    return _line(f"{item.get('root')}/{item.get('path')}")


def _line(said: object) -> str:
    """What was said, for a sentence: one line, cut, of what can be printed."""
    return "".join(char for char in " ".join(str(said)[:_WORDS].split()) if char.isprintable())


def _is_no_file(status: int, said: str) -> bool:
    """404 to a download; to a deletion a 400 (file_manager.py, `delete_file`)."""
    return status == 404 or (status == 400 and "invalid file path" in said.lower())


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "is too slow or does not answer: is it switched on and on this network?"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "has a name that is unknown: check url, or use the address"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot be reached ({(error.os_error.strerror or str(error.os_error)).lower()}): check url"
    return "broke the connection off"
