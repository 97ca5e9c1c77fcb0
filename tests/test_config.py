"""The configuration: its keys and defaults, where values come from, and what its errors say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config import Config, ConfigError, MarlinPrinter, load
from gateway.config.printers import MAX_SERIAL_PRINTERS
from gateway.protocol.marlin.profile import PROFILE_NAMES
from gateway.streamer import host

PRINTER = '[[printers]]\nname = "mk3"\ndriver = "marlin"\nport = "/dev/ttyACM0"\nowner = "ana"\n'
EMPTY: dict[str, str] = {}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def problems(path: Path, text: str, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, environ or EMPTY)
    assert caught.value.source in (str(path), "the environment")
    return caught.value.problems


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.touch()
    config = load(empty, EMPTY)
    assert (config.server.host, config.server.port, config.server.url) == (
        "127.0.0.1",
        8080,
        "http://127.0.0.1:8080",
    )
    assert config.server.socket == "/run/print-gateway/api.sock"
    assert config.store.url == "sqlite:////var/lib/print-gateway/gateway.db"
    assert config.store.files == "/var/lib/print-gateway/files"
    assert config.streamer.socket == "/run/print-gateway-streamer/streamer.sock"
    assert config.streamer.records == "/run/print-gateway-streamer/records"
    assert str(config.streamer.wire_folder) == "/run/print-gateway-streamer/wire"
    assert str(config.streamer.kept_folder("/var/lib/x")) == "/var/lib/x/wire"
    assert config.streamer.kept_folder(None) == config.streamer.wire_folder / "kept"
    assert config.printers == ()
    assert Config() == config


def test_everything_can_be_set(path: Path) -> None:
    path.write_text(
        '[server]\nlisten = "[::1]:9000"\npublic_url = "https://print.example.org/"\nsocket = "/run/x.sock"\n'
        'max_upload_bytes = 5\n[store]\nurl = "sqlite:////srv/g.db"\nfiles = "/srv/files"\n'
        '[streamer]\nsocket = "/run/s.sock"\nrecords = "/run/records"\nwire_log = "/run/w"\n'
        'wire_log_bytes = 0\nwire_kept = "/srv/w"\n'
        + PRINTER + 'baud = 250000\nplate_clear = "auto"\nprofile = "prusa"\n'
        '[[printers]]\nname = "net"\ndriver = "marlin"\nport = "tcp://192.0.2.7:23"\nowner = "ben"\n'
    )  # fmt: skip
    config = load(path, EMPTY)
    assert (config.server.host, config.server.port) == ("::1", 9000)
    assert config.server.url == "https://print.example.org"
    assert (str(config.streamer.wire_folder), config.streamer.wire_log_bytes) == ("/run/w", 0)
    assert str(config.streamer.kept_folder("/var/lib/x")) == "/srv/w"
    assert config.printers[0] == MarlinPrinter(
        name="mk3", driver="marlin", port="/dev/ttyACM0", baud=250000, owner="ana", plate_clear="auto",
        profile="prusa",
    )  # fmt: skip
    assert config.printers[1].port == "tcp://192.0.2.7:23"
    assert config.printers[1].baud == 115200


def test_one_gateway_has_so_many_printers_and_no_more(path: Path) -> None:
    def text(count: int) -> str:
        return "".join(PRINTER.replace("mk3", f"p{n}").replace("ttyACM0", f"ttyACM{n}") for n in range(count))

    path.write_text(text(MAX_SERIAL_PRINTERS))
    assert len(load(path, EMPTY).printers) == MAX_SERIAL_PRINTERS == host.MAX_PRINTERS
    (said,) = problems(path, text(MAX_SERIAL_PRINTERS + 1))
    assert said.startswith("[[printers]]: there are 65 serial printers, and 64 are possible; run a second")


def test_it_is_frozen() -> None:
    config: Any = Config()
    with pytest.raises(ValidationError):
        config.server = None
    with pytest.raises(ValidationError):
        config.server.listen = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[server]\nlistne = "x"', '[server] listne: unknown key "listne"; did you mean "listen"?'),
        ("[sever]\n", '[sever]: unknown section "sever"; did you mean "server"?'),
        (
            '[lights]\non = true',
            '[lights]: unknown section "lights"; known here: auth, forge, mqtt, outbound, printers, safety, '
            "server, store, streamer",
        ),
        (PRINTER + "bautd = 1", 'no. 1 ("mk3") bautd: unknown key "bautd"; did you mean "baud"?'),
        ('[server]\nlisten = "8080"', '[server] listen: "8080" is not an address with a port; write it like'),
        ('[server]\nlisten = "a:99999"', "is not an address with a port"),
        ('[server]\npublic_url = "printhost"', 'public_url: "printhost" is not a web address; write it like'),
        ('[server]\nsocket = "api.sock"', '[server] socket: "api.sock" must be an absolute path'),
        (f'[server]\nsocket = "/{"x" * 107}"', "it is longer than the 107 bytes of a Unix socket"),
        ('[server]\nmax_upload_bytes = "lots"', '[server] max_upload_bytes: "lots" is not a whole number'),
        (
            '[server]\nrate_limit = "1200"',
            '[server] rate_limit: "1200" is not a rate; write a number per second, minute, hour or day such '
            'as "1200/minute", or "off"',
        ),
        ('[auth]\nissuer = "https://login.example"', "[auth]: issuer and audience belong together"),
        ('[auth]\naudience = "print-gateway"', "[auth]: issuer and audience belong together"),
        (
            '[auth]\naudience = "a"\nissuer = "http://login.example"',
            "[auth] issuer: must begin with https: over http anybody on the way",
        ),
        ('[auth]\naudience = "a"\nissuer = "login"', '[auth] issuer: "login" is not an issuer; write'),
        ('[auth]\nmember_claim = ""', '[auth] member_claim: "" must be text in quotes'),
        ("[server]\nmax_upload_bytes = 0", '[server] max_upload_bytes: "0" must be more than 0'),
        ('[store]\nurl = "sqlite:///gateway.db"', "[store] url: must be sqlite:////absolute/path/gateway.db"),
        ('[store]\nfiles = "files"', '[store] files: "files" must be an absolute path'),
        ("[store]\nfiles = 5", '[store] files: "5" must be text in quotes'),
        ('server = "x"', '[server]: "x" must be a section with keys'),
        ('printers = "x"', '[printers]: "x" must be [[printers]] sections, one for each printer'),
        ('printers = ["x"]', '[[printers]] no. 1: "x" must be a section with keys'),
        (PRINTER.replace('"mk3"', '"my printer"'), 'name: "my printer" cannot be a name; use up to'),
        (PRINTER.replace('"mk3"', '"../etc"'), 'name: "../etc" cannot be a name'),
        (PRINTER.replace('"mk3"', '"12"'), "and not digits alone"),
        (
            PRINTER.replace('"marlin"', '"octoprint"'),
            'driver: "octoprint" is not available in this version; choose one of "marlin", "bambu", '
            '"moonraker"',
        ),
        (PRINTER.replace('"marlin"', '"bamboo"'), 'driver: "bamboo" is not available in this version; did y'),
        (PRINTER.replace('driver = "marlin"\n', ""), "driver is missing; write driver = "),
        (PRINTER.replace('"marlin"', '"forge"'), 'driver: "forge" printers call in by themselves: remove'),
        (PRINTER.replace('port = "/dev/ttyACM0"\n', ""), "port is missing; write port = "),
        (PRINTER.replace('owner = "ana"\n', ""), "owner is missing; name the member who owns the printer"),
        (PRINTER.replace("/dev/ttyACM0", "usb:2c99"), '"usb:2c99" is not a USB device; write usb:VID:PID:'),
        (PRINTER.replace("/dev/ttyACM0", "COM3"), 'port: "COM3" is not a port; write /dev/serial/by-id/'),
        (PRINTER.replace("/dev/ttyACM0", "tcp://host"), 'port: "tcp://host" is not an address with a'),
        (PRINTER + 'baud = "fast"', '[[printers]] no. 1 ("mk3") baud: "fast" is not a speed; write a'),
        (PRINTER + 'plate_clear = "never"', "choose 'confirm' or 'auto'"),
        (PRINTER + PRINTER.replace("ttyACM0", "ttyACM1").replace("mk3", "MK3"),
         '[[printers]] no. 2 name: "MK3" is that of no. 1 already; give each printer its own name'),
        (PRINTER + PRINTER.replace("mk3", "x1"), "two printers cannot share a port"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_sentence(path: Path, text: str, expected: str) -> None:
    (found,) = problems(path, text)
    assert expected in found
    assert not {"input", "validation", "pydantic", "type="} & set(found.replace(",", " ").split())


def test_all_mistakes_are_told_at_once(path: Path) -> None:
    found = problems(
        path, '[server]\nlistne = "x"\nlisten = "y"\n' + PRINTER + "baud = []\n" + PRINTER + "[extra]\n"
    )
    assert len(found) == 6
    with pytest.raises(ConfigError) as caught:
        load(path, EMPTY)
    assert str(caught.value).splitlines() == [f"{path}: 6 problems", *(f"  {problem}" for problem in found)]


def test_bad_toml_names_the_line(path: Path) -> None:
    (found,) = problems(path, '[server]\nlisten = "x\n')
    assert found.startswith("is not valid TOML: line 2, column ")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file; give another one with --config"):
        load(tmp_path / "none.toml", EMPTY)


def test_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: is a directory; check its owner and mode"):
        load(tmp_path, EMPTY)


def test_text_must_be_utf_8(path: Path) -> None:
    path.write_bytes(b'[server]\nlisten = "\xff"\n')
    with pytest.raises(ConfigError, match="is not UTF-8 text \\(byte 19\\)"):
        load(path, EMPTY)


def test_a_database_password_is_never_repeated(path: Path) -> None:
    (found,) = problems(path, '[store]\nurl = "postgresql://u:s3cret@db/x"')
    assert found == (
        "[store] url: PostgreSQL is not available in this version; use sqlite:////absolute/path/gateway.db"
    )


# where values come from


def test_the_environment_is_stronger_than_the_file(path: Path) -> None:
    path.write_text('[server]\nlisten = "127.0.0.1:1"\nmax_upload_bytes = 7\n')
    config = load(
        path, {"PRINT_GATEWAY_SERVER__LISTEN": "127.0.0.1:2", "PRINT_GATEWAY_URL": "http://elsewhere"}
    )
    assert (config.server.listen, config.server.max_upload_bytes) == ("127.0.0.1:2", 7)


def test_printers_from_the_environment_are_json(path: Path) -> None:
    path.touch()
    text = '[{"name": "a", "driver": "marlin", "port": "/dev/x", "owner": "ana"}]'
    environ = {"PRINT_GATEWAY_PRINTERS": text}
    assert [printer.name for printer in load(path, environ).printers] == ["a"]
    (found,) = problems(path, "", {"PRINT_GATEWAY_PRINTERS": "[oops"})
    assert "PRINT_GATEWAY_PRINTERS must be JSON" in found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("PRINT_GATEWAY_SEVER__LISTEN", 'PRINT_GATEWAY_SEVER__LISTEN: unknown section "sever"; did you mean'),
        ("PRINT_GATEWAY_SERVER__LISTNE", '[server] listne: unknown key "listne"; did you mean "listen"?'),
    ],
)
def test_unknown_names_in_the_environment_are_errors(path: Path, name: str, expected: str) -> None:
    (found,) = problems(path, "", {name: "x"})
    assert expected in found


def test_credentials_are_stronger_than_the_file(path: Path, tmp_path: Path) -> None:
    path.write_text('[store]\nurl = "sqlite:////a.db"\n')
    (tmp_path / "store.url").write_text("sqlite:////b.db\n")
    (tmp_path / "other").write_text("none of ours")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert load(path, environ).store.url == "sqlite:////b.db"
    environ["PRINT_GATEWAY_STORE__URL"] = "sqlite:////c.db"
    assert load(path, environ).store.url == "sqlite:////c.db"


# what is accepted but disappoints


def test_a_plain_configuration_has_no_warnings(path: Path) -> None:
    path.write_text(PRINTER)
    assert load(path, EMPTY).warnings() == []


def test_what_will_disappoint_is_said() -> None:
    def made(number: int) -> MarlinPrinter:
        return MarlinPrinter(name=f"p{number}", driver="marlin", port=f"/dev/p{number}", owner="ana")

    assert "nothing to print on until a printer calls in" in Config().warnings()[0]
    auto = Config(printers=(made(1).model_copy(update={"plate_clear": "auto"}),))
    assert "no ejection macro yet" in auto.warnings()[0]
    everywhere = Config(server={"listen": "0.0.0.0:80"})  # type: ignore[arg-type]
    assert "without public_url" in everywhere.warnings()[0]


@pytest.mark.parametrize(
    ("server", "is_reachable"),
    [
        ({}, False),
        ({"listen": "0.0.0.0:80"}, False),
        ({"listen": "[::1]:8080"}, False),
        ({"public_url": "http://localhost:8080"}, False),
        ({"public_url": "http://127.1.2.3"}, False),
        ({"listen": "192.0.2.7:8080"}, True),
        ({"public_url": "http://printhost.local:8080"}, True),
        ({"public_url": "https://[2001:db8::1]/"}, True),
    ],
)
def test_an_address_that_other_machines_cannot_reach_is_known(
    server: dict[str, str], is_reachable: bool
) -> None:
    why = Config(server=server).server.unreachable  # type: ignore[arg-type]
    assert (why is None) == is_reachable
    assert why is None or 'write public_url = "http://<this host>:' in why


def test_lenient_is_asked_for_by_name(path: Path) -> None:
    assert Config().forge.lenient_faye is False
    path.write_text("[forge]\nlenient_faye = true\n")
    assert load(path, EMPTY).forge.lenient_faye is True
    (found,) = problems(path, '[forge]\nlenient_faye = "perhaps"')
    assert found.startswith("[forge] lenient_faye:")


def test_the_profiles_are_those_there_are() -> None:
    for name in PROFILE_NAMES:
        made = MarlinPrinter(name="a", driver="marlin", port="/dev/x", owner="ana", profile=name)
        assert made.profile == name
    with pytest.raises(ValidationError):
        MarlinPrinter(name="a", driver="marlin", port="/dev/x", owner="ana", profile="grbl")  # type: ignore[arg-type]


def problems_of_scripts(tmp_path: Path, text: str) -> str:
    path = tmp_path / "config.toml"
    path.write_text(
        '[[printers]]\nname = "mk3"\ndriver = "marlin"\nport = "/dev/ttyACM0"\nowner = "ana"\n' + text
    )
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('start = ["G28", "M104 S{hot}"]', 'start: line 2 "M104 S{hot}": there is no variable {hot}; '),
        ('pause = ["M117 {x:.2f}"]', "{x} takes no format"),
        ('pause = ["M117 {x"]', "its braces do not fit together"),
        ('end = ["G1 X1 ; aside"]', "a comment is not sent"),
        ('end = ["M117 2*3"]', "firmware ends a line at `*`"),
        ('cancel = [" "]', "there is nothing to send"),
        ('resume = ["M117 caf\u00e9"]', "only printable ASCII"),
        ('connect = ["M112"]', "M112 is for the gateway alone"),
        ('start = ["M117 ' + "x" * 90 + '"]', "it has 95 characters, 80 fit"),
        ("start = [" + '"G28", ' * 65 + "]", "65 lines are too many for a script"),
        ('strat = ["G28"]', 'unknown key "strat"; did you mean "start"?'),
    ],
)  # fmt: skip
def test_a_script_that_cannot_be_sent_names_printer_script_and_line(
    tmp_path: Path, text: str, words: str
) -> None:
    told = problems_of_scripts(tmp_path, f"[printers.scripts]\n{text}\n")
    assert '[[printers]] no. 1 ("mk3")' in told
    assert words in told


@pytest.mark.parametrize("text", ["lift = -1", 'by = "me"', "wait = 5"])
def test_parking_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    assert '[[printers]] no. 1 ("mk3") park' in problems_of_scripts(tmp_path, f"[printers.park]\n{text}\n")


@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.example/realms/shop",
        "https://login.example/",
        "http://127.0.0.1:9400",
        "http://localhost:9400",
    ],
)
def test_an_issuer_is_kept_to_the_letter(path: Path, issuer: str) -> None:
    path.write_text(f'[auth]\nissuer = "{issuer}"\naudience = "print-gateway"\n')
    auth = load(path, {}).auth
    assert (auth.issuer, auth.audience, auth.member_claim) == (issuer, "print-gateway", "email")
