"""Where Kafka is, and how it wants to be spoken to: one text, for Python's client and for Flink's.

    host:9092,other:9092
    ssl://host:9093?ca=/etc/kafka/ca.pem&cert=/etc/kafka/client.pem
    sasl_ssl://host:9093,other:9093?mechanism=SCRAM-SHA-512&username=leeway&password=env:KAFKA_PASSWORD

The scheme is one of Kafka's `security.protocol`. The text goes wherever events are read, into jobs and messages, so it
never holds a password: it names the variable that does, which is asked for where somebody connects or submits a job.
"""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

_MECHANISMS = {"PLAIN": "plain.Plain", "SCRAM-SHA-256": "scram.Scram", "SCRAM-SHA-512": "scram.Scram"}
"""How a password is shown, and the class of Kafka's Java client that does it."""
_SCHEMES = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_OF_TLS, _OF_SASL = ("ca", "cert"), ("mechanism", "username", "password")
_VARIABLE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")
_URL = re.compile(r"(?:([A-Za-z_]+)://)?([^?]*)(?:\?(.*))?", re.DOTALL)
_SERVER = re.compile(r"([^\s:/@?,\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]+")
_OPEN_PASSWORD = re.compile(r"[?&]password=(?!env:)")
_NO_PASSWORD = "the password must not be in Kafka's address: put it into a variable, and write password=env:ITS_NAME"
_PKCS8 = "-----BEGIN PRIVATE KEY-----"
_LOGIN = "org.apache.kafka.common.security.{}LoginModule"


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """An address, taken apart: ``host:port`` of *servers*, Kafka's security *protocol*, and what that needs.

    *password* is the name of a variable. *ca* is a PEM file of the authorities to trust, in place of those that Python
    and Java know; *cert* is one with the client's private key (PKCS#8, unencrypted) and its certificates.
    """

    servers: tuple[str, ...]
    protocol: str = "PLAINTEXT"
    mechanism: str = ""
    username: str = ""
    password: str = ""
    ca: str = ""
    cert: str = ""

    def client(self) -> dict[str, Any]:
        """Return what kafka-python is to be told.

        Raises:
            ValueError: the password's variable is not set, or a file is not what it should be.
        """
        self._check_files()
        options = {"security_protocol": self.protocol, "ssl_cafile": self.ca, "ssl_certfile": self.cert,
                   "ssl_keyfile": self.cert, "sasl_mechanism": self.mechanism, "sasl_plain_username": self.username,
                   "sasl_plain_password": self._secret()}  # fmt: skip
        return {"bootstrap_servers": list(self.servers), **{k: v for k, v in options.items() if v}}

    def properties(self, shaded: str = "") -> dict[str, str]:
        """Return what Kafka's Java client is to be told; *shaded* stands in front of its classes' names, dot included.

        Raises:
            ValueError: as for :meth:`client`.

        >>> parse("ssl://host:9093").properties()
        {'bootstrap.servers': 'host:9093', 'security.protocol': 'SSL'}
        """
        self._check_files()
        told = {"bootstrap.servers": ",".join(self.servers)}
        if self.protocol != "PLAINTEXT":
            told["security.protocol"] = self.protocol
        for store, file in (("truststore", self.ca), ("keystore", self.cert)):
            if file:
                told |= {f"ssl.{store}.type": "PEM", f"ssl.{store}.location": file}
        if self.mechanism:
            login = shaded + _LOGIN.format(_MECHANISMS[self.mechanism])
            who = f"username={_quoted(self.username)} password={_quoted(self._secret())}"
            told |= {"sasl.mechanism": self.mechanism, "sasl.jaas.config": f"{login} required {who};"}
        return told

    def _secret(self) -> str:
        found = os.environ.get(self.password, "").rstrip("\r\n") if self.password else ""
        if self.password and not found:
            msg = f"Kafka's password is in the environment variable {self.password}, which is not set"
            raise ValueError(msg)
        return found

    def _check_files(self) -> None:
        """Raise ValueError where a file cannot be used: the clients would only say that nobody answers."""
        if not (self.ca or self.cert):
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for path, load in ((self.ca, context.load_verify_locations), (self.cert, context.load_cert_chain)):
            try:
                if path:
                    load(path)
            except OSError as error:  # what ssl raises is one
                msg = f"{path}, which Kafka's address names, cannot be used: {error.strerror or error}"
                raise ValueError(msg) from error
        if self.cert and _PKCS8 not in Path(self.cert).read_text(encoding="ascii", errors="replace"):
            msg = (
                f"{self.cert}, which Kafka's address names, must hold its key as PKCS#8: openssl pkcs8 -topk8 -nocrypt"
            )
            raise ValueError(msg)


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
    found = _URL.fullmatch(text)
    if found is None or _OPEN_PASSWORD.search(text):
        raise ValueError(_NO_PASSWORD)
    scheme, hosts, query = (part or "" for part in found.groups())
    servers = tuple(part.strip() for part in hosts.split(","))
    if not all(_SERVER.fullmatch(server) for server in servers):
        msg = f"{hosts!r} is neither host:port, several with commas between, nor a variable, like env:LEEWAY_KAFKA"
        raise ValueError(_NO_PASSWORD if "@" in text else msg)
    if scheme and scheme.lower() not in _SCHEMES:
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
    """Return the hosts and ports alone, for messages; nothing of what is no address, which may be a password.

    >>> shown("sasl_ssl://a:9093?mechanism=PLAIN&username=u&password=env:P"), shown("env:LEEWAY_KAFKA")
    ('a:9093', 'env:LEEWAY_KAFKA')
    """
    try:
        return text if _VARIABLE.fullmatch(text) else ",".join(parse(text).servers)
    except ValueError:
        return "what is no address"


def _options(query: str) -> dict[str, str]:
    if not query:
        return {}
    try:
        # A plus stands for itself: this is no form of a page.
        pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True, strict_parsing=True)
    except ValueError:
        msg = "what follows the ? of Kafka's address is not key=value, with & between"
        raise ValueError(msg) from None
    options = {key: value.removeprefix("env:") if key == "password" else value for key, value in pairs}
    if unknown := set(options) - {*_OF_TLS, *_OF_SASL}:
        msg = f"Kafka's address has no `{min(unknown)}`; there are {', '.join((*_OF_TLS, *_OF_SASL))}"
        raise ValueError(msg)
    if len(options) < len(pairs):
        msg = f"Kafka's address says something twice, of {', '.join(options)}"
        raise ValueError(msg)
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
    if address.mechanism and address.mechanism not in _MECHANISMS:
        msg = f"{address.mechanism!r} is none of the mechanisms {', '.join(_MECHANISMS)}"
        raise ValueError(msg)
    return address


def _quoted(text: str) -> str:
    """Return *text* as a value of a JAAS configuration."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
