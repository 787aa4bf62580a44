"""Monitor settings: the project file's `monitor` section, how variables are binned and when a difference counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from features.window import Span
from monitors.budget import FalseAlarms


class MonitorPolicy(BaseModel):
    """How windows are compared with the baseline.

    Parameters
    ----------
    bins, top
        Quantile bins of a number, and categories with a cell of their own; they are frozen with the baseline.
    false_alarms
        The false-alarm budget, the one number that is guaranteed: see :mod:`monitors.budget`.
    min_rows
        Rows of a window, and of the baseline, below which nothing is judged.
    min_effect
        The minimum effect, as a Jensen-Shannon distance, whatever its significance: 0.1 is a shift by a quarter of a
        sd, or one of two equal categories that rises to 62 %.
    min_loss_increase
        The minimum effect of performance, as a relative rise of the loss.
    max_missing_increase
        Rise of a missing, non-finite or unseen share from which it is a fault.
    max_out_of_range
        Share of values beyond the baseline's range by more than its width from which it is a fault: another unit moves
        most values that far, a season hardly any. At 1 it is never a fault.
    max_skew
        Share of rows, above the baseline's own, whose logged feature of facts is not the recomputed one, from which it
        is a fault (:mod:`monitors.quality.feature_skew`).
    silence
        Takes the place of what :mod:`monitors.verdicts.silence` reads from the baseline.
    error_stream
        The detector of :mod:`monitors.error_stream.stream_findings`, if there is to be one.

    Notes
    -----
    Keys that were added later are left out of the digest where they are not set, so that a policy without them keeps
    the digest that it had before.
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
    max_skew: float = Field(
        0.01,
        ge=0,
        le=1,
        description="share of rows, above the baseline's own, whose logged feature of facts is not the recomputed one",
        exclude_if=lambda value: value == 0.01,
    )
    silence: Span | None = Field(
        None,
        description="how long no prediction at all may come before that is a fault; absent: what the baseline's own "
        "gaps, its quiet hours and weekends among them, leave to chance",
        exclude_if=lambda value: value is None,
    )
    error_stream: Literal["adwin", "page_hinkley", "kswin"] | None = Field(
        None,
        description="detector of single losses in the order of their predictions: fast, outside the guarantee",
        exclude_if=lambda value: value is None,
    )
