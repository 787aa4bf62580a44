"""Losses of the champion and of the learner in the stream on the same newest samples: static and online side by side.

Both answered before the label was known: the champion as it served, the learner as it tested itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from features import scoring
from features.schema import EventSchema
from features.scoring import Values
from features.window import to_ms
from monitors.samples import parts
from monitors.samples.parts import SampleParts
from retrain_flows.data import sample_rows
from retrain_flows.data.dataset import Dataset
from retrain_flows.gate import paired_test
from retrain_flows.training import learner_candidate
from retrain_flows.training.learner_branch import Branch

CONFIDENCE = 0.975
"""Of each bound: both make a 95 % interval."""


@dataclass(frozen=True, slots=True)
class MeanLoss:
    """A mean loss over rows with its 95 % interval over slices of time; no bounds with fewer than five slices."""

    mean: float
    low: float | None
    high: float | None
    rows: int

    @property
    def text(self) -> str:
        """It in words.

        >>> MeanLoss(0.41234, 0.4, 0.42, 2380).text
        'loss 0.412 (95 % 0.400 to 0.420) on 2,380 rows'
        """
        bounds = "" if self.low is None or self.high is None else f" (95 % {self.low:.3f} to {self.high:.3f})"
        return f"loss {self.mean:.3f}{bounds} on {self.rows:,} rows"


@dataclass(frozen=True, slots=True)
class BothLosses:
    """The mean losses of a version that served and of the learner, on the same rows."""

    served: MeanLoss
    learner: MeanLoss


def read(
    schema: EventSchema, samples: SampleParts, branch: Branch, *, version: str, span: timedelta, sd: float
) -> BothLosses | None:
    """Return the mean losses on the newest samples that both have answered; None where there are none.

    Parameters
    ----------
    schema
        The model's events.
    samples, branch
        What the learner learns from, and its branch.
    version
        The version whose logged predictions count.
    span
        How long before the newest slice's end samples count.
    sd
        The unit of a regression's losses.
    """
    paths = samples.listed()
    newest = [path for path in paths if parts.start_of(path.name) > parts.start_of(paths[-1].name) - to_ms(span)]
    rows = _rows(schema, newest)
    if rows is None:
        return None
    tested = learner_candidate.answers(branch, rows)
    both = scoring.is_answered(tested) & scoring.is_answered(rows.logged) & (rows.versions == version)
    if not both.any():
        return None
    own = rows.rows(both)
    return BothLosses(_mean(schema, own, own.logged, sd), _mean(schema, own, tested[both], sd))


def _rows(schema: EventSchema, paths: Sequence[Path]) -> Dataset | None:
    return sample_rows.dataset(schema, pa.concat_tables(map(parts.samples, paths))) if paths else None


def _mean(schema: EventSchema, rows: Dataset, answers: Values, sd: float) -> MeanLoss:
    losses = scoring.losses(rows.task, answers, rows.target, sd=sd)
    made = paired_test.paired_difference(losses, rows.times // to_ms(schema.windows.slide), confidence=CONFIDENCE)
    low, high = (made.low, made.high) if made.bounded else (None, None)
    return MeanLoss(made.mean, low, high, made.rows)
