"""Late events: predictions that arrive after their own slice was closed, counted in the slice that is open then.

Rejected records without a readable time are moved in the same way: they are counted at the epoch, which is long closed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from features.schema import LATE, PREDICTION
from features.window import to_ms
from monitors.finding import Stage
from monitors.job_spec import JobSpec
from monitors.profiles.cells import Cell, merge_cells
from monitors.profiles.rejected_counts import is_refusal
from monitors.worker import report_lines

LateCell = tuple[int, str, int, int, int]
"""Start of the closed slice (ms), version, cell, n, and the watermark (ms) when it arrived."""


def late_cells(spec: JobSpec, cells: Iterable[LateCell]) -> tuple[list[str], str] | None:
    """Return the cells that count late predictions, as joined text, and a line of progress (JSON).

    Parameters
    ----------
    spec
        The job's specification.
    cells
        Cells of all traffic that arrived after their slice was closed.

    Returns
    -------
    tuple or None
        None if there is neither a prediction nor a rejected record among them.
    """
    slide = to_ms(spec.schema.windows.slide)
    rows: Counter[tuple[int, str]] = Counter()
    aside: list[Cell] = []
    newest = 0
    for start, version, cell, n, closed in cells:
        plan, now_open = report_lines.layout(spec, version, Stage.INPUTS), (closed + 1) // slide * slide
        if is_refusal(plan, cell):
            aside.append(Cell(now_open, version, "", cell, n))
        elif 0 <= cell - plan.offsets[PREDICTION] < plan.sizes[PREDICTION]:  # of its variable each prediction has one
            rows[now_open, version] += n
            newest = max(newest, start)
    if not rows and not aside:
        return None
    offsets = {v: report_lines.layout(spec, v, Stage.INPUTS).offsets[LATE] for _, v in rows}
    late = [Cell(start, version, "", offsets[version], n) for (start, version), n in rows.items()]
    return report_lines.cell_texts(merge_cells((*late, *aside))), json.dumps(
        {"late": rows.total(), "newest": newest}, sort_keys=True
    )
