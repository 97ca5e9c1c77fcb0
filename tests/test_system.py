"""Time and chance as the operating system gives them."""

from __future__ import annotations

import uuid

from gateway.system import SystemIds


def test_ids_are_random_uuids_of_version_4() -> None:
    given = [SystemIds().uuid() for _ in range(200)]
    assert len(set(given)) == 200
    for text in given:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)
