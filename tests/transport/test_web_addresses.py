"""Which addresses may be connected to because somebody else named them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from gateway.transport.web import URL_CHARS, refusal_of
from gateway.transport.web_addresses import is_allowed, literal_address
from gateway.transport.web_errors import PRIVATE

#: The IANA special-purpose registries, both ends of each block, and the forms with an address inside.
REFUSED = """
    0.0.0.0 0.1.2.3 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255
    169.254.0.0 169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.0
    192.168.255.255 198.18.0.0 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255
    240.0.0.1 255.255.255.255
    :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 ::8.8.8.8 64:ff9b::8.8.8.8 64:ff9b::7f00:1
    64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:1ff:ffff::1 2001:db8::1
    2002:7f00:1::1 2002:808:808::1 3fff::1 4000::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 fe80::1%eth0
    fec0::1 ff02::1 2606:4700::1%eth0
""".split()
ALLOWED = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1
    169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.1 192.167.255.255 192.169.0.0
    198.17.255.255 198.20.0.0 223.255.255.255 2001:200::1 2606:4700::1111 2a00:1450:4001:830::200e
""".split()
#: With private addresses allowed: still where nothing can listen.
NOWHERE = "0.0.0.0 224.0.0.1 255.255.255.255 240.0.0.1 :: ff02::1 ::ffff:0.0.0.0 ::ffff:224.0.0.1".split()
HOME = (
    "127.0.0.1 10.1.2.3 192.168.1.7 169.254.1.1 100.64.0.1 ::1 fd12::1 fe80::1%eth0 ::ffff:10.0.0.1".split()
)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_of_the_public_internet_is_refused(text: str) -> None:
    assert not is_allowed(ip_address(text), is_private_allowed=False)


@pytest.mark.parametrize("text", ALLOWED)
def test_public_addresses_are_allowed(text: str) -> None:
    assert is_allowed(ip_address(text), is_private_allowed=False)
    assert is_allowed(ip_address(text), is_private_allowed=True)


def test_the_operator_may_allow_the_own_network() -> None:
    assert [text for text in HOME if not is_allowed(ip_address(text), is_private_allowed=True)] == []
    assert [text for text in NOWHERE if is_allowed(ip_address(text), is_private_allowed=True)] == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7F.1", "0177.0.0.1", "017700000001",
     "127.0.0.1.", "[::1]", "::1", "::ffff:127.0.0.1", "[::ffff:7f00:1]", "fe80::1%25eth0"],
)  # fmt: skip
def test_every_spelling_of_an_address_is_one(host: str) -> None:
    address = literal_address(host.replace("%25", "%"))
    assert address is not None
    assert not is_allowed(address, is_private_allowed=False)


@pytest.mark.parametrize(
    "host", ["example.com", "localhost", "1and1.com", "0x7f.example", "127.0.0.1.nip.io", ""]
)
def test_names_are_no_addresses(host: str) -> None:
    """They are looked at again when they are resolved."""
    assert literal_address(host) is None


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "https://127.1:8080/a", "http://2130706433/", "http://0x7f000001/", "http://[::1]/",
     "http://[::ffff:10.0.0.1]/", "http://user:word@192.168.1.1/", "http://169.254.169.254/latest/meta-data",
     "http://0/", "http://[fe80::1%25eth0]/", "http://[64:ff9b::7f00:1]/"],
)  # fmt: skip
def test_literal_private_addresses_are_refused_by_the_text_alone(url: str) -> None:
    assert refusal_of(url, is_private_allowed=False) == PRIVATE


@pytest.mark.parametrize(
    "url",
    ["", "example.com/a", "//example.com/a", "ftp://example.com/a", "file:///etc/passwd", "http://",
     "http:///a", "http://example.com:99999/", "http://example.com:0/", "http://exa mple.com/",
     "http://example.com/\r\nX: y", "http://[::1/", "javascript:alert(1)",
     "https://example.com/" + "a" * URL_CHARS],
)  # fmt: skip
def test_what_is_no_web_address_is_refused(url: str) -> None:
    assert refusal_of(url, is_private_allowed=True) not in (None, PRIVATE)


@pytest.mark.parametrize(
    "url",
    ["http://example.com", "https://example.com:8443/a/b?c=d#e", "http://8.8.8.8/", "http://bücher.example/"],
)
def test_web_addresses_may_be_tried(url: str) -> None:
    assert refusal_of(url, is_private_allowed=False) is None
