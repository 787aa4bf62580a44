"""Checks of transforms: that their functions are there, and take the first rows of the log."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pyarrow as pa

from features.errors import LeewayError, TransformError
from features.events import decode, location
from features.schema import Role
from features.transforms import apply
from features.transforms.declaration import Call
from leeway.check.environment import Check
from leeway.project.load import Model

TRIED_ROWS = 100
"""First rows of the log that a function is called with."""


def transforms(model: Model) -> Iterator[Check]:
    """Yield a check of each function of the model's transforms."""
    calls = list(model.facts.transforms.calls())
    rows = _rows(model) if calls else None
    for call in calls:
        yield _of_call(model, call, rows)


def _of_call(model: Model, call: Call, rows: pa.Table | None) -> Check:
    """Return the check of one function: imported, and called where there are rows."""
    name, declared = f"{model.name}: transform {call.function}", model.facts.transforms
    try:
        if rows is None:
            apply.imported(call.function, declared.folder)
            return Check(name, "ok", "imported; there are no events yet to call it with")
        given = {column: rows[column].to_pylist() for _, column in call.inputs}
        apply.values(call, declared, given, rows.num_rows)
    except TransformError as error:
        return Check(name, "error", f"{error.message}: {error.hint}")
    return Check(name, "ok", f"called with {rows.num_rows:,} rows of the log, together and one by one")


def _rows(model: Model) -> pa.Table | None:
    """Return the first rows of the log or of the history; None where there are none, or none can be read."""
    places: list[tuple[Role, location.Place | None]] = [
        ("predictions", model.events.predictions), ("requests", model.events.history)
    ]  # fmt: skip
    for role, place in places:
        try:
            for reference in islice(location.references(place), 1) if place else ():
                table = decode.decode(model.schema, role, reference).table.slice(0, TRIED_ROWS)
                if table.num_rows:
                    return table
        except LeewayError:
            continue  # the checks of events say why
    return None
