"""The error stream: a detector's look at single losses, told with the outcomes of the slice that it alarmed in.

It may tell within minutes of labels what slices take days to say, and how often it errs is not promised
(:mod:`monitors.error_stream.rank_detectors`). What it says is counted like all else: whole numbers beside the slice's
losses. So a report carries it, whoever counts again finds the same, and the verdict follows from what is on record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from features.window import Windows, from_ms, to_ms
from monitors.config import MonitorPolicy
from monitors.finding import Finding, SequentialVerdict, Signal, Verdict
from monitors.profiles.counting import Cell, Layout
from monitors.profiles.outcome_counts import UNIT
from monitors.profiles.side_channels import ERROR_STREAM


@dataclass(frozen=True, slots=True)
class SliceAlarms:
    """What is told of one slice: how many *alarms* of risen losses it had, and of the first of them more.

    It came with the record *after_ms* after the slice's start, the *records*-th that the detector saw. *before* and
    *after* are mean losses in millionths: of the newest records up to that one, and of all those before them.
    """

    alarms: int
    after_ms: int
    records: int
    before: int
    after: int

    def cells(self, start: int, version: str, offset: int) -> list[Cell]:
        """Return the cells of the slice that starts at *start* (ms); the variable's are laid out from *offset* on."""
        return [Cell(start, version, "", offset + i, n) for i, n in enumerate(astuple(self)) if n]


def extended_layout(policy: MonitorPolicy, outcomes: Layout) -> Layout:
    """Return the layout of *outcomes*, with the error stream's cells at its end where *policy* asks for one."""
    return Layout({**outcomes.sizes, ERROR_STREAM: len(SliceAlarms.__slots__)}) if policy.error_stream else outcomes


def block(windows: Windows, ms: int) -> int:
    """Return the number of the block that holds *ms*: blocks are as long as a window and tile time from the epoch.

    What is told of a slice depends on its own block and the one before, and on nothing earlier.
    """
    return ms // to_ms(windows.size)


def remembered_from(windows: Windows, start: datetime) -> datetime:
    """Return the time from which on predictions must be read to tell of slices from *start* on as ever.

    >>> from features.window import UTC
    >>> print(remembered_from(Windows(size="10d", slide="1d"), datetime(1970, 1, 25, tzinfo=UTC)))
    1970-01-11 00:00:00+00:00
    """
    return from_ms(max(block(windows, to_ms(start)) - 1, 0) * to_ms(windows.size))


def findings(policy: MonitorPolicy, newest: Mapping[str, Sequence[int]] | None, start_ms: int) -> tuple[Finding, ...]:
    """Return the finding on the *newest* slice's counts, which begins at *start_ms*: one of drift, or none.

    There is one where the loss was told to have risen by as much as is worth telling, ``min_loss_increase``. It is
    performance drift and outside the false-alarm promise. Windows that share the slice's record share no finding.
    """
    told = SliceAlarms(*(newest or {}).get(ERROR_STREAM, [0] * len(SliceAlarms.__slots__)))
    if not policy.error_stream or not told.alarms or not told.before:
        return ()
    rise = told.after / told.before - 1
    if rise < policy.min_loss_increase:
        return ()
    at = from_ms(start_ms + told.after_ms)
    means = {"mean_loss_before": told.before * UNIT, "mean_loss_after": told.after * UNIT}
    reason = (
        f"{policy.error_stream}: single losses have risen by the record of {at:%Y-%m-%d %H:%M:%S}, the "
        f"{told.records:,}th that it saw: mean {told.after * UNIT:.4g} after {told.before * UNIT:.4g}"
    )
    return (
        Finding(
            signal=Signal.PERFORMANCE,
            variable=ERROR_STREAM,
            window_verdict=Verdict.DRIFT,
            metric="loss_rise_by_record",
            effect=round(rise, 6),
            n=told.records,
            baseline_n=0,
            metrics={"alarms": told.alarms, **{name: round(mean, 6) for name, mean in means.items()}},
            reason=reason,
            sequential=SequentialVerdict(
                verdict=Verdict.DRIFT, guaranteed=False, note="a fast signal, from single losses"
            ),
        ),
    )
