"""One line, one meaning: lines as recorded, and their variants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.marlin.parsing import parse_reply
from gateway.protocol.marlin.replies import (
    Action,
    ActionKind,
    Busy,
    Capability,
    DonePrinting,
    Echo,
    ErrorLine,
    Fault,
    FileOpened,
    FileOpenFailed,
    FileSelected,
    FirmwareError,
    FirmwareInfo,
    Killed,
    NotSdPrinting,
    Ok,
    Other,
    Position,
    Resend,
    SdStatus,
    Start,
    Temperature,
    ThermalKind,
    UnknownCommand,
    Wait,
)

COLD = {"T": 19.37, "T_target": 0.0, "B": 19.37, "B_target": 0.0}
HOT = {"T": 24.45, "T_target": 80.0, "B": 19.37, "B_target": 0.0}


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"ok", Ok()),
        (b"ok\r", Ok()),
        (b"ok P15 B7", Ok(None, 15, 7)),
        (b"ok N2 P15 B7", Ok(2, 15, 7)),
        (b"ok 5", Ok(taken=5)),  # Repetier
        (b"ok T:19.37 /0.00 B:19.37 /0.00 @:0 B@:0", Ok(temperatures=COLD)),
        (
            b"ok B:21.6 /0.0 T0:61.0 /80.0",
            Ok(temperatures={"B": 21.6, "B_target": 0, "T0": 61, "T0_target": 80}),
        ),
        (b"ok FIRMWARE_NAME:Klipper FIRMWARE_VERSION:?", Ok(firmware=FirmwareInfo("Klipper"))),
        (b" T:24.45 /80.00 B:19.37 /0.00 @:127 B@:0 W:?", Temperature(HOT, is_waiting=True)),
        (b" T:19.37 /0.00 B:19.37 /0.00 @:0 B@:0", Temperature(COLD, is_waiting=False)),
        (b"T:20.1 E:0 B:30.0", Temperature({"T": 20.1, "B": 30.0}, is_waiting=False)),
        (b"Resend: 3", Resend(3)),
        (b"Resend:2", Resend(2)),
        (b"rs N2", Resend(2)),
        (b"rs 7", Resend(7)),
        (b"Error:checksum mismatch, Last Line: 2", ErrorLine("checksum mismatch, Last Line: 2", 2)),
        (
            b"Error:Line Number is not Last Line Number+1, Last Line: 3",
            ErrorLine("Line Number is not Last Line Number+1, Last Line: 3", 3),
        ),
        (
            b"Error:No Checksum with line number, Last Line: 3",
            ErrorLine("No Checksum with line number, Last Line: 3", 3),
        ),
        (b"Error: Missing checksum", ErrorLine("Missing checksum", None)),
        (b"echo:busy: processing", Busy("processing")),
        (b"busy:processing", Busy("processing")),
        (b"echo:busy: paused for user", Busy("paused for user")),
        (b"start", Start()),
        (b"start\r", Start()),
        (b"\xc2\x80start", Start()),
        (b"\x00\xfe\xffstart", Start()),
        (b"restart", Other("restart")),
        (b"echo:start", Echo("start")),
        (b"// Klipper state: Shutdown", Killed("Klipper state: Shutdown")),
        (b"// Klipper state: Disconnect", Echo("Klipper state: Disconnect")),
        (b"// Klipper state: Ready", Start()),
        (b"// probe at 10.000,10.000 is z=1.5", Echo("probe at 10.000,10.000 is z=1.5")),
        (b"echo:busy: paused for input", Busy("paused for input")),
        (
            b"Error:Printer stopped due to errors. Fix the error and use M999 to restart.",
            FirmwareError(
                "Printer stopped due to errors. Fix the error and use M999 to restart.", is_fatal=True
            ),
        ),
        (
            b"Error:MAXTEMP triggered, system stopped! Heater_ID: bed",
            Fault(ThermalKind.MAXTEMP, "bed", "MAXTEMP triggered, system stopped! Heater_ID: bed"),
        ),
        (b"Error:expected line 5 got 7", ErrorLine("expected line 5 got 7", 4)),
        (
            b"B:21.6 /0.0 T0:61.0 /80.0",
            Temperature({"B": 21.6, "B_target": 0.0, "T0": 61.0, "T0_target": 80.0}, is_waiting=False),
        ),
        (b"ok T:0", Ok(temperatures={"T": 0.0})),
        (b"ok:", Ok()),
        (b"ok anything else", Ok()),
        (b"Resend:", Other("Resend:")),
        (b"Done printing file\r", DonePrinting()),
        (b"// action:paused", Action("paused")),
        (b"//action:pause filament_runout 0", Action("pause", "filament_runout 0")),
        (b"wait", Wait()),
        (b"Cap:EMERGENCY_PARSER:1", Capability("EMERGENCY_PARSER", True)),
        (b"Cap:SDCARD:0", Capability("SDCARD", False)),
        (
            b"FIRMWARE_NAME:Marlin 2.1.2 (Nov 21 2026 23:38:38) SOURCE_CODE_URL:github.com/Marlin"
            b" PROTOCOL_VERSION:1.0 MACHINE_TYPE:SimRap 1.4 EXTRUDER_COUNT:1 UUID:cede2a2f",
            FirmwareInfo("Marlin 2.1.2 (Nov 21 2026 23:38:38)", "SimRap 1.4"),
        ),
        (b"SD printing byte 0/61\r", SdStatus(0, 61)),
        (b"Not SD printing", NotSdPrinting()),
        (b"Not SD printing.", NotSdPrinting()),
        (b"File opened: test.gco Size: 61", FileOpened("test.gco", 61)),
        (b"File opened:x Size:29", FileOpened("x", 29)),
        (b"File opened: with blank.gco Size: 5", FileOpened("with blank.gco", 5)),
        (b"File selected", FileSelected()),
        (b"open failed, File: nope.gco.", FileOpenFailed("nope.gco")),
        (b"Done printing file", DonePrinting()),
        (b"//action:pause", Action("pause")),
        (b"// action:cancel", Action("cancel")),
        (b"//action:notification SD card ok\r", Action("notification", "SD card ok")),
        (b"//action:prompt_begin Nozzle Parked", Action("prompt_begin", "Nozzle Parked")),
        (b"//action:prompt_end", Action("prompt_end")),
        (b"// action:prompt_button Purge More ", Action("prompt_button", "Purge More")),
        (b"//action: out_of_filament T0", Action("out_of_filament", "T0")),
        (b"//action:Cancel", Action("cancel")),
        (b'echo:Unknown command: "FOO_BAR"', UnknownCommand("FOO_BAR")),
        (b'// Unknown command:"M155"', UnknownCommand("M155")),
        (b'echo:Unknown command: ""', UnknownCommand("")),
        (b"echo:M112 Shutdown", Echo("M112 Shutdown")),
        (b"Error:Printer halted. kill() called!", Killed("Printer halted. kill() called!")),
        (b"Error:!! KILL caused by KILL button/pin", Killed("!! KILL caused by KILL button/pin")),
        (b"echo:EMERGENCY SHUTDOWN DETECTED. KILLED.", Killed("EMERGENCY SHUTDOWN DETECTED. KILLED.")),
        (
            b"Error:MINTEMP triggered, system stopped! Heater_ID: E0",
            Fault(ThermalKind.MINTEMP, "E0", "MINTEMP triggered, system stopped! Heater_ID: E0"),
        ),
        (
            b"Error:Heating failed, system stopped! Heater_ID: bed",
            Fault(ThermalKind.HEATING_FAILED, "bed", "Heating failed, system stopped! Heater_ID: bed"),
        ),
        (
            b"Error:Thermal Runaway, system stopped! Heater_ID: E0",
            Fault(ThermalKind.RUNAWAY, "E0", "Thermal Runaway, system stopped! Heater_ID: E0"),
        ),
        (b"Error:Probing Failed", FirmwareError("Probing Failed", is_fatal=False)),
        (b"!! Must home axis first", FirmwareError("Must home axis first", is_fatal=True)),
        (
            b"X:10.00 Y:190.00 Z:20.00 E:5.00 Count X:800 Y:15200 Z:8000",
            Position({"X": 10.0, "Y": 190.0, "Z": 20.0, "E": 5.0}),
        ),
        (b"", Other("")),
        (b"Marlin 2.1.2", Other("Marlin 2.1.2")),
        (b"okay", Other("okay")),
        (b"\xff\x80\r", Other("\ufffd\ufffd")),
    ],
)
def test_reply(line: bytes, reply: object) -> None:
    assert parse_reply(line) == reply


@given(st.binary(max_size=400))
def test_any_line_is_some_reply(line: bytes) -> None:
    parse_reply(line)


@given(
    st.sampled_from([b"ok ", b"Resend: ", b"SD printing byte ", b"T:", b"Cap:", b"Error:"]),
    st.binary(max_size=200),
)
def test_a_known_beginning_with_a_damaged_rest_is_some_reply(prefix: bytes, rest: bytes) -> None:
    parse_reply(prefix + rest)


@pytest.mark.parametrize("opening", ["//action:", "// action:", "//action: ", "// action: "])
@pytest.mark.parametrize("kind", ActionKind)
def test_every_action_is_known_in_both_spellings(opening: str, kind: ActionKind) -> None:
    reply = parse_reply(f"{opening}{kind}\r".encode())
    assert isinstance(reply, Action)
    assert (reply.kind, reply.argument) == (kind, "")
    told = parse_reply(f"{opening}{kind} some more words".encode())
    assert isinstance(told, Action)
    assert (told.kind, told.argument) == (kind, "some more words")


def test_an_action_nobody_knows_is_still_one() -> None:
    reply = parse_reply(b"//action:dance 3 times")
    assert reply == Action("dance", "3 times")
    assert reply.kind is None
    assert parse_reply(b"//action") == Echo("action"), "M118 A1 action: no action without its colon"
