"""Features of facts in training sets: what was logged stays, what was not is what a server would have filled in."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from features import user_code
from features.errors import DataError
from features.facts.declaration import FactFeatures
from features.schema import FeatureKind
from features.transforms import apply
from features.transforms.declaration import Transforms
from features.window import from_ms
from monitors.in_process import training_set_runner
from monitors.training_set import built
from monitors.training_set.buckets import SetPlan
from monitors.training_set.parts import Part, Survey, survey
from monitors.training_set.store import SetStore
from tests.support import fact_worlds, facts_log

DAY = 24 * 60 * fact_worlds.MINUTE


def build(root: Path, folder: Path) -> built.BuiltSet:
    """Build the set of a log with facts."""
    wanted, sources = facts_log.PERIOD, facts_log.sources(root)
    parts = survey(wanted, sources, Survey()).needed(wanted)
    return built.build(wanted, parts, folder, training_set_runner.run, facts=facts_log.declared(root))


def test_what_was_not_logged_is_computed_point_in_time(tmp_path: Path) -> None:
    """Rows without the column, and with null, have the values of a server to the last bit; logged values stay."""
    expected = facts_log.write(tmp_path)
    rows = pa.concat_tables(build(tmp_path, tmp_path / "set").tables()).to_pylist()

    assert len(rows) > 100
    for row in rows:
        for name, value in expected[row["id"]].items():
            assert fact_worlds.bits(value) == fact_worlds.bits(row[name]), (row["id"], name)
    assert {facts_log.LOGGED} < {row["mean"] for row in rows}


@pytest.mark.parametrize("bucket_rows", [40, 1000])
def test_buckets_do_not_change_a_value(tmp_path: Path, bucket_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bucket or several, each of which asks for facts."""
    facts_log.write(tmp_path)
    whole = pa.concat_tables(build(tmp_path, tmp_path / "set").tables()).combine_chunks()
    monkeypatch.setattr(built, "BUCKET_ROWS", bucket_rows)
    monkeypatch.setattr(built, "_LINE_BYTES", 60)

    assert whole.equals(pa.concat_tables(build(tmp_path, tmp_path / "again").tables()).combine_chunks())


def test_facts_that_cannot_be_used_are_dead_letters(tmp_path: Path) -> None:
    """Each once, with its place, beside the records of events."""
    facts_log.write(tmp_path)
    (tmp_path / "facts" / "odd.jsonl").write_text('{"flight": "x", "time": "2099-01-01"}\n')
    made = build(tmp_path, tmp_path / "set")

    assert 1 == made.rejected["facts"]
    (letter,) = (one for one in made.letters() if one["role"] == "facts")
    assert ("time", True) == (letter["column"], letter["path"].endswith("odd.jsonl"))


def test_a_past_period_gives_the_same_set_at_any_time(tmp_path: Path) -> None:
    """A version that was stamped too far ahead is refused at the time, and goes on to count for nothing later."""
    facts_log.write(tmp_path)
    fact = {"flight": "z", "carrier": "A", "delay": 999.0, "time": fact_worlds.BEGIN, "reported": fact_worlds.BEGIN}
    ahead = {**fact, "time": fact_worlds.BEGIN + DAY * 3, "reported": fact_worlds.BEGIN + 5 * fact_worlds.MINUTE}
    (tmp_path / "facts" / "ahead.jsonl").write_text(f"{json.dumps(fact)}\n{json.dumps(ahead)}\n")
    sets = []
    for number, now in enumerate([from_ms(facts_log.PERIOD.until), facts_log.NOW]):
        run = partial(_run_at, now)
        parts = survey(facts_log.PERIOD, facts_log.sources(tmp_path), Survey()).needed(facts_log.PERIOD)
        sets.append(built.build(facts_log.PERIOD, parts, tmp_path / f"set-{number}", run,
                                facts=facts_log.declared(tmp_path)))  # fmt: skip

    assert [1, 0] == [one.rejected["facts"] for one in sets]
    then, later = (pa.concat_tables(one.tables()).combine_chunks() for one in sets)
    assert then.equals(later)


def _run_at(now: datetime, plan: SetPlan, parts: Sequence[Part]) -> None:
    training_set_runner.run(replace(plan, now=now), parts)


def test_facts_that_are_gone_are_an_error(tmp_path: Path) -> None:
    """No row is silently without them."""
    facts_log.write(tmp_path)
    (tmp_path / "facts").rename(tmp_path / "moved")
    with pytest.raises(DataError, match="facts"):
        build(tmp_path, tmp_path / "set")


def test_no_facts_are_read_where_all_is_logged(tmp_path: Path) -> None:
    """A log that has all values is read by itself."""
    facts_log.write(tmp_path)
    for path in [*(tmp_path / "predictions").iterdir(), *(tmp_path / "requests").iterdir()]:
        lines = [{**json.loads(line), **facts_log.ALL_LOGGED} for line in path.read_text().splitlines()]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (tmp_path / "facts").rename(tmp_path / "moved")

    assert build(tmp_path, tmp_path / "set").counts.rows > 100


def test_a_stored_set_is_built_again_when_facts_have_come(tmp_path: Path) -> None:
    """What became known later does not count, and nobody can see from outside of files what it was."""
    facts_log.write(tmp_path)
    store = SetStore(tmp_path / "sets", facts_log.declared(tmp_path))
    sources = facts_log.sources(tmp_path)

    def folder() -> Path:
        return store.built(facts_log.PERIOD, sources, training_set_runner.run).folder

    first = folder()
    assert first == folder()
    fact = {"flight": "new", "carrier": "A", "time": fact_worlds.BEGIN, "delay": 5.0,
            "reported": fact_worlds.BEGIN + int(timedelta(days=9).total_seconds() * 1000)}  # fmt: skip
    (tmp_path / "facts" / "later.jsonl").write_text(json.dumps(fact) + "\n")
    second = folder()

    assert first != second
    runs = [b"".join(path.read_bytes() for path in sorted(one.glob("runs/*"))) for one in (first, second)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("counted", [False, True])
def test_a_stored_set_is_built_again_when_the_code_of_a_transform_has_changed(tmp_path: Path, *, counted: bool) -> None:
    """Its values are those of the function that is there now, also where only what it calls has changed."""
    facts_log.write(tmp_path)
    kinds = {**facts_log.SCHEMA.features, "route": FeatureKind.CATEGORICAL}
    wanted = replace(facts_log.PERIOD, schema=facts_log.SCHEMA.model_copy(update={"features": kinds}))
    (tmp_path / "of_routes.py").write_text(
        "from routes_words import WORD\n\ndef route(origin):\n    return origin.fillna('?') + WORD\n"
    )

    def routes(word: str) -> set[str]:
        """Return the values in the set that a process finds or builds that begins now."""
        (tmp_path / "routes_words.py").write_text(f"WORD = {word!r}\n")
        _forget_modules("of_routes", "routes_words")
        store = SetStore(tmp_path / "sets", _with_route(tmp_path, kinds))
        made = store.built(wanted, facts_log.sources(tmp_path), training_set_runner.run, counted=counted)
        return {row["route"].partition(" ")[2] for row in pa.concat_tables(made.tables()).to_pylist()}

    try:
        assert [{"old"}, {"other"}] == [routes(" old"), routes(" other")]
    finally:
        sys.path.remove(str(tmp_path))


def _forget_modules(*names: str) -> None:
    """Have the project's modules imported anew, as by another process."""
    apply.imported.cache_clear()
    user_code.digest.cache_clear()
    for name in names:
        sys.modules.pop(name, None)


def _with_route(root: Path, kinds: dict[str, FeatureKind]) -> FactFeatures:
    """Return the fact features of the log, and one that a function of the project makes."""
    route = {"route": {"type": "categorical", "transform": "of_routes:route", "inputs": ["origin"]}}
    made = Transforms.model_validate({"features": route, "kinds": kinds, "folder": str(root)})
    return facts_log.declared(root).model_copy(update={"transforms": made})
