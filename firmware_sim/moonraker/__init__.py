"""A printer behind somebody's MQTT broker: a simulated Klipper with Moonraker, files over HTTP."""
