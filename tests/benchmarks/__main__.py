"""`python -m tests.benchmarks streaming`, `http` and `mqtt`: see docs/BENCHMARKS.md."""

from __future__ import annotations

import argparse
import sys

from tests.benchmarks import http, mqtt, streaming


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Figures, by hand.")
    commands = parser.add_subparsers(required=True)
    streaming.add_arguments(commands.add_parser("streaming", help="what the serial link reaches and costs"))
    http.add_arguments(commands.add_parser("http", help="what lists and waiting clients cost"))
    mqtt.add_arguments(commands.add_parser("mqtt", help="what 200 printers that speak MQTT cost"))
    arguments = parser.parse_args(words)
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
