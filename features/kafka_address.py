"""Where Kafka is, and how it wants to be spoken to: one text, for Python's client and for Flink's.

    host:9092,other:9092
    ssl://host:9093?ca=/etc/kafka/ca.pem&cert=/etc/kafka/client.pem
    sasl_ssl://host:9093,other:9093?mechanism=SCRAM-SHA-512&username=leeway&password=env:KAFKA_PASSWORD

The scheme is one of Kafka's `security.protocol`. The text goes wherever events are read, into jobs and messages, so it
never holds a password: it names the variable that does, which each process asks for when it connects.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

MECHANISMS = {"PLAIN": "plain.Plain", "SCRAM-SHA-256": "scram.Scram", "SCRAM-SHA-512": "scram.Scram"}
"""How a password is shown, and the class of Kafka's Java client that does it."""
_SCHEMES = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_OF_TLS, _OF_SASL = ("ca", "cert"), ("mechanism", "username", "password")
_VARIABLE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")
_NO_PASSWORD = "the password must not be in Kafka's address: put it into a variable, and write password=env:ITS_NAME"
_LOGIN = "org.apache.kafka.common.security.{}LoginModule"


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """An address, taken apart: ``host:port`` of *servers*, Kafka's security *protocol*, and what that needs.

    *password* is the name of a variable. *ca* is a PEM file of the authorities to trust in place of the system's, and
    *cert* one with the client's private key, unencrypted, and its certificates.
    """

    servers: tuple[str, ...]
    protocol: str = "PLAINTEXT"
    mechanism: str = ""
    username: str = ""
    password: str = ""
    ca: str = ""
    cert: str = ""

    def client(self) -> dict[str, Any]:
        """Return what kafka-python is to be told. Raises ValueError: the password's variable is not set."""
        options = {"security_protocol": self.protocol, "ssl_cafile": self.ca, "ssl_certfile": self.cert,
                   "ssl_keyfile": self.cert, "sasl_mechanism": self.mechanism, "sasl_plain_username": self.username,
                   "sasl_plain_password": self._secret()}  # fmt: skip
        return {"bootstrap_servers": list(self.servers), **{k: v for k, v in options.items() if v}}

    def properties(self, shaded: str = "") -> dict[str, str]:
        """Return what Kafka's Java client is to be told; *shaded* stands in front of its classes' names, dot included.

        Raises:
            ValueError: the password's variable is not set.

        >>> parse("ssl://host:9093?ca=/ca.pem").properties()["ssl.truststore.location"]
        '/ca.pem'
        """
        told = {"bootstrap.servers": ",".join(self.servers)}
        if self.protocol != "PLAINTEXT":
            told["security.protocol"] = self.protocol
        for store, file in (("truststore", self.ca), ("keystore", self.cert)):
            if file:
                told |= {f"ssl.{store}.type": "PEM", f"ssl.{store}.location": file}
        if self.mechanism:
            login = shaded + _LOGIN.format(MECHANISMS[self.mechanism])
            who = f"username={_quoted(self.username)} password={_quoted(self._secret())}"
            told |= {"sasl.mechanism": self.mechanism, "sasl.jaas.config": f"{login} required {who};"}
        return told

    def _secret(self) -> str:
        if self.password and self.password not in os.environ:
            msg = f"Kafka's password is in the environment variable {self.password}, which is not set"
            raise ValueError(msg)
        return os.environ[self.password] if self.password else ""


@lru_cache(maxsize=64)
def parse(text: str) -> KafkaAddress:
    """Return the address that *text* is.

    Raises:
        ValueError: it is none; the message says what is wrong with it.

    >>> parse("a:9092, b:9092").servers
    ('a:9092', 'b:9092')
    >>> parse("sasl_ssl://a:9093?mechanism=PLAIN&username=u&password=secret")
    Traceback (most recent call last):
    ValueError: the password must not be in Kafka's address: put it into a variable, and write password=env:ITS_NAME
    """
    scheme, _, rest = text.rpartition("://")
    hosts, _, query = rest.partition("?")
    if "@" in hosts:
        raise ValueError(_NO_PASSWORD)
    servers = tuple(part.strip() for part in hosts.split(","))
    if not all(_is_server(server) for server in servers):
        msg = f"{hosts!r} is neither host:port, several with commas between, nor a variable, like env:LEEWAY_KAFKA"
        raise ValueError(msg)
    if (scheme or "plaintext").lower() not in _SCHEMES:
        msg = f"{scheme!r} is none of Kafka's security protocols: {', '.join(_SCHEMES)}"
        raise ValueError(msg)
    return _whole(KafkaAddress(servers, (scheme or "plaintext").upper(), **_options(query)))


def checked(text: str) -> str:
    """Return *text*, which a project file gives as an address, or as ``env:NAME`` of the variable that holds it.

    Raises:
        ValueError: it is neither.

    >>> checked("here")
    Traceback (most recent call last):
    ValueError: 'here' is neither host:port, several with commas between, nor a variable, like env:LEEWAY_KAFKA
    """
    if not _VARIABLE.fullmatch(text):
        parse(text)
    return text


def shown(text: str) -> str:
    """Return the hosts and ports alone, for messages.

    >>> shown("sasl_ssl://a:9093?mechanism=PLAIN&username=u&password=env:P")
    'a:9093'
    """
    return text.rpartition("://")[2].partition("?")[0]


def _is_server(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and not set(host) & set(" /@?") and port.isascii() and port.isdecimal()


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)) if query else {}
    if unknown := set(options) - {*_OF_TLS, *_OF_SASL}:
        msg = f"Kafka's address has no `{min(unknown)}`; there are {', '.join((*_OF_TLS, *_OF_SASL))}"
        raise ValueError(msg)
    if "password" in options:
        if not options["password"].startswith("env:"):
            raise ValueError(_NO_PASSWORD)
        options["password"] = options["password"].removeprefix("env:")
    return options


def _whole(address: KafkaAddress) -> KafkaAddress:
    """Return *address* if all that its protocol needs is there, and nothing else. Raises ValueError otherwise."""
    tls, sasl = "SSL" in address.protocol, "SASL" in address.protocol
    for key in (*_OF_TLS, *_OF_SASL):
        given, fits = getattr(address, key), tls if key in _OF_TLS else sasl
        if given and not fits:
            msg = f"`{key}` does not go with {address.protocol.lower()}://"
            raise ValueError(msg)
        if key in _OF_SASL and fits and not given:
            msg = f"{address.protocol.lower()}:// needs `{key}`"
            raise ValueError(msg)
        if given and key in _OF_TLS and not Path(given).is_absolute():
            msg = f"`{key}` must be an absolute path, the same wherever jobs run, not {given!r}"
            raise ValueError(msg)
    if address.mechanism and address.mechanism not in MECHANISMS:
        msg = f"{address.mechanism!r} is none of the mechanisms {', '.join(MECHANISMS)}"
        raise ValueError(msg)
    return address


def _quoted(text: str) -> str:
    """Return *text* as a value of a JAAS configuration."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
