"""Printers that are fed line by line: Marlin and the firmwares that speak like it."""
