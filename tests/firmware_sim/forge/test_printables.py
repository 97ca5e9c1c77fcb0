"""How many layers a file shows, in whatever pieces it comes."""

from __future__ import annotations

import hashlib

import pytest

from firmware_sim.forge.printables import LONGEST_LINE_BYTES, Printable

CURA = b";LAYER_COUNT:3\n;LAYER:0\nG1 X1 E1\n;LAYER:1\nG1 X2 E2\n;LAYER:2\nG1 X3 E3\n"
PRUSA = b"".join(
    b";LAYER_CHANGE\n;Z:0.%d\n;BEFORE_LAYER_CHANGE\nG1 Z0.%d\nG1 X1 E1\n" % (z, z) for z in range(1, 5)
)
BARE = b"G28\nG1 Z5 F3000\nG1 Z0.2\nG1 X10 E1\nG1 X20 E2\nG0 Z0.4\nG1 X10 E3\nG1 Z10\nG1 X0\n"

FILES = [
    (b"", 0),
    (CURA, 3),
    (CURA.replace(b"\n", b"\r\n"), 3),
    (PRUSA, 4),
    (BARE, 2),
    (BARE.rstrip(b"\n"), 2),
    (b"; a comment about LAYER:\nM104 S200\n", 0),
    (bytes(range(256)) * 1000, 0),
    (b"\x1f\x8b" + b"x" * (2 * LONGEST_LINE_BYTES) + b"\n;LAYER:0\n", 0),
]


@pytest.mark.parametrize(("content", "layers"), FILES)
@pytest.mark.parametrize("size", [1, 7, 1_000_000])
def test_layers_size_and_hash(content: bytes, layers: int, size: int) -> None:
    file = Printable()
    for start in range(0, len(content), size):
        file.feed(content[start : start + size])
    assert file.layers() == layers
    assert file.layers() == layers, "asking changes nothing"
    assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
