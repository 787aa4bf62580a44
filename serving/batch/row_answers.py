"""Answers to rows of any quality: those that a version answers with predictions, the others as dead letters."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features import errors, scoring
from features.events import decode
from features.events.column_decoder import RecordPlace
from features.events.decode import Decoded
from features.schema import PREDICTION, FeatureKind
from features.values.untyped import Mask, Reject
from serving import offline
from serving.model import Served

MAX_REFUSED = 1000
"""Rows of a part that the model may refuse by raising; a model that refuses more is at fault, and the run ends."""


def answered(
    served: Served, nullable: frozenset[str], requests: Decoded, place: RecordPlace
) -> tuple[pa.Table, tuple[Reject, ...]]:
    """Return the rows that the version answers with its predictions, and the others as dead letters.

    Parameters
    ----------
    served
        The version.
    nullable
        Features that it answers without.
    requests
        Events without predictions.
    place
        From a line of the events to where it is.

    Raises
    ------
    DataError
        The model refuses more than :data:`MAX_REFUSED` rows.
    """
    reasons = dict(_missing(served, nullable, requests.table))
    good = _without(requests.table.num_rows, reasons)
    answers, raised = _predictions(served, requests.table.filter(pa.array(good)))
    whole = np.flatnonzero(good)
    reasons |= {int(whole[row]): ("", why) for row, why in raised.items()}
    has_answer = _without(requests.table.num_rows, reasons)
    letters = (
        Reject(*place(int(requests.lines[row])), why, _raw(requests.table, row), column,
               requests.table[decode.TIME][row].as_py(), served.version)
        for row, (column, why) in sorted(reasons.items())
    )  # fmt: skip
    return answers.filter(pa.array(has_answer[good])), tuple(letters)


def _without(rows: int, reasons: Collection[int]) -> Mask:
    """Return which rows have no reason against them, (rows,)."""
    good = np.ones(rows, bool)
    good[list(reasons)] = False
    return good


def _missing(served: Served, nullable: frozenset[str], rows: pa.Table) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield the rows that lack a value without which the version has no answer: row, column and reason."""
    why = f"and {served.schema.model} {served.version} has no answer without it"
    for name, kind in served.schema.features.items():
        if name in nullable:
            continue
        there = pc.is_finite(rows[name]) if kind is FeatureKind.NUMERIC else pc.is_valid(rows[name])
        for row in np.flatnonzero(~pc.fill_null(there, False).to_numpy()):
            yield int(row), (name, f"{name} is missing, {why}")


def _predictions(served: Served, rows: pa.Table) -> tuple[pa.Table, dict[int, str]]:
    """Return rows with predictions, and the rows for which the model raised or gave no finite answer, with the reason.

    Where the model raises, the rows are halved until it is known which they are.

    Raises
    ------
    DataError
        The model refuses more than :data:`MAX_REFUSED` rows.
    """
    todo, done, refused = [(0, rows.num_rows)], list[pa.Table](), dict[int, str]()
    while todo:
        start, stop = todo.pop()
        part = rows.slice(start, stop - start)
        try:
            done.append(offline.answered(served, part))
        except errors.LeewayError:
            raise
        except Exception as error:  # whatever a user's model raises
            if stop - start > 1:
                middle = (start + stop) // 2
                todo += [(middle, stop), (start, middle)]
                continue
            refused[start] = f"the model refuses it: {type(error).__name__}: {error}"
            done.append(part)
            _check_refused(served, refused)
    answered = pa.concat_tables(done)
    values = answered[PREDICTION].to_numpy()
    for row in np.flatnonzero(~scoring.is_answered(values)):
        refused.setdefault(int(row), "the model's answer is missing or not finite")
    return answered, refused


def _check_refused(served: Served, refused: dict[int, str]) -> None:
    if len(refused) > MAX_REFUSED:
        why = next(iter(refused.values()))
        msg = f"{served.schema.model} {served.version} refuses more than {MAX_REFUSED} rows of a part: {why}"
        raise errors.DataError(msg, hint="train again, or score with another --version")


def _raw(rows: pa.Table, row: int) -> str:
    """Return a row's values as JSON, for its dead letter."""
    (values,) = rows.slice(row, 1).to_pylist()
    return json.dumps({name: value for name, value in values.items() if name not in (decode.VERSION, PREDICTION)})
