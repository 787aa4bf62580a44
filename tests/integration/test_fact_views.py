"""Views of facts by real Flink: what they make, once, whoever is killed; what is no view; and equal values."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from features.errors import ProjectError
from features.window import UTC
from leeway import dead_letters
from leeway.landed import landing
from leeway.landed.views import json_pages
from leeway.landed.views.view_reader import ViewReader
from leeway.project.landed_view import LandedView
from leeway.project.load import Model, Project
from monitors.flink import fact_features_run, fact_view_run
from monitors.flink.fact_view_run import ViewQuery
from monitors.worker.fact_messages import FactSpec
from tests.integration.test_fact_features import SCHEMA, by_id, in_process
from tests.support import fact_worlds, killed_landing
from tests.support.command_line import invoke

pytestmark = pytest.mark.slow
NOW = datetime(2024, 2, 1, tzinfo=UTC)
LATE = "SELECT flight, `time`, reported, carrier, CASE WHEN delay > 15 THEN delay - 15 END AS beyond FROM landings"
COLUMNS = "{carrier: categorical, airport: categorical, delay: numeric, plane: categorical}"
FILE = """\
project: flights
facts:
  landings: {{path: landings, id: flight, known_time: reported, delay: 2m, tile: 5m}}
  late:
    sql: {{from: landings, columns: {columns}, query: "{query}"}}
    id: flight
    known_time: reported
    delay: 2m
    tile: 5m
models:
  m:
    task: binary
    events: {{predictions: {{path: events}}}}
    features:
      carrier: categorical
      lates: {{type: numeric, from: late, key: carrier, count: beyond, window: 20m}}
"""
TABLE = {"flight": "STRING", "landed": fact_view_run.TIME, "carrier": "STRING", "delay": "DOUBLE"}


def project(folder: Path, query: str = LATE) -> Model:
    """Return the model of a project with the view *query*, whose state folder is there."""
    (folder / "leeway.yaml").write_text(FILE.format(query=query, columns=COLUMNS))
    (folder / ".leeway").mkdir(exist_ok=True)
    return Project.load(folder).model()


def view_of(model: Model) -> LandedView:
    """Return the model's view."""
    return next(source for source in model.landed if isinstance(source, LandedView))


def landed(model: Model) -> list[dict[str, Any]]:
    """Return what has landed, in its order."""
    return [row for path in sorted(view_of(model).folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def land(folder: Path) -> int:
    """Land what is new of the project in *folder*."""
    return landing.land(project(folder).landed, NOW)


def add(folder: Path, name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Write a file of facts."""
    (folder / "landings").mkdir(exist_ok=True)
    (folder / "landings" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def fact(n: int, delay: Any, **other: Any) -> dict[str, Any]:
    """Return a fact."""
    time = f"2024-01-01T00:{n % 60:02}:00Z"
    own = {"flight": f"f{n}", "time": time, "reported": time, "carrier": "UA", "airport": "LAX", "plane": None}
    return {**own, "delay": delay, **other}


def test_a_view_lands_what_its_query_makes_of_new_facts(tmp_path: Path) -> None:
    """Of each file once; a bad record is a dead letter with its place; `status` says how far it is."""
    add(tmp_path, "a", [fact(1, 20.5), fact(2, 15), fact(3, None), fact(4, "late")])
    assert 3 == land(tmp_path)
    assert 0 == land(tmp_path)
    add(tmp_path, "b", [fact(5, 16)])
    assert 1 == land(tmp_path)

    model = project(tmp_path)
    assert [5.5, None, None, 1.0] == [row["beyond"] for row in landed(model)]
    (letter,) = dead_letters.read(tmp_path / ".leeway", "facts.late").kinds
    assert (1, "delay is not a number") == (letter["records"], letter["reason"])
    assert letter["place"].endswith("landings/a.jsonl line 4")
    told = invoke(tmp_path, "status", code=None).output
    assert "facts late: 4 facts of view of landings read" in told
    assert "1 record could not be used" in told


@pytest.mark.parametrize("before", [True, False])
def test_a_reader_that_is_killed_loses_nothing_and_repeats_nothing(tmp_path: Path, *, before: bool) -> None:
    """Whether before the file has appeared or right after it."""
    add(tmp_path, "a", [fact(n, 20) for n in range(5)])
    assert -signal.SIGKILL == killed_landing.land_and_die(land, (tmp_path,), 1, before=before)
    assert (5 if before else 0) == land(tmp_path)
    assert [f"f{n}" for n in range(5)] == [row["flight"] for row in landed(project(tmp_path))]
    assert not any(tmp_path.rglob("*.scratch"))


def test_pages_end_with_parts_of_files(tmp_path: Path) -> None:
    """Several pages of one start of Flink, and a stop after some facts: the next reading goes on."""
    for name in "abc":
        add(tmp_path, name, [fact(n, 20, flight=f"{name}{n}") for n in range(3)])
    reader = ViewReader(view_of(project(tmp_path)), page_facts=3)
    assert 9 == reader.land(NOW)
    assert 3 == len(list(reader.view.folder.glob("*.parquet")))
    assert 0 == ViewReader(reader.view).waiting(10)


def test_values_are_those_of_the_facts_themselves(tmp_path: Path) -> None:
    """A view that changes nothing, of facts that are late, repeated and corrected: all ways, bit for bit."""
    fact_worlds.write(tmp_path / "landings", fact_worlds.records(400, seed=1), files=4)
    rows = fact_worlds.requests(200, seed=2)
    fact_worlds.write(tmp_path / "rows", rows, files=2)
    model = project(tmp_path, "SELECT flight, `time`, reported, carrier, airport, delay, plane FROM landings")
    landing.land(model.landed, NOW)
    view = view_of(model)
    own, seen = fact_worlds.declared(tmp_path / "landings"), fact_worlds.declared(view.folder)
    wanted = in_process(own, rows)
    assert wanted == in_process(seen, rows)
    for streaming in (False, True):
        run = fact_features_run.run_once(
            FactSpec(SCHEMA, seen), tmp_path / "rows", tmp_path / "logs", streaming=streaming
        )
        assert wanted == by_id(run.rows)
    assert any(value is not None for values in wanted.values() for value in values.values())


def test_a_stream_and_a_batch_job_make_the_same_rows(tmp_path: Path) -> None:
    """Numbers, texts, conditions and moments, each row by itself."""
    (tmp_path / "in").mkdir()
    rows = [{"flight": f"f{n}", "landed": f"2024-01-01T00:00:{n % 60:02}.{n:03}Z", "carrier": "UA" if n % 3 else None,
             "delay": n / 7 if n % 5 else None} for n in range(200)]  # fmt: skip
    (tmp_path / "in" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    query = """SELECT flight, landed, COALESCE(carrier, 'none') || '-' || UPPER(flight) AS route, SQRT(delay) AS root,
                      delay / 0 AS odd, CAST(delay AS DECIMAL(10, 2)) AS exact, CAST(delay AS BIGINT) AS whole,
                      delay > 10 AS late, landed + INTERVAL '1' HOUR AS later FROM landings WHERE carrier = 'UA'"""
    view = ViewQuery("late", "landings", TABLE, query, {"landed": "the time"}, corrected=False)
    made = []
    for streaming in (False, True):
        target = tmp_path / str(streaming)
        types = fact_view_run.run(view, [(tmp_path / "in", target)], tmp_path / "logs", streaming=streaming)
        made.append(sorted(map(repr, json_pages.read(target, types).to_pylist())))
    assert made[0] == made[1]
    assert sum(n % 3 > 0 for n in range(200)) == len(made[0])
    assert {"exact": "DECIMAL(10, 2)", "whole": "BIGINT", "late": "BOOLEAN"}.items() <= types.items()


REFUSED = {
    "SELECT carrier, COUNT(*) AS n FROM landings GROUP BY carrier": "looks at more than one row (GroupAggregate)",
    "SELECT a.flight, a.landed FROM landings a JOIN landings b ON a.flight = b.flight": "more than one row (Join)",
    "SELECT flight, landed FROM landings ORDER BY landed LIMIT 1": "looks at more than one row (SortLimit)",
    "SELECT DISTINCT flight, landed FROM landings": "looks at more than one row",
    "SELECT flight, landed, RAND() AS r FROM landings": "calls RAND, which gives another value each time",
    "SELECT flight, landed, CURRENT_TIMESTAMP AS t FROM landings": "calls CURRENT_TIMESTAMP, which gives another",
    "SELECT flight, landed FROM landings WHERE delay > 3": "leaves rows out, and the version before",
    "SELECT flight FROM landings": "does not select `landed`, which is the time",
    "SELECT flight, CAST(landed AS TIMESTAMP(3)) AS landed FROM landings": "has TIMESTAMP(3) as `landed`",
    "SELECT CHAR_LENGTH(flight) AS flight, landed FROM landings": "has INT as `flight`, which is the id",
    "SELECT flight, landed, ARRAY[delay] AS a FROM landings": "which no feature can be made of",
    "SELECT flight, landed FROM nothing": "Object 'nothing' not found",
    "SELECT flight, landed, dealy FROM landings": "Column 'dealy' not found",
    "DROP TABLE landings": "sqlQuery() only accepts a single SQL query",
    "SELEC flight": "is no query of Flink SQL that reads landings",
}  # fmt: skip


def test_what_is_no_view_is_refused(tmp_path: Path) -> None:
    """With the reason, before anything is computed; a text that looks like a function is none."""
    needed = {"flight": "the id", "landed": "the time"}
    for query, words in REFUSED.items():
        with pytest.raises(ProjectError) as caught:
            fact_view_run.examined(
                ViewQuery("late", "landings", TABLE, query, needed, corrected=True), tmp_path, tmp_path
            )
        assert words in caught.value.message, query
        assert caught.value.hint
    good = "SELECT flight, landed, 'NOW()' AS t FROM landings"
    found = fact_view_run.examined(
        ViewQuery("late", "landings", TABLE, good, needed, corrected=True), tmp_path, tmp_path
    )
    assert ["flight", "landed", "t"] == list(found)


def test_check_names_a_query_that_is_none(tmp_path: Path) -> None:
    """Although there are no facts yet."""
    (tmp_path / "landings").mkdir()
    project(
        tmp_path, "SELECT flight, `time`, reported, COUNT(*) AS beyond FROM landings GROUP BY flight, `time`, reported"
    )
    told = invoke(tmp_path, "check", code=1).output
    assert "facts.late.sql.query looks at more than one row" in " ".join(told.split())


def test_a_view_of_facts_without_an_id_may_leave_rows_out(tmp_path: Path) -> None:
    """Nothing corrects them, so nothing is left in force."""
    query = "SELECT landed, carrier FROM landings WHERE delay > 3"
    view = ViewQuery("late", "landings", TABLE, query, {"landed": "the time"}, corrected=False)
    assert {"landed", "carrier"} == fact_view_run.examined(view, tmp_path, tmp_path).keys()
