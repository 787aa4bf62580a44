"""Schemas that a registry keeps: in front of each Avro record stands the number of the schema it was written with.

The registry's interface and the five bytes are Confluent's; Apicurio, Karapace and others have them too. A schema
never changes under its number, so it is asked for once.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from features import errors
from features.kafka import connections

if TYPE_CHECKING:
    import httpx

_FRONT = struct.Struct(">bI")
_MAGIC = 0
_PATIENCE_SECONDS = 10.0
_NOT_FOUND = range(40401, 40500)
"""What the interface itself says of a subject, version or schema that is not there; a plain 404 is a wrong address."""


def front(number: int) -> bytes:
    """Return the bytes that stand before a record of the schema *number*.

    >>> front(7)
    b'\\x00\\x00\\x00\\x00\\x07'
    """
    return _FRONT.pack(_MAGIC, number)


def split(value: bytes) -> tuple[int, bytes]:
    """Return the number of *value*'s schema, and the record without it.

    Raises:
        ValueError: there is none.

    >>> split(front(7) + b"record")
    (7, b'record')
    """
    if len(value) < _FRONT.size or value[0] != _MAGIC:
        msg = "no schema's number in front: the record was written without the registry"
        raise ValueError(msg)
    return _FRONT.unpack_from(value)[1], value[_FRONT.size :]


@lru_cache(maxsize=1024)
def schema(registry: str, number: int) -> str:
    """Return the Avro schema that has this *number* in the *registry*, a URL, as JSON.

    Raises:
        ValueError: there is none, or it is none of Avro that stands by itself.
        BrokerAway: the registry does not answer.
        BrokerError: it refuses.
    """
    found = _ask("GET", registry, f"schemas/ids/{number}")
    if found is None:
        msg = f"schema {number} is not in the registry"
        raise ValueError(msg)
    if found.get("schemaType", "AVRO") != "AVRO" or found.get("references"):
        msg = f"schema {number} of the registry is not an Avro schema that stands by itself"
        raise ValueError(msg)
    return str(found["schema"])


@lru_cache(maxsize=64)
def number(registry: str, topic: str, schema: str) -> int:
    """Return the number of *schema*, registered for the values of *topic* where it is not yet.

    Raises:
        BrokerAway: the registry does not answer.
        BrokerError: it refuses, as where *schema* is not compatible with the one before.
    """
    found = _ask("POST", registry, f"subjects/{topic}-value/versions", {"schema": schema})
    if found is None:
        msg = f"the schema registry at {shown(registry)} has no place for {topic}-value"
        raise errors.BrokerError(msg)
    return int(found["id"])


def subjects(registry: str) -> int:
    """Return for how many subjects the *registry* has schemas.

    Raises:
        BrokerAway: the registry does not answer.
        BrokerError: it refuses.
    """
    return len(_ask("GET", registry, "subjects") or ())


def _ask(method: str, registry: str, path: str, body: dict[str, str] | None = None) -> Any:
    """Return what the registry answers, None where it has no such thing."""
    import httpx  # slow to import, and most projects have no registry

    connections.must_be_set(registry, "the schema registry", "export {}=http://host:8081")
    try:
        answer = httpx.request(
            method, f"{registry.rstrip('/')}/{path}", json=body, timeout=_PATIENCE_SECONDS,
            headers={"Accept": "application/vnd.schemaregistry.v1+json"},
        )  # fmt: skip
        if _code(answer) in _NOT_FOUND:
            return None
        answer.raise_for_status()
        return answer.json()
    except httpx.HTTPStatusError as error:
        said = f"{error.response.status_code} {error.response.text[:300]}".strip()
        msg = f"the schema registry at {shown(registry)} refuses /{path}: {said}"
        raised = errors.BrokerAway if error.response.is_server_error else errors.BrokerError
        raise raised(msg, hint="see `schema_registry` in the project file") from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        msg = f"the schema registry at {shown(registry)} does not answer: {type(error).__name__}"
        raise errors.BrokerAway(msg, hint="is it running, and is `schema_registry` its address?") from error


def _code(answer: httpx.Response) -> int:
    """Return the interface's own number of an error, 0 where it gives none."""
    try:
        return int(answer.json()["error_code"])
    except (ValueError, LookupError, TypeError):
        return 0


def shown(registry: str) -> str:
    """Return the address without the password that it may hold.

    >>> shown("http://ann:secret@host:8081/x")
    'http://host:8081/x'
    """
    scheme, _, rest = registry.rpartition("//")
    return f"{scheme}//{rest.rpartition('@')[2]}" if scheme else rest
