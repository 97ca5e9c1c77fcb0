"""What follows from an alarm: the gateway acts where it feeds the printer, else it tells people (ADR 37)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Stance:
    """How a printer is watched."""

    acts: bool  # False: what is found is for people only
    #: Seconds without the link before heat is out of anybody's hands.
    gone_seconds: float
    #: Whether a machine that reports an error has switched its heaters off, so that nothing is left to judge.
    error_is_cold: bool = True


#: Fed from here: without the link its print stands still, and the heat goes on.
ACTING: Final = Stance(acts=True, gone_seconds=30.0)
#: Klipper: it prints on by itself while the network is away, and a broker that is restarted takes a minute.
TELLING: Final = Stance(acts=False, gone_seconds=300.0)
#: Bambu: an error may be about filament, with everything hot.
TELLING_IN_ERROR: Final = Stance(acts=False, gone_seconds=300.0, error_is_cold=False)
