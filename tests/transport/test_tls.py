"""Whose certificate is believed, by real handshakes on this host. The same on every supported Python."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.transport import tls
from tests.support.certificates import Authority, Leaf

SERIAL = "01P00A123"


class Door:
    """A TLS server that shakes hands and says one word. As a context it is open."""

    def __init__(self, leaf: Leaf, *, most: ssl.TLSVersion | None = None) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(leaf.certificate, leaf.key)
        if most is not None:
            self._context.maximum_version = most
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Door:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def knock(self, context: ssl.SSLContext) -> str | None:
        """The version of TLS that was spoken."""
        with (
            socket.create_connection(self._listener.getsockname(), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            assert secure.recv(10) == b"hello"
            return secure.version()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with plain:
                try:
                    with self._context.wrap_socket(plain, server_side=True) as secure:
                        secure.sendall(b"hello")
                except OSError:
                    pass  # refused by who knocked


def test_the_printer_with_this_serial_and_no_other(tmp_path: Path) -> None:
    maker = Authority(tmp_path)
    with Door(maker.printer(SERIAL)) as door:
        assert door.knock(tls.pinned(maker.file, SERIAL)) == "TLSv1.3"
        with pytest.raises(ssl.SSLCertVerificationError) as raised:
            door.knock(tls.pinned(maker.file, "01P00A999"))
    assert tls.tls_reason(raised.value) == (
        "its certificate is made out to another name: check the address and the serial"
    )


def test_another_makers_printer_is_refused(tmp_path: Path) -> None:
    maker, other = Authority(tmp_path), Authority(tmp_path, "Other Maker")
    with Door(other.printer(SERIAL)) as door, pytest.raises(ssl.SSLCertVerificationError) as raised:
        door.knock(tls.pinned(maker.file, SERIAL))
    assert "signed by nobody that this gateway trusts: set ca_file" in tls.tls_reason(raised.value)


def test_the_first_certificate_stays_the_only_one(tmp_path: Path) -> None:
    maker = Authority(tmp_path)
    known = tls.FingerprintFile(tmp_path / "known" / "a1")
    first, second = maker.printer(SERIAL), maker.printer(SERIAL)
    with Door(first) as door:
        door.knock(tls.first_use(known))
        der = ssl.PEM_cert_to_DER_cert(first.certificate.read_text())
        assert known.read() == tls.fingerprint_of(der)
        door.knock(tls.first_use(known))
    with Door(second) as door:
        with pytest.raises(tls.CertificateRefused) as raised:
            door.knock(tls.first_use(known))
        sentence = tls.tls_reason(raised.value)
        assert "not the one of before" in sentence
        assert f"remove {tmp_path / 'known' / 'a1'} and the new one is accepted" in sentence
        (tmp_path / "known" / "a1").unlink()
        door.knock(tls.first_use(known))


def test_a_fingerprint_that_cannot_be_kept_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    known = tls.FingerprintFile(tmp_path / "file" / "a1")
    with Door(Authority(tmp_path).printer(SERIAL)) as door, pytest.raises(tls.CertificateRefused) as raised:
        door.knock(tls.first_use(known))
    assert "cannot be" in tls.tls_reason(raised.value)


@pytest.mark.parametrize("left", ["", "\n", "ab" * 20, "no fingerprint at all"])
def test_a_fingerprint_that_was_lost_makes_nobody_believed(left: str, tmp_path: Path) -> None:
    known = tls.FingerprintFile(tmp_path / "a1")
    (tmp_path / "a1").write_text(left)
    with Door(Authority(tmp_path).printer(SERIAL)) as door, pytest.raises(tls.CertificateRefused) as raised:
        door.knock(tls.first_use(known))
    assert f"{tmp_path / 'a1'} holds no fingerprint: remove it" in tls.tls_reason(raised.value)
    assert (tmp_path / "a1").read_text() == left


def test_unchecked_is_anybody(tmp_path: Path) -> None:
    with Door(Authority(tmp_path).printer(SERIAL)) as door:
        assert door.knock(tls.unchecked()) == "TLSv1.3"


def test_a_broker_has_to_have_its_address_in_its_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with Door(authority.host("127.0.0.1")) as door:
        assert door.knock(tls.verified(authority.file)) == "TLSv1.3"
        with pytest.raises(ssl.SSLCertVerificationError):
            door.knock(tls.verified())
    with Door(authority.host("192.0.2.1")) as door, pytest.raises(ssl.SSLCertVerificationError) as raised:
        door.knock(tls.verified(authority.file))
    assert "made out to another name" in tls.tls_reason(raised.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda folder, ca, most: tls.pinned(ca, SERIAL, most=most),
        lambda folder, ca, most: tls.first_use(tls.FingerprintFile(folder / "a1"), most=most),
        lambda folder, ca, most: tls.unchecked(most=most),
    ],
    ids=["pinned", "first use", "unchecked"],
)
def test_versions_of_tls(make: Callable[..., ssl.SSLContext], tmp_path: Path) -> None:
    maker = Authority(tmp_path)
    leaf = maker.printer(SERIAL)
    with Door(leaf) as door:
        assert door.knock(make(tmp_path, maker.file, tls.ONLY_1_2)) == "TLSv1.2"
    with Door(leaf, most=ssl.TLSVersion.TLSv1_2) as door:
        assert door.knock(make(tmp_path, maker.file, None)) == "TLSv1.2"
    assert make(tmp_path, maker.file, None).minimum_version == ssl.TLSVersion.TLSv1_2


def test_files_that_are_no_certificates(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(tls.TlsFileTrouble, match="holds no certificate in PEM form"):
        tls.pinned(tmp_path / "ca.pem", SERIAL)
    with pytest.raises(tls.TlsFileTrouble, match="cannot be read: No such file"):
        tls.verified(tmp_path / "none.pem")
