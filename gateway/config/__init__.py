"""The configuration: one frozen object from file, environment and systemd's credentials.

`load` reads it, or raises ConfigError with everything that is wrong, one sentence each. The files with
secrets that it names are read by `secret_files.read_secrets`, in the gateway's process alone.
"""

from gateway.config.errors import ConfigError
from gateway.config.loading import Config, load, read_toml
from gateway.config.printers import BambuPrinter, MarlinPrinter, MoonrakerPrinter, PrinterConfig

__all__ = [
    "BambuPrinter",
    "Config",
    "ConfigError",
    "MarlinPrinter",
    "MoonrakerPrinter",
    "PrinterConfig",
    "load",
    "read_toml",
]
