"""A challenger: a trained candidate, with what the gate and its baseline need of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from features.scoring import Floats, Values
from registry.records import Version
from retrain_flows.data.dataset import Dataset
from retrain_flows.training.permutation_importance import LossIncreases


@dataclass(frozen=True, eq=False)
class Challenger:
    """A trained candidate.

    Parameters
    ----------
    mode
        ``static`` or ``online``.
    model
        The trained model.
    rows
        The rows that it has learned from.
    validated, out_of_sample
        The newest labelled rows, which the gate compares, and their predictions, (rows,): by models of earlier rows
        (static), or made before the row was learned from (online).
    baseline_rows, baseline_answers
        The rows of its baseline, and their predictions, (rows,), by models as good as the final one that were not
        fitted on them.
    loss_increases
        Permutation importance on rows that it, or each of its validation models, had not learned from.
    parent
        The version that an online model continues; None for a new one.
    existing
        The earlier version that this is; None for a new one.
    note
        What was chosen in training, in words.
    metrics
        Figures of the training to record with the version.
    history
        Differences of an earlier pair of models by slice, from which the gate learns how long slices remember one
        another; None where there are too few rows.
    until
        The event time up to which it has learned; None: to the end of the run's data.
    """

    mode: str
    model: Any
    rows: Dataset
    validated: Dataset
    out_of_sample: Values
    baseline_rows: Dataset
    baseline_answers: Values
    loss_increases: tuple[LossIncreases, ...]
    parent: Version | None = None
    existing: Version | None = None
    note: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: Floats | None = None
    until: datetime | None = None

    def validated_since(self, start: datetime) -> Challenger:
        """Return the candidate with the validated rows from *start* on."""
        cut = len(self.validated.split(start)[0])
        later, answers = self.validated.rows(slice(cut, None)), self.out_of_sample[cut:]
        return replace(self, validated=later, out_of_sample=answers, baseline_rows=later, baseline_answers=answers)
