"""Bayeux clients that nobody here wrote: where they are installed, and what each is told to do.

Faye's own client (Apache-2.0, Node.js) and aiocometd-ng (MIT), in folders of their own, never among our
dependencies. Each script takes the URL, a token, a channel and a connection type; it prints `ready` when it
is subscribed, then one line of JSON for each message, and ends after two.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

INSTALL_SECONDS = 120.0
FAYE = "faye@1.4.3"
AIOCOMETD = "aiocometd-ng==0.5.6"
MARK = "installed-by-tests"

FAYE_SCRIPT = """
const faye = require('faye');
const [url, token, channel, kind] = process.argv.slice(2);
const client = new faye.Client(url, {timeout: 60, retry: 1});
for (const other of ['websocket', 'eventsource', 'in-process']) if (other !== kind) client.disable(other);
client.addExtension({
  outgoing: (message, callback) => {
    if (message.channel === '/meta/subscribe') message.ext = {authentication_token: token};
    callback(message);
  },
});
let left = 2;
client.subscribe(channel, (message) => {
  console.log(JSON.stringify(message));
  left -= 1;
  if (left === 0) client.disconnect().then(() => process.exit(0));
}).then(() => console.log('ready'), (error) => { console.log('refused ' + error.message); process.exit(1); });
"""

COMETD_SCRIPT = """
import asyncio, json, sys
from aiocometd_ng import Client, ConnectionType
from aiocometd_ng.extensions import AuthExtension
url, token, channel, kind = sys.argv[1:]
class Token(AuthExtension):
    async def incoming(self, payload, headers=None): pass
    async def outgoing(self, payload, headers):
        for message in payload:
            if message["channel"] == "/meta/subscribe":
                message.setdefault("ext", {})["authentication_token"] = token
    async def authenticate(self): pass
async def main():
    async with Client(url, ConnectionType(kind), auth=Token()) as client:
        await client.subscribe(channel)
        print("ready", flush=True)
        for _ in range(2):
            print(json.dumps((await client.receive())["data"]), flush=True)
asyncio.run(main())
"""


class NotInstalled(RuntimeError):
    """A client cannot be had; the message says why."""


def faye_command(folder: Path) -> list[str]:
    """How Faye's client is run; installs it into `folder` the first time."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotInstalled("there is no Node.js")
    if not (folder / MARK).exists():
        _run([npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), FAYE])
        (folder / "printer.js").write_text(FAYE_SCRIPT)
        (folder / MARK).touch()
    return [node, str(folder / "printer.js")]


def cometd_command(folder: Path) -> list[str]:
    """How aiocometd is run; installs it into `folder` the first time."""
    python = folder / "bin" / "python"
    if not (folder / MARK).exists():
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "-q", AIOCOMETD])
        (folder / MARK).touch()
    return [str(python), "-c", COMETD_SCRIPT]


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{command[-1]}: {error}") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise NotInstalled(f"{command[-1]}: {last}")
