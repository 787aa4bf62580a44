"""Gate check of segments: a challenger that is better on all traffic must not be much worse for some of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.schema import EventSchema
from features.scoring import Floats
from features.window import to_ms
from registry.records import Check, CheckResult
from retrain_flows.config import Gate
from retrain_flows.data.dataset import Dataset
from retrain_flows.gate import paired_test

MIN_ROWS = 50
"""Rows below which a segment is not compared by itself: the mean loss of fewer rows depends on a few of them."""


def check(rows: Dataset, schema: EventSchema, rise: Floats, policy: Gate) -> Check:
    """FAIL if in a segment the mean loss rises by more than the margin, and its lower bound is above 0.

    The error rate is divided equally among the segments (Bonferroni), since each is a chance of a false refusal.

    Parameters
    ----------
    rows
        The evaluation rows.
    schema
        The schema of the model's events, which names the segmenting features.
    rise
        Loss of the challenger minus loss of the champion, (rows,).
    policy
        The section `retrain.gate` of the project file.
    """
    segments = _segments(rows, schema)
    want = f"mean loss rises by more than {policy.segment_margin:g} in no segment of {MIN_ROWS} rows or more"
    if not segments:
        text = "no segment is large enough to be compared"
        return Check(name="segments", result=CheckResult.PASS, got=text, want=want)
    confidence, slices = 1 - (1 - policy.confidence) / len(segments), rows.times // to_ms(schema.windows.slide)
    differences = {
        name: paired_test.paired_difference(rise[i], slices[i], confidence=confidence) for name, i in segments.items()
    }
    bad = {name for name, d in differences.items() if d.mean > policy.segment_margin and d.bounded and d.low > 0}
    name, worst = max(differences.items(), key=lambda item: (item[0] in bad, item[1].mean))
    failing = f"{len(bad)} of {len(differences)} segments {'fails' if len(bad) == 1 else 'fail'}"
    got = f"{failing}; largest rise{' among them' if bad else ''}: {name} {worst.mean:+.4f} ({worst.rows} rows)"
    numbers = {"worst": worst.mean, "rows": worst.rows, "segments": len(differences)}
    result = CheckResult.FAIL if bad else CheckResult.PASS
    return Check(name="segments", result=result, got=got, want=want, numbers=numbers)


def _segments(rows: Dataset, schema: EventSchema) -> dict[str, npt.NDArray[np.int64]]:
    """Return the rows of each segment (``feature=value``) of at least :data:`MIN_ROWS` rows, in their order.

    They are row numbers, each row once for a feature: a mask of all rows for each of many values would fill the memory.
    """
    segments = {}
    for column in schema.segments:
        codes, values = pd.factorize(rows.frame[column].to_numpy(dtype=object), sort=True)  # -1 is no value
        order, ends = np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes + 1, minlength=len(values) + 1))
        for value, start, end in zip(values, ends[:-1], ends[1:], strict=True):
            if end - start >= MIN_ROWS:
                segments[f"{column}={value}"] = order[start:end]
    return segments
