"""What listings look like: one line an item at every width, and nothing of it lost."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from gateway.cli import show
from gateway.client.models import Job, Printer
from tests.client.fake_gateway import job, printer

NOTE = "the plate of mk3 is not confirmed clear: clear it, then `print-gateway printers ready mk3`"
COLUMNS = ("NUMBER", "NAME", "STATUS", "PRINTER", "NOTE")


def printed(
    width: int, columns: Sequence[str], rows: Sequence[Sequence[object]], spare: Sequence[str] = ()
) -> list[str]:
    """The lines of a table on a terminal of that width, without the blank ones."""
    screen = Console(file=io.StringIO(), width=width, highlight=False)
    show.table(columns, rows, spare=spare, screen=screen)
    assert isinstance(screen.file, io.StringIO)
    return [line.rstrip() for line in screen.file.getvalue().splitlines() if line.strip()]


def test_a_wide_terminal_has_everything_in_one_line() -> None:
    head, rule, row = printed(200, COLUMNS, [(1, "clip.gcode", "queued", "mk3", NOTE)], ("PRINTER",))
    assert head.split() == list(COLUMNS)
    assert set(rule.strip()) == {"─"}
    assert row.split(None, 4) == ["1", "clip.gcode", "queued", "mk3", NOTE]


def test_notes_move_below_first() -> None:
    rows = [(1, "a", "queued", "mk3", NOTE), (2, "b", "printing", "mk3", "")]
    lines = printed(80, COLUMNS, rows)
    assert lines[0].split() == list(COLUMNS[:-1])
    assert [line.split() for line in lines[2:4]] == [[str(cell) for cell in row[:-1]] for row in rows]
    assert " ".join(lines[4:]) == f"1: {NOTE}"


def test_a_blank_note_is_no_note() -> None:
    lines = printed(40, COLUMNS, [(1, "a", "queued", "mk3", " " * 40), (2, "b", "queued", "mk3", "clear it")])
    assert lines[4:] == ["2: clear it"]


def test_then_spare_columns_are_left_out() -> None:
    lines = printed(34, COLUMNS, [(1, "clip.gcode", "queued", "mk3", "")], ("PRINTER",))
    assert lines[0].split() == ["NUMBER", "NAME", "STATUS"]
    assert lines[2].split() == ["1", "clip.gcode", "queued"]


def test_then_names_are_cut() -> None:
    lines = printed(30, COLUMNS, [(1, "a-long-name-of-a-part.gcode", "queued", "mk3", "")], ("PRINTER",))
    assert lines[2].split() == ["1", "a-long-na…", "queued"]


def test_only_what_must_go_goes() -> None:
    row = (1, "clip", "queued", "mk3", "")
    assert printed(40, COLUMNS, [row], ("PRINTER", "STATUS"))[0].split() == list(COLUMNS[:-1])
    assert printed(33, COLUMNS, [row], ("PRINTER", "STATUS"))[0].split() == ["NUMBER", "NAME", "STATUS"]
    assert printed(20, COLUMNS, [row], ("PRINTER", "STATUS"))[0].split() == ["NUMBER", "NAME"]


cells = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)


@settings(deadline=None, max_examples=60)
@given(st.integers(40, 220), st.lists(st.tuples(st.integers(1, 99999), cells, cells, cells), max_size=5))
def test_any_table_is_one_line_an_item(width: int, rows: list[tuple[int, str, str, str]]) -> None:
    """Whatever the names hold: wide characters, none at all, line ends, escapes."""
    full = [(number, name, "queued", "mk3", note) for number, name, note, _ in rows]
    lines = printed(width, COLUMNS, full, ("PRINTER",))
    table, below = lines[: 2 + len(rows)], lines[2 + len(rows) :]
    assert all(cell_len(line) <= width for line in lines)
    assert [line.split()[0] for line in table[2:]] == [str(number) for number, *_ in rows]
    if below:
        assert any(show.plain(note).strip() for _, _, note, _ in rows), "\x1f is blank, its sign is not"
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a\x1b[2Jb", "a�[2Jb"), ("a\nb", "a�b"), ("\u202egnp", "�gnp"), ("Würfel 立方", "Würfel 立方"),
        (None, ""), (0, "0"), (1.5, "1.5"),
    ],
)  # fmt: skip
def test_control_characters_do_not_reach_the_terminal(given: object, shown: str) -> None:
    """Names come from SD cards and panels too; nobody should be able to write a terminal's commands there."""
    assert show.plain(given) == shown


@pytest.mark.parametrize("width", [40, 60, 80, 100, 132, 200])
def test_the_real_listings_at_real_widths(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Console(width=width, highlight=False)
    name = "part with a long name.gcode"
    jobs = [Job.model_validate(job(number=number, name=name, waiting=NOTE)) for number in (7, 8)]
    show.jobs(jobs, screen=screen)
    first = capsys.readouterr().out
    printers = [Printer.model_validate(printer(id=n, link_reason=NOTE if n == 2 else None)) for n in (1, 2)]
    show.printers(printers, screen=screen)
    second = capsys.readouterr().out
    for text, names in ((first, ("7", "8")), (second, ("1", "2"))):
        lines = [line for line in text.splitlines() if line.strip()]
        assert all(cell_len(line) <= width for line in lines)
        assert tuple(line.split()[0] for line in lines[2:4]) == names
        assert "printers ready mk3" in " ".join(text.split()), "what to do is never cut"


def test_a_pipe_has_no_width(capsys: pytest.CaptureFixture[str]) -> None:
    """For `grep` and `awk` a line is a job, however long its name."""
    name = "x" * 200
    show.jobs([Job.model_validate(job(name=name, message=NOTE * 3))])
    (row,) = [line for line in capsys.readouterr().out.splitlines() if name in line]
    assert NOTE * 3 in row


def test_facts_that_are_not_there_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    show.one_job(Job.model_validate(job(waiting=None, file=None, name="a\x1bb")))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "name", "id", "number", "status", "printer", "member", "started", "created",
    ]  # fmt: skip
    assert lines[0] == "name     a�b"


@pytest.mark.parametrize(
    ("changes", "standing"),
    [
        ({}, "queued"),
        ({"status": "paused", "is_held": True}, "paused (held)"),
        ({"status": "printing", "reasons": ["processing-to-stop-point"]}, "printing (stopping)"),
        ({"status": "completed", "verdict": "successful"}, "successful"),
        ({"status": "completed", "verdict": "failed"}, "failed"),
    ],
)
def test_how_a_job_stands(changes: dict[str, object], standing: str) -> None:
    assert show.standing(Job.model_validate(job(**changes))) == standing


@pytest.mark.parametrize(
    ("progress", "shown"),
    [(None, ""), (0.0, "0%"), (0.004, "0%"), (0.256, "26%"), (0.999, "99%"), (1.0, "100%")],
)
def test_percent(progress: float | None, shown: str) -> None:
    """100% is said when it is so, not before."""
    assert show.percent(progress) == shown


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, {}),
        (
            {"layer": 84, "layers": 200, "seconds_left": 5400},
            {"layer": "84 of 200", "time left": "about 1 h 30 min"},
        ),
        (
            {"layer": 0, "layers": 200, "seconds_left": 1140},
            {"layer": "0 of 200", "time left": "about 19 min"},
        ),
        ({"layer": 7, "seconds_left": 20}, {"layer": "7", "time left": "under a minute"}),
        ({"layers": 200}, {"layer": "of 200"}),
        ({"layer": 200, "layers": 200, "seconds_left": 9, "status": "failed"}, {"layer": "200 of 200"}),
    ],
)
def test_what_a_printer_says_of_its_print(
    said: dict[str, object], expected: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    show.one_job(Job.model_validate(job(**{"status": "printing", **said})))
    found = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert {name: found[name].strip() for name in ("layer", "time left") if name in found} == expected


def test_who_is_told_of_a_job_and_how_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    callback = {
        "host": "app.example", "state": "active", "failures": 2, "last_error": "it took too long",
        "next_at": "2016-05-18T06:00:00Z", "delivered_at": None, "is_up_to_date": False,
    }  # fmt: skip
    show.one_job(Job.model_validate(job(callback=callback)))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("told")]
    assert line.startswith("told     app.example: active; it took too long (2 in a row); again 2016-05-18 ")
