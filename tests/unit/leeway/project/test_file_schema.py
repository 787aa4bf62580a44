"""The JSON Schema of the project file accepts what the reader accepts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from leeway.project import file_schema, yaml_positions
from leeway.project.load import Project

EXAMPLES = sorted((Path(__file__).parents[4] / "examples").glob("*/*.yaml"))
OURS = ("ProjectFile", "ModelSection", "Period")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_examples_are_valid_by_the_schema_and_by_the_reader(path: Path) -> None:
    """An editor that uses the schema finds no fault with the examples, and neither does Leeway."""
    assert Project.load(path).models
    jsonschema.validate(yaml_positions.parse(path.read_text()).data, file_schema.json_schema())


def test_the_flights_stack_differs_in_addresses_only() -> None:
    """What is watched, how, and what follows is the same embedded and on servers: so both end with the same table."""
    embedded, stack = (Project.load(path) for path in EXAMPLES if path.parent.name == "flights")
    (here,), (there,) = embedded.models.values(), stack.models.values()

    assert here.events.columns == there.events.columns
    assert replace(here, events=there.events) == there
    assert (embedded.alerts, embedded.audit) == (stack.alerts, stack.audit)
    assert embedded.state != stack.state


def test_there_are_examples() -> None:
    """The test above has something to look at."""
    assert EXAMPLES


@pytest.mark.parametrize("change", [{"modles": {}}, {"models": {}}, {"project": "a b"}, {"state": 3}])
def test_the_schema_refuses_what_the_reader_refuses(change: dict[str, Any]) -> None:
    """A slip is underlined while it is being typed."""
    data = {**yaml_positions.parse(EXAMPLES[0].read_text()).data, **change}

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, file_schema.json_schema())


def test_the_schema_is_itself_valid_and_plain_json() -> None:
    """The schema is one by its own dialect, and lengths of time have defaults as they are written in the file."""
    schema = file_schema.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)

    assert schema == json.loads(json.dumps(schema))
    assert "365d" == schema["$defs"]["Retrain"]["properties"]["window"]["default"]


def test_every_key_of_the_file_is_described() -> None:
    """An editor can say of each key what it is for."""
    assert [] == [key for key, value in _properties() if not value.get("description")]


def _properties() -> Iterator[tuple[str, dict[str, Any]]]:
    schema = file_schema.json_schema()
    for name, part in {**schema["$defs"], "ProjectFile": schema}.items():
        if name in OURS:
            yield from ((f"{name}.{key}", value) for key, value in part["properties"].items())
