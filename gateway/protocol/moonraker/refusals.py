"""What an error says about the request: that nothing happened, or only that it did not go well.

    -32600 .. -32602, 401      Moonraker did not pass it on (its 404 and 401 become -32601, -32602)
    "Klippy Host not connected"    there was nobody to pass it on to
    "SD busy", "Unable to open file", ...  Klipper refused before it did anything
    "Klippy Disconnected"      Klipper had it, and died: nobody knows
    anything else              a script stopped at some line: what stood before it was done

Sources: Moonraker's jsonrpc and klippy_connection; klippy/extras/virtual_sdcard.py and klippy/gcode.py.
"""

from __future__ import annotations

from typing import Final

from gateway.protocol.moonraker.rpc import RpcError

NO_METHOD: Final = -32601
_NOT_PASSED_ON: Final = frozenset({-32600, NO_METHOD, -32602, 401})
#: Beginnings of what Klipper says before it does anything.
_NOTHING_DONE: Final = (
    "Klippy Host not connected",
    "SD busy",
    "Unable to open file",
    "Missing FILENAME",
    "Printer is not ready",
    "Shutdown due to",
    "Printer is halted",
)
_WORDS: Final = {
    "SD busy": "The printer has a print already: {said}.",
    "Unable to open file": "The printer does not find the file that was just put there ({said}): does the"
    " folder of [virtual_sdcard] in printer.cfg hold what is uploaded through Moonraker?",
    "Klippy Host not connected": "Klipper is not running on the printer's host ({said}). Look at its log,"
    " klippy.log, and start it.",
}


def proves_nothing_done(error: RpcError) -> bool:
    """Whether the machine is as it was before the request."""
    return error.code in _NOT_PASSED_ON or error.message.startswith(_NOTHING_DONE)


def in_words(error: RpcError) -> str:
    """The error as a sentence for people."""
    for begin, sentence in _WORDS.items():
        if error.message.startswith(begin):
            return sentence.format(said=error.message.rstrip("."))
    return f"The printer refused it: {error.message.rstrip('.')}."
