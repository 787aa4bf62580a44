"""Self-signed certificates for mutual TLS of a broker or a Flink cluster on this machine."""

from __future__ import annotations

import ipaddress
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from features.security import secret_file
from features.window import UTC

PEM = "keys.pem"
"""File of the private key and certificate, for Python."""
VALIDITY = timedelta(days=3650)
"""Validity of a certificate. It is never renewed: its folder is deleted and made anew."""


def key_folder(at: Path, now: datetime | None = None) -> Path:
    """Return the folder *at* with a key and certificate in it, readable by this user only; created the first time.

    Whoever can read it has full access to the services that it protects. A folder that was only partly written is
    replaced.
    """
    if not (at / "done").exists():
        shutil.rmtree(at, ignore_errors=True)
        at.mkdir(parents=True, mode=0o700)
        _make(at, now or datetime.now(UTC))
        (at / "done").touch(0o600)
    return at


def _make(at: Path, now: datetime) -> None:
    """Write the key and certificate as PEM and as PKCS#12, and the password of the latter."""
    password = secret_file.read(at / "password").encode()
    key, who = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "leeway")]),
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALIDITY)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(at / PEM, plain + made.public_bytes(pem))
    sealed = serialization.BestAvailableEncryption(password)
    # Java trusts the certificates of a store's own keys too, so that one file does for both.
    _write(at / "keys.p12", pkcs12.serialize_key_and_certificates(b"leeway", key, made, None, sealed))


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
