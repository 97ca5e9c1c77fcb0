"""As `backoff`, until main_mqtt.py names it."""

from gateway.transport.backoff import Backoff as Backoff
