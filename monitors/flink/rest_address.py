"""Address of a Flink cluster's REST service with its TLS keys, in one text.

    host:8081
    https://127.0.0.1:8081?keys=/path/to/folder

With keys both sides show a certificate (mutual TLS): Flink has no passwords. The folder contains `keys.pem` for Python,
`keys.p12` for Java, and the `password` of the latter; `leeway up` makes one, which only its user can read.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

PATTERN = r"^(env:[A-Za-z_][A-Za-z0-9_]*|[^\s:,/?]+:\d+|https://[^\s:,/?]+:\d+\?keys=/\S+)$"
"""Regular expression of an address, or of ``env:NAME`` of the variable that holds one."""
_PARTS = re.compile(r"(?:https://)?([^\s:,/?]+):(\d+)(?:\?keys=(/\S+))?")


@dataclass(frozen=True, slots=True)
class FlinkAddress:
    """A parsed address.

    Parameters
    ----------
    host
        Host of the REST service.
    port
        Its port.
    keys
        Folder of the keys; None without TLS.
    """

    host: str
    port: str
    keys: Path | None = None

    @property
    def url(self) -> str:
        """URL of the service, without a slash at the end."""
        return f"{'https' if self.keys else 'http'}://{self.host}:{self.port}"

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS context of a client that shows the certificate and trusts the same; None without keys.

        Raises
        ------
        OSError
            The keys cannot be read.
        """
        if self.keys is None:
            return None
        made = ssl.create_default_context(cafile=str(self.keys / "keys.pem"))
        made.load_cert_chain(self.keys / "keys.pem")
        return made

    def options(self) -> dict[str, str]:
        """Return Flink's configuration of a client of the service.

        Raises
        ------
        OSError
            The password of the keys cannot be read.
        """
        return {
            "rest.address": self.host,
            "rest.port": self.port,
            **(tls_options(self.keys, "rest") if self.keys else {}),
        }


def parse(text: str) -> FlinkAddress:
    """Return the address in *text*.

    Raises
    ------
    ValueError
        It is not an address.

    Examples
    --------
    >>> parse("flink:8081").url, parse("https://127.0.0.1:8081?keys=/k").url
    ('http://flink:8081', 'https://127.0.0.1:8081')
    """
    found = _PARTS.fullmatch(text)
    if found is None or text.startswith("https://") is not bool(found[3]):
        msg = f"{text!r} is neither host:port nor https://host:port?keys=/folder"
        raise ValueError(msg)
    return FlinkAddress(found[1], found[2], Path(unquote(found[3])) if found[3] else None)


def tls_options(keys: Path, of: str) -> dict[str, str]:
    """Return Flink's configuration of mutual TLS.

    Parameters
    ----------
    keys
        Folder of the keys.
    of
        Which connections: ``rest`` or ``internal``.

    Raises
    ------
    OSError
        The password of the keys cannot be read.
    """
    password, file = (keys / "password").read_text(encoding="ascii").strip(), str(keys / "keys.p12")
    name = f"security.ssl.{of}"
    authentication = {f"{name}.authentication-enabled": "true"} if of == "rest" else {}
    return {
        f"{name}.enabled": "true",
        f"{name}.keystore": file,
        f"{name}.keystore-password": password,
        f"{name}.key-password": password,
        f"{name}.truststore": file,
        f"{name}.truststore-password": password,
        "security.ssl.protocol": "TLSv1.3",
        "security.ssl.algorithms": "TLS_AES_128_GCM_SHA256",
        **authentication,
    }
