"""The limit at the border: what each answer says, whose budget it spent, each dialect's own words for 429."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.domain.call_in_commands import RegisterPrinter
from tests.api.host import PUBLIC_URL, Host, a_job
from tests.support.stand import ANA, BEN

LIMIT, REMAINING, RESET = "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Host]:
    """A gateway that takes five requests a minute of one client."""
    async with Host(tmp_path, rate="5/minute") as built:
        yield built


async def spend(
    host: Host, times: int, headers: dict[str, str], path: str = "/ps/v1/print/jobs"
) -> list[int]:
    """Ask so many times; the statuses."""
    found = []
    for _ in range(times):
        async with host.client.get(path, headers=headers) as response:
            found.append(response.status)
    return found


async def test_every_answer_says_what_is_left(limited: Host) -> None:
    headers = await limited.bearer(BEN)
    await spend(limited, 1, headers)  # of the address: nobody knew the token before
    async with limited.client.get("/ps/v1/print/jobs", headers=headers) as response:
        said = {name: response.headers[name] for name in (LIMIT, REMAINING, RESET)}
        assert said == {LIMIT: "5", REMAINING: "4", RESET: "60"}
    limited.clock.advance(12.3)
    async with limited.client.get("/ps/v1/print/nothing", headers=headers) as response:
        assert (response.status, response.headers[REMAINING], response.headers[RESET]) == (404, "3", "48")
        exposed = response.headers["Access-Control-Expose-Headers"]
        assert {LIMIT, REMAINING, RESET} <= set(exposed.split(", "))


async def test_one_too_many_in_forges_words(limited: Host) -> None:
    headers = await limited.bearer(BEN)
    assert await spend(limited, 6, headers) == [200] * 6, "one of the address, five of the token"
    limited.clock.advance(20)
    async with limited.client.get("/v1/print/jobs", headers=headers) as response:
        assert (response.status, response.reason) == (429, "Too Many Requests")
        assert response.headers["Retry-After"] == response.headers[RESET] == "40"
        assert (response.headers[LIMIT], response.headers[REMAINING]) == ("5", "0")
        body = await response.json()
        assert body.keys() == {"error_id", "code", "message"}
        assert (body["code"], body["message"]) == (429, "Too many requests. Wait 40 seconds.")
    limited.clock.advance(40)
    assert await spend(limited, 1, headers) == [200]


async def test_one_too_many_in_the_native_apis_words(limited: Host) -> None:
    assert await spend(limited, 5, {}, "/gateway/v1/jobs") == [401] * 5
    async with limited.client.get("/gateway/v1/jobs") as response:
        assert (response.status, response.content_type) == (429, "application/problem+json")
        assert (await response.json())["title"] == "Too Many Requests"
        assert response.headers["Retry-After"] == "60"


async def test_members_do_not_share_a_budget(limited: Host) -> None:
    ana, ben = await limited.bearer(ANA), await limited.bearer(BEN)
    assert await spend(limited, 1, ana) + await spend(limited, 1, ben) == [200, 200]
    assert (await spend(limited, 6, ana))[-1] == 429
    assert await spend(limited, 5, ben) == [200] * 5


async def test_guessing_tokens_spends_the_budget_of_the_address(limited: Host) -> None:
    statuses = [
        (await spend(limited, 1, {"Authorization": f"Bearer invented{number}"}))[0] for number in range(6)
    ]
    assert statuses == [401] * 5 + [429]
    spaces = [f"Bearer {' ' * number}{(await limited.token(ANA))}" for number in range(3)]
    assert [(await spend(limited, 1, {"Authorization": word}))[0] for word in spaces] == [429] * 3


async def test_a_known_token_has_one_budget_however_it_is_written(limited: Host) -> None:
    token = await limited.token(BEN)
    assert await spend(limited, 1, {"Authorization": f"Bearer {token}"}) == [200]
    ways = [f"Bearer {token}", f"bearer  {token}", f"BEARER {token} ", f"Bearer   {token}", f"Bearer {token}"]
    assert [(await spend(limited, 1, {"Authorization": way}))[0] for way in ways] == [200] * 5
    assert await spend(limited, 1, {"Authorization": f"bEARER {token}"}) == [429]


async def test_a_garbage_token_beside_a_good_one_does_not_help(limited: Host) -> None:
    good = await limited.bearer(BEN)
    assert await spend(limited, 1, good) == [200]
    statuses = [
        (await spend(limited, 1, good | {"X-Printer-Auth-Token": f"garbage{number}"}))[0]
        for number in range(6)
    ]
    assert statuses == [200] * 5 + [429]


async def test_a_printer_of_somebody_s_has_its_own_budget(limited: Host) -> None:
    """Any stranger gets a printer's token for the asking: it buys nothing until a member types its code."""
    first = {"firmware": "1.1.1.1", "type_id": "7FAF097F-DB2E-45DC-9395-A30210E789AA"}
    async with limited.client.post("/v1/print/printers/registration_code", json=first) as response:
        assert response.status == 200
        assert response.headers[REMAINING] == "4"
        made = await response.json()
        token = {"X-Printer-Auth-Token": made["auth_token"]}
    assert await spend(limited, 5, token, "/v1/print/printers/jobs") == [200] * 4 + [429]
    limited.clock.advance(60)
    await limited.engine.execute(RegisterPrinter(ANA.member_id, made["registration_code"], "ember"))
    assert await spend(limited, 1, token, "/v1/print/printers/jobs") == [200]
    assert await spend(limited, 6, {}, "/healthz") == [200] * 4 + [429] * 2, "the address is used up"
    assert await spend(limited, 6, token, "/v1/print/printers/jobs") == [200] * 5 + [429]


async def test_the_unix_socket_is_not_limited(limited: Host, tmp_path: Path) -> None:
    session = await limited.on_socket(tmp_path / "api.sock")
    for _ in range(8):
        async with session.get("/gateway/v1/jobs") as response:
            assert response.status == 200
            assert LIMIT not in response.headers


async def test_without_a_limit_nothing_is_said(host: Host) -> None:
    async with host.client.get("/healthz") as response:
        assert response.status == 200
        assert not {LIMIT, REMAINING, RESET} & response.headers.keys()


async def test_a_signed_link_makes_no_token_known(limited: Host) -> None:
    """Whoever may read a file would have as many budgets as there are tokens to invent."""
    file = await limited.put_file()
    job = a_job(file_sha256=file.sha256, file_name=file.name, file_size=file.size)
    await limited.put_jobs(job)
    link = limited.services.printable_link(job).removeprefix(PUBLIC_URL)
    invented = {"X-Printer-Auth-Token": "i" * 43}
    assert await spend(limited, 2, invented, link) == [200, 200]
    assert (await spend(limited, 4, invented))[-1] == 429
