"""Apps and passwords on the command line, against the real API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.domain.member import Scope
from tests.api.host import Host
from tests.api.oauth_stand import code_for, register, tokens_for, trade, works
from tests.cli.real_gateway import CLEAN, RealGateway, real_gateway
from tests.support.stand import BEN

URI = "https://app.example/signed-in"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RealGateway]:
    with real_gateway(tmp_path) as running:
        yield running


def set_password(gateway: RealGateway, name: str, typed: str) -> tuple[int, str]:
    words = ["--socket", str(gateway.socket), "members", "password", name]
    result = CliRunner().invoke(app, words, input=typed, env=CLEAN)
    return result.exit_code, result.output


def test_from_registering_to_revoking(gateway: RealGateway) -> None:
    made = gateway.run("apps", "create", "Slicer", "--owner", "ben", "--redirect-uri", URI)
    assert made.exit_code == 0
    lines = dict(line.split(":", 1) for line in made.stdout.splitlines()[1:])
    client_id, secret = lines["client_id"].strip(), lines["client_secret"].split()[0]
    assert secret.startswith("gws_")
    listed = gateway.run("apps", "list").stdout
    assert client_id in listed
    assert "with secret" in listed
    assert secret not in listed
    assert json.loads(gateway.run("apps", "list", "--json").stdout)[0]["redirect_uris"] == [URI]
    revoked = gateway.run("apps", "revoke", client_id)
    assert revoked.stdout == f"app {client_id} is revoked, with all its tokens\n"


def test_every_option_of_create(gateway: RealGateway) -> None:
    made = gateway.run(
        "apps", "create", "Old Page", "--owner", "ben", "--redirect-uri", URI, "--redirect-uri", f"{URI}/2",
        "--scope", "data:read", "--public", "--allow-implicit", "--json",
    )  # fmt: skip
    found = json.loads(made.stdout)
    assert found["redirect_uris"] == [URI, f"{URI}/2"]
    assert (found["scopes"], found["secret"]) == (["data:read"], None)
    assert (found["is_public"], found["allow_implicit"]) == (True, True)
    assert "public, implicit" in gateway.run("apps", "list").stdout
    text = gateway.run("apps", "create", "Phone", "--owner", "ben", "--redirect-uri", URI, "--public").stdout
    assert "it has no secret: it must use PKCE" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("Slicer", "--owner", "nobody"), "There is no member 'nobody'"),
        (("Slicer", "--owner", "ben", "--redirect-uri", "app.example"), "it needs a scheme"),
        (("Slicer", "--owner", "ben", "--public"), "--redirect-uri"),
        (("Slicer", "--owner", "ben", "--scope", "admin"), "scopes"),
    ],
)
def test_mistakes_are_one_line(gateway: RealGateway, words: tuple[str, ...], told: str) -> None:
    result = gateway.run("apps", "create", *words)
    assert result.exit_code == 2
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_what_was_granted_is_shown_and_withdrawn(gateway: RealGateway) -> None:
    assert set_password(gateway, "ben", "a very good password\n") == (0, "ben has a new password\n")
    tokens = gateway.do(_grant)
    listed = gateway.run("apps", "granted").stdout
    assert "Slicer" in listed
    assert "ben" in listed
    found = json.loads(gateway.run("apps", "granted", "--json").stdout)
    withdrawn = gateway.run("apps", "withdraw", found[0]["app"], "--member", "ben")
    assert withdrawn.stdout == f"app {found[0]['app']} may act for ben no more\n"
    assert not gateway.do(lambda host: works(host, tokens["access_token"]))
    assert json.loads(gateway.run("apps", "granted", "--json").stdout) == []
    again = gateway.run("apps", "withdraw", found[0]["app"], "--member", "ben")
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr.startswith(f'print-gateway: nobody let an app "{found[0]["app"]}" in; see')


def test_what_an_app_has_not_yet_fetched_is_withdrawn_too(gateway: RealGateway) -> None:
    assert set_password(gateway, "ben", "a very good password\n")[0] == 0
    asking = gateway.do(register)
    code = gateway.do(lambda host: code_for(host, asking))
    assert json.loads(gateway.run("apps", "granted", "--json").stdout) == []
    gateway.run("apps", "withdraw", asking.id, "--member", "ben")
    status, _ = gateway.do(lambda host: trade(host, asking, code))
    assert status == 400


async def _grant(host: Host) -> dict[str, str]:
    return await tokens_for(host, await register(host))


def test_a_password_comes_from_stdin_and_never_from_the_command_line(gateway: RealGateway) -> None:
    assert set_password(gateway, "ben", "")[0] == 2
    code, told = set_password(gateway, "ben", "short\n")
    assert (code, len(told.splitlines())) == (2, 1)
    assert set_password(gateway, "nobody", "long enough\n")[0] == 2
    result = gateway.run("members", "password", "ben", "long enough")
    assert result.exit_code == 2
    token = gateway.do(lambda host: host.token(BEN, Scope.DATA_READ, Scope.DATA_WRITE))
    words = ["--url", str(gateway.host.client.make_url("/")).rstrip("/"), "--token", token]
    result = CliRunner().invoke(app, [*words, "members", "password", "ben"], input="long enough\n", env=CLEAN)
    assert result.exit_code == 1
    assert "set by an administrator" in result.stderr
