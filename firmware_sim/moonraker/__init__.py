"""A Klipper machine with Moonraker in front: an MQTT client, and an HTTP server for files.

    printer.py          the verbs: messages and uploads in, publishes and a deadline out; panel, accidents
      server.py         Moonraker: alive or not, attached to klippy or not, history, status, requests
        rpc.py          JSON-RPC; methods.py: what can be asked
        status_feed.py  what changed since the last look, on `klipper/status` or `klipper/state/...`
        history.py      jobs with ids, made of what print_stats shows at each look
      klippy.py         klippy: one script at a time, the file on the virtual SD card, homing, heat, shutdown

Everything is without I/O on whatever time the caller has. `broker_client.py`, `web.py` and `command_line.py`
put it on a real broker and a real port. It shares no code with the gateway.
"""
