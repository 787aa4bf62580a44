"""Schema registry client: in front of each Avro record is the id of the schema that it was written with.

The REST interface and the header of five bytes are Confluent's; Apicurio, Karapace and others have them too. A schema
never changes under its id, so it is requested once.

References
----------
Confluent, "Schema Registry: Wire format" and "Schema Registry API Reference".
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from features import errors
from features.kafka import connections
from features.security import local_http

if TYPE_CHECKING:
    import httpx

_HEADER = struct.Struct(">bI")
_MAGIC = 0
"""First byte of the header."""
_TIMEOUT_SECONDS = 10.0
"""Time that the registry may take to answer."""
_NOT_FOUND = range(40401, 40500)
"""Error codes of the interface for a subject, version or schema that does not exist; a plain 404 is a wrong address."""


def header(number: int) -> bytes:
    """Return the header of a record of the schema with an id.

    >>> header(7)
    b'\\x00\\x00\\x00\\x00\\x07'
    """
    return _HEADER.pack(_MAGIC, number)


def split_header(value: bytes) -> tuple[int, bytes]:
    """Return the schema id in front of *value*, and the record without the header.

    Raises
    ------
    ValueError
        There is no header.

    Examples
    --------
    >>> split_header(header(7) + b"record")
    (7, b'record')
    """
    if len(value) < _HEADER.size or value[0] != _MAGIC:
        msg = "no schema id in front: the record was written without the registry"
        raise ValueError(msg)
    return _HEADER.unpack_from(value)[1], value[_HEADER.size :]


@lru_cache(maxsize=1024)
def schema(registry: str, number: int) -> str:
    """Return the Avro schema with an id, as JSON.

    Parameters
    ----------
    registry
        URL of the registry.
    number
        The schema id.

    Raises
    ------
    ValueError
        The registry does not have it, or it is not a self-contained Avro schema.
    BrokerAway
        The registry does not answer.
    BrokerError
        It refuses.
    """
    answer = _ask("GET", registry, f"schemas/ids/{number}")
    if answer is None:
        msg = f"schema {number} is not in the registry"
        raise ValueError(msg)
    if answer.get("schemaType", "AVRO") != "AVRO" or answer.get("references"):
        msg = f"schema {number} of the registry is not an Avro schema that stands by itself"
        raise ValueError(msg)
    return str(answer["schema"])


@lru_cache(maxsize=64)
def schema_id(registry: str, topic: str, schema: str) -> int:
    """Return the id of a schema, which is registered for the values of a topic where it is not yet.

    Parameters
    ----------
    registry
        URL of the registry.
    topic
        The topic; the subject is ``<topic>-value``.
    schema
        The Avro schema, as JSON.

    Raises
    ------
    BrokerAway
        The registry does not answer.
    BrokerError
        It refuses, for example an incompatible schema.
    """
    answer = _ask("POST", registry, f"subjects/{topic}-value/versions", {"schema": schema})
    if answer is None:
        msg = f"the schema registry at {redacted(registry)} has no place for {topic}-value"
        raise errors.BrokerError(msg)
    return int(answer["id"])


def subjects(registry: str) -> int:
    """Return the number of subjects in the registry.

    Raises
    ------
    BrokerAway
        The registry does not answer.
    BrokerError
        It refuses.
    """
    return len(_ask("GET", registry, "subjects") or ())


def _ask(method: str, registry: str, path: str, body: dict[str, str] | None = None) -> Any:
    """Return the registry's answer, None where it does not have what was requested."""
    import httpx  # slow to import, and most projects have no registry

    connections.must_be_set(registry, "the schema registry", "export {}=http://host:8081")
    try:
        answer = httpx.request(
            method, f"{registry.rstrip('/')}/{path}", json=body, timeout=_TIMEOUT_SECONDS,
            headers={"Accept": "application/vnd.schemaregistry.v1+json"},
            trust_env=not local_http.is_local_url(registry),
        )  # fmt: skip
        if _code(answer) in _NOT_FOUND:
            return None
        answer.raise_for_status()
        return answer.json()
    except httpx.HTTPStatusError as error:
        reply = f"{error.response.status_code} {error.response.text[:300]}".strip()
        msg = f"the schema registry at {redacted(registry)} refuses /{path}: {reply}"
        raised = errors.BrokerAway if error.response.is_server_error else errors.BrokerError
        raise raised(msg, hint="see `schema_registry` in the project file") from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        msg = f"the schema registry at {redacted(registry)} does not answer: {type(error).__name__}"
        raise errors.BrokerAway(msg, hint="is it running, and is `schema_registry` its address?") from error


def _code(answer: httpx.Response) -> int:
    """Return the interface's own error code, 0 where there is none."""
    try:
        return int(answer.json()["error_code"])
    except (ValueError, LookupError, TypeError):
        return 0


def redacted(registry: str) -> str:
    """Return the address without the credentials that it may contain.

    >>> redacted("http://ann:secret@host:8081/x")
    'http://host:8081/x'
    """
    scheme, _, rest = registry.rpartition("//")
    return f"{scheme}//{rest.rpartition('@')[2]}" if scheme else rest
