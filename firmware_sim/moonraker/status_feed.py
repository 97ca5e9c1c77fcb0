"""What Moonraker publishes of klippy's objects: the changes, gathered for `status_interval` seconds.

One message on `klipper/status`, not retained, nothing on subscribe; or a retained topic a field below
`klipper/state`. There is one subscription for the whole of MQTT: a client that calls objects.subscribe
replaces the one of the configuration, for everybody. Source: Moonraker's mqtt.py; measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from firmware_sim.moonraker.settings import MoonrakerConfig

Status = dict[str, dict[str, object]]
Publish = Callable[[str, object, bool], None]
"""Topic below the instance, payload, retain."""


class StatusFeed:
    """Changes in, publishes out. Times in machine seconds."""

    def __init__(self, config: MoonrakerConfig, publish: Publish, is_connected: Callable[[], bool]) -> None:
        self._config, self._publish, self._is_connected = config, publish, is_connected
        self.wanted: dict[str, tuple[str, ...] | None] = {}
        self._cache: Status = {}
        self._last_change = 0.0
        self._grid_from: float | None = None  # when the timer began to run
        self._due = math.inf

    def klippy_started(
        self, wanted: Mapping[str, tuple[str, ...] | None], status: Status, now: float
    ) -> None:
        """Klippy is there: the subscription of the configuration, and the whole state once."""
        self.wanted = dict(wanted)
        if wanted:
            self._grid_from = now
            self.take(status, now)

    def klippy_gone(self) -> None:
        """What was gathered goes out; the subscription died with klippy."""
        cache, self._cache = self._cache, {}
        self.wanted, self._grid_from, self._due = {}, None, math.inf
        self._send(cache)

    def forget(self) -> None:
        """Moonraker died."""
        self.wanted, self._cache, self._grid_from, self._due = {}, {}, None, math.inf

    def take(self, changes: Status, now: float) -> None:
        """Changes of any object; those that are subscribed to are published, now or at the next interval."""
        mine = {}
        for name, fields in changes.items():
            if name not in self.wanted:
                continue
            only = self.wanted[name]
            kept = fields if only is None else {key: value for key, value in fields.items() if key in only}
            if kept:
                mine[name] = kept
        if not mine or not self._is_connected():
            return  # what changes while there is no broker is never published
        self._last_change = now
        if not self._config.interval:
            self._send(mine)
            return
        for name, fields in mine.items():
            self._cache.setdefault(name, {}).update(fields)
        if self._grid_from is not None and self._due == math.inf:
            turns = math.floor((now - self._grid_from) / self._config.interval + 1e-9) + 1
            self._due = self._grid_from + turns * self._config.interval

    def next_due(self) -> float:
        """When the gathered changes go out; infinity: there are none, or no timer (no `status_objects`)."""
        return self._due

    def on_time(self, now: float) -> None:
        """The interval is over."""
        if self._due <= now:
            cache, self._cache, self._due = self._cache, {}, math.inf
            self._send(cache)

    def _send(self, status: Status) -> None:
        if not status:
            return
        if not self._config.is_split:
            self._publish("klipper/status", {"eventtime": self._last_change, "status": status}, False)
            return
        for name, fields in status.items():
            for key, value in fields.items():
                payload = {"eventtime": self._last_change, "value": value}
                self._publish(f"klipper/state/{name}/{key}", payload, True)
