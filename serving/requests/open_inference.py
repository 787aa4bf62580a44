"""The Open Inference Protocol, version 2, over HTTP: requests to columns, and answers.

Each feature is an input tensor of its own, by name: numbers as FP64, categories as BYTES, both of shape [rows] or
[rows, 1]. The protocol defines neither null nor NaN: null is a missing value in an FP tensor and in a BYTES tensor, and
an error in any other one.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from features.schema import PREDICTION, EventSchema, FeatureKind, Task
from serving.requests.problems import InvalidRequest, Problem, cut, shown

FLOATS = frozenset({"FP16", "FP32", "FP64"})
INTEGERS = {f"{sign}INT{bits}": (0 if sign else -(2 ** (bits - 1)), 2 ** (bits - (0 if sign else 1)) - 1)
            for sign in ("", "U") for bits in (8, 16, 32, 64)}  # fmt: skip
"""The smallest and the largest value of each datatype of whole numbers."""
DATATYPES = FLOATS | set(INTEGERS) | {"BOOL", "BYTES"}
NUMERIC, CATEGORICAL = "FP64", "BYTES"
"""Datatypes that the metadata names for numeric and for categorical features."""


@dataclass(frozen=True, slots=True)
class InferRequest:
    """An infer request: its id, values by tensor, and number of rows."""

    id: str | None
    columns: Mapping[str, Sequence[Any]]
    rows: int


def read(body: Any, max_rows: int) -> InferRequest:
    """Return an infer request.

    Parameters
    ----------
    body
        The request's JSON.
    max_rows
        Most rows of a request.

    Raises
    ------
    InvalidRequest
        It is none, or its tensors have different numbers of rows, or more than *max_rows*.
    """
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or not inputs:
        _refuse("inputs", body if not isinstance(body, dict) else inputs, "not a list of tensors: send one a feature")
    own_id = body.get("id")
    if own_id is not None and not isinstance(own_id, str):
        _refuse("id", own_id, "not a text")
    _check_outputs(body.get("outputs"))
    columns: dict[str, Sequence[Any]] = {}
    for i, tensor in enumerate(inputs):
        name, values = _tensor(f"inputs[{i}]", tensor)
        if name in columns:
            _refuse(name, "", "sent twice: send each tensor once")
        columns[name] = values
    rows = {name: len(values) for name, values in columns.items()}
    if len(set(rows.values())) > 1:
        lengths = ", ".join(f"{name} has {n}" for name, n in rows.items())
        _refuse("inputs", "", f"tensors of different lengths: {cut(lengths)}; send one value a row in each")
    n = next(iter(rows.values()))
    if not 0 < n <= max_rows:
        _refuse("inputs", "", f"{n} rows: send 1 to {max_rows} in a request")
    return InferRequest(own_id, columns, n)


def _refuse(field: str, value: Any, problem: str) -> NoReturn:
    raise InvalidRequest([Problem(field, "" if value == "" else shown(value), problem)])


def _check_outputs(outputs: Any) -> None:
    if outputs is None:
        return
    names = (
        [each.get("name") if isinstance(each, dict) else None for each in outputs] if isinstance(outputs, list) else []
    )
    if not isinstance(outputs, list) or any(name != PREDICTION for name in names):
        _refuse("outputs", outputs, f"the only output is {PREDICTION!r}: name it, or leave outputs out")


def _tensor(place: str, tensor: Any) -> tuple[str, Sequence[Any]]:
    """Return the name and the values of an input tensor."""
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        _refuse(place, tensor, "not a tensor: send name, shape, datatype and data")
    name, datatype = tensor["name"], tensor.get("datatype")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        _refuse(f"{name}.datatype", datatype, f"none of {', '.join(sorted(DATATYPES))}")
    data = tensor.get("data")
    if not isinstance(data, list):
        _refuse(f"{name}.data", data, "not a list: send the tensor's values as JSON, not as binary data")
    shape = tensor.get("shape")
    if (rows := _rows(shape)) is None:
        _refuse(f"{name}.shape", shape, "not [rows] or [rows, 1]: each feature is a tensor of its own")
    values = _flat(name, data)
    if len(values) != rows:
        _refuse(f"{name}.data", "", f"{len(values)} values, where the shape {shape} says {rows}")
    if datatype not in FLOATS:
        _check_values(name, datatype, values)
    return name, values


def _rows(shape: Any) -> int | None:
    """Return how many rows a shape of [rows] or [rows, 1] has; None where it is another one."""
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        return None
    return shape[0] if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1) else None


def _flat(name: str, data: Sequence[Any]) -> Sequence[Any]:
    """Return a tensor's values in one list; those of [rows, 1] may be nested."""
    if not any(isinstance(each, list) for each in data):
        return data
    if not all(isinstance(each, list) for each in data):
        _refuse(f"{name}.data", data, "values and lists side by side: nest all rows or none")
    return list(itertools.chain.from_iterable(data))


def _check_values(name: str, datatype: str, values: Sequence[Any]) -> None:
    """Raise InvalidRequest for the first value that its datatype does not have."""
    for row, value in enumerate(values):
        if (why := _misfit(datatype, value)) is not None:
            raise InvalidRequest([Problem(name, shown(value), why, row)])


def _misfit(datatype: str, value: Any) -> str | None:
    """Return why a value is none of a datatype other than FP, None where it is one."""
    if datatype == "BYTES":
        return None if value is None or isinstance(value, str) else "no text, in a tensor of BYTES: send it in quotes"
    if value is None:
        return f"and {datatype} has no missing value: send the tensor as {NUMERIC}, in which null is one"
    if datatype == "BOOL":
        return None if isinstance(value, bool) else "neither true nor false, in a tensor of BOOL"
    low, high = INTEGERS[datatype]
    if type(value) is int and low <= value <= high:
        return None
    return f"not a whole number from {low} to {high}, in a tensor of {datatype}"


def metadata(schema: EventSchema, versions: Sequence[str]) -> dict[str, Any]:
    """Return a model's metadata: an input tensor for each feature, and the output."""
    inputs = [
        {"name": name, "datatype": NUMERIC if kind is FeatureKind.NUMERIC else CATEGORICAL, "shape": [-1]}
        for name, kind in schema.features.items()
    ]
    outputs = [{"name": PREDICTION, "datatype": _output(schema), "shape": [-1]}]
    return {
        "name": schema.model,
        "versions": list(versions),
        "platform": "leeway",
        "inputs": inputs,
        "outputs": outputs,
    }


def _output(schema: EventSchema) -> str:
    return CATEGORICAL if schema.task is Task.MULTICLASS else NUMERIC


def answer(
    schema: EventSchema, request: InferRequest, predictions: Sequence[Any], made: Mapping[str, str]
) -> dict[str, Any]:
    """Return the answer to an infer request.

    Parameters
    ----------
    schema
        The model's events.
    request
        The request.
    predictions
        One a row.
    made
        What made the predictions: ``version``, ``digest``, ``predictor``.
    """
    output = {"name": PREDICTION, "datatype": _output(schema), "shape": [len(predictions)], "data": predictions}
    parameters = {"digest": made["digest"], "predictor": made["predictor"]}
    whole = {
        "model_name": schema.model,
        "model_version": made["version"],
        "outputs": [output],
        "parameters": parameters,
    }
    return whole if request.id is None else {**whole, "id": request.id}
