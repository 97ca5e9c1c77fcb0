"""Printrun's printcore streaming a file. A script for the interpreter that has it; imported by nobody.

    python foreign_printcore.py PORT FILE WINDOW

Prints one JSON object. printcore keeps one line in flight, whatever the window.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import threading
import time

from printrun import gcoder
from printrun.printcore import printcore

ONLINE_SECONDS = 30.0


def main() -> None:
    logging.disable(logging.CRITICAL)
    port, path = sys.argv[1], sys.argv[2]
    with open(path) as file:
        gcode = gcoder.LightGCode([line.rstrip() for line in file])
    core = printcore(port, 115200)
    end = time.monotonic() + ONLINE_SECONDS
    while not core.online:
        if time.monotonic() > end:
            sys.exit("printcore does not get online")
        time.sleep(0.05)
    over = threading.Event()
    core.endcb = over.set
    before = resource.getrusage(resource.RUSAGE_SELF)
    core.startprint(gcode)
    over.wait()
    after = resource.getrusage(resource.RUSAGE_SELF)
    core.disconnect()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"cpu_s": cpu, "rss_mb": after.ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
