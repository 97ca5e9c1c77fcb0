"""The command `print-gateway`; `python -m gateway` is the same."""

from __future__ import annotations

#: What a shell says of a command that Ctrl+C ended: 128 and SIGINT.
INTERRUPTED = 130


def main() -> None:
    """Load the command line, and run it. Ctrl+C while it loads ends it as quietly as later."""
    try:
        from gateway.cli.app import main as run
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    run()


if __name__ == "__main__":
    main()
