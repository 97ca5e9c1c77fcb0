"""What the printer shows of itself: one document, sent whole (`msg:0`) or as what changed (`msg:1`).

A changed dictionary is sent with its changed keys alone, a changed list whole. Numbers are texts where the
real ones send texts (`mc_print_stage`, `gcode_file_prepare_percent`, fan speeds, all ids). Keys that nothing
here changes are as a recorded A1 had them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firmware_sim.bambu.course import HEATER_ABNORMAL, Course, Step
from firmware_sim.bambu.mover import Mover
from firmware_sim.bambu.personality import BambuPersonality

SIGNATURES_REQUIRED = 0x20000000
"""The bit of `fun`."""
VERIFY_FAILED_HMS = (0x05000500, 0x00010007)
"""HMS 0500-0500-0001-0007: a command without a good signature."""
SPEEDS = {1: 50, 2: 100, 3: 124, 4: 166}
"""Speed level to percent: silent, standard, sport, ludicrous."""
_SENSOR_STEP = 1 / 32
"""Temperatures come in thirty-seconds of a degree."""
_HOMED_FLAGS = 7
"""The lowest bits of `home_flag`: X, Y and Z are homed."""
_HOME_FLAG = 847070616

STATIC: Mapping[str, Any] = {
    "upgrade_state": {
        "sequence_id": 0,
        "progress": "",
        "status": "IDLE",
        "consistency_request": False,
        "dis_state": 0,
        "err_code": 0,
        "force_upgrade": False,
        "message": "",
        "module": "",
        "new_version_state": 2,
        "cur_state_code": 0,
        "new_ver_list": [],
    },
    "ipcam": {
        "ipcam_dev": "1",
        "ipcam_record": "disable",
        "timelapse": "disable",
        "resolution": "1080p",
        "tutk_server": "disable",
        "mode_bits": 3,
    },
    "upload": {"status": "idle", "progress": 0, "message": ""},
    "net": {"conf": 0, "info": [{"ip": 0, "mask": 0}]},
    "heatbreak_fan_speed": "0",
    "big_fan1_speed": "0",
    "big_fan2_speed": "0",
    "ams_status": 0,
    "ams_rfid_status": 0,
    "hw_switch_state": 0,
    "lifecycle": "product",
    "queue_number": 0,
    "queue_total": 0,
    "queue_est": 0,
    "queue_sts": 0,
    "mc_print_line_number": "0",
    "mc_print_sub_stage": 0,
    "sdcard": True,
    "force_upgrade": False,
    "mess_production_state": "active",
    "s_obj": [],
    "filam_bak": [],
    "fan_gear": 0,
    "nozzle_diameter": "0.4",
    "nozzle_type": "stainless_steel",
    "cali_version": 1,
    "k": "0.0200",
    "flag3": 671,
    "online": {"ahb": False, "rfid": False, "version": 1145989246},
    "ams": {
        "ams": [],
        "ams_exist_bits": "0",
        "tray_exist_bits": "0",
        "tray_now": "254",
        "tray_pre": "254",
        "tray_tar": "254",
        "version": 1,
        "insert_flag": True,
        "power_on_flag": False,
    },
    "xcam": {"buildplate_marker_detector": True},
    "vt_tray": {
        "id": "254",
        "tray_info_idx": "GFG99",
        "tray_type": "PETG",
        "tray_color": "FFFFFFFF",
        "remain": 0,
    },
}


class Status:
    """Makes reports. `light`, `speed_level` and `wifi_dbm` are the printer's to set."""

    def __init__(
        self, personality: BambuPersonality, course: Course, mover: Mover, needs_signature: bool
    ) -> None:
        self._personality = personality
        self._course = course
        self._mover = mover
        self._needs_signature = needs_signature
        self.light = "off"
        self.speed_level = 2
        self.wifi_dbm = -50
        self._sent: dict[str, Any] = {}
        self._sequence = 0

    def full(self, now: float) -> dict[str, Any]:
        """The whole state; it is what later changes are told against."""
        self._sent = self._state(now)
        return {**self._sent, **self._envelope(0)}

    def delta(self, now: float) -> dict[str, Any] | None:
        """What changed since the last report; None: nothing did."""
        state = self._state(now)
        changes = _changes(self._sent, state)
        self._sent = state
        return {**changes, **self._envelope(1)} if changes else None

    def _envelope(self, kind: int) -> dict[str, Any]:
        self._sequence += 1
        return {"command": "push_status", "msg": kind, "sequence_id": str(self._sequence)}

    def _state(self, now: float) -> dict[str, Any]:
        state = {**STATIC, **self._readings(now), **self._progress(now)}
        state["hms"] = [{"attr": attr, "code": code} for attr, code in self._hms()]
        state["lights_report"] = [{"node": "chamber_light", "mode": self.light}]
        if self._personality.fun:
            bits = int(self._personality.fun, 16) | (SIGNATURES_REQUIRED if self._needs_signature else 0)
            state["fun"] = f"{bits:X}"
        return state

    def _readings(self, now: float) -> dict[str, Any]:
        hotend, bed = self._mover.hotend, self._mover.bed
        return {
            "nozzle_temper": _sensed(hotend.celsius(now)),
            "nozzle_target_temper": round(hotend.target),
            "bed_temper": _sensed(bed.celsius(now)),
            "bed_target_temper": round(bed.target),
            "chamber_temper": _sensed(self._personality.chamber),
            "cooling_fan_speed": str(round(self._mover.fan * 15 / 255)),
            "wifi_signal": f"{self.wifi_dbm}dBm",
            "spd_lvl": self.speed_level,
            "spd_mag": SPEEDS[self.speed_level],
            "home_flag": _HOME_FLAG | (_HOMED_FLAGS if len(self._mover.axes.homed) == 3 else 0),
        }

    def _progress(self, now: float) -> dict[str, Any]:
        course, job = self._course, self._course.job
        is_printing = course.step in (Step.RUNNING, Step.PAUSED, Step.STOPPING)
        return {
            "gcode_state": course.state,
            "gcode_file": course.file,
            "gcode_file_prepare_percent": str(course.prepare_percent(now)),
            "subtask_name": job.name,
            "project_id": job.project_id,
            "profile_id": job.profile_id,
            "task_id": job.task_id,
            "subtask_id": job.subtask_id,
            "print_type": course.print_type,
            "print_error": course.print_error,
            "mc_percent": course.percent,
            "mc_remaining_time": course.minutes_left(now),
            "mc_print_stage": "2" if is_printing else "1",
            "layer_num": course.layer,
            "total_layer_num": course.layers,
            "stg": [2, 13, 14, 1] if is_printing else [],
            "stg_cur": self._stage(is_printing),
        }

    def _stage(self, is_printing: bool) -> int:
        if not is_printing:
            return self._personality.stage_idle
        return 2 if self._mover.heat_waits else 0

    def _hms(self) -> list[tuple[int, int]]:
        broken = [HEATER_ABNORMAL[name] for name in self._mover.abnormal_heaters()]
        return [*self._course.hms, *broken]


def _sensed(celsius: float) -> float | int:
    """Whole numbers come without a fraction, as from the real ones."""
    value = round(celsius / _SENSOR_STEP) * _SENSOR_STEP
    return int(value) if value == int(value) else value


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Keys that are new or different; of dictionaries only these keys again."""
    changed: dict[str, Any] = {}
    for key, value in after.items():
        old = before.get(key)
        if old == value:
            continue
        changed[key] = _changes(old, value) if isinstance(value, dict) and isinstance(old, dict) else value
    return changed
