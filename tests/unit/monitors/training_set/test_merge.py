"""Merging of runs: any division of ordered rows is put together in their order."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from monitors.training_set.merge import in_order

_ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=20, max_size=40) | st.just([])


@given(_ROWS, st.integers(1, 5))
def test_runs_give_all_rows_in_order(rows: list[tuple[int, int]], batch: int) -> None:
    """By time, then by id, also where many rows have one time, in batches of any length."""
    events = [(time, f"{n:02}", run) for n, (time, run) in enumerate(rows)]
    with tempfile.TemporaryDirectory() as work:
        paths = [Path(work, f"{run}.arrow") for run in range(5)]
        for run, path in enumerate(paths):
            own = sorted(event[:2] for event in events if event[2] == run)
            table = pa.table(
                {"time": pa.array([e[0] for e in own], pa.int64()), "id": pa.array([e[1] for e in own], pa.string())}
            )
            with pa.ipc.new_stream(str(path), table.schema) as stream:
                stream.write_table(table, max_chunksize=batch)
        merged = list(in_order(paths))
    assert sorted(event[:2] for event in events) == [(r["time"], r["id"]) for part in merged for r in part.to_pylist()]


def test_few_rows_are_in_memory(tmp_path: Path) -> None:
    """A step takes about a batch of each run, however long the runs are."""
    paths = [tmp_path / f"{run}.arrow" for run in range(3)]
    for run, path in enumerate(paths):
        times = np.arange(run, 3000, 3)
        table = pa.table({"time": times, "id": times.astype(str)})
        with pa.ipc.new_stream(str(path), table.schema) as stream:
            stream.write_table(table, max_chunksize=10)
    steps = [part.num_rows for part in in_order(paths)]
    assert (3000, True) == (sum(steps), max(steps) <= 60)
