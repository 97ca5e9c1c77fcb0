"""Whose certificate is believed: contexts for printers and for a user's broker.

A printer has a certificate that its maker signed for its serial number, and is reached by its address. So
the serial is what is compared, not the host name; three ways, from strict to none:

    pinned      signed by the maker's CA, which is a file here, and for this serial (common name)
    first use   any certificate at first, the same one ever after
    unchecked   any certificate, always

All are contexts that need nothing from who uses them. Python 3.13 made checks strict that makers' CAs fail
(VERIFY_X509_STRICT: no key usage extension); contexts for printers do not ask for them.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import ssl
from pathlib import Path
from typing import Any, Final, Protocol

#: What printers speak at least. X1C and H2D speak only this one.
LEAST: Final = ssl.TLSVersion.TLSv1_2
#: P2S ends an FTPS transfer over TLS 1.3.
ONLY_1_2: Final = ssl.TLSVersion.TLSv1_2
#: As `fingerprint_of` makes them.
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


class CertificateRefused(ssl.SSLError):
    """It is not the certificate of before. The text says how to accept it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class TlsFileTrouble(Exception):
    """A file of certificates or fingerprints cannot be used. The text is for people."""


class KnownFingerprint(Protocol):
    """Where one printer's fingerprint is kept."""

    @property
    def place(self) -> str:
        """Where it is, for people who remove it."""

    def read(self) -> str | None:
        """None: no certificate was seen yet. Raises TlsFileTrouble."""

    def write(self, fingerprint: str) -> None:
        """From now on this one is believed. Raises TlsFileTrouble."""


class FingerprintFile:
    """One fingerprint, a line in a file of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        return str(self._path)

    def read(self) -> str | None:
        try:
            found = self._path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise TlsFileTrouble(
                f"{self._path} cannot be read ({_short(error)}): mend or remove it"
            ) from error
        if not _FINGERPRINT.fullmatch(found):
            # Nor is an empty one "not seen yet": then whoever answers next would be believed.
            raise TlsFileTrouble(
                f"{self._path} holds no fingerprint: remove it, and what the printer shows is accepted"
            )
        return found

    def write(self, fingerprint: str) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("w", encoding="ascii") as file:
                file.write(fingerprint + "\n")
                file.flush()
                os.fsync(file.fileno())  # a power cut must leave the old one or this one
            fresh.replace(self._path)
        except OSError as error:
            raise TlsFileTrouble(f"{self._path} cannot be written ({_short(error)})") from error


def pinned(ca_file: Path, serial: str, *, most: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Only the printer with this serial, by a certificate that the CA in `ca_file` signed. TlsFileTrouble."""
    context = _SerialContext(ssl.PROTOCOL_TLS_CLIENT)
    context.serial = serial
    context.hostname_checks_common_name = True
    _load(context, ca_file)
    return _bounded(context, most)


def first_use(known: KnownFingerprint, *, most: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """The certificate that was seen first, and no other: handshakes raise CertificateRefused."""
    context = _FirstUseContext(ssl.PROTOCOL_TLS_CLIENT)
    context.known = known
    return _bounded(_blind(context), most)


def unchecked(*, most: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Whoever answers is believed: for a network where nobody else can."""
    return _bounded(_blind(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)), most)


def verified(ca_file: Path | None = None) -> ssl.SSLContext:
    """The usual check of name and chain, by the system's authorities or those in a file. TlsFileTrouble."""
    if ca_file is None:
        return _bounded(ssl.create_default_context(), None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _load(context, ca_file)
    return _bounded(context, None)


def fingerprint_of(certificate: bytes) -> str:
    """SHA-256 of a certificate in DER, in hexadecimal."""
    return hashlib.sha256(certificate).hexdigest()


def tls_reason(error: ssl.SSLError) -> str:
    """Why no secure connection came about, in a clause that says what to do."""
    if isinstance(error, CertificateRefused):
        return error.text
    if isinstance(error, ssl.SSLCertVerificationError):
        return _WRONG.get(error.verify_code) or (
            f"its certificate is not accepted ({error.verify_message}): check ca_file and verify"
        )
    if error.reason in ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING", "RECORD_LAYER_FAILURE"):
        return "what answers there speaks no TLS: check the port"
    return f"no secure connection came about ({error.reason or 'unknown'}): check the port and verify"


#: OpenSSL's X509_V_ERR_*, x509_vfy.h.
_CLOCK: Final = "its certificate is not valid today: check this host's clock"
_SIGNER: Final = (
    "its certificate is signed by nobody that this gateway trusts: set ca_file to the authority's certificate"
)
_OTHER: Final = "its certificate is made out to another name: check the address and the serial"
_WRONG: Final = {
    9: _CLOCK,  # not yet valid
    10: _CLOCK,  # expired
    18: _SIGNER,  # self-signed
    19: _SIGNER,  # self-signed in the chain
    20: _SIGNER,  # no issuer found
    21: _SIGNER,  # the only certificate, and no issuer
    62: _OTHER,  # host name
    64: _OTHER,  # address
}


class _SerialContext(ssl.SSLContext):
    """Compares the certificate's name with the serial, whatever the address is called."""

    serial: str

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        options["server_hostname"] = self.serial
        return super().wrap_socket(sock, *args, **options)


class _FirstUseSocket(ssl.SSLSocket):
    """Looks at the certificate when the handshake is over, before a byte of anything else goes out."""

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        context = self.context
        assert isinstance(context, _FirstUseContext)
        certificate = self.getpeercert(binary_form=True)
        assert certificate is not None, "a TLS server without a certificate"
        _compare(context.known, fingerprint_of(certificate))


class _FirstUseContext(ssl.SSLContext):
    """Every socket of it checks the fingerprint."""

    known: KnownFingerprint
    sslsocket_class = _FirstUseSocket


def _compare(known: KnownFingerprint, seen: str) -> None:
    try:
        expected = known.read()
        if expected is None:
            known.write(seen)
    except TlsFileTrouble as trouble:
        raise CertificateRefused(str(trouble)) from trouble
    if expected not in (None, seen):
        raise CertificateRefused(
            "its certificate is not the one of before: somebody else may be answering. If the printer was "
            f"replaced, reset or updated, remove {known.place} and the new one is accepted"
        )


def _blind(context: ssl.SSLContext) -> ssl.SSLContext:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _bounded(context: ssl.SSLContext, most: ssl.TLSVersion | None) -> ssl.SSLContext:
    context.minimum_version = LEAST
    if most is not None:
        context.maximum_version = most
    return context


def _load(context: ssl.SSLContext, ca_file: Path) -> None:
    """What the file holds is believed as it is: makers publish an authority in the middle, not the root."""
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError as error:
        raise TlsFileTrouble(f"{ca_file} holds no certificate in PEM form") from error
    except OSError as error:
        raise TlsFileTrouble(f"{ca_file} cannot be read: {_short(error)}") from error


def _short(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
