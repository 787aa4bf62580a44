"""Requests in both protocols: what is taken, and what is refused by field, value and fix."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.window import UTC, to_ms
from serving.requests import named_json, open_inference
from serving.requests.problems import MAX_PROBLEMS, InvalidRequest
from serving.requests.rows import RowReader, Rows
from tests.support import serving_world as world

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
READER = RowReader(world.SCHEMA, frozenset("c"), "v1")
ROW = {"x": 0.5, "z": 4, "c": "a"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["instances", "inputs", "x", "z", "c", "id", "time", "name", "shape", "datatype",
                                       "data", "FP64", "BYTES"]), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


def infer(body: Any, reader: RowReader = READER) -> Rows:
    """Return the rows of a request of the Open Inference Protocol."""
    request = open_inference.read(body, 100)
    return reader.rows(request.columns, request.rows, now=NOW, size=1)


def predict(body: Any, reader: RowReader = READER) -> Rows:
    """Return the rows of a request in plain JSON."""
    columns, n = named_json.read(body, reader, 100)
    return reader.rows(columns, n, now=NOW, size=1)


def tensor(name: str, *data: Any, kind: str = "FP64", shape: Any = None) -> dict[str, Any]:
    """Return an input tensor."""
    return {"name": name, "datatype": kind, "shape": [len(data)] if shape is None else shape, "data": list(data)}


def tensors(**changed: Any) -> dict[str, Any]:
    """Return a request of two rows, with tensors changed; None leaves one out."""
    every = {"x": tensor("x", 0.5, -1), "z": tensor("z", 4, 1), "c": tensor("c", "a", "b", kind="BYTES"), **changed}
    return {"inputs": [part for part in every.values() if part is not None]}


@given(st.permutations(["x", "z", "c", "id"]))
def test_the_order_of_columns_does_not_matter(order: list[str]) -> None:
    """Tensors and keys are taken by name."""
    parts = {**{t["name"]: t for t in tensors()["inputs"]}, "id": tensor("id", "i", "j", kind="BYTES")}
    rows = [{"x": 0.5, "z": 4, "c": "a", "id": "i"}, {"x": -1, "z": 1, "c": "b", "id": "j"}]
    by_tensor = infer({"inputs": [parts[name] for name in order]})
    by_name = predict({"instances": [{name: row[name] for name in order} for row in rows]})

    assert by_tensor == by_name
    assert ({"x": [0.5, -1.0], "z": [4.0, 1.0], "c": ["a", "b"]}, ["i", "j"]) == (by_name.features, by_name.ids)


@pytest.mark.parametrize(("changed", "words"), [
    ({"c": None}, "c: missing; send it"),
    ({"y": tensor("y", 1, 2)}, "y: no feature of m; leave it out; the features are x, z, c"),
    ({"zz": tensor("zz", 1, 2)}, "did you mean z?"),
    ({"x": tensor("x", None, 1.0)}, r"x \(row 0\) is null, and m v1 has no answer without it"),
    ({"x": tensor("x", 1, None, kind="INT64")}, r"x \(row 1\) is null, and INT64 has no missing value: .* FP64"),
    ({"x": tensor("x", 1, 1.5, kind="INT64")}, r"x \(row 1\) is 1.5, not a whole number"),
    ({"x": tensor("x", 1, 300, kind="INT8")}, "300, not a whole number from -128 to 127"),
    ({"x": tensor("x", -1, 3, kind="UINT8")}, "-1, not a whole number from 0 to 255"),
    ({"x": tensor("x", True, False, kind="BOOL")}, "x .* is true, a truth value, not a number: send 1 or 0"),
    ({"x": tensor("x", 1, 0, kind="BOOL")}, "neither true nor false"),
    ({"x": tensor("x", "1.5", 1.0)}, 'x .row 0. is "1.5", a text, not a number: send it without quotes'),
    ({"x": tensor("x", 1e200, 1.0)}, r"is 1e\+200, too large, and counts as infinite"),
    ({"c": tensor("c", "a", 3, kind="BYTES")}, "3, no text, in a tensor of BYTES"),
    ({"x": tensor("x", 1.0)}, "tensors of different lengths: x has 1, z has 2, c has 2"),
    ({"x": tensor("x", 1.0, 2.0, 3.0, shape=[2])}, "3 values, where the shape .* says 2"),
    ({"x": tensor("x", 1.0, 2.0, shape=[1, 2])}, r"\[1, 2\], not \[rows\] or \[rows, 1\]"),
    ({"x": tensor("x", [1.0], 2.0, shape=[2, 1])}, "values and lists side by side"),
    ({"x": tensor("x", 1.0, 2.0, kind="FLOAT")}, 'x.datatype is "FLOAT", none of BOOL, BYTES, FP16'),
    ({"x": {"name": "x", "datatype": "FP64", "shape": [2]}}, "x.data is null, not a list: .* not as binary data"),
    ({"x": {"shape": [2]}}, r"inputs\[0\] is .*, not a tensor"),
    ({"y": tensor("x", 1, 2)}, "x: sent twice"),
    ({"t": tensor("time", "soon", "later", kind="BYTES")}, 'time .row 0. is "soon", not a time'),
    ({"t": tensor("id", "i", "i", kind="BYTES")}, "an id comes twice"),
])  # fmt: skip
def test_what_is_wrong_with_a_tensor_is_named(changed: dict[str, Any], words: str) -> None:
    """Field, row, value and fix."""
    with pytest.raises(InvalidRequest, match=words):
        infer(tensors(**changed))


def test_a_null_in_a_float_tensor_is_a_missing_value_where_the_version_takes_one() -> None:
    """The protocol defines none: FP null may mean NaN."""
    rows = infer(tensors(x=tensor("x", None, 1.0)), RowReader(world.SCHEMA, frozenset("xzc"), "v1"))
    assert (True, 1.0) == (rows.features["x"][0] != rows.features["x"][0], rows.features["x"][1])


@pytest.mark.parametrize(("body", "words"), [
    ([], "body is \\[\\], not"), ({"rows": [ROW]}, 'send a list of objects under "instances"'),
    ({"instances": []}, "0 rows: send 1 to 100"), ({"instances": [ROW] * 101}, "101 rows: send 1 to 100"),
    ({"instances": [3]}, r"instances \(row 0\) is 3, not an object"),
    ({"instances": [ROW, {**ROW, "y": 1}]}, r"y \(row 1\): no feature of m"),
    ({"instances": [{"x": 1.0}]}, r"z \(row 0\): missing; send it, .*; c \(row 0\): missing"),
    ({"instances": [ROW], "model": "m"}, "model: not known here"),
    ({"instances": [{**ROW, "x": None}]}, "x .* is null, and m v1 has no answer without it"),
    ({"instances": [{**ROW, "c": {"a": 1}}]}, 'c .* is {"a": 1}, an object, not a category'),
    ({"instances": [{**ROW, "id": 2.0**60}]}, "a float of which digits are lost"),
    ({"instances": [{**ROW, "time": "2099-01-01"}]}, "not between 1990-01-01 and a day from now"),
    ({"instances": [{**ROW, "time": [1]}]}, "not a time"),
])  # fmt: skip
def test_what_is_wrong_with_a_row_is_named(body: Any, words: str) -> None:
    """Field, row, value and fix."""
    with pytest.raises(InvalidRequest, match=words):
        predict(body)


def test_many_problems_are_counted_and_a_few_listed() -> None:
    """An answer does not grow with the request."""
    with pytest.raises(InvalidRequest, match=f"and {99 - MAX_PROBLEMS} more") as refused:
        predict({"instances": [{**ROW, "x": "no" * 500}] * 99})
    assert MAX_PROBLEMS == len(refused.value.problems)
    assert len(str(refused.value)) < 5000


def unknown_names(n: int) -> dict[str, Any]:
    """Return values by names that are no features."""
    return {f"y{i}": 1.0 for i in range(n)}


@pytest.mark.parametrize("send", [
    lambda: predict({"instances": [{**ROW, **unknown_names(500)}]}),
    lambda: predict({"instances": [{**ROW, **unknown_names(5)}] * 100}),
    lambda: infer(tensors(**{name: tensor(name, 1, 2) for name in unknown_names(500)})),
])  # fmt: skip
def test_of_many_unknown_names_a_few_are_looked_up(send: Callable[[], Rows], monkeypatch: pytest.MonkeyPatch) -> None:
    """A name like each of them is sought only for those that the answer lists, for meanwhile nobody is answered."""
    sought = list[str]()
    monkeypatch.setattr(difflib, "get_close_matches", lambda name, *_: sought.append(name) or [])
    with pytest.raises(InvalidRequest, match=f"and {500 - MAX_PROBLEMS} more"):
        send()
    assert MAX_PROBLEMS == len(sought)


@pytest.mark.parametrize("depth", [100, 960, 1000, 1020])
def test_a_value_of_any_depth_is_refused_in_words(depth: int) -> None:
    """As deep as JSON is read, for each part that an answer repeats."""
    deep = orjson.loads("[" * depth + "]" * depth)
    for send in (
        lambda: predict(deep), lambda: predict({"instances": [deep]}),
        lambda: predict({"instances": [{**ROW, "x": deep}]}),
        lambda: predict({"instances": [{**ROW, "id": deep, "c": deep}]}), lambda: infer({"inputs": {"x": deep}}),
        lambda: infer(tensors(x=tensor("x", deep, deep))), lambda: infer({**tensors(), "outputs": deep}),
    ):  # fmt: skip
        with pytest.raises(InvalidRequest, match=r"is [\[{]"):
            send()


def test_what_a_caller_sends_steers_no_terminal() -> None:
    """Escape sequences and overrides are written out."""
    with pytest.raises(InvalidRequest) as refused:
        predict({"instances": [{**ROW, "\x1b[2J": 1, "x": "\u202e\x9b"}]})
    assert str(refused.value).isprintable()


@given(JSON)
def test_any_json_is_a_request_or_an_error_in_words(body: Any) -> None:
    """Nothing else is raised, and nothing is answered that lacks a value the version needs."""
    for read in (infer, predict):
        try:
            rows = read(body)
        except InvalidRequest:
            continue
        else:
            assert all(len(values) == len(rows) for values in rows.features.values())
            assert all(isinstance(v, float) and v == v for v in [*rows.features["x"], *rows.features["z"]])
            json.dumps(rows.ids)


def test_id_and_time_are_the_callers_or_made_up() -> None:
    """An id is made up where there is none, and is another one each time; the time is that of the request."""
    sent = predict({"instances": [{**ROW, "id": 7, "time": "2026-02-28T06:00:00+01:00"}, ROW, ROW]})
    assert "7" == sent.ids[0]
    assert 3 == len(set(sent.ids))
    assert [to_ms(datetime(2026, 2, 28, 5, tzinfo=UTC)), to_ms(NOW), to_ms(NOW)] == list(sent.times)


def test_the_only_output_may_be_named() -> None:
    """And no other one."""
    assert 2 == len(infer({**tensors(), "outputs": [{"name": "prediction"}]}))
    for outputs in ([{"name": "label"}], [3], "prediction"):
        with pytest.raises(InvalidRequest, match="the only output is 'prediction'"):
            infer({**tensors(), "outputs": outputs})


@pytest.mark.parametrize("body", [{}, {"inputs": []}, {"inputs": {}}, 3, None, {**tensors(), "id": 3}])
def test_a_body_of_another_shape_is_refused(body: Any) -> None:
    """With what to send."""
    with pytest.raises(InvalidRequest):
        infer(body)
