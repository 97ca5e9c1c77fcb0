"""The files on the printer: paths without a leading slash, and how much room there is."""

from __future__ import annotations

from dataclasses import dataclass, field

ROOM_BYTES = 2 << 30
"""What an SD card or the built-in storage of these machines has at least, in bytes."""


class StorageFull(OSError):
    """There is no room for it."""


def tidy(path: str) -> str:
    """A path as this module keeps it: `/cache//x.3mf` is `cache/x.3mf`; `..` leads nowhere above the root."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    return "/".join(kept)


@dataclass(slots=True)
class Files:
    """What is on the storage. `room`: bytes in all."""

    contents: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: {"cache", "model", "timelapse"})
    room: int = ROOM_BYTES

    def put(self, path: str, content: bytes) -> None:
        """Write or replace a file. Raises StorageFull."""
        path = tidy(path)
        if self.used() - len(self.contents.get(path, b"")) + len(content) > self.room:
            raise StorageFull(f"no room for {path}")
        self.contents[path] = content

    def get(self, path: str) -> bytes | None:
        """Its content; None when it is not there."""
        return self.contents.get(tidy(path))

    def remove(self, path: str) -> bool:
        """Whether there was one."""
        return self.contents.pop(tidy(path), None) is not None

    def used(self) -> int:
        """Bytes."""
        return sum(map(len, self.contents.values()))

    def listed(self, folder: str) -> list[tuple[str, int | None]]:
        """Names in a folder with their sizes in bytes; None for a folder."""
        prefix = f"{tidy(folder)}/" if tidy(folder) else ""
        found: dict[str, int | None] = {}
        for path in (*self.folders, *self.contents):
            name, _, below = path.removeprefix(prefix).partition("/")
            if path.startswith(prefix) and name:
                found[name] = None if below or path in self.folders else len(self.contents[path])
        return sorted(found.items())

    def is_folder(self, path: str) -> bool:
        """The root is one."""
        path = tidy(path)
        return not path or path in self.folders or any(p.startswith(f"{path}/") for p in self.contents)

    def make_folder(self, path: str) -> None:
        """One that is there stays as it is."""
        self.folders.add(tidy(path))
