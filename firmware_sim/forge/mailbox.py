"""The posts of one printer on their way out, one after the other, and what may happen to them there."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING

from firmware_sim.forge.acts import Answer, Post, Reboot
from firmware_sim.forge.forms import form_body
from firmware_sim.forge.web import NoAnswer

if TYPE_CHECKING:
    from firmware_sim.forge.printer import ForgePrinter

POST_SECONDS = 30.0
"""Until the answer to a post is given up."""
MOST_WAITING = 1000
"""Posts that wait for a slow server; the oldest is dropped for one more."""


class Mailbox:
    """Sends in order; only a fault changes the order."""

    def __init__(self, printer: ForgePrinter, url: str) -> None:
        self._printer = printer
        self._url = url.rstrip("/")
        self._waiting: deque[Post | Reboot] = deque()
        self._filled = asyncio.Event()
        self._swapped: list[Post] = []
        self._count = 0
        self._under_way = 0

    @property
    def is_busy(self) -> bool:
        """Whether a post waits, or waits for its answer."""
        return bool(self._waiting or self._swapped or self._under_way)

    def put(self, post: Post | Reboot) -> None:
        """Behind all others."""
        if len(self._waiting) >= MOST_WAITING:
            dropped = self._waiting.popleft()
            if isinstance(dropped, Post):
                self._printer.ledger.append(self._printer.now(), "post_dropped", "machine", what=dropped.what)
        self._waiting.append(post)
        self._filled.set()

    def clear(self) -> None:
        """What has not gone is never sent."""
        self._waiting.clear()
        self._swapped.clear()

    async def deliver(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._waiting:
                post = self._waiting.popleft()
                if isinstance(post, Reboot):
                    self._printer.power_cycle()
                else:
                    self._under_way += 1
                    try:
                        await self._one(post)
                    finally:
                        self._under_way -= 1

    async def _one(self, post: Post) -> None:
        """A post through whatever strikes it."""
        printer, now = self._printer, self._printer.now()
        self._count += 1
        faults = printer.faults.strikes("post", now, post=self._count, what=post.what)
        for fault in faults.values():
            printer.ledger.append(
                now, "fault", "chance", post.job, name=fault.name, what=post.what, seconds=fault.seconds
            )
        if "post-lost" in faults:
            printer.firmware.answered(post, Answer(0), now)
            printer.stir()
        elif "post-late" in faults:
            printer.spawn(self._later(post, faults["post-late"].seconds))
        elif "posts-swapped" in faults:
            self._swapped.append(post)
        else:
            if "post-doubled" in faults:
                await self._send(post)
            boot = printer.boots
            answer = await self._send(post)
            if "answer-late" in faults:
                await asyncio.sleep(faults["answer-late"].seconds)
            self._tell(post, Answer(0) if "answer-lost" in faults else answer, boot)
            while self._swapped:
                late = self._swapped.pop(0)
                self._tell(late, await self._send(late), boot)

    async def _later(self, post: Post, seconds: float) -> None:
        boot = self._printer.boots
        self._under_way += 1
        try:
            await asyncio.sleep(seconds)
            self._tell(post, await self._send(post), boot)
        finally:
            self._under_way -= 1

    def _tell(self, post: Post, answer: Answer, boot: int) -> None:
        """To the firmware, unless it has been switched off since."""
        if boot == self._printer.boots and self._printer.is_on:
            self._printer.firmware.answered(post, answer, self._printer.now())
            self._printer.stir()

    async def _send(self, post: Post) -> Answer:
        headers = {"Accept": "application/json"}
        if post.is_form:
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
            body = form_body(post.body)
        else:
            headers["Content-Type"] = "application/json"
            body = json.dumps(post.body).encode()
        if (token := self._printer.auth_token) is not None:
            headers["X-Printer-Auth-Token"] = token
        try:
            answer = await self._printer.cable.request(
                "POST", f"{self._url}{post.path}", headers=headers, body=body, seconds=POST_SECONDS
            )
        except NoAnswer:
            return Answer(0)
        try:
            return Answer(answer.status, json.loads(answer.body))
        except ValueError:
            return Answer(answer.status)
