"""Klipper printers behind Moonraker, a client of the user's broker: they print by themselves, we watch.

    messages (MQTT)  -> driver.MoonrakerDriver -> machine.Machine -> observations -> engine
    orders (engine)  -> driver.MoonrakerDriver -> machine.Machine -> requests (MQTT), uploads (HTTP)

`machine` is where to begin: all that is known of one printer, without I/O and clock. `prints` knows what is
on it, `starts` how a print gets there once, `orders` what else it is asked.
"""
