"""Training set job: a Flink batch job that splits chunks of the log by id, and joins each bucket with its labels.

Flink carries pieces of columns from the chunks to their buckets, and sorts them on disk where there are many::

    chunks -> split -> pieces by bucket -> GROUP BY bucket -> join with labels -> a run of rows in order

Both steps are functions of :mod:`monitors.training_set.buckets`, which also run without Flink.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from features.schema import Role
from monitors.flink import environment_job, file_paths, run_job
from monitors.training_set.buckets import BucketJoin, SetPlan, split
from monitors.training_set.parts import Part

_OPTIONS = {
    # A record is a chunk of events, or a bucket: one of them is in Python at a time.
    "python.fn-execution.bundle.size": "1",
    "python.fn-execution.arrow.batch.size": "1",
    # All pieces of a bucket meet once; partial lists of them would only be sorted twice.
    "table.optimizer.agg-phase-strategy": "ONE_PHASE",
}


def run(plan: SetPlan, parts: Sequence[Part], *, logs: Path) -> None:
    """Split all parts and join all buckets of a plan in a Flink batch job: a :data:`monitors.training_set.built.Run`.

    Parameters
    ----------
    plan
        How the set is built.
    parts
        The parts of the log.
    logs
        Directory of Flink's log.

    Raises
    ------
    EngineError
        The job fails.
    """
    tables = environment_job.environment(logs, streaming=False, options=_OPTIONS)
    with tempfile.TemporaryDirectory(prefix="leeway-") as work:
        with run_job.flink_errors(logs):
            result = _submit(tables, plan, parts, Path(work))
        run_job.finish(result, logs)


def _submit(tables: Any, plan: SetPlan, parts: Sequence[Part], work: Path) -> Any:
    """Start the job; return its ``TableResult``. What it inserts are row counts: sets are files."""
    from pyflink.common import Row
    from pyflink.table import DataTypes
    from pyflink.table.udf import udf, udtf

    def split_part(role: Role, reference: str) -> Iterator[Row]:
        yield from (Row(bucket, piece) for bucket, piece in split(plan, role, reference))

    join = BucketJoin(plan)  # a copy of it is in each worker

    def join_bucket(bucket: int, pieces: list[bytes]) -> int:
        return join.write_run(bucket, pieces).rows

    text, number, piece = DataTypes.STRING(), DataTypes.INT(), DataTypes.BYTES()
    tables.create_temporary_system_function("split_part", udtf(split_part, result_types=[number, piece]))
    tables.create_temporary_system_function("join_bucket", udf(join_bucket, result_type=DataTypes.BIGINT()))
    kind = DataTypes.ROW([DataTypes.FIELD("role", text), DataTypes.FIELD("part", text)])
    tables.create_temporary_view("parts", tables.from_elements(list(parts), kind))
    tables.execute_sql(
        "CREATE TEMPORARY TABLE joined (n BIGINT) WITH ('connector' = 'filesystem', "
        f"'path' = '{file_paths.in_sql(work / 'joined')}', 'format' = 'csv')"
    )
    return tables.execute_sql(
        "INSERT INTO joined SELECT join_bucket(bucket, pieces) FROM ("
        "SELECT bucket, ARRAY_AGG(piece) AS pieces FROM ("
        "SELECT b AS bucket, p AS piece FROM parts, LATERAL TABLE(split_part(role, part)) AS s(b, p)"
        ") GROUP BY bucket)"
    )
