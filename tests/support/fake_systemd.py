"""A service manager for tests: hears the notify protocol, keeps descriptors, starts processes with them."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path

#: The shell gives its own process id to the program it becomes: LISTEN_PID must be the receiver's.
_BECOME = 'export LISTEN_PID=$$; exec "$@"'
ROOT = Path(__file__).parents[2]


class FakeSystemd:
    """FDSTORE, FDSTOREREMOVE and LISTEN_FDS as systemd has them; every word is written down."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self.store: list[tuple[str, int]] = []  # name, descriptor
        self.words: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._changed = threading.Condition()
        self._is_over = False
        self._processes: list[subprocess.Popen[bytes]] = []
        self._thread = threading.Thread(target=self._listen, name="systemd", daemon=True)
        self._thread.start()

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """A process that inherits what is in the store. (A close-on-exec copy stays in the store.)

        What a former process said is forgotten: only words of this one are waited for.
        """
        with self._changed:
            self.words.clear()
        copies = [os.dup(fd) for _, fd in self.store]
        names = ":".join(name for name, _ in self.store)
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(self.path),
            "LISTEN_FDS": str(len(copies)), "LISTEN_FDNAMES": names,
        }  # fmt: skip

        def renumber() -> None:  # in the child: the descriptors from number 3 on, no others
            safe = [os.dup2(fd, 200 + n) for n, fd in enumerate(copies)]
            for n, fd in enumerate(safe):
                os.dup2(fd, 3 + n)  # the others are closed before the program begins

        process = subprocess.Popen(
            ["sh", "-c", _BECOME, "sh", sys.executable, *command],
            env=environment, cwd=ROOT, stdin=subprocess.DEVNULL,
            pass_fds=range(3, 3 + len(copies)), preexec_fn=renumber,
        )  # fmt: skip
        for fd in copies:
            os.close(fd)
        self._processes.append(process)
        return process

    def until(self, word: str) -> None:
        """Wait until a line beginning with `word` has been said behind the one of the last wait."""

        def place() -> int:
            return next((n for n, said in enumerate(self.words, 1) if said.startswith(word)), 0)

        with self._changed:
            assert self._changed.wait_for(place, 60), self.words
            del self.words[: place()]

    def names(self) -> list[str]:
        with self._changed:
            return [name for name, _ in self.store]

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait(10)
        self._is_over = True
        self._thread.join(10)
        self._socket.close()
        for _, fd in self.store:
            os.close(fd)

    def _listen(self) -> None:
        while not self._is_over:
            if not select.select([self._socket], [], [], 0.05)[0]:
                continue
            text, fds, _, _ = socket.recv_fds(self._socket, 4096, 8)
            lines = text.decode().split("\n")
            with self._changed:
                self._take(dict(line.split("=", 1) for line in lines), fds)
                self.words += lines
                self._changed.notify_all()

    def _take(self, words: dict[str, str], fds: list[int]) -> None:
        name = words.get("FDNAME", "stored")
        if "FDSTOREREMOVE" in words:
            for entry in [entry for entry in self.store if entry[0] == name]:
                os.close(entry[1])
                self.store.remove(entry)
        for fd in fds:
            os.set_inheritable(fd, False)
            if "FDSTORE" in words:
                self.store.append((name, fd))
            else:
                os.close(fd)
