"""`leeway init` on numbers as people write them, with marks and signs: it says so and does not read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import DataError
from features.events import decode
from features.schema import FeatureKind, Task
from leeway.infer.roles import ColumnWishes
from leeway.init import draft, starter_file
from leeway.project.load import Model

ROWS = 300
RNG = np.random.default_rng(4)
AMOUNTS = RNG.gamma(2, 2000, ROWS).round(2)
SURE = RNG.random(ROWS).round(5)


def place(folder: Path, *, sep: str = ",", **columns: Any) -> Path:
    """Write a log with more *columns*, and return its path."""
    at = pd.date_range("2024-01-01", periods=ROWS, freq="4h", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    log = pd.DataFrame({"id": [f"e{i}" for i in range(ROWS)], "time": at, "x": RNG.normal(size=ROWS).round(4)})
    log = log.assign(prediction=SURE)
    log.assign(**columns).to_csv(folder / "a.csv", index=False, sep=sep, decimal="," if sep == ";" else ".")
    return folder / "a.csv"


def begun(source: Path) -> Model:
    """Return the model that `init` writes."""
    return starter_file.write(source.parent / "leeway.yaml", source).model()


WAYS: dict[str, Any] = {
    "dollars": lambda v: f"${v:,.2f}", "minus dollars": lambda v: f"-${v:,.2f}", "euros": lambda v: f"{v:,.2f} €",
    "code": lambda v: f"EUR {v:.2f}", "thousands": lambda v: f"{v:,.2f}", "percent": lambda v: f"{v:.2f} %",
    "spaces": lambda v: f"{v:,.2f}".replace(",", " "), "Swiss": lambda v: f"{v:,.2f}".replace(",", "'"),
    "comma": lambda v: f"{v:.2f}".replace(".", ","),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_amounts_with_marks_are_left_out_with_the_fix(tmp_path: Path, way: str) -> None:
    """That every row has its own value is true of plain numbers, too."""
    source = place(tmp_path, amount=[WAYS[way](value) for value in AMOUNTS])
    made = draft.draft(draft.read_log(source, ColumnWishes()), ColumnWishes(), tmp_path, pd.Timestamp.now("UTC"))
    why = made.inferred.left_out["amount"]

    assert why.startswith("numbers written with signs or marks, like ")
    assert "write them plainly" in why


def test_points_between_thousands_beside_decimal_commas(tmp_path: Path) -> None:
    """As 1.234,56 is written in a file with decimal commas, where 845,20 needs no change."""
    text = [f"{value:,.2f}".translate(str.maketrans(",.", ".,")) for value in AMOUNTS]
    source = place(tmp_path, sep=";", amount=text)
    made = draft.draft(draft.read_log(source, ColumnWishes()), ColumnWishes(), tmp_path, pd.Timestamp.now("UTC"))

    assert made.inferred.left_out["amount"].startswith("numbers written with signs or marks, like '")
    assert Task.BINARY is made.inferred.task


def test_categories_of_such_numbers_are_remarked_on(tmp_path: Path) -> None:
    """Rates of 25 steps recur: they stay categories, and the file says what they are."""
    source = place(tmp_path, rate=[f"{i % 25} %" for i in range(ROWS)])

    assert FeatureKind.CATEGORICAL is begun(source).schema.features["rate"]
    assert "25 values; numbers written with signs or marks" in (tmp_path / "leeway.yaml").read_text()


@pytest.mark.parametrize(
    "texts",
    [
        [f"+49 30 {i:06d}" for i in range(ROWS)], [f"10.{i % 7}.{i}.1" for i in range(ROWS)],
        [f"A-{i}" for i in range(ROWS)], [f"{i % 24}:{i % 60:02d}:{i}" for i in range(ROWS)],
    ],
    ids=["telephones", "addresses", "codes", "durations"],
)  # fmt: skip
def test_other_texts_with_digits_are_no_such_numbers(tmp_path: Path, texts: list[str]) -> None:
    """They have the reason that they had."""
    source = place(tmp_path, code=texts)
    made = draft.draft(draft.read_log(source, ColumnWishes()), ColumnWishes(), tmp_path, pd.Timestamp.now("UTC"))

    assert "nearly every row has its own value" == made.inferred.left_out["code"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"prediction": [f"{100 * value:.1f}%" for value in SURE]}, "the prediction, holds numbers written"),
        ({"prediction": AMOUNTS, "label": [f"${value:,.2f}" for value in AMOUNTS]}, "the label, holds numbers written"),
    ],
)
def test_predictions_and_labels_with_marks_are_refused(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    """They would be hundreds of classes."""
    source = place(tmp_path, **columns)
    with pytest.raises(DataError, match=said) as refused:
        begun(source)

    assert "write them plainly" in str(refused.value.hint)


@pytest.mark.parametrize("sep", [",", ";"])
def test_one_word_among_numbers_makes_no_classes(tmp_path: Path, sep: str) -> None:
    """Nor is a feature left out for it, whatever the decimal mark: the decoder sets the row aside."""
    numbers = {"prediction": SURE, "label": (RNG.random(ROWS) < SURE).astype(int), "amount": AMOUNTS}
    text = {
        name: [str(value).replace(".", "," if sep == ";" else ".") for value in values]
        for name, values in numbers.items()
    }
    for at, name in enumerate(text):
        text[name][70 + at] = "error"
    model = begun(place(tmp_path, sep=sep, **text))
    made = decode.read_events(model.schema, "predictions", model.events.predictions)
    labels = decode.read_events(model.schema, "labels", model.events.labels)

    assert Task.BINARY is model.schema.task
    assert FeatureKind.NUMERIC is model.schema.features["amount"]
    assert (2, 1) == (len(made.rejects), len(labels.rejects))


def test_one_word_among_quantities_leaves_a_regression(tmp_path: Path) -> None:
    """In predictions as in labels."""
    texts = [[str(value) for value in values] for values in (AMOUNTS, (AMOUNTS * 1.01).round(3))]
    texts[0][3] = texts[1][5] = "error"

    assert Task.REGRESSION is begun(place(tmp_path, prediction=texts[0], label=texts[1])).schema.task
