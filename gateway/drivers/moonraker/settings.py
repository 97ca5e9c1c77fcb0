"""What the driver is told of one printer: its part of the configuration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MoonrakerSettings:
    """`instance`: `instance_name` of the section [mqtt] in moonraker.conf, the first part of every topic."""

    instance: str
    keeps_files: bool = False  # leave what was uploaded for a print on the printer when the print is over
