"""Bytes to and from others: serial ports, TCP, MQTT, printers' storages, HTTP to addresses that others named.

Knows how to move them, never what they mean.
"""
