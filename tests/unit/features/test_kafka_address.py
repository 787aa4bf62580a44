"""Kafka addresses: one text names brokers, protocol and user; a password is never in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from features import errors, kafka_address
from features.kafka import connections
from tests.support import certificates

SASL = "sasl_ssl://a:1,b:2?mechanism=SCRAM-SHA-512&username=ann&password=env:KAFKA_PASSWORD"


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """Return a file with a key and a certificate."""
    return certificates.write(tmp_path / "c++.pem", "localhost")


def test_both_clients_are_told_the_same(pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka's Java client by properties, with the password as JAAS quotes it; kafka-python by arguments."""
    monkeypatch.setenv("KAFKA_PASSWORD", 'a"b\\c\n')  # files of secrets end with a line feed
    address = kafka_address.parse(f"{SASL}&ca={pem}&cert={pem}")

    assert {
        "bootstrap_servers": ["a:1", "b:2"], "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "ann", "sasl_plain_password": 'a"b\\c', "ssl_cafile": str(pem),
        "ssl_certfile": str(pem), "ssl_keyfile": str(pem),
    } == address.python_options()  # fmt: skip
    assert {
        "bootstrap.servers": "a:1,b:2", "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "shaded.org.apache.kafka.common.security.scram.ScramLoginModule required "
        'username="ann" password="a\\"b\\\\c";',
        "ssl.truststore.type": "PEM", "ssl.truststore.location": str(pem),
        "ssl.keystore.type": "PEM", "ssl.keystore.location": str(pem),
    } == address.java_properties("shaded.")  # fmt: skip


def test_a_plain_address_asks_for_nothing() -> None:
    """As before there were others."""
    address = kafka_address.parse("a:1, b:2")

    assert {"bootstrap.servers": "a:1,b:2"} == address.java_properties()
    assert address == kafka_address.parse("plaintext://a:1,b:2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("here", "'here' is neither host:port"),
        ("a:1,b", "neither host:port"),
        ("::1:9092", "neither host:port"),
        ("a\tb:1", "neither host:port"),
        ("ssl://a:1,ssl://b:1", "neither host:port"),
        ("kafka://a:1", "'kafka' is none of Kafka's security protocols: plaintext, ssl, sasl_plaintext, sasl_ssl"),
        ("ssl://a:1?trust=/x", "no `trust`; there are ca, cert, mechanism"),
        ("a:1?ca=/x", "`ca` does not go with plaintext://"),
        ("ssl://a:1?username=ann", "`username` does not go with ssl://"),
        ("ssl://a:1?ca=ca.pem", "`ca` must be an absolute path"),
        ("sasl_ssl://a:1?mechanism=PLAIN&username=ann", "sasl_ssl:// needs `password`"),
        ("sasl_ssl://a:1", "sasl_ssl:// needs `mechanism`"),
        (SASL.replace("SCRAM-SHA-512", "GSSAPI"), "'GSSAPI' is none of the mechanisms PLAIN, SCRAM-SHA-256"),
        ("ssl://a:1?ca", "not key=value"),
        ("ssl://a:1?ca=/a&ca=/b", "has a setting twice, one of ca"),
    ],
)
def test_what_is_no_address_is_refused(text: str, message: str) -> None:
    """By what is wrong with it."""
    with pytest.raises(ValueError, match=r"\S") as told:
        kafka_address.checked(text)

    assert message in str(told.value)
    with pytest.raises(errors.BrokerError), connections.consumer(text):
        pass


@pytest.mark.parametrize(
    "text",
    [
        SASL.replace("env:KAFKA_PASSWORD", "SECRET"),
        SASL.replace("env:KAFKA_PASSWORD", "abc&dSECRET"),
        SASL.replace("env:KAFKA_PASSWORD", "abc&dSECRET=x"),
        SASL.replace("env:KAFKA_PASSWORD", "Endpoint=sb://ns.example;SharedAccessKey=SECRET="),
        "sasl_ssl://ann:SECRET@a:1",
        "sasl_ssl://ann:SECRET?cret@a:1",
    ],
)
def test_a_password_in_the_address_is_refused_and_not_repeated(text: str) -> None:
    """Whatever it is made of, and whoever wants to name the address."""
    with pytest.raises(ValueError, match="write password=env:ITS_NAME") as told:
        kafka_address.parse(text)

    assert "SECRET" not in str(told.value)
    assert "SECRET" not in kafka_address.redacted(text)


def test_odd_characters_are_written_as_in_a_url() -> None:
    """But for the plus, which is a plus."""
    address = kafka_address.parse(SASL.replace("ann", "a%26b+c") + "&ca=/etc/c++/ca.pem")

    assert ("a&b+c", "/etc/c++/ca.pem") == (address.username, address.ca)


def test_files_that_cannot_be_used_are_named(pem: Path, tmp_path: Path) -> None:
    """The clients would only say that nobody answers, and a monitor would wait for ever."""
    (tmp_path / "none.pem").write_text("")
    for name, reason in (("gone.pem", "No such file"), ("none.pem", "cannot be used")):
        for key in ("ca", "cert"):
            with pytest.raises(errors.BrokerError, match=f"{name}, which Kafka's address names, .*{reason}"):
                connections.properties(f"ssl://a:1?{key}={tmp_path / name}", "")


def test_a_key_that_java_cannot_read_is_told(pem: Path) -> None:
    """Python's client would read it."""
    key = serialization.load_pem_private_key(pem.read_bytes(), None)
    old = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    pem.write_bytes(old + b"-----BEGIN CERT" + pem.read_bytes().partition(b"-----BEGIN CERT")[2])
    with pytest.raises(errors.BrokerError, match=r"must hold its key as PKCS#8: openssl pkcs8"):
        connections.properties(f"ssl://a:1?cert={pem}", "")


@pytest.mark.parametrize("value", [None, "", "\n"])
def test_a_password_whose_variable_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """Where somebody connects, or a job is submitted, and not before."""
    monkeypatch.delenv("KAFKA_PASSWORD", raising=False)
    if value is not None:
        monkeypatch.setenv("KAFKA_PASSWORD", value)
    kafka_address.parse(SASL)
    for connect in (lambda: connections.properties(SASL, ""), lambda: connections.consumer(SASL).__enter__()):
        with pytest.raises(errors.BrokerError, match="variable KAFKA_PASSWORD, which is not set"):
            connect()
