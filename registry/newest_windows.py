"""The newest windows of a model: of a version, of any other one, and the newest slice that any record came in."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from monitors.finding import Stage
from monitors.quality.arrivals import any_arrived
from monitors.report import Report
from registry.database import tables
from registry.records import Champion

_T = tables.window_reports.c


def newest(c: sa.Connection, model: str, version: str, stage: Stage) -> Report | None:
    """Return a version's newest window of all traffic in a stage."""
    mine = _all_traffic(model, stage) & (_T.version == version)
    found = c.scalar(sa.select(_T.report).where(mine).order_by(_T.window_end.desc()).limit(1))
    return None if found is None else Report.model_validate(found)


def answered_by(c: sa.Connection, champion: Champion, inputs: Report | None) -> str:
    """Return another version whose newest window with rows is later than all of the champion's; "" without one."""
    mine = _all_traffic(champion.model, Stage.INPUTS)
    if inputs is not None:
        mine &= _T.window_end > inputs.window_end
    others = sa.select(_T.version).where(mine, _T.rows > 0, _T.version != champion.version)
    return c.scalar(others.order_by(_T.window_end.desc()).limit(1)) or ""


def last_heard(c: sa.Connection, model: str, until: datetime) -> datetime | None:
    """Return the end of the newest slice in which a record came, of any version.

    *until* is where to begin to look if no window has rows: only as far back as a window is long.
    """
    mine = _all_traffic(model, Stage.INPUTS)
    last = c.scalar(sa.select(sa.func.max(_T.window_end)).where(mine, _T.rows > 0))
    since = last or until
    size = c.execute(sa.select(_T.window_start, _T.window_end).where(mine).limit(1)).one()
    found = sa.select(_T.report).where(mine, _T.window_end > since - (size.window_end - size.window_start))
    ordered = (Report.model_validate(r) for r in c.scalars(found.order_by(_T.window_end.desc())))
    return next((r.window_end for r in ordered if any_arrived(r.newest_slice)), None)


def _all_traffic(model: str, stage: Stage) -> sa.ColumnElement[bool]:
    """Return which rows are the newest revisions of a model's windows of all traffic in a stage."""
    return (_T.model == model) & (_T.segment == "") & (_T.stage == stage.value) & _T.latest
