"""Stored series: the newest revisions of the reports that are judged one after the other."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from monitors.finding import Stage
from monitors.report import Report
from registry.database import tables

Series = tuple[str, str, str, Stage]
"""Model, version, segment and stage: the reports that are judged one after the other."""
_T = tables.window_reports.c


_NEWEST_SINCE = (
    sa.select(_T.version, _T.segment, _T.digest)
    .where(_T.model == sa.bindparam("model"), _T.stage == sa.bindparam("stage"), _T.latest)
    .where(_T.window_end >= sa.bindparam("since"))
    .order_by(_T.window_end)
)
"""Made once, as each batch asks for it."""


def _of(key: Series) -> sa.ColumnElement[bool]:
    model, version, segment, stage = key
    mine = (_T.model == model) & (_T.version == version) & (_T.segment == segment)
    return mine & (_T.stage == stage.value) & _T.latest


def all_of(c: sa.Connection, model: str) -> list[Series]:
    """Return the series of a model's stored reports."""
    columns = _T.model, _T.version, _T.segment, _T.stage
    found = c.execute(sa.select(*columns).where(_T.model == model).distinct().order_by(*columns))
    return [(row.model, row.version, row.segment, Stage(row.stage)) for row in found]


def moment(report: Report) -> tuple[str, str, datetime]:
    """Return the model, version and end of a report's window."""
    return report.model, report.version, report.window_end


def input_rows(c: sa.Connection, report: Report) -> int:
    """Return the rows of the stored inputs of all traffic in *report*'s window, 0 if there are none."""
    mine = _of((report.model, report.version, "", Stage.INPUTS))
    return c.scalar(sa.select(_T.rows).where(mine, _T.window_end == report.window_end)) or 0


def newest_since(c: sa.Connection, model: str, stage: Stage, since: datetime) -> dict[Series, str]:
    """Return the digest of the newest stored report of each series of a model's stage with a window that ends then.

    Series whose newest window ended before *since* are left out.
    """
    rows = c.execute(_NEWEST_SINCE, {"model": model, "stage": stage.value, "since": since})
    return {(model, row.version, row.segment, stage): row.digest for row in rows}


def stored(c: sa.Connection, key: Series) -> list[Report]:
    """Return the stored reports of a series, oldest first."""
    found = c.scalars(sa.select(_T.report).where(_of(key)).order_by(_T.window_end))
    return [Report.model_validate(report) for report in found]
