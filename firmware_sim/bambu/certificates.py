"""The printer's certificate as these machines have it: CN is the serial, no other name, under its maker's CA.

The CA has no key usage extension, as the maker's: clients with strict checks (Python 3.13) refuse it.
"""

from __future__ import annotations

import datetime
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

VALID_DAYS = 3650
CA_NAME = "Simulated BBL CA"
_FIRST_DAY = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
"""A printer knows no time when it is made, and a test none at all: valid for thirty years from here."""
_LAST_DAY = _FIRST_DAY + datetime.timedelta(days=3 * VALID_DAYS)


class BadIdentity(ValueError):
    """The file holds no identity of a printer."""


@dataclass(frozen=True, slots=True)
class Identity:
    """PEM: the CA's certificate; the printer's key, and its certificate."""

    ca: bytes
    key: bytes
    certificate: bytes

    def server_context(self, *, is_tls_12_only: bool) -> ssl.SSLContext:
        """For the broker and the file server; one context, so that TLS sessions can be resumed between data
        connections of one file server.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if is_tls_12_only:
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # private; ssl reads keys from files alone
            file.write(self.key + self.certificate + self.ca)
            file.flush()
            context.load_cert_chain(file.name)
        return context


def make_identity(serial: str) -> Identity:
    """A new CA, and a certificate of it for the printer."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = _name(CA_NAME)
    basic = x509.BasicConstraints(ca=True, path_length=None)
    ca = _builder(ca_name, ca_name, ca_key.public_key()).add_extension(basic, critical=True)
    leaf = _builder(_name(serial), ca_name, key.public_key())
    return Identity(
        ca.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        leaf.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM),
    )


def kept_identity(path: Path, serial: str) -> Identity:
    """That of an earlier run, or a new one that is kept in the file. Raises BadIdentity, OSError."""
    if not path.exists():
        made = make_identity(serial)
        path.touch(mode=0o600)
        path.write_bytes(made.ca + made.certificate + made.key)
        return made
    blocks = path.read_bytes().partition(b"-----END CERTIFICATE-----\n")
    ca, (certificate, end, key) = blocks[0] + blocks[1], blocks[2].partition(b"-----END CERTIFICATE-----\n")
    try:
        found = x509.load_pem_x509_certificate(certificate + end)
    except ValueError as error:
        raise BadIdentity(f"{path} holds no printer's identity: {error}") from error
    if found.subject != _name(serial):
        raise BadIdentity(f"{path} is of {found.subject.rfc4514_string()}, not of {serial}")
    return Identity(ca, key, certificate + end)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FIRST_DAY)
        .not_valid_after(_LAST_DAY)
    )
