"""The recordings shared with the simulator: every frame, and every line real Marlin ever said."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.protocol.marlin.framing import numbered
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.parsing import parse_reply
from gateway.protocol.marlin.replies import (
    Busy,
    ErrorLine,
    Ok,
    Other,
    Resend,
    SdStatus,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "marlin"
RECORDINGS = sorted(path.name for path in VECTORS.glob("*.toml") if path.name != "frames.toml")
# Boot messages, M503, M119, M20, M28, M118: for people, not for a host.
KNOWN_OTHERS = (
    "PowerUp", "Marlin ", "G21", "M", "Reporting endstop", "x_min", "y_min", "z_min", "Begin file",
    "End file", "area:", "TEST.GCO", "UP.GCO", "Writing to file", "Done saving", "plain", "x", "\ufffd",
    "\u00e9", "Now", "File deleted", "Current file",
)  # fmt: skip


def load(name: str) -> dict[str, Any]:
    return tomllib.loads((VECTORS / name).read_text("utf-8"))


def replies(name: str) -> list[bytes]:
    table = load(name)
    return [
        line.encode("latin-1")
        for section in table["section"]
        for exchange in section["exchange"]
        for _, line in exchange.get("reply", [])
    ]


@pytest.mark.parametrize("frame", load("frames.toml")["frame"], ids=lambda frame: frame["framed"].strip())
def test_frames(frame: dict[str, Any]) -> None:
    assert numbered(frame["number"], frame["payload"]) == frame["framed"].encode()


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_recorded_line_has_its_meaning(name: str) -> None:
    kinds = {b"ok": Ok, b"Resend": Resend, b"echo:busy": Busy, b"SD printing byte": SdStatus}
    for line in replies(name):
        reply = parse_reply(line.rstrip(b"\n"))
        for beginning, kind in kinds.items():
            if line.startswith(beginning):
                assert isinstance(reply, kind), line
        if b"Last Line" in line:
            assert isinstance(reply, ErrorLine), line
        if isinstance(reply, Other) and reply.text:
            assert reply.text.startswith(KNOWN_OTHERS), line


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_whole_and_byte_by_byte(name: str) -> None:
    recorded = b"".join(replies(name))
    whole, bytewise = Link(0.0), Link(0.0)
    whole.receive(recorded, 1.0)
    for index in range(len(recorded)):
        bytewise.receive(recorded[index : index + 1], 1.0)
    assert whole.phase is bytewise.phase
    while True:
        expected, heard = whole.next_event(), bytewise.next_event()
        assert heard == expected
        if expected is None:
            break
