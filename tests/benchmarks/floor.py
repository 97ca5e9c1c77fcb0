"""The floor: what any asyncio host costs that reads `ok` and writes the next line. A script of its own.

    python floor.py PORT FILE WINDOW

The lines are numbered and checked before the clock starts. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import termios
import tty
from collections.abc import Iterator
from functools import reduce
from operator import xor


def frames(path: str) -> list[bytes]:
    """The file as Marlin wants it, with the line that sets the number before it."""
    with open(path, "rb") as file:
        bodies = [b"N%d %b" % (number, line.strip()) for number, line in enumerate(file, 1)]
    return [b"%b*%d\n" % (body, reduce(xor, body)) for body in (b"N0 M110 N0", *bodies)]


async def stream(fd: int, lines: list[bytes], window: int) -> None:
    """Keep `window` lines without an `ok` until all have theirs."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    source: Iterator[bytes] = iter(lines)
    rest = b""
    left = len(lines)

    def readable() -> None:
        nonlocal rest, left
        *answers, rest = (rest + os.read(fd, 4096)).split(b"\n")
        oks = 0
        for answer in answers:
            if answer.startswith(b"ok"):
                oks += 1
        left -= oks
        out = [line for _, line in zip(range(oks), source, strict=False)]
        if out:
            os.write(fd, b"".join(out))
        if not left:
            done.set_result(None)

    loop.add_reader(fd, readable)
    os.write(fd, b"".join(next(source) for _ in range(window)))
    await done
    loop.remove_reader(fd)


def main() -> None:
    port, path, window = sys.argv[1], sys.argv[2], int(sys.argv[3])
    lines = frames(path)
    fd = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(fd)
    termios.tcflush(fd, termios.TCIOFLUSH)
    before = resource.getrusage(resource.RUSAGE_SELF)
    asyncio.run(stream(fd, lines, window))
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"cpu_s": cpu, "rss_mb": after.ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
