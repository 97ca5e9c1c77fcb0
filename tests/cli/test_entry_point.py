"""The first tenth of a second of `print-gateway`, in which its command line is loaded."""

from __future__ import annotations

import subprocess
import sys

#: Somebody presses Ctrl+C as the command line is looked for.
PRESSED = """
import sys
class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == "gateway.cli.app":
            raise KeyboardInterrupt
sys.meta_path.insert(0, CtrlC())
from gateway.__main__ import main
main()
"""


def test_ctrl_c_while_it_loads_is_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", PRESSED], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
