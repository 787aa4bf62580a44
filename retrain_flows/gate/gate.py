"""The gate: what a challenger must show before it may be promoted, each check with its numbers.

A check says PASS, FAIL, or HOLD where the data do not suffice to say; only PASS on all of them opens the gate. A bad
model is a result and not an error, so nothing a challenger does raises here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from features import errors, scoring
from features.schema import EventSchema, Task
from features.scoring import Floats, Values
from features.window import to_ms
from registry.files import artifacts
from registry.records import Check, CheckResult
from retrain_flows.config import Gate
from retrain_flows.data.dataset import Dataset
from retrain_flows.gate import paired_test

MIN_SEGMENT_ROWS = 50
"""Rows below which a segment is too small to be looked at by itself."""
NO_PREDICTIONS = "the challenger gave no usable predictions (see signature)"


@dataclass(frozen=True, eq=False)
class GateInput:
    """A challenger against the champion on rows that neither was trained on.

    *artifact* is the challenger as it would be stored, or why it cannot be. *champion* holds the champion's
    predictions for the rows of *evaluation*. *sd* is the unit of a regression's errors. *quality* names open quality
    incidents. *trust* is what the loader may build beyond its own types.
    """

    challenger: Any
    artifact: bytes | errors.TrainerError
    champion: Values
    evaluation: Dataset
    schema: EventSchema
    sd: float = 1.0
    quality: Sequence[str] = ()
    trust: Sequence[str] = field(default=())


def gate(trial: GateInput, policy: Gate) -> tuple[Check, ...]:
    """Return what the gate says: signature, reload, rows, loss, segments, quality; the first two as far as possible."""
    signature, answers = _signature(trial)
    checks = [signature, _reload(trial, answers), _rows(trial, policy)]
    if answers is None or len(trial.evaluation) == 0:
        missing = "there are no evaluation rows" if len(trial.evaluation) == 0 else NO_PREDICTIONS
        return (*checks, _check("loss", CheckResult.HOLD, f"not measured: {missing}", ""), _quality(trial))
    mine, theirs = _losses(trial, answers), _losses(trial, trial.champion)
    return (*checks, _loss(trial, mine, theirs, policy), _segments(trial, mine - theirs, policy), _quality(trial))


def passed(checks: Sequence[Check]) -> bool:
    """Return whether the gate opens: there are checks, and every one passed."""
    return bool(checks) and all(c.result is CheckResult.PASS for c in checks)


def reasons(checks: Sequence[Check]) -> str:
    """Return why the gate stayed shut, in one line."""
    return "; ".join(_reason(c) for c in checks if c.result is not CheckResult.PASS)


def _reason(check: Check) -> str:
    """Return a check that did not pass in words; one that could not be made requires nothing."""
    if not check.want:
        return f"{check.name} {check.got}"
    result = "inconclusive" if check.result is CheckResult.HOLD else "failed"
    return f"{check.name} {result}: {check.got}; required: {check.want}"


def _signature(trial: GateInput) -> tuple[Check, Values | None]:
    """Ask for an answer to every row from exactly the schema's features; None if they cannot be used."""
    want = f"one usable prediction a row from {len(trial.schema.features)} features"
    frame, task = trial.evaluation.frame, trial.schema.task
    try:
        answers = scoring.score(trial.challenger, frame[list(trial.schema.features)], task)
    except Exception as error:
        return _check("signature", CheckResult.FAIL, f"{type(error).__name__}: {error}", want), None
    if len(answers) != len(frame):
        return _check("signature", CheckResult.FAIL, f"{len(answers)} predictions for {len(frame)} rows", want), None
    unusable = ~scoring.is_answered(answers)
    if task is Task.BINARY:
        unusable |= ~((answers >= 0) & (answers <= 1))
    if unusable.any():
        return _check("signature", CheckResult.FAIL, f"{int(unusable.sum())} unusable predictions", want), None
    return _check("signature", CheckResult.PASS, f"{len(answers)} predictions", want), answers


def _reload(trial: GateInput, answers: Values | None) -> Check:
    """Load the stored model as serving would and compare: what was judged must be what will answer."""
    want = "the stored model predicts the same after reload (retrain.trust lists the types it may load)"
    if isinstance(trial.artifact, errors.TrainerError):
        return _check("reload", CheckResult.FAIL, trial.artifact.message, want)
    try:
        stored = artifacts.load_model(trial.artifact, trial.trust)
        again = scoring.score(stored, trial.evaluation.frame, trial.schema.task)
    except errors.UntrustedArtifact as error:
        return _check("reload", CheckResult.FAIL, error.message, want)
    except Exception as error:
        return _check("reload", CheckResult.FAIL, f"{type(error).__name__}: {error}", want)
    if answers is None:
        return _check("reload", CheckResult.HOLD, NO_PREDICTIONS, want)
    differ = int((again != answers).sum())
    got = f"{differ} of {len(answers)} predictions differ"
    return _check("reload", CheckResult.FAIL if differ else CheckResult.PASS, got, want)


def _rows(trial: GateInput, policy: Gate) -> Check:
    n = len(trial.evaluation)
    result = CheckResult.PASS if n >= policy.min_rows else CheckResult.HOLD
    return _check("rows", result, f"{n} evaluation rows", f"at least {policy.min_rows}", rows=n)


def _loss(trial: GateInput, mine: Floats, theirs: Floats, policy: Gate) -> Check:
    """PASS if the rise is surely below the margin, FAIL if it surely is not, HOLD if the rows cannot tell."""
    d = paired_test.paired_difference(mine - theirs, _slices(trial), confidence=policy.confidence)
    numbers = {"challenger": float(mine.mean()), "champion": float(theirs.mean()), "difference": d.mean}
    want = f"challenger minus champion below {policy.margin:g} with {policy.confidence:.0%} confidence"
    got = f"mean loss {numbers['challenger']:.4f} against {numbers['champion']:.4f}"
    got += f", challenger minus champion {d.mean:+.4f}"
    if not d.bounded:
        got += f"; only {d.slices} slices; a confidence interval needs {paired_test.MIN_SLICES}"
        return _check("loss", CheckResult.HOLD, got, want, **numbers, slices=d.slices)
    surely_not = CheckResult.FAIL if d.low >= policy.margin else CheckResult.HOLD
    result = CheckResult.PASS if d.high < policy.margin else surely_not
    got += f" ({d.low:+.4f} to {d.high:+.4f}) over {d.slices} slices"
    return _check("loss", result, got, want, **numbers, low=d.low, high=d.high, slices=d.slices)


def _segments(trial: GateInput, rise: Floats, policy: Gate) -> Check:
    """FAIL if the loss rises in a segment by more than the margin, and surely by more than nothing.

    The confidence is shared equally among the segments (Bonferroni), since there are many chances to be unlucky.
    """
    masks = _segment_masks(trial)
    want = f"mean loss rises by more than {policy.segment_margin:g} in no segment of {MIN_SEGMENT_ROWS} rows or more"
    if not masks:
        return _check("segments", CheckResult.PASS, "no segment is large enough to be judged", want)
    confidence = 1 - (1 - policy.confidence) / len(masks)
    slices = _slices(trial)
    differences = {
        name: paired_test.paired_difference(rise[m], slices[m], confidence=confidence) for name, m in masks.items()
    }
    bad = {name for name, d in differences.items() if d.mean > policy.segment_margin and d.bounded and d.low > 0}
    name, worst = max(differences.items(), key=lambda item: (item[0] in bad, item[1].mean))
    failing = f"{len(bad)} of {len(differences)} segments {'fails' if len(bad) == 1 else 'fail'}"
    got = f"{failing}; largest rise{' among them' if bad else ''}: {name} {worst.mean:+.4f} ({worst.rows} rows)"
    result = CheckResult.FAIL if bad else CheckResult.PASS
    return _check("segments", result, got, want, worst=worst.mean, rows=worst.rows, segments=len(differences))


def _segment_masks(trial: GateInput) -> dict[str, npt.NDArray[np.bool_]]:
    masks = {}
    for column in trial.schema.segments:
        values = trial.evaluation.frame[column].to_numpy(dtype=object)
        for value in sorted({v for v in values if v is not None}):
            mask = np.asarray(values == value, dtype=bool)
            if mask.sum() >= MIN_SEGMENT_ROWS:
                masks[f"{column}={value}"] = mask
    return masks


def _quality(trial: GateInput) -> Check:
    want = "no open quality incident"
    if trial.quality:
        return _check("quality", CheckResult.HOLD, "; ".join(trial.quality), want)
    return _check("quality", CheckResult.PASS, "none", want)


def _losses(trial: GateInput, answers: Values) -> Floats:
    return scoring.losses(trial.schema.task, answers, trial.evaluation.target, sd=trial.sd)


def _slices(trial: GateInput) -> npt.NDArray[np.int64]:
    return trial.evaluation.times // to_ms(trial.schema.windows.slide)


def _check(name: str, result: CheckResult, got: str, want: str, **numbers: float) -> Check:
    return Check(name=name, result=result, got=got, want=want, numbers=numbers)
