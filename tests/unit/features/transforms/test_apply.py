"""Transforms: values of the project's functions, row by row, and what is wrong with a function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from features.errors import TransformError
from features.transforms import apply
from features.transforms.declaration import Transforms, problems

MODULE = """\
import numpy as np

def route(origin, dest):
    return origin.fillna("?") + "-" + dest.fillna("?")

def speed(distance, minutes):
    return {"kmh": distance / minutes * 60, "far": np.where(distance > 1000, "far", "near")}

def centred(x):
    return x - x.mean()

def short(x):
    return x.iloc[1:]

def broken(x):
    raise KeyError("no such thing")

def number(x):
    return x + 1
"""
KINDS = {"origin": "categorical", "dest": "categorical", "x": "numeric", "km": "numeric", "t": "numeric"}


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return a folder with a module of functions, which has a name of its own for each test."""
    (tmp_path / f"{module(request.node.name)}.py").write_text(MODULE)
    return tmp_path


def module(test: str) -> str:
    """Return the name of a test's module."""
    return "m_" + "".join(letter if letter.isalnum() else "_" for letter in test)


def declared(folder: Path, **features: dict[str, Any]) -> Transforms:
    """Return transforms by the functions' names."""
    (path,) = folder.glob("m_*.py")
    own = {name: {"type": "numeric", **one, "transform": f"{path.stem}:{one['transform']}"}
           for name, one in features.items()}  # fmt: skip
    return Transforms.model_validate({"features": own, "kinds": KINDS, "folder": str(folder)})


def rows(**columns: list[Any]) -> pa.Table:
    """Return a table of texts and numbers."""
    return pa.table({name: pa.array(column, pa.string() if KINDS.get(name) == "categorical" or name == "route" else
                                    pa.float64()) for name, column in columns.items()})  # fmt: skip


ROUTE = {"type": "categorical", "transform": "route", "inputs": ["origin", "dest"]}


def test_missing_values_are_computed_and_others_stay(folder: Path) -> None:
    """A value that was logged or sent is the caller's; None is passed as None."""
    table = rows(origin=["EWR", "JFK", None], dest=["LAX", "SFO", "MIA"], route=[None, "sent", None])
    made = apply.fill_missing(table, declared(folder, route=ROUTE))

    assert ["EWR-LAX", "sent", "?-MIA"] == made["route"].to_pylist()


def test_one_call_gives_several_features_by_name(folder: Path) -> None:
    """Parameters need not be named as features; what is not finite is missing."""
    inputs = {"distance": "km", "minutes": "t"}
    of = declared(folder, a={"transform": "speed", "inputs": inputs, "output": "kmh"},
                  b={"transform": "speed", "inputs": inputs, "output": "far", "type": "categorical"})  # fmt: skip
    call, *others = of.calls()
    made = apply.values(call, of, {"km": [1200.0, 90.0, 5.0, None], "t": [60.0, 30.0, 0.0, 1.0]}, 4)

    assert [] == others
    assert {"a": [1200.0, 180.0, None, None], "b": ["far", "near", "near", "near"]} == made


def test_one_row_alone_is_as_among_others(folder: Path) -> None:
    """A category that is missing in all rows of a call is still text."""
    of = declared(folder, route=ROUTE)
    (call,) = of.calls()
    together = apply.values(call, of, {"origin": ["A", None], "dest": [None, "B"]}, 2)["route"]
    alone = [apply.values(call, of, {"origin": [a], "dest": [b]}, 1)["route"][0] for a, b in (("A", None), (None, "B"))]

    assert ["A-?", "?-B"] == together == alone


@pytest.mark.parametrize(
    ("function", "message"),
    [("centred", r"gives -1.0 for y of a row among others, and 0.0 for the same row alone"),
     ("short", "returned what is no numeric column: 2 values for 3 rows"), ("broken", "raised KeyError"),
     ("absent", "has no function absent")],
)  # fmt: skip
def test_what_is_wrong_with_a_function_is_named(folder: Path, function: str, message: str) -> None:
    """It looks at other rows, returns too few values, raises, or is not there."""
    of = declared(folder, y={"transform": function, "inputs": ["x"]})
    with pytest.raises(TransformError, match=message):
        apply.fill_missing(pa.table({"x": [1.0, 2.0, 3.0], "y": pa.nulls(3, pa.float64())}), of)


def test_a_column_of_another_type_is_an_error(folder: Path) -> None:
    """A number is no category, and an output that is not returned is none."""
    text = declared(folder, y={"transform": "number", "inputs": ["x"], "type": "categorical"})
    named = declared(folder, y={"transform": "speed", "inputs": {"distance": "km", "minutes": "t"}, "output": "mph"})
    (call,), (other,) = text.calls(), named.calls()
    with pytest.raises(TransformError, match=r"is no categorical column: 2\.0 is no text"):
        apply.values(call, text, {"x": [1.0]}, 1)
    with pytest.raises(TransformError, match="returned no column 'mph'"):
        apply.values(other, named, {"km": [1.0], "t": [1.0]}, 1)


def test_a_module_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """With the folder in which it was looked for."""
    of = {"features": {"y": {"type": "numeric", "transform": "nowhere_at_all:f", "inputs": ["x"]}}, "kinds": KINDS}
    with pytest.raises(TransformError, match=r"nowhere_at_all:f cannot be imported") as caught:
        apply.fill_missing(rows(x=[1.0], y=[None]), Transforms.model_validate({**of, "folder": str(tmp_path)}))

    assert str(tmp_path) in caught.value.hint


def test_inputs_must_be_features_that_no_transform_makes(folder: Path) -> None:
    """Each problem has feature, key and fix."""
    of = declared(folder, a={"transform": "number", "inputs": ["gone"]}, b={"transform": "number", "inputs": ["a"]})
    found = problems(of.features, {name: one.type for name, one in of.features.items()})

    assert [("a", "inputs"), ("b", "inputs")] == [problem[:2] for problem in found]
    assert "'gone' is none of the features" in found[0][2]
    assert "call one function for both" in found[1][2]
