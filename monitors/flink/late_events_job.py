"""Late events in Flink: predictions that windows drop as late, counted in the slice that is open then."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import udf

from features.window import to_ms
from monitors.flink.sql_job import first_row
from monitors.job_spec import JobSpec
from monitors.worker import late_events

LINES = "late_lines"
"""Name of the view of progress lines."""


def create_views(tables: Any, spec: JobSpec, cells: str) -> str:
    """Create the view ``late_lines`` for cells of closed slices; return a query of the cells that count them.

    Parameters
    ----------
    tables
        The table environment.
    spec
        The job's specification.
    cells
        Name of the view of input cells.
    """
    slide = to_ms(spec.schema.windows.slide)

    def count(
        starts: pd.Series, versions: pd.Series, cells: pd.Series, n: pd.Series, closed: pd.Series
    ) -> pd.DataFrame:
        times = closed.astype("datetime64[ms]").astype("int64")
        counted = late_events.late_cells(spec, zip(starts, versions, cells, n, times, strict=True))
        return first_row(("cells", "line"), counted, len(starts))

    kind = DataTypes.ROW(
        [DataTypes.FIELD("cells", DataTypes.ARRAY(DataTypes.STRING())), DataTypes.FIELD("line", DataTypes.STRING())]
    )
    tables.create_temporary_system_function("count_late", udf(count, result_type=kind, func_type="pandas"))
    # The condition is the one by which the window operator drops a cell, where it has seen the same watermark.
    tables.execute_sql(
        "CREATE TEMPORARY VIEW late AS SELECT d.cells AS cells, d.line AS line FROM (SELECT count_late("
        "start_ms, version, cell, n, CAST(CURRENT_WATERMARK(rt) AS TIMESTAMP(3))) AS d "
        f"FROM {cells} WHERE segment = '' AND TO_TIMESTAMP_LTZ(start_ms + {slide - 1}, 3) <= CURRENT_WATERMARK(rt)) "
        "WHERE d.line IS NOT NULL"
    )
    tables.execute_sql(f"CREATE TEMPORARY VIEW {LINES} AS SELECT line FROM late")
    return "SELECT c AS cell_text FROM late CROSS JOIN UNNEST(cells) AS u(c)"
