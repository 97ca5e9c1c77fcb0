"""marlin-host streaming a file, numbered and checked. A script for the interpreter that has it.

    python foreign_marlin_host.py PORT FILE WINDOW

Prints one JSON object. marlin-host keeps one line in flight, whatever the window.
"""

from __future__ import annotations

import json
import resource
import sys

from marlin_host import MarlinHost, SerialTransport


def main() -> None:
    port, path = sys.argv[1], sys.argv[2]
    with open(path) as file:
        lines = file.read().splitlines()
    host = MarlinHost(SerialTransport(port, 250_000, reset_on_open=False), reliable=True)
    host.connect()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in host.stream(lines):
        pass
    after = resource.getrusage(resource.RUSAGE_SELF)
    host.close()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"cpu_s": cpu, "rss_mb": after.ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
