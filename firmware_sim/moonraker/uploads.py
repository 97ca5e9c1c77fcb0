"""Moonraker's HTTP side without HTTP: what an upload, a download and a deletion do, and their answers.

Source: Moonraker's application.py (FileUploadHandler), file_manager.py (finalize_upload); its documentation,
"File Upload". An upload is answered 201 with what was stored; a checksum that does not match is a 422; the
file that is printed cannot be replaced (403).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from firmware_sim.moonraker.faults import Misfortune
from firmware_sim.moonraker.files import EXTENSIONS, ROOT, BadPath, inside
from firmware_sim.moonraker.later import Later, Refusal
from firmware_sim.moonraker.methods import delete_path, is_in_use, path_facts, server_info, start_print
from firmware_sim.moonraker.server import Moonraker

KEPT_SHARE = 0.5
"""How much of a truncated upload arrives."""


@dataclass(frozen=True, slots=True)
class UploadForm:
    """The multipart form. checksum: SHA-256 in hex, or empty. should_print: `print=true`."""

    filename: str
    content: bytes
    root: str = ROOT
    path: str = ""
    checksum: str = ""
    should_print: bool = False


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What goes back; `is_lost`: the connection breaks instead."""

    status: int
    body: object = None
    content: bytes | None = None
    is_lost: bool = False


class HttpSide:
    """Answers; `faults` are those that hit this very request."""

    def __init__(self, server: Moonraker) -> None:
        self._server = server

    def upload(self, form: UploadForm, faults: list[Misfortune]) -> Later:
        """Settled with an HttpAnswer."""
        answered = Later()
        names = {fault.name for fault in faults}
        try:
            name = self._store(form, names)
        except Refusal as refusal:
            answered.resolve(refused(refusal.code, refusal.message))
            return answered

        def tell(is_started: bool) -> None:
            item = {"path": name, "root": ROOT, **path_facts(self._server, name)}
            body = {"item": item, "action": "create_file", "print_started": is_started, "print_queued": False}
            answered.resolve(HttpAnswer(201, body, is_lost="upload-answer-lost" in names))

        self._maybe_print(form, name, tell)
        return answered

    def _maybe_print(self, form: UploadForm, name: str, tell: object) -> None:
        assert callable(tell)
        if not form.should_print or self._server.history.loaded_file:
            tell(False)
            return
        try:
            later = start_print(self._server, name, "http")
        except Refusal:
            tell(False)
            return
        assert isinstance(later, Later)
        later.then(lambda outcome: tell(not isinstance(outcome, Refusal)))

    def _store(self, form: UploadForm, faults: set[str]) -> str:
        content = form.content
        if "upload-truncated" in faults:
            content = content[: int(len(content) * KEPT_SHARE)]
        calculated = hashlib.sha256(content).hexdigest()
        if form.checksum and form.checksum.lower() != calculated:
            why = f"File checksum mismatch: expected {form.checksum.lower()}, calculated {calculated}"
            raise Refusal(why, 422)
        if not form.filename.strip():
            raise Refusal("Multipart filename omitted")
        if form.root != ROOT:
            raise Refusal(f"Root {form.root} not available")
        try:
            name = inside(f"{form.path.strip('/')}/{form.filename.strip().lstrip('/')}")
        except BadPath as error:
            raise Refusal(f"Cannot write to path: {error}") from error
        if name.lower().endswith(EXTENSIONS) and is_in_use(self._server, name):
            raise Refusal("File is loaded, upload not permitted", 403)
        if "upload-refused" in faults:
            raise Refusal("Unable to save file", 500)
        self._server.gcodes.put(name, content, self._server.wall)
        digest = f"{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}"
        self._server.klippy.note("file-stored", source="http", line=name, effect=digest)
        return name

    def download(self, name: str) -> HttpAnswer:
        """GET /server/files/gcodes/NAME."""
        file = self._server.gcodes.by_name.get(name)
        return refused(404, "File does not exist") if file is None else HttpAnswer(200, content=file.content)

    def delete(self, name: str) -> HttpAnswer:
        """DELETE /server/files/gcodes/NAME."""
        try:
            answer = delete_path(self._server, f"{ROOT}/{name}")
        except Refusal as refusal:
            return refused(refusal.code, refusal.message)
        self._server.klippy.note("file-deleted", source="http", line=name)
        return HttpAnswer(200, {"result": answer})

    def info(self) -> HttpAnswer:
        """GET /server/info."""
        return HttpAnswer(200, {"result": server_info(self._server)})


def refused(status: int, message: str) -> HttpAnswer:
    """An error as Moonraker's HTTP side writes it."""
    return HttpAnswer(status, {"error": {"code": status, "message": message}})
