"""Bambu Lab printers: each is an MQTT broker and an FTPS server of its own, in LAN mode.

    messages -> driver.BambuDriver -> machine.Machine -> observations -> engine
    orders   -> driver.BambuDriver -> machine.Machine -> messages, uploads

`machine` is where to begin: all that is known of one printer, without I/O and clock. `prints` knows what is
on it, `starting` is the one start on its way, `orders` says what becomes of each order.
"""
