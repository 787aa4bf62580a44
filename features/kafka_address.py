"""Kafka bootstrap address with its security settings, as one text for the Python client and for Flink's Java client.

    host:9092,other:9092
    ssl://host:9093?ca=/etc/kafka/ca.pem&cert=/etc/kafka/client.pem
    sasl_ssl://host:9093,other:9093?mechanism=SCRAM-SHA-512&username=leeway&password=env:KAFKA_PASSWORD

The scheme is one of Kafka's `security.protocol`. The text is part of jobs and messages, so it never contains a
password: it names the environment variable with the password, which is read where a client connects or a job is
submitted.
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
"""SASL mechanisms, and the login module of Kafka's Java client for each."""
_SCHEMES = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_TLS_KEYS = ("ca", "cert")
_SASL_KEYS = ("mechanism", "username", "password")
_VARIABLE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")
_URL = re.compile(r"(?:([A-Za-z_]+)://)?([^?]*)(?:\?(.*))?", re.DOTALL)
_SERVER = re.compile(r"([^\s:/@?,\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]+")
_OPEN_PASSWORD = re.compile(r"[?&]password=(?!env:)")
_NO_PASSWORD = "the password must not be in Kafka's address: put it into a variable, and write password=env:ITS_NAME"
_PKCS8 = "-----BEGIN PRIVATE KEY-----"
_LOGIN = "org.apache.kafka.common.security.{}LoginModule"


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """A parsed address.

    Parameters
    ----------
    servers
        Bootstrap servers, ``host:port`` each.
    protocol
        Kafka's `security.protocol`, in capitals.
    mechanism
        The SASL mechanism; empty without SASL.
    username
        The SASL user.
    password
        Name of the environment variable that holds the password.
    ca
        PEM file of the certificate authorities to trust, in place of those that Python and Java know.
    cert
        PEM file of the client's private key (PKCS#8, unencrypted) and its certificates.
    """

    servers: tuple[str, ...]
    protocol: str = "PLAINTEXT"
    mechanism: str = ""
    username: str = ""
    password: str = ""
    ca: str = ""
    cert: str = ""

    def python_options(self) -> dict[str, Any]:
        """Return the connection's options for kafka-python.

        Raises
        ------
        ValueError
            The password's variable is not set, or a file cannot be used.
        """
        self._check_files()
        options = {"security_protocol": self.protocol, "ssl_cafile": self.ca, "ssl_certfile": self.cert,
                   "ssl_keyfile": self.cert, "sasl_mechanism": self.mechanism, "sasl_plain_username": self.username,
                   "sasl_plain_password": self._secret()}  # fmt: skip
        return {"bootstrap_servers": list(self.servers), **{k: v for k, v in options.items() if v}}

    def java_properties(self, shaded: str = "") -> dict[str, str]:
        """Return the connection's properties for Kafka's Java client.

        Parameters
        ----------
        shaded
            Prefix of the client's class names, dot included, where a connector brings its own copy of the client.

        Raises
        ------
        ValueError
            The password's variable is not set, or a file cannot be used.

        Examples
        --------
        >>> parse("ssl://host:9093").java_properties()
        {'bootstrap.servers': 'host:9093', 'security.protocol': 'SSL'}
        """
        self._check_files()
        settings = {"bootstrap.servers": ",".join(self.servers)}
        if self.protocol != "PLAINTEXT":
            settings["security.protocol"] = self.protocol
        for store, file in (("truststore", self.ca), ("keystore", self.cert)):
            if file:
                settings |= {f"ssl.{store}.type": "PEM", f"ssl.{store}.location": file}
        if self.mechanism:
            login = shaded + _LOGIN.format(_MECHANISMS[self.mechanism])
            who = f"username={_quoted(self.username)} password={_quoted(self._secret())}"
            settings |= {"sasl.mechanism": self.mechanism, "sasl.jaas.config": f"{login} required {who};"}
        return settings

    def _secret(self) -> str:
        found = os.environ.get(self.password, "").rstrip("\r\n") if self.password else ""
        if self.password and not found:
            msg = f"Kafka's password is in the environment variable {self.password}, which is not set"
            raise ValueError(msg)
        return found

    def _check_files(self) -> None:
        """Raise ValueError if a file cannot be used: the clients would only report that no broker answers."""
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
    """Return the address that *text* describes.

    Raises
    ------
    ValueError
        It is not an address; the message says why.

    Examples
    --------
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
    return _validated(KafkaAddress(servers, (scheme or "plaintext").upper(), **_options(query)))


def checked(text: str) -> str:
    """Return *text* unchanged if it is an address, or ``env:NAME`` of the variable that holds one.

    Raises
    ------
    ValueError
        It is neither.

    Examples
    --------
    >>> checked("here")
    Traceback (most recent call last):
    ValueError: 'here' is neither host:port, several with commas between, nor a variable, like env:LEEWAY_KAFKA
    """
    if not _VARIABLE.fullmatch(text):
        parse(text)
    return text


def redacted(text: str) -> str:
    """Return the hosts and ports alone, for messages; nothing of a text that is no address, as it may be a password.

    >>> redacted("sasl_ssl://a:9093?mechanism=PLAIN&username=u&password=env:P"), redacted("env:LEEWAY_KAFKA")
    ('a:9093', 'env:LEEWAY_KAFKA')
    """
    try:
        return text if _VARIABLE.fullmatch(text) else ",".join(parse(text).servers)
    except ValueError:
        return "what is no address"


def _options(query: str) -> dict[str, str]:
    """Return the settings of the address's query part, each under its key.

    Raises ValueError for a key that does not exist or occurs twice.
    """
    if not query:
        return {}
    try:
        # A plus stands for itself: this is no form of a page.
        pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True, strict_parsing=True)
    except ValueError:
        msg = "what follows the ? of Kafka's address is not key=value, with & between"
        raise ValueError(msg) from None
    options = {key: value.removeprefix("env:") if key == "password" else value for key, value in pairs}
    if unknown := set(options) - {*_TLS_KEYS, *_SASL_KEYS}:
        msg = f"Kafka's address has no `{min(unknown)}`; there are {', '.join((*_TLS_KEYS, *_SASL_KEYS))}"
        raise ValueError(msg)
    if len(options) < len(pairs):
        msg = f"Kafka's address has a setting twice, one of {', '.join(options)}"
        raise ValueError(msg)
    return options


def _validated(address: KafkaAddress) -> KafkaAddress:
    """Return *address* if it has exactly the settings that its protocol needs; raise ValueError otherwise."""
    tls, sasl = "SSL" in address.protocol, "SASL" in address.protocol
    for key in (*_TLS_KEYS, *_SASL_KEYS):
        value, fits = getattr(address, key), tls if key in _TLS_KEYS else sasl
        if value and not fits:
            msg = f"`{key}` does not go with {address.protocol.lower()}://"
            raise ValueError(msg)
        if key in _SASL_KEYS and fits and not value:
            msg = f"{address.protocol.lower()}:// needs `{key}`"
            raise ValueError(msg)
        if value and key in _TLS_KEYS and not Path(value).is_absolute():
            msg = f"`{key}` must be an absolute path, the same wherever jobs run, not {value!r}"
            raise ValueError(msg)
    if address.mechanism and address.mechanism not in _MECHANISMS:
        msg = f"{address.mechanism!r} is none of the mechanisms {', '.join(_MECHANISMS)}"
        raise ValueError(msg)
    return address


def _quoted(text: str) -> str:
    """Return *text* as a quoted value of a JAAS configuration."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
