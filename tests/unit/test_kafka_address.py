"""One text says where Kafka is and how it is spoken to; a password is never in it."""

from __future__ import annotations

import pytest

from features import broker, errors, kafka_address

FULL = "sasl_ssl://a:1,b:2?mechanism=SCRAM-SHA-512&username=ann&password=env:KAFKA_PASSWORD&ca=/ca.pem&cert=/me.pem"


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the password that FULL means."""
    monkeypatch.setenv("KAFKA_PASSWORD", 'a"b\\c')
    return 'a"b\\c'


def test_both_clients_are_told_the_same(password: str) -> None:
    """Kafka's Java client by properties, with the password as JAAS quotes it; kafka-python by arguments."""
    address = kafka_address.parse(FULL)

    assert {
        "bootstrap_servers": ["a:1", "b:2"], "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "ann", "sasl_plain_password": password, "ssl_cafile": "/ca.pem",
        "ssl_certfile": "/me.pem", "ssl_keyfile": "/me.pem",
    } == address.client()  # fmt: skip
    assert {
        "bootstrap.servers": "a:1,b:2", "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "shaded.org.apache.kafka.common.security.scram.ScramLoginModule required "
        'username="ann" password="a\\"b\\\\c";',
        "ssl.truststore.type": "PEM", "ssl.truststore.location": "/ca.pem",
        "ssl.keystore.type": "PEM", "ssl.keystore.location": "/me.pem",
    } == address.properties("shaded.")  # fmt: skip


def test_a_plain_address_asks_for_nothing() -> None:
    """As before there were others."""
    address = kafka_address.parse("a:1, b:2")

    assert {"bootstrap.servers": "a:1,b:2"} == address.properties()
    assert address == kafka_address.parse("plaintext://a:1,b:2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("here", "'here' is neither host:port"),
        ("a:1,b", "neither host:port"),
        ("kafka://a:1", "'kafka' is none of Kafka's security protocols: plaintext, ssl, sasl_plaintext, sasl_ssl"),
        ("ssl://a:1?trust=/x", "no `trust`; there are ca, cert, mechanism"),
        ("a:1?ca=/x", "`ca` does not go with plaintext://"),
        ("ssl://a:1?username=ann", "`username` does not go with ssl://"),
        ("ssl://a:1?ca=ca.pem", "`ca` must be an absolute path"),
        ("sasl_ssl://a:1?mechanism=PLAIN&username=ann", "sasl_ssl:// needs `password`"),
        ("sasl_ssl://a:1", "sasl_ssl:// needs `mechanism`"),
        (FULL.replace("SCRAM-SHA-512", "GSSAPI"), "'GSSAPI' is none of the mechanisms PLAIN, SCRAM-SHA-256"),
        (FULL.replace("env:KAFKA_PASSWORD", "secret"), "write password=env:ITS_NAME"),
        ("sasl_ssl://ann:secret@a:1", "the password must not be in Kafka's address"),
        ("ssl://a:1?ca", "ca"),
    ],
)
def test_what_is_no_address_is_refused(text: str, message: str) -> None:
    """By what is wrong with it."""
    with pytest.raises(ValueError, match=r"\S") as told:
        kafka_address.checked(text)

    assert message in str(told.value)
    with pytest.raises(errors.BrokerError), broker.consumer(text):
        pass


def test_a_password_whose_variable_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody connects, or a job is submitted, and not before."""
    monkeypatch.delenv("KAFKA_PASSWORD", raising=False)
    kafka_address.parse(FULL)
    for connect in (lambda: broker.properties(FULL, ""), lambda: broker.consumer(FULL).__enter__()):
        with pytest.raises(errors.BrokerError, match="variable KAFKA_PASSWORD, which is not set"):
            connect()
