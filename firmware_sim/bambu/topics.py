"""Topic filters of MQTT 3.1.1."""

from __future__ import annotations


def matches(topic_filter: str, topic: str) -> bool:
    """[4.7.1]: `+` is one level, `#` the level before it and all that follow."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for place, part in enumerate(wanted):
        if part == "#":
            return True
        if place >= len(levels) or part not in ("+", levels[place]):
            return False
    return len(wanted) == len(levels)


def is_filter(text: str) -> bool:
    """[4.7.1]: wildcards stand alone in their level, `#` in the last one."""
    levels = text.split("/")
    is_sound = all(level in ("+", "#") or not {"+", "#"} & set(level) for level in levels)
    return bool(text) and is_sound and "#" not in levels[:-1]
