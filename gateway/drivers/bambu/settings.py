"""What the configuration says of one Bambu Lab printer, beside how it is reached."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.adjustment import HeatLimits

#: Where the printer looks for an uploaded file. It depends on the model and its firmware: H2 and P2S take only
#: this one, the others take it too, as far as it is known (OpenBambuAPI #38, ha-bambulab #1892). The older form
#: is `file:///sdcard/{name}`.
URL_FORM = "ftp:///{name}"


@dataclass(frozen=True, slots=True)
class BambuSettings:
    """The defaults are what a slicer sends for a print from the external spool."""

    serial: str  # as on its label: the topics and its certificate have it
    topic_prefix: str = "device"  # another one behind a bridge
    model: str | None = None  # for people; None: what the printer says
    url_form: str = URL_FORM  # of `project_file`; {name}: the file on its storage
    bed_type: str = "auto"
    bed_leveling: bool = True  # each of the following is the field of `project_file` of that name
    flow_cali: bool = False
    vibration_cali: bool = True
    layer_inspect: bool = False
    timelapse: bool = False
    use_ams: bool = False
    ams_mapping: tuple[int, ...] = (0,)
    heat: HeatLimits = HeatLimits()  # how hot it may be set by hand

    @property
    def report_topic(self) -> str:
        """Where the printer tells; the only topic to subscribe to: P1 and A1 cut whoever asks for the other."""
        return f"{self.topic_prefix}/{self.serial}/report"

    @property
    def request_topic(self) -> str:
        """Where the printer is told."""
        return f"{self.topic_prefix}/{self.serial}/request"
