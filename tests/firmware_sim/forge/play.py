"""A firmware without a network: steps in words, and the posts that the last one brought about."""

from __future__ import annotations

from random import Random
from typing import Any

from firmware_sim.forge.acts import Act, Answer, Download, Downloaded, Post
from firmware_sim.forge.firmware import Firmware
from firmware_sim.forge.identity import IdentityFile
from firmware_sim.forge.ledger import CallInLedger
from firmware_sim.forge.machine import Machine
from firmware_sim.forge.personality import load_call_in_personality
from firmware_sim.forge.printer import MANNERS

TOKEN = "WfsVvaD84sN3wQoygfNK-JqmB4pvJko5Mrl2xgUFBzM"
JOB = "44964c43-176e-43a5-b36c-7694054fe028"
TASK = "bf16cf49-86d9-4c7a-8aa4-90e18eb1b689"
PRINT_DATA = {
    "command": "print_data",
    "task_id": JOB,
    "job_id": JOB,
    "file_url": "http://127.0.0.1:8080/v1/print/printables/part.tar.gz",
    "settings": {"Settings": {"LayerThicknessMicrons": 50}},
}
EXTRAS = {
    "settings": {"settings": {"Settings": {"LayerThicknessMicrons": 25}}},
    "firmware_upgrade": {"package_url": "http://127.0.0.1:8080/firmware/3.1"},
    "logs": {"upload_url": "http://127.0.0.1:8080/logs"},
}


class Play:
    """A firmware at time `now`, whose posts are answered at once unless `is_answered` is False."""

    def __init__(self, personality: str, keep: IdentityFile | None = None) -> None:
        self.now = 0.0
        self.ledger = CallInLedger()
        self.machine = Machine(load_call_in_personality(personality), self.ledger)
        manner = MANNERS[self.machine.personality.manner]
        self.firmware: Firmware = manner(self.machine, keep or IdentityFile(), Random(7))
        self.acts: list[Act] = []

    def posts(self) -> list[Post]:
        """Of the last step."""
        return [act for act in self.acts if isinstance(act, Post)]

    def take(self) -> None:
        """What the firmware wants done is the outcome of this step."""
        self.firmware.advance(self.now)
        self.acts.extend(self.firmware.acts)
        self.firmware.acts.clear()

    def answer(self, post: Post, status: int, body: Any = None) -> None:
        """The server's answer."""
        self.firmware.answered(post, Answer(status, body), self.now)
        self.take()

    def command(self, name: str, **fields: Any) -> None:
        """The server publishes one."""
        message = {"command": name, "task_id": TASK, **EXTRAS.get(name, {}), **fields}
        self.firmware.heard("/printers/58/command", message, self.now)
        self.take()

    def wait(self, seconds: float) -> None:
        """Time passes, in steps at which something is due."""
        until = self.now + seconds
        while (due := self.firmware.next_deadline()) is not None and due <= until:
            self.now = max(due, self.now)
            self.take()
        self.now = until
        self.take()

    def belong(self) -> None:
        """The first contact is answered, and ana registers the printer."""
        body = {"printer_id": 58, "registration_code": "YKNRKT", "auth_token": TOKEN, "registered": False}
        [registration] = [post for post in self.posts() if post.what == "registration"]
        self.answer(registration, 200, body)
        news = {"registration": "success", "type": "primary", "printer_id": 58, "member_id": 20711941}
        self.firmware.heard("/printers/58/users", news, self.now)
        self.take()

    def step(self, words: str) -> None:
        """One step of a scenario in tests/vectors/forge/posts.toml."""
        downloads = [act for act in self.acts if isinstance(act, Download)]
        before, self.acts = self.acts, []
        match words.split():
            case ["switch", "on"]:
                self.firmware.switch_on(self.now)
                self.take()
            case ["belongs"]:
                self.acts = before
                self.belong()
            case ["print_data"]:
                self.command(**{**PRINT_DATA, "name": "print_data"})
            case ["print_data", "without", "Settings"]:
                self.command(**{**PRINT_DATA, "name": "print_data", "settings": {"quality": 1}})
            case ["file", "of", layers, "layers"]:
                self.firmware.downloaded(
                    downloads[0], Downloaded(200, 1000, "ab" * 32, int(layers)), self.now
                )
                self.take()
            case ["layer", layer]:
                while self.machine.print is None or self.machine.print.layer < int(layer):
                    self.acts.clear()
                    due = self.machine.next_deadline()
                    assert due is not None
                    self.now = due
                    self.take()
            case ["the", "end"]:
                self.wait(self.machine.personality.layer_seconds)
            case ["command", name]:
                self.command(name)
            case _:
                raise AssertionError(f"no such step: {words}")


def belonging(personality: str) -> Play:
    """Switched on, registered, idle; nothing is said yet."""
    play = Play(personality)
    for words in ("switch on", "belongs"):
        play.step(words)
    play.acts.clear()
    return play
