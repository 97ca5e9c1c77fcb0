"""Commands that need no running gateway: the configuration and the database of a stopped one."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.cli.wirelog import pieces
from tests.cli.conftest import Run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(
        f'[store]\nurl = "sqlite:///{tmp_path}/gateway.db"\nfiles = "{tmp_path}/files"\n'
        '[[printers]]\nname = "mk3"\ndriver = "marlin"\nport = "/dev/ttyACM0"\nowner = "ana"\n'
        'plate_clear = "auto"\n'
    )
    return path


def test_a_good_configuration_is_told_back(run_alone: Run, config: Path) -> None:
    result = run_alone("check-config", "--config", str(config))
    assert result.exit_code == 0
    note, printer, serves, verdict = result.stdout.splitlines()
    assert note.startswith('note: [[printers]] "mk3" plate_clear = "auto": this version has no ejection')
    assert printer == "printer mk3: marlin at /dev/ttyACM0, 115200 baud, owner ana"
    assert serves.startswith("serves http://127.0.0.1:8080; store sqlite:///")
    assert verdict == "the configuration is good"


def test_a_good_configuration_as_json(run_alone: Run, config: Path) -> None:
    told = json.loads(run_alone("check-config", "--config", str(config), "--json").stdout)
    assert [(printer["name"], printer["baud"], printer["owner"]) for printer in told["printers"]] == [
        ("mk3", 115200, "ana")
    ]
    assert told["url"] == "http://127.0.0.1:8080"
    assert "plate_clear" in told["notes"][0]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_password_is_not_told_back(run_alone: Run, config: Path, form: tuple[str, ...]) -> None:
    """What is on a screen is soon in a bug report."""
    config.write_text('[store]\nurl = "postgresql+psycopg://ana:s3cr3t@p@db.example/gateway"\n')
    result = run_alone("check-config", "--config", str(config), *form)
    assert "s3cr3t" not in result.stdout + result.stderr
    assert result.exit_code == 2 or "ana:***@db.example/gateway" in result.stdout


@pytest.mark.parametrize("command", [("check-config",), ("serve",), ("streamer",), ("db", "check")])
def test_a_bad_one_is_told_in_plain_words(run_alone: Run, config: Path, command: tuple[str, ...]) -> None:
    config.write_text('[server]\nlistne = "x"\n')
    result = run_alone(*command, "--config", str(config))
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        f"print-gateway: {config}: 1 problem",
        '  [server] listne: unknown key "listne"; did you mean "listen"?',
    ]


BAMBU = (
    '[mqtt]\nurl = "mqtt://broker.local"\n[[printers]]\nname = "a1"\ndriver = "bambu"\nhost = "192.0.2.7"\n'
    'serial = "01S00C000000001"\naccess_code_file = "a1.code"\nowner = "ana"\n'
)


def test_secrets_are_looked_at_and_never_told(run_alone: Run, config: Path) -> None:
    config.write_text(BAMBU)
    (config.parent / "a1.code").write_text("s3cr3t\n")
    for form in ([], ["--json"]):
        result = run_alone("check-config", "--config", str(config), *form)
        assert (result.exit_code, "s3cr3t" in result.stdout) == (0, False)
    told = run_alone("check-config", "--config", str(config)).stdout
    assert "printer a1: bambu at mqtts://192.0.2.7:8883, owner ana" in told
    (config.parent / "a1.code").chmod(0o644)
    assert "note: [[printers]] no. 1" in run_alone("check-config", "--config", str(config)).stdout
    assert "tells the broker mqtt://broker.local:1883, and takes no commands from there" in told


@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_a_secret_that_is_not_there_is_one_line(run_alone: Run, config: Path, command: str) -> None:
    config.write_text(BAMBU)
    result = run_alone(command, "--config", str(config))
    assert result.exit_code == 2
    assert result.stderr.splitlines()[1].startswith(
        '  [[printers]] no. 1 ("a1") access_code_file: "a1.code" is not there (looked for'
    )


def test_what_has_no_wire_has_no_wire_log(run_alone: Run, config: Path) -> None:
    config.write_text(BAMBU)
    result = run_alone("wirelog", "a1", "--config", str(config))
    assert (result.exit_code, '"a1" has no wire log: it is at no serial port' in result.stderr) == (1, True)


def test_a_database_is_made_and_checked(run_alone: Run, config: Path) -> None:
    before = run_alone("db", "check", "--config", str(config))
    assert (before.exit_code, "does not exist" in before.stdout) == (1, True)
    assert run_alone("db", "upgrade", "--config", str(config)).stdout == "the database is up to date\n"
    assert run_alone("db", "check", "--config", str(config)).stdout == "the database is sound\n"


def test_a_database_that_cannot_be_made_is_one_line(run_alone: Run, config: Path) -> None:
    config.write_text('[store]\nurl = "sqlite:////nowhere/at/all/gateway.db"\n')
    result = run_alone("db", "upgrade", "--config", str(config))
    assert result.exit_code == 1
    assert result.stderr.startswith("print-gateway: /nowhere/at/all/gateway.db")
    assert result.stderr.count("\n") == 1


def test_what_cannot_be_restored_is_one_line(run_alone: Run, config: Path, tmp_path: Path) -> None:
    missing = run_alone("restore", str(tmp_path / "none.tar.gz"), "--config", str(config))
    assert (missing.exit_code, missing.stderr) == (2, f"print-gateway: {tmp_path}/none.tar.gz is no file\n")
    (tmp_path / "bad.tar.gz").write_text("G28")
    bad = run_alone("restore", str(tmp_path / "bad.tar.gz"), "--config", str(config))
    assert bad.exit_code == 1
    assert bad.stderr.startswith(f"print-gateway: {tmp_path}/bad.tar.gz is no backup, or damaged: ")
    assert bad.stderr.count("\n") == 1
    assert not (tmp_path / "gateway.db").exists()
    run_alone("db", "upgrade", "--config", str(config))
    there = run_alone("restore", str(tmp_path / "bad.tar.gz"), "--config", str(config))
    assert there.stderr == (
        f"print-gateway: {tmp_path}/gateway.db is there already; --force puts the backup in its place\n"
    )


def test_a_ready_file_needs_a_folder(run_alone: Run, tmp_path: Path) -> None:
    result = run_alone("demo", "--ready-file", str(tmp_path / "none" / "ready.json"))
    assert result.exit_code == 2
    assert "there is no folder" in result.stderr


# the wire log


def streamer_section(folder: Path, more: str = "") -> str:
    return f'[streamer]\nrecords = "{folder}/records"\n{more}'


def test_the_wire_log_is_shown_oldest_first(run_alone: Run, config: Path, tmp_path: Path) -> None:
    config.write_text(streamer_section(tmp_path) + config.read_text())
    folder = tmp_path / "wire"
    folder.mkdir()
    (folder / "mk3.wire").write_text("# new\n2.000000 > M105\\n\n")
    assert run_alone("wirelog", "mk3", "--config", str(config)).stdout == "# new\n2.000000 > M105\\n\n"
    (folder / "mk3.wire.1").write_text("# old\n1.000000 < start\\n\n")
    shown = run_alone("wirelog", "mk3", "--config", str(config)).stdout
    assert shown == "# old\n1.000000 < start\\n\n# new\n2.000000 > M105\\n\n"


def test_a_wire_log_that_is_not_there_is_said(run_alone: Run, config: Path, tmp_path: Path) -> None:
    config.write_text(streamer_section(tmp_path) + config.read_text())
    nothing = run_alone("wirelog", "mk3", "--config", str(config))
    assert (nothing.exit_code, nothing.stdout) == (1, "")
    assert f"there is no {tmp_path}/wire/mk3.wire yet: is the streamer running?" in nothing.stderr
    other = run_alone("wirelog", "mk4", "--config", str(config))
    assert other.exit_code == 2
    assert 'there is no printer "mk4"; known here: mk3' in other.stderr
    config.write_text(config.read_text().replace("[streamer]", "[streamer]\nwire_log_bytes = 0"))
    assert "switched off: wire_log_bytes" in run_alone("wirelog", "mk3", "--config", str(config)).stderr


def test_a_wire_log_is_followed_from_file_to_file(tmp_path: Path) -> None:
    current = tmp_path / "mk3.wire"
    current.write_text("1\n")

    def write(text: str) -> None:
        with current.open("a") as file:
            file.write(text)

    def rotate() -> None:
        write("3\n")
        current.rename(tmp_path / "mk3.wire.1")

    steps = iter([lambda: write("2\n"), lambda: None, rotate, lambda: write("4\n"), lambda: write("5\n")])
    shown = b""

    def sleep(_: float) -> None:
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    with suppress(KeyboardInterrupt):
        for piece in pieces(current, follow=True, sleep=sleep):
            shown += piece
    assert shown == b"1\n2\n3\n4\n5\n"
