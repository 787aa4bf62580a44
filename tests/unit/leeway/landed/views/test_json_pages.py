"""Pages of facts as lines of JSON: equal values come back, in every type of a result."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.facts.declaration import FactFiles
from features.facts.reading import KNOWN_TIME
from features.schema import FeatureKind
from leeway.landed.views import json_pages

OF = FactFiles(path="facts", id="flight", time="landed", known_time="reported")
READ = {"delay": FeatureKind.NUMERIC, "plane": FeatureKind.CATEGORICAL}


Row = tuple[str, int, float | None, str | None]
TEXTS, NUMBERS = st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.tuples(TEXTS, st.integers(0, 4_000_000_000_000), st.none() | NUMBERS, st.none() | TEXTS)


@given(rows=st.lists(ROWS, min_size=1, max_size=5))
def test_facts_are_written_as_they_are(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    """Bit for bit, whatever texts hold."""
    folder = tmp_path_factory.mktemp("pages")
    names = ("id", "time", KNOWN_TIME, "number delay", "text plane")
    types = (pa.string(), pa.int64(), pa.int64(), pa.float64(), pa.string())
    columns = zip(*((ident, time, time, delay, plane) for ident, time, delay, plane in rows), strict=True)
    facts = pa.table({name: pa.array(own, kind) for name, own, kind in zip(names, columns, types, strict=True)})

    json_pages.write(facts, OF, READ, folder)

    written = [json.loads(line) for line in (folder / "000000.jsonl").read_text().split("\n")[:-1]]
    moments = pa.array([line["landed"] for line in written]).cast(json_pages.MOMENT).cast(pa.int64()).to_pylist()
    assert rows == [(line["flight"], moment, line["delay"], line["plane"])
                    for line, moment in zip(written, moments, strict=True)]  # fmt: skip
    assert list(json_pages.columns(OF, READ, "T")) == list(written[0])


def test_results_have_the_types_of_their_columns(tmp_path: Path) -> None:
    """Numbers that are none stay what they are, so that a reader can refuse them; nulls stay nulls."""
    kinds = "STRING", "TIMESTAMP_LTZ(3)", "BIGINT", "DOUBLE", "DECIMAL(9, 2)", "BOOLEAN"
    types = dict(zip(("flight", "landed", "n", "x", "d", "b"), kinds, strict=True))
    rows = [("f", "2024-01-01T00:00:00.5Z", "9007199254740993", "NaN", "1.50", True),
            ("g", "2024-01-01T00:00:00Z", None, "-Infinity", None, None)]  # fmt: skip
    lines = [dict(zip(types, row, strict=True)) for row in rows]
    (tmp_path / "part-1").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "part-2").write_text("")

    facts = json_pages.read(tmp_path, types)

    assert [pa.string(), json_pages.MOMENT, pa.int64(), pa.float64(), pa.float64(), pa.bool_()] == facts.schema.types
    assert ["9007199254740993", "None"] == [str(value) for value in facts["n"].to_pylist()]
    assert ["nan", "-inf"] == [str(value) for value in facts["x"].to_pylist()]
    assert [1.5, None] == facts["d"].to_pylist()
    assert ["2024-01-01 00:00:00.500000+00:00", "2024-01-01 00:00:00+00:00"] == [
        str(v) for v in facts["landed"].to_pylist()
    ]


def test_a_result_without_rows_has_its_columns(tmp_path: Path) -> None:
    """Flink writes no file then."""
    assert ["a"] == json_pages.read(tmp_path, {"a": "DOUBLE"}).column_names
