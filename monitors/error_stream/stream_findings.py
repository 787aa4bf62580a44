"""Findings of the error-stream detectors: alarms counted as cells beside a slice's outcomes, and reported as drift.

Alarms come within minutes of labels and are outside the false-alarm guarantee
(:mod:`monitors.error_stream.rank_detectors`). They are whole numbers beside the slice's losses, so a report carries
them, a recount reproduces them, and the verdict follows from what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from features.window import Windows, from_ms, to_ms
from monitors.config import MonitorPolicy
from monitors.finding import Finding, SequentialVerdict, Signal, Verdict
from monitors.profiles.cells import Cell, Layout
from monitors.profiles.outcome_counts import LOSS_UNIT
from monitors.profiles.side_channels import ERROR_STREAM


@dataclass(frozen=True, slots=True)
class SliceAlarms:
    """Alarms of risen losses in one slice; the fields are the cells of the side channel, in order.

    Parameters
    ----------
    alarms
        Number of alarms.
    after_ms
        Time of the first alarm's record after the slice's start, in milliseconds.
    records
        Losses that the detector had seen by then.
    before
        Mean loss of all records but the newest, in millionths.
    after
        Mean loss of the newest records up to the first alarm, in millionths.
    """

    alarms: int
    after_ms: int
    records: int
    before: int
    after: int

    def cells(self, start: int, version: str, offset: int) -> list[Cell]:
        """Return the alarms as cells of a slice.

        Parameters
        ----------
        start
            Start of the slice, in milliseconds since the epoch.
        version
            The model version.
        offset
            Offset of the side channel in the layout.
        """
        return [Cell(start, version, "", offset + i, n) for i, n in enumerate(astuple(self)) if n]


def extended_layout(policy: MonitorPolicy, outcomes: Layout) -> Layout:
    """Return the layout of outcomes, with the error stream's cells at its end where *policy* names a detector."""
    return Layout({**outcomes.sizes, ERROR_STREAM: len(SliceAlarms.__slots__)}) if policy.error_stream else outcomes


def block_number(windows: Windows, ms: int) -> int:
    """Return the number of the block with *ms*: blocks are as long as a window and tile time from the epoch.

    The alarms of a slice depend on its own block and the one before, and on nothing earlier.
    """
    return ms // to_ms(windows.size)


def read_from(windows: Windows, start: datetime) -> datetime:
    """Return the time from which on predictions must be read to reproduce the alarms of slices from *start* on.

    >>> from features.window import UTC
    >>> print(read_from(Windows(size="10d", slide="1d"), datetime(1970, 1, 25, tzinfo=UTC)))
    1970-01-11 00:00:00+00:00
    """
    return from_ms(max(block_number(windows, to_ms(start)) - 1, 0) * to_ms(windows.size))


def findings(policy: MonitorPolicy, newest: Mapping[str, Sequence[int]] | None, start_ms: int) -> tuple[Finding, ...]:
    """Return the finding on the newest slice: drift of performance if its loss has risen enough, else nothing.

    Enough is the policy's ``min_loss_increase``. The finding is outside the false-alarm guarantee. It belongs to the
    slice: later windows with the same slice do not repeat it.

    Parameters
    ----------
    policy
        The monitoring policy.
    newest
        Counts of the newest slice by variable.
    start_ms
        Start of the newest slice, in milliseconds since the epoch.
    """
    alarms = SliceAlarms(*(newest or {}).get(ERROR_STREAM, [0] * len(SliceAlarms.__slots__)))
    if not policy.error_stream or not alarms.alarms or not alarms.before:
        return ()
    rise = alarms.after / alarms.before - 1
    if rise < policy.min_loss_increase:
        return ()
    at = from_ms(start_ms + alarms.after_ms)
    means = {"mean_loss_before": alarms.before * LOSS_UNIT, "mean_loss_after": alarms.after * LOSS_UNIT}
    reason = (
        f"{policy.error_stream}: single losses have risen by the record of {at:%Y-%m-%d %H:%M:%S}, the "
        f"{alarms.records:,}th that it saw: mean {alarms.after * LOSS_UNIT:.4g} after {alarms.before * LOSS_UNIT:.4g}"
    )
    return (
        Finding(
            signal=Signal.PERFORMANCE,
            variable=ERROR_STREAM,
            window_verdict=Verdict.DRIFT,
            metric="loss_rise_by_record",
            effect=round(rise, 6),
            n=alarms.records,
            baseline_n=0,
            metrics={"alarms": alarms.alarms, **{name: round(mean, 6) for name, mean in means.items()}},
            reason=reason,
            sequential=SequentialVerdict(
                verdict=Verdict.DRIFT, guaranteed=False, note="a fast signal, from single losses"
            ),
        ),
    )
