"""What the configuration says of one Bambu Lab printer, beside how it is reached."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.domain.adjustment import HeatLimits
from gateway.protocol.bambu.requests import ProjectOptions

#: Where the printer looks for an uploaded file. It depends on model and firmware: H2 and P2S take only this
#: form, the others take it too, as far as it is known (OpenBambuAPI #38, ha-bambulab #1892). The other form
#: in use is `file:///sdcard/{name}`.
URL_FORM: Final = "ftp:///{name}"


@dataclass(frozen=True, slots=True)
class BambuSettings:
    """The defaults are what a slicer sends for a print from the external spool."""

    serial: str  # as on its label: the topics and its certificate have it
    topic_prefix: str = "device"  # another one behind a bridge
    model: str | None = None  # for people; None: what the printer says
    url_form: str = URL_FORM  # of `project_file`; {name}: the file on its storage
    options: ProjectOptions = field(default_factory=ProjectOptions)  # of every start of a 3MF
    heat: HeatLimits = field(default_factory=HeatLimits)  # how hot it may be set by hand

    @property
    def report_topic(self) -> str:
        """Where the printer tells; the only one to subscribe to: P1 and A1 cut whoever asks for the other."""
        return f"{self.topic_prefix}/{self.serial}/report"

    @property
    def request_topic(self) -> str:
        """Where the printer is told."""
        return f"{self.topic_prefix}/{self.serial}/request"
