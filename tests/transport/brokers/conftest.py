"""One broker of each kind for all tests of a kind; those that are killed are their test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.real_broker import EACH_KIND, RealBroker


@pytest.fixture(scope="session", params=EACH_KIND)
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBroker]:
    """Anybody may come in, without TLS."""
    with RealBroker(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running
