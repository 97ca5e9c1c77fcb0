"""A house whose printers call in: a gateway with a port of its own, simulated firmware, an app's requests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from firmware_sim.forge import CallInLedger, read_call_in_ledger
from tests.e2e.house import PATIENCE, House
from tests.support.ports import free_port


class CallInHouse(House):
    """A gateway with a port of its own and no serial printers; printers call in there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {})
        self.url = f"http://127.0.0.1:{free_port()}"
        config = folder / "config.toml"
        address = self.url.removeprefix("http://")
        text = config.read_text().replace("127.0.0.1:0", address)
        config.write_text(text.replace("[store]", f'public_url = "{self.url}"\n[store]'))

    def owner(self, name: str) -> str:
        """A member, and a key of theirs."""
        assert self.cli("members", "add", name).returncode == 0
        made = self.cli(
            "keys", "create", name, "--name", "app", "--scope", "data:read", "--scope", "data:write", "--json"
        )
        assert made.returncode == 0, made.stderr
        return str(json.loads(made.stdout)["token"])

    def forge(self, path: str, token: str, form: dict[str, str] | None = None) -> Any:
        """What an app asks the Forge API."""
        body = None if form is None else urlencode(form).encode()
        request = Request(f"{self.url}/ps/v1/print{path}", body, {"Authorization": f"Bearer {token}"})
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from error

    def upload(self, token: str, name: str, content: bytes) -> str:
        """A print file; its printable_id."""
        head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        request = Request(
            f"{self.url}/ps/v1/files/upload", head + content + b"\r\n--b--\r\n",
            {"Authorization": f"Bearer {token}", "Content-Type": "multipart/form-data; boundary=b"},
        )  # fmt: skip
        with urlopen(request, timeout=PATIENCE) as answer:
            return str(json.load(answer)["files"][0]["printable_id"])

    def call_in(self, name: str, personality: str, speed: int) -> None:
        """A printer is switched on. `speed`: machine time per real time."""
        self.run(
            name, "firmware_sim", "forge", "--personality", personality, "--url", f"{self.url}/v1",
            "--speed", str(speed), "--ledger", f"{self.folder}/{name}.ledger",
            "--control", f"{self.folder}/{name}.control", "--state", f"{self.folder}/{name}.state",
        )  # fmt: skip

    def code(self, name: str) -> str:
        """The code on its display."""
        self.until(lambda: re.search(r"code ([A-Z]{6})", self.log(name)))
        return re.findall(r"code ([A-Z]{6})", self.log(name))[-1]

    def deeds(self, name: str) -> CallInLedger:
        """What the machine did."""
        return read_call_in_ledger(self.folder / f"{name}.ledger")
