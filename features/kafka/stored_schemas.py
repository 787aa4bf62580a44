"""Avro schemas that are stored with records, so that these are read without the schema's file and the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from features.kafka import avro, schema_registry

OF_ALL = ""
"""In place of a number in the registry: the schema of all records."""


def of(values: Iterable[bytes | None], file: str | None, registry: str | None) -> dict[str, str]:
    """Return the schemas by which records can be read later, without the file and the registry.

    Parameters
    ----------
    values
        The records; one without a schema that can be found is left to its reader, which says so.
    file
        File of their schema, where they name none of a registry.
    registry
        URL of the registry, or empty.

    Raises
    ------
    DataError
        The file cannot be read, or is not the Avro schema of a record.
    BrokerAway
        The registry does not answer.
    """
    if not registry:
        text = avro.load(file or "")
        avro.parse(text)
        return {OF_ALL: text}
    numbers, schemas = set[int](), dict[str, str]()
    for value in values:
        with suppress(ValueError):
            numbers.add(schema_registry.split_header(value or b"")[0])
    for number in sorted(numbers):
        with suppress(ValueError):
            schemas[str(number)] = schema_registry.schema(registry, number)
    return schemas


def reader(schemas: Mapping[str, str]) -> Callable[[bytes], dict[str, Any]]:
    """Return a function that reads a record by the schemas that were stored with it (:func:`of`).

    It raises ValueError where a record cannot be read.

    Parameters
    ----------
    schemas
        Avro schema by its number in the registry; that of all records under the empty text.

    Raises
    ------
    DataError
        The schema of all records is not the Avro schema of a record.
    """

    def stored(schema_id: int) -> str:
        if (text := schemas.get(str(schema_id))) is None:
            msg = f"schema {schema_id} was not in the registry when the record landed"
            raise ValueError(msg)
        return text

    if (text := schemas.get(OF_ALL)) is None:
        return avro.registered_reader(stored)
    plan = avro.parse(text)
    return lambda value: avro.read(value, plan)
