"""`python -m gateway` is the command `print-gateway`."""

from gateway.cli.app import main

if __name__ == "__main__":
    main()
