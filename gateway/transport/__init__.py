"""Bytes to and from printers: serial ports, TCP. Knows how to move them, never what they mean."""
