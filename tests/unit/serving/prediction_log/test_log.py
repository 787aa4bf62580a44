"""The prediction log: what was answered is read back by the project's reader; a full memory drops and counts."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.events import decode
from features.schema import Columns, EventSchema, FeatureKind, Task
from features.values import scalars
from features.window import UTC, to_ms
from serving.prediction_log import event_table
from serving.prediction_log.event_table import DIGEST, PREDICTOR, Made
from serving.prediction_log.log import Limits, PredictionLog
from serving.requests.rows import Rows
from tests.support import serving_world as world

NOW = datetime(2026, 3, 1, tzinfo=UTC)
QUICK = Limits(flush=0.01, publish=3600)


def made(n: int, first: int = 0, *, size: int = 100) -> Made:
    """Return *n* answered rows with ids from *first*."""
    features = {"x": [0.5] * n, "z": [float("nan")] * n, "c": [None] * n}
    rows = Rows(features, [str(first + i) for i in range(n)], [to_ms(NOW)] * n, size)
    return Made(rows, [0.25] * n, "v1", "d" * 64, "numpy")


def opened(folder: Path, limits: Limits = QUICK, schema: EventSchema = world.SCHEMA) -> PredictionLog:
    """Return a log that writes into *folder*."""
    return PredictionLog(schema, folder / "log", folder / "journals", "test", limits)


def ids(folder: Path) -> list[str]:
    """Return the ids in a log, in the order in which the project reads them."""
    table = decode.read_events(world.SCHEMA, "predictions", folder / "log", now=NOW + timedelta(days=1)).table
    return [str(i) for i in table["id"].to_pylist()]


NAMED = EventSchema(
    model="m", task=Task.MULTICLASS, columns=Columns(id="order", time="at", version="v", prediction="answer"),
    features={"leeway.digest": FeatureKind.CATEGORICAL, "n": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL},
)  # fmt: skip
NUMBER = st.none() | st.floats(allow_nan=False, min_value=-1e150, max_value=1e150)
WHEN = st.integers(to_ms(NOW) - 10**9, to_ms(NOW))
ROW = st.tuples(st.text(), NUMBER, st.text(), st.text(min_size=1), WHEN)


@given(rows=st.lists(ROW, min_size=1, max_size=5, unique_by=lambda row: row[3]))
@settings(max_examples=20)
def test_what_was_answered_is_read_back(rows: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any text, number and time, under the project's own column names; nothing is a dead letter."""
    folder = tmp_path_factory.mktemp("any")
    digests, numbers, words, names, times = map(list, zip(*rows, strict=True))
    features = {
        "leeway.digest": [scalars.category(d) for d in digests],
        "n": [scalars.number(n) for n in numbers],
        "c": [scalars.category(w) for w in words],
    }
    sent = Rows(features, [scalars.identifier(i) for i in names], times, 1)
    log = opened(folder, schema=NAMED)
    log.start()
    log.add(Made(sent, ["low"] * len(rows), "v3", "d" * 64, "numpy"))
    assert 0 == log.close()
    back = decode.read_events(NAMED, "predictions", folder / "log", now=NOW + timedelta(days=1))

    assert () == back.rejects
    assert list(sent.ids) == back.table["id"].to_pylist()
    assert times == back.table["time"].to_pylist()
    assert numbers == back.table["n"].to_pylist()
    assert features["c"] == back.table["c"].to_pylist()
    assert features["leeway.digest"] == back.table["leeway.digest"].to_pylist()
    assert {("v3", "low")} == set(
        zip(back.table["model_version"].to_pylist(), back.table["prediction"].to_pylist(), strict=True)
    )


def test_a_record_says_which_file_and_predictor_made_it(tmp_path: Path) -> None:
    """Beside the columns of an event."""
    log = opened(tmp_path)
    log.start()
    log.add(made(2))
    log.close()
    table = pq.read_table(next((tmp_path / "log").iterdir()))
    assert {("d" * 64, "numpy")} == set(zip(table[DIGEST].to_pylist(), table[PREDICTOR].to_pylist(), strict=True))


def test_many_writers_lose_nothing_and_order_is_kept(tmp_path: Path) -> None:
    """Files are published while rows come; each row is in one of them."""
    log = opened(tmp_path, Limits(flush=0.001, publish=0.01))
    log.start()

    def write(first: int) -> None:
        """Add rows in small parts."""
        for i in range(100):
            assert log.add(made(3, first + 3 * i))
            time.sleep(0.001)

    threads = [threading.Thread(target=write, args=(1000 * n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 == log.close()
    logged = ids(tmp_path)

    assert sorted(str(1000 * n + i) for n in range(3) for i in range(300)) == sorted(logged)
    assert [i for i in logged if len(i) <= 3] == sorted((i for i in logged if len(i) <= 3), key=int)
    assert len(list((tmp_path / "log").iterdir())) > 1  # how many depends on how busy the machine is
    assert (900, 900, 0) == (log.counts.journaled, log.counts.published, log.counts.dropped)


@pytest.mark.parametrize(("limits", "taken"), [
    (Limits(flush=0.01, publish=3600, waiting_rows=10), 10),
    (Limits(flush=0.01, publish=3600, waiting_bytes=5 * 100), 5),
])  # fmt: skip
def test_without_a_disk_memory_is_bounded_and_drops_are_counted(tmp_path: Path, limits: Limits, taken: int) -> None:
    """By rows and by bytes; the newest are dropped, adding takes no time, and what waited is written afterwards."""
    (tmp_path / "journals").write_text("a file where the folder should be")
    log = opened(tmp_path, limits)
    log.start()
    begun = time.perf_counter()
    accepted = [log.add(made(1, i)) for i in range(1000)]
    assert time.perf_counter() - begun < 1
    time.sleep(0.1)

    assert (taken, 1000 - taken, taken) == (sum(accepted), log.counts.dropped, log.waiting)
    assert "FileExistsError" in log.counts.failing or "NotADirectory" in log.counts.failing
    (tmp_path / "journals").unlink()
    assert 0 == log.close()
    assert [str(i) for i in range(taken)] == ids(tmp_path)


def test_while_the_directory_cannot_be_written_rows_stay_in_journals(tmp_path: Path) -> None:
    """They are on disk, not in memory, and are published when it can be again."""
    (tmp_path / "log").write_text("a file where the folder should be")
    log = opened(tmp_path, Limits(flush=0.01, publish=0.01))
    log.start()
    for i in range(5):
        log.add(made(1, i))
        time.sleep(0.03)
    assert (5, 0, 0) == (log.counts.journaled, log.counts.published, log.waiting)
    assert log.counts.failing
    (tmp_path / "log").unlink()
    assert 0 == log.close()
    assert ([str(i) for i in range(5)], "") == (ids(tmp_path), log.counts.failing)


@pytest.mark.parametrize("closed", [False, True])
def test_rows_of_a_journal_that_somebody_removes_are_counted_and_the_log_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, closed: bool
) -> None:
    """It is named once, whether it was open or waited to be published; later rows have a journal of their own."""
    log = opened(tmp_path)
    (tmp_path / "log").write_text("a file where the folder should be")
    log.add(made(3))
    log._turn(last=closed)
    (lost,) = (tmp_path / "journals").iterdir()
    lost.unlink()
    (tmp_path / "log").unlink()
    log.add(made(2, 3))
    log._turn(last=True)
    assert (["3", "4"], 2, 3, "") == (ids(tmp_path), log.counts.published, log.counts.dropped, log.counts.failing)
    assert 1 == caplog.text.count(lost.name)


def test_what_cannot_be_written_at_the_end_is_counted(tmp_path: Path) -> None:
    """A stop does not hang, and says how much is lost."""
    (tmp_path / "journals").write_text("a file where the folder should be")
    log = opened(tmp_path)
    log.start()
    log.add(made(7))
    assert 7 == log.close()


def test_what_is_no_prediction_event_is_dropped_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A model with two answers for a row costs that row; those around it are logged, and the log goes on."""
    log, broken = opened(tmp_path), made(1, 2)
    log.add(made(2))
    log.add(replace(broken, predictions=[0.5, 0.5]))
    log.add(replace(broken, predictions=["high"]))
    log.add(made(2, 3))
    log.start()
    assert 0 == log.close()
    assert (["0", "1", "3", "4"], 4, 2, "") == (
        ids(tmp_path), log.counts.published, log.counts.dropped, log.counts.failing
    )  # fmt: skip
    assert 2 == caplog.text.count("1 rows of version v1 are no prediction events")


def test_an_error_that_nobody_foresaw_ends_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as what fails, rows wait on, and are written when it is over."""
    log = opened(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(event_table, "events", lambda *_, **__: {}["no such"])
        log.start()
        log.add(made(2))
        while not log.counts.failing:
            time.sleep(0.01)
        assert (2, "KeyError: 'no such'") == (log.waiting, log.counts.failing)
    assert 0 == log.close()
    assert ["0", "1"] == ids(tmp_path)


def test_other_threads_get_their_turn_before_each_feature() -> None:
    """Making all columns at once would hold answers up."""
    rests: list[int] = []
    event_table.events(world.SCHEMA, [made(3)], rest=lambda: rests.append(1))
    assert len(world.FEATURES) == len(rests)


@pytest.mark.parametrize("features", [1, 25, 1000])
def test_rests_keep_an_answer_from_its_journal_no_longer_than_is_promised(features: int, tmp_path: Path) -> None:
    """However many columns there are, all rests together take a quarter of that time at most."""
    schema = EventSchema(model="m", task=Task.BINARY, features={f"x{n}": FeatureKind.NUMERIC for n in range(features)})
    assert 0 < opened(tmp_path, Limits(), schema)._rest * features <= Limits().flush / 4
