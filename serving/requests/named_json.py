"""Plain JSON with named features: ``{"instances": [{"temp": 3.5, "carrier": "UA"}]}``, for callers without a client."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from serving.requests.problems import InvalidRequest, Problem, Problems, missing_feature, shown, unfit
from serving.requests.rows import ABSENT, RowReader


def read(
    body: Any, reader: RowReader, max_rows: int, optional: Collection[str] = ()
) -> tuple[dict[str, Sequence[Any]], int]:
    """Return a request's values by column, and its number of rows.

    Parameters
    ----------
    body
        The request's JSON.
    reader
        Knows the columns that a row may have.
    max_rows
        Most rows of a request.
    optional
        Features that a row may leave out: they are :data:`serving.requests.rows.ABSENT` then.

    Raises
    ------
    InvalidRequest
        It is no such request, or a row lacks a feature or has another one.
    """
    instances = body.get("instances") if isinstance(body, dict) else None
    if not isinstance(instances, list):
        problem = 'not {"instances": [{"FEATURE": VALUE, ...}, ...]}: send a list of objects under "instances"'
        raise InvalidRequest([Problem("body", shown(body), problem)])
    if not 0 < len(instances) <= max_rows:
        problem = f"{len(instances)} rows: send 1 to {max_rows} in a request"
        raise InvalidRequest([Problem("instances", "", problem)])
    if others := body.keys() - {"instances"}:
        raise InvalidRequest([Problem(min(others), "", "not known here; features are named in the instances")])
    required = [name for name in reader.schema.features if name not in optional]
    _check_names(instances, reader, required)
    columns: dict[str, Sequence[Any]] = {name: [row[name] for row in instances] for name in required}
    columns |= {name: [row.get(name, ABSENT) for row in instances] for name in optional}
    for name in reader.event_columns:
        if any(name in row for row in instances):
            columns[name] = [row.get(name) for row in instances]
    return columns, len(instances)


def _check_names(instances: Sequence[Any], reader: RowReader, required: Sequence[str]) -> None:
    """Raise InvalidRequest where a row is no object, lacks a feature or has another one."""
    features, allowed = dict.fromkeys(required).keys(), reader.known_columns
    problems = Problems()
    for row, instance in enumerate(instances):
        if not isinstance(instance, dict):
            problems.add(unfit, "instances", instance, "not an object of features", row)
        elif not features <= instance.keys() <= allowed:
            absent, unknown = (n for n in features if n not in instance), (n for n in instance if n not in allowed)
            sent, strange = sum(n in features for n in instance), sum(n not in allowed for n in instance)
            problems.add_names(missing_feature, absent, len(features) - sent, row)
            problems.add_names(reader.unknown_column, unknown, strange, row)
    problems.check()


def answer(model: str, ids: Sequence[str], predictions: Sequence[Any], made: Mapping[str, str]) -> dict[str, Any]:
    """Return the answer: the version and digest that made it, and id and prediction of each row in order."""
    rows = [{"id": i, "prediction": p} for i, p in zip(ids, predictions, strict=True)]
    return {"model": model, **made, "predictions": rows}
