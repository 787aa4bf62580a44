"""The project file's `monitor` section: how windows are binned and when a difference counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from features.window import Span
from monitors.budget import FalseAlarms


class MonitorPolicy(BaseModel):
    """How a window is compared with the baseline.

    *false_alarms* is the one number that is promised: see :mod:`monitors.budget`. *min_effect* is the smallest effect
    worth telling, whatever its significance: 0.1 is a shift by a quarter of a sd, or one of two equal categories that
    rises to 62 %. *min_rows* is the size below which nothing is judged at all. *max_out_of_range* is half of all
    values, counted only where they lie beyond the baseline's range by more than its width: another unit moves most of
    them that far, a season hardly any. At 1 it is never a fault.

    *silence* takes the place of what :mod:`monitors.verdicts.silence` reads from the baseline. *error_stream* names the
    detector of :mod:`monitors.error_stream.stream_findings`, if there is to be one. A policy without these has the
    digest that it had before the keys were known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bins: int = Field(10, ge=2, le=200, description="quantile bins of a number")
    top: int = Field(30, ge=1, le=1000, description="categories that get a cell of their own")
    false_alarms: FalseAlarms = Field(
        FalseAlarms(count=1, span=timedelta(days=90)),
        description="false alarms of this model that are put up with, over all signals, features and segments together",
    )
    min_rows: int = Field(30, ge=1)
    min_effect: float = Field(0.1, ge=0, description="smallest Jensen-Shannon distance (log 2, 0 to 1) worth telling")
    min_loss_increase: float = Field(
        0.02, ge=0, description="smallest rise of the loss worth telling, as a share of the baseline's loss"
    )
    max_missing_increase: float = Field(0.05, ge=0, le=1, description="rise of a missing, non-finite or unseen share")
    max_out_of_range: float = Field(
        0.5, ge=0, le=1, description="share further beyond the baseline's range than that is wide"
    )
    silence: Span | None = Field(
        None,
        description="how long no prediction at all may come before that is a fault; absent: what the baseline's own "
        "gaps, its quiet hours and weekends among them, leave to chance",
        exclude_if=lambda value: value is None,
    )
    error_stream: Literal["adwin", "page_hinkley", "kswin"] | None = Field(
        None,
        description="looks at single losses in the order of their predictions: a fast signal, outside the promise",
        exclude_if=lambda value: value is None,
    )
