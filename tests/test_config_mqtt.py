"""The configuration of printers that speak MQTT, of the user's broker, and of files with secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import BambuPrinter, ConfigError, MarlinPrinter, MoonrakerPrinter, load
from gateway.config.errors import KNOWN_SECTIONS
from gateway.config.loading import Config
from gateway.config.printers import MAX_MQTT_PRINTERS, MAX_SERIAL_PRINTERS
from gateway.config.secret_files import SECRET_BYTES, Secrets, read_secrets
from gateway.drivers.bambu.settings import URL_FORM
from gateway.main_mqtt_printers import bridge_of, start_options
from gateway.protocol.bambu.requests import ProjectOptions
from tests.support.certificates import Authority

BAMBU = (
    '[[printers]]\nname = "a1"\ndriver = "bambu"\nhost = "192.0.2.7"\nserial = "03919C000000001"\n'
    'access_code_file = "a1.code"\nowner = "ana"\n'
)
MOONRAKER = (
    '[[printers]]\nname = "voron"\ndriver = "moonraker"\ninstance = "voron"\nurl = "http://voron.local:7125/"\n'
    'broker = "mqtt://broker.local"\nowner = "ana"\n'
)
MARLIN = '[[printers]]\nname = "mk3"\ndriver = "marlin"\nport = "/dev/ttyACM0"\nowner = "ana"\n'
BROKER = '[mqtt]\nurl = "mqtt://broker.local"\n'
OF_MQTT = MOONRAKER.replace('broker = "mqtt://broker.local"\n', "")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def loaded(path: Path, text: str) -> Config:
    path.write_text(text, encoding="utf-8")
    return load(path, {})


def problems(path: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        loaded(path, text)
    return caught.value.problems


def test_each_kind_has_its_keys(path: Path) -> None:
    config = loaded(path, MARLIN + BAMBU + MOONRAKER)
    marlin, bambu, moonraker = config.printers
    assert isinstance(marlin, MarlinPrinter)
    assert isinstance(bambu, BambuPrinter)
    assert (bambu.username, bambu.port, bambu.ftps_port, bambu.topic_prefix) == ("bblp", 8883, 990, "device")
    assert (bambu.verified_by, bambu.link) == ("fingerprint", "mqtts://192.0.2.7:8883")
    assert isinstance(moonraker, MoonrakerPrinter)
    assert (moonraker.url, moonraker.link) == (
        "http://voron.local:7125",
        "mqtt://broker.local, instance voron",
    )


def test_a_bambu_printer_behind_a_bridge(path: Path) -> None:
    own = 'broker = "mqtt://broker.local"\nbroker_username = "pg"\nbroker_password_file = "p"\n'
    (direct,), config = loaded(path, BAMBU).printers, loaded(path, BAMBU + own)
    (printer,) = config.printers
    assert isinstance(printer, BambuPrinter)
    assert isinstance(direct, BambuPrinter)
    assert printer.link == "mqtt://broker.local, bridged to 192.0.2.7"
    (said,) = config.exposures()
    assert said.startswith('[[printers]] "a1" broker = "mqtt://broker.local:1883": the password goes over')
    secrets = Secrets({("a1", "access_code_file"): "12345678", ("a1", "broker_password_file"): "secret"})
    assert bridge_of(direct, secrets, config) is None
    bridge = bridge_of(printer, secrets, config)
    assert bridge is not None
    assert (bridge.host, bridge.port, bridge.context) == ("broker.local", 1883, None)
    assert (bridge.username, bridge.password) == ("pg", "secret"), "not the printer's own"
    assert problems(path, BAMBU + 'broker_username = "x"\nbroker_password_file = "p"\n') == (
        '[[printers]] no. 1 ("a1"): broker_username needs broker; the broker of [mqtt] has its own keys',
    )


def test_what_goes_with_every_start_of_a_bambu_printer(path: Path) -> None:
    wanted = "[printers.start]\nuse_ams = true\nams_mapping = [2, -1]\nbed_leveling = false\n"
    (plain,), (told,) = (loaded(path, text).printers for text in (BAMBU, BAMBU + wanted))
    assert isinstance(plain, BambuPrinter)
    assert isinstance(told, BambuPrinter)
    assert (start_options(plain.start), plain.start.url) == (ProjectOptions(), URL_FORM)
    assert start_options(told.start) == ProjectOptions(use_ams=True, ams_mapping=(2, -1), bed_leveling=False)


@pytest.mark.parametrize(
    ("extra", "how"),
    [
        ("", "fingerprint"),
        ('ca_file = "bbl.pem"', "pinned"),
        ('verify = "pinned"\nca_file = "bbl.pem"', "pinned"),
        ('verify = "off"', "off"),
    ],
)
def test_a_printers_certificate_is_judged_by_what_there_is(path: Path, extra: str, how: str) -> None:
    (bambu,) = loaded(path, BAMBU + extra).printers
    assert isinstance(bambu, BambuPrinter)
    assert bambu.verified_by == how


def test_the_broker_is_off_until_its_address_is_known(path: Path) -> None:
    off = Config().mqtt
    assert (off.broker, off.takes_commands, off.base_topic) == (None, False, "print-gateway")
    plain = loaded(path, BROKER).mqtt
    assert (str(plain.broker), plain.takes_commands) == ("mqtt://broker.local:1883", False)
    text = '[mqtt]\nurl = "mqtts://[2001:db8::1]"\nusername = "pg"\npassword_file = "p"\n'
    known = loaded(path, text).mqtt
    assert (str(known.broker), known.takes_commands) == ("mqtts://[2001:db8::1]:8883", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BAMBU.replace('host = "192.0.2.7"\n', ""), '("a1") host is missing; write the printer\'s address'),
        (BAMBU.replace('serial = "03919C000000001"\n', ""), "serial is missing; write the printer's serial"),
        (BAMBU.replace('access_code_file = "a1.code"\n', ""), "access_code_file is missing; name a file wit"),
        (BAMBU.replace("03919C000000001", "03/#"), 'serial: "03/#" is not a serial number'),
        (BAMBU.replace("192.0.2.7", "mqtts://192.0.2.7"), 'host: "mqtts://192.0.2.7" is not a host; write'),
        (BAMBU + 'port = "/dev/ttyACM0"', 'port: "/dev/ttyACM0" is not a TCP port; write a number such as 8'),
        (BAMBU + 'port = "8883"', 'port: "8883" is a text; write the number without quotes'),
        (BAMBU + "port = 65536", 'port: "65536" is not a TCP port'),
        (BAMBU + "baud = 115200", 'unknown key "baud": it is one of "marlin" printers, and this one is "bam'),
        (BAMBU + 'acces_code = "1"', 'unknown key "acces_code"; did you mean "access_code_file"?'),
        (BAMBU + 'topic_prefix = "a/#"', 'topic_prefix: "a/#" cannot begin a topic'),
        (BAMBU + '[printers.start]\nurl = "ftp:///x"', 'start url: "ftp:///x" leads to no file'),
        (BAMBU + "[printers.start]\nams = true", 'start ams: unknown key "ams"; did you mean "use_ams"?'),
        (BAMBU + 'verify = "pinned"', '("a1"): verify = "pinned" needs ca_file'),
        (BAMBU + 'verify = "off"\nca_file = "x"', 'ca_file is not used with verify = "off"'),
        (BAMBU + 'verify = "no"', "verify: \"no\" is not available in this version; choose 'pinned', 'finge"),
        (MARLIN + 'access_code_file = "x"', 'it is one of "bambu" printers, and this one is "marlin"'),
        (MOONRAKER + "port = 7125", 'unknown key "port": it is one of "marlin" and "bambu" printers'),
        (MOONRAKER.replace('instance = "voron"\n', ""), "instance is missing; write instance_name of [mqtt]"),
        (MOONRAKER.replace('url = "http://voron.local:7125/"\n', ""), "url is missing; write where Moonrake"),
        (MOONRAKER.replace("http:", "mqtt:"), 'url: "mqtt://voron.local:7125/" is not a web address'),
        (OF_MQTT, 'no. 1 ("voron") broker is missing; write url under [mqtt], or here: broker ='),
        (OF_MQTT + 'broker_username = "x"\nbroker_password_file = "y"\n' + BROKER, "broker_username needs b"),
        (MOONRAKER + 'broker_username = "x"', "broker_username and broker_password_file belong together"),
        (BAMBU + BAMBU.replace('"a1"', '"a2"'), 'no. 2 serial: "03919C000000001" is that of no. 1 already;'),
        (
            MOONRAKER + MOONRAKER.replace('"voron"\ndr', '"v2"\ndr').replace("7125", "7126"),
            'no. 2 instance: "voron" is that of no. 1 already; one machine can be one printer only',
        ),
        (
            MOONRAKER + OF_MQTT.replace('"voron"\ndr', '"v2"\ndr').replace("7125", "7126")
            + BROKER.replace("broker.local", "BROKER.local:1883"),
            'no. 2 instance: "voron" is that of no. 1 already',
        ),
        (BAMBU.replace('"a1"', '"mk3"') + MARLIN, 'no. 2 name: "mk3" is that of no. 1 already'),
        ('[mqtt]\nurl = "broker.local"', '[mqtt] url: "broker.local" is not the address of a broker; write'),
        ('[mqtt]\nurl = "mqtt://b:x"', 'url: "mqtt://b:x" is not the address of a broker'),
        ('[mqtt]\nurl = "mqtt://b/x"', 'url: "mqtt://b/x" has more than host and port'),
        ('[mqtt]\nbase_topic = "x"', "[mqtt]: url is missing, and without it MQTT is off"),
        (BROKER + 'username = "x"', "username and password_file belong together: a name alone proves nothin"),
        (BROKER + "allow_commands = true", "allow_commands = true needs username and password_file: on a br"),
        (BROKER + 'ca_file = "x"', 'ca_file is for a broker with TLS; write url = "mqtts://..."'),
        (BROKER + 'gateway_id = "a/b"', '[mqtt] gateway_id: "a/b" cannot be an id in a topic'),
        (BROKER + 'base_topic = ""', '[mqtt] base_topic: "" cannot begin a topic'),
    ],
)  # fmt: skip
def test_each_mistake_is_one_sentence(path: Path, text: str, expected: str) -> None:
    (found,) = problems(path, text)
    assert expected in found
    assert not {"input", "validation", "pydantic", "type=", "tag"} & set(found.replace(",", " ").split())


def test_credentials_in_an_address_are_refused_and_not_repeated(path: Path) -> None:
    for url in ("mqtt://me:s3cret@broker", "mqtt://me:s3cret@broker:port", "http://me:s3cret@broker"):
        (found,) = problems(path, f'[mqtt]\nurl = "{url}"\n')
        assert "s3cret" not in found


def test_every_section_is_known_to_the_errors() -> None:
    assert KNOWN_SECTIONS == set(Config.model_fields)


def test_mqtt_printers_do_not_count_as_serial_ones(path: Path) -> None:
    def text(count: int) -> str:
        serial = (
            MARLIN.replace("mk3", f"p{n}").replace("ttyACM0", f"ttyACM{n}")
            for n in range(MAX_SERIAL_PRINTERS)
        )
        bambu = (BAMBU.replace('"a1"', f'"a{n}"').replace("03919C", f"{n:06}") for n in range(count))
        return "".join([*serial, *bambu])

    assert len(loaded(path, text(MAX_MQTT_PRINTERS)).printers) == MAX_MQTT_PRINTERS + MAX_SERIAL_PRINTERS
    (found,) = problems(path, text(MAX_MQTT_PRINTERS + 1))
    assert "there are 257 bambu and moonraker printers, and 256 are possible" in found


# files with secrets


def test_secrets_lie_beside_the_configuration(path: Path) -> None:
    config = loaded(path, BAMBU)
    (path.parent / "a1.code").write_text(" 12345678\n")
    secrets = read_secrets(config, path, {})
    assert secrets.text("a1", "access_code_file") == "12345678"
    assert "12345678" not in repr(secrets)


def test_systemds_credentials_go_first(path: Path, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    config = loaded(path, BAMBU)
    (path.parent / "a1.code").write_text("of the folder")
    (credentials / "a1.code").write_text("of systemd")
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert read_secrets(config, path, environ).text("a1", "access_code_file") == "of systemd"
    (credentials / "a1.code").unlink()
    assert read_secrets(config, path, environ).text("a1", "access_code_file") == "of the folder"


def test_certificates_are_found_alike(path: Path) -> None:
    text = f'[mqtt]\nurl = "mqtts://b"\nca_file = "{path.parent}/ca.pem"\n' + BAMBU + 'ca_file = "bbl.pem"'
    config = loaded(path, text)
    (path.parent / "a1.code").write_text("12345678")
    certificates = Authority(path.parent).file.read_text()
    for name in ("ca.pem", "bbl.pem"):
        (path.parent / name).write_text(certificates)
    secrets = read_secrets(config, path, {})
    assert secrets.path("", "ca_file") == path.parent / "ca.pem"
    assert secrets.path("a1", "ca_file") == path.parent / "bbl.pem"


@pytest.mark.parametrize("content", [b"", b"no certificate", b"\xff"])
def test_a_certificate_file_without_one_is_an_error(path: Path, content: bytes) -> None:
    config = loaded(path, '[mqtt]\nurl = "mqtts://b"\nca_file = "ca.pem"\n')
    (path.parent / "ca.pem").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_secrets(config, path, {})
    assert caught.value.problems == ('[mqtt] ca_file: "ca.pem" holds no certificate in PEM form',)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "is not there (looked for "),
        (b" \n", "is empty; write the secret into it"),
        (b"one\ntwo\n", "has more than one line; write the secret alone into it"),
        (b"\xff", "is not UTF-8 text"),
        (b"x" * (SECRET_BYTES + 1), "is longer than 4096 bytes"),
    ],
    ids=["missing", "empty", "two lines", "no text", "long"],
)
def test_a_secret_that_cannot_be_used_is_named(path: Path, content: bytes | None, expected: str) -> None:
    config = loaded(path, BAMBU + MOONRAKER + 'api_key_file = "none"')
    if content is not None:
        (path.parent / "a1.code").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_secrets(config, path, {})
    first, second = caught.value.problems
    assert first.startswith(f'[[printers]] no. 1 ("a1") access_code_file: "a1.code" {expected}')
    assert second.startswith('[[printers]] no. 2 ("voron") api_key_file: "none" is not there')
    assert caught.value.source == str(path)


def test_a_folder_is_no_secret(path: Path) -> None:
    config = loaded(path, BAMBU)
    (path.parent / "a1.code").mkdir()
    with pytest.raises(ConfigError, match=r"cannot be read .*is a directory; check its owner and mode"):
        read_secrets(config, path, {})


def test_what_is_accepted_but_open_is_said(path: Path) -> None:
    login = 'username = "pg"\npassword_file = "p"\n'
    (said,) = loaded(path, BAMBU + 'verify = "off"').warnings()
    assert said == '[[printers]] "a1" verify = "off": whoever answers there learns its access code'
    (said,) = loaded(path, BROKER + login + BAMBU).warnings()
    assert said.startswith('[mqtt] url = "mqtt://broker.local:1883": the password goes over the network')
    assert loaded(path, BROKER.replace("broker.local", "127.0.0.1") + login + BAMBU).warnings() == []
    assert loaded(path, BROKER.replace("mqtt:", "mqtts:") + login + BAMBU).warnings() == []
    own = 'broker_username = "pg"\nbroker_password_file = "p"\n'
    (said,) = loaded(path, MOONRAKER.replace("broker.local", "192.0.2.1") + own).exposures()
    assert said.startswith('[[printers]] "voron" broker = "mqtt://192.0.2.1:1883": the password goes over')
    assert loaded(path, MOONRAKER.replace("mqtt://", "mqtts://") + own).exposures() == []


def test_a_secret_that_everybody_on_the_host_may_read_is_said(path: Path) -> None:
    config = loaded(path, BAMBU)
    code = path.parent / "a1.code"
    code.write_text("12345678")
    code.chmod(0o640)
    assert read_secrets(config, path, {}).exposures == ()
    code.chmod(0o644)
    (said,) = read_secrets(config, path, {}).exposures
    assert said == (
        f'[[printers]] no. 1 ("a1") access_code_file: everybody on this host may read {code}; chmod o= it'
    )


def test_an_embedded_broker_listens_on_this_host_unless_told_otherwise(path: Path) -> None:
    assert loaded(path, MARLIN).speaks_mqtt is False
    embedded = loaded(path, MARLIN).with_embedded_broker()
    assert (embedded.speaks_mqtt, str(embedded.mqtt.broker)) == (True, "mqtt://127.0.0.1:1883")
    own = loaded(path, '[mqtt]\nurl = "mqtt://127.0.0.1:2883"').with_embedded_broker()
    assert str(own.mqtt.broker) == "mqtt://127.0.0.1:2883"
