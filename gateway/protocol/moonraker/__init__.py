"""Moonraker over MQTT: JSON-RPC 2.0 on two topics, and what its answers mean. No I/O, no clock.

    topics      where it listens and speaks
    rpc         requests to bytes, bytes to replies; `refusals`: what an error proves
    objects     Klipper's printer objects: what is asked for, and what stands in the answer
    judging     print_stats together with webhooks: one table
    history     the rows of Moonraker's job history, and how each ended
    starting    whether a start arrived: a table of its own

Sources: moonraker.readthedocs.io (External API: JSON-RPC, Printer Administration, Job History; Configuration:
[mqtt]), klipper3d.org (Status reference), and recordings of both. Over MQTT Moonraker sends no notification
(`notify_history_changed` and the like go to websockets only): who wants to know must ask.
"""
