"""A gateway that answers as told, and a client of it that does not really wait."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.client.calls import Address
from gateway.client.native import GatewayClient
from tests.client.fake_gateway import FakeGateway, served
from tests.support import ports


@pytest.fixture
def fake() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def url(fake: FakeGateway) -> Iterator[str]:
    with served(fake) as where:
        yield where


@pytest.fixture
def slept() -> list[float]:
    """The seconds that the client would have waited."""
    return []


@pytest.fixture
async def client(url: str, slept: list[float]) -> AsyncIterator[GatewayClient]:
    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with GatewayClient(Address(url, token="t0"), sleep=sleep) as made:
        yield made


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    return ports.free_port()
