"""A tiny server for printers that call in: it takes everything down, and answers what a test tells it to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import WSMsgType, web

from tests.firmware_sim.forge.play import JOB, TASK, TOKEN

HOLD_SECONDS = 45.0
GCODE = b"".join(b";LAYER:%d\nG1 X1 Y1 E1\n" % layer for layer in range(6))


@dataclass(frozen=True)
class Posted:
    """One request of the printer."""

    at: float
    path: str
    token: str | None
    content_type: str
    body: Any


@dataclass
class Client:
    """A Bayeux client: its channels with the `ext` they were subscribed with, and what waits for it."""

    channels: dict[str, Any] = field(default_factory=dict)
    waiting: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    poll: asyncio.Task[dict[str, Any]] | None = None


class StubServer:
    """Registers everybody as printer 58. `refuse[what]`: statuses of the next posts of that kind."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.puts: list[tuple[str, bytes]] = []
        self.refuse: dict[str, list[int]] = {}
        self.registered = False
        self.printer_id = 58
        self.files: dict[str, bytes] = {"part.tar.gz": GCODE, "part.gcode": GCODE, "empty.tar.gz": b""}
        self.clients: dict[str, Client] = {}
        self.shaken = 0
        self.connects = 0
        self.allow: Callable[[str, Any], bool] = lambda channel, ext: True
        self.left: list[str] = []
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> StubServer:
        app = web.Application()
        app.router.add_route("*", "/faye", self._faye)
        app.router.add_get("/files/{name}", self._file)
        app.router.add_get("/moved/{name}", self._moved)
        app.router.add_put("/logs", self._logs)
        app.router.add_post("/v1/{path:.*}", self._post)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    # -- what tests do ------------------------------------------------------------------------------------

    def publish(self, channel: str, data: Any) -> None:
        """To everybody who listens."""
        for client in self.clients.values():
            if channel in client.channels:
                client.waiting.put_nowait({"channel": channel, "data": data})

    def tell(self, command: str, **fields: Any) -> None:
        """A command to the printer."""
        message = {"command": command, "task_id": TASK, **fields}
        self.publish(f"/printers/{self.printer_id}/command", message)

    def print_data(self, name: str = "part.tar.gz", job: str = JOB, **fields: Any) -> None:
        """The start of a print."""
        url = fields.pop("file_url", f"{self.root}/files/{name}")
        self.tell(
            "print_data",
            **{"task_id": job, "job_id": job, "file_url": url, "settings": {"Settings": {}}, **fields},
        )

    def belong(self) -> None:
        """Somebody registers the printer."""
        self.registered = True
        self.publish(f"/printers/{self.printer_id}/users", {"registration": "success", "type": "primary"})

    def of(self, what: str) -> list[Posted]:
        """Posts whose path ends so or goes through it: `status`, `command`, `registration_code`, `jobs`."""
        return [post for post in self.posted if f"/{what}" in post.path]

    def statuses(self) -> list[tuple[str, str | None]]:
        """What the status posts said: printer, job; neighbours that say the same are one."""
        said: list[tuple[str, str | None]] = []
        for post in self.of("printers/status"):
            one = (post.body["printer_status"], post.body.get("job_status"))
            if not said or said[-1] != one:
                said.append(one)
        return said

    def forget_clients(self) -> None:
        """As after a restart of the server."""
        for client in self.clients.values():
            client.waiting.put_nowait({})
        self.clients.clear()

    # -- the API ------------------------------------------------------------------------------------------

    async def _post(self, request: web.Request) -> web.Response:
        text = await request.text()
        body = json.loads(text) if request.content_type == "application/json" else dict(parse_qsl(text))
        path = request.path.removeprefix("/v1/print")
        token = request.headers.get("X-Printer-Auth-Token")
        now = asyncio.get_running_loop().time()
        self.posted.append(Posted(now, path, token, request.content_type, body))
        what = path.split("/")[2]
        if self.refuse.get(what):
            return web.json_response({}, status=self.refuse[what].pop(0))
        if what == "registration_code":
            answer = {
                "printer_id": self.printer_id, "registration_code": "YKNRKT", "auth_token": token or TOKEN,
                "registered": self.registered, "registration_url": "http://127.0.0.1/",
            }  # fmt: skip
            return web.json_response(answer)
        return web.Response(status=204) if what == "command" else web.json_response({})

    async def _file(self, request: web.Request) -> web.Response:
        content = self.files.get(request.match_info["name"])
        return web.Response(status=404) if content is None else web.Response(body=content)

    async def _moved(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"/files/{request.match_info['name']}"})

    async def _logs(self, request: web.Request) -> web.Response:
        self.puts.append((request.content_type, await request.read()))
        return web.Response()

    # -- Bayeux -------------------------------------------------------------------------------------------

    async def _faye(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request)
        if request.method == "GET":
            answers = await self._all(json.loads(request.query["message"]))
            return web.Response(
                text=f"/**/{request.query['jsonp']}({json.dumps(answers)});", content_type="text/javascript"
            )
        return web.json_response(await self._all(await request.json()))

    async def _all(self, messages: Iterable[Any]) -> list[dict[str, Any]]:
        return [answer for message in messages for answer in await self._one(message)]

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        tasks = set()

        async def answer(message: Any) -> None:
            await socket.send_json(await self._one(message))

        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                for message in json.loads(frame.data):
                    task = asyncio.create_task(answer(message))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return socket

    async def _one(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        channel, client_id = message["channel"], message.get("clientId")
        answer = {"channel": channel, "id": message["id"], "successful": True}
        if channel == "/meta/handshake":
            self.shaken += 1
            name = f"client{self.shaken}"
            self.clients[name] = Client()
            return [
                answer
                | {
                    "clientId": name,
                    "version": "1.0",
                    "supportedConnectionTypes": message["supportedConnectionTypes"],
                }
            ]
        client = self.clients.get(str(client_id))
        if client is None:
            gone = {"successful": False, "error": f"401:{client_id}:Unknown client"}
            return [answer | gone | {"advice": {"reconnect": "handshake", "interval": 0}}]
        answer["clientId"] = client_id
        match channel:
            case "/meta/subscribe":
                name, ext = message["subscription"], message.get("ext")
                answer |= {"subscription": name}
                if not self.allow(name, ext):
                    return [answer | {"successful": False, "error": f"403:{name}:Forbidden"}]
                client.channels[name] = ext
            case "/meta/disconnect":
                self.left.append(str(client_id))
                del self.clients[str(client_id)]
            case "/meta/connect":
                return await self._connect(answer, str(client_id), client)
        return [answer]

    async def _connect(self, answer: dict[str, Any], name: str, client: Client) -> list[dict[str, Any]]:
        self.connects += 1
        if client.poll is not None:
            client.poll.cancel()  # one at a time: the former one's connection is gone
        poll = client.poll = asyncio.create_task(client.waiting.get())
        await asyncio.wait((poll,), timeout=HOLD_SECONDS)
        got = [poll.result()] if poll.done() and not poll.cancelled() else []
        poll.cancel()
        while not client.waiting.empty():
            got.append(client.waiting.get_nowait())
        advice: dict[str, Any] = {"reconnect": "retry", "interval": 0, "timeout": int(HOLD_SECONDS * 1000)}
        if name not in self.clients:
            answer["successful"], advice = False, {"reconnect": "handshake", "interval": 0}
        return [*(message for message in got if message), answer | {"advice": advice}]
