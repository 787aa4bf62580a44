"""Promotion gate: the checks that a challenger must pass before it may replace the champion.

Each check passes, fails, or is put on hold where the data do not suffice to decide; the gate opens if all pass. A poor
challenger is a result and not an error, so nothing that a challenger does raises here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from features import errors, scoring
from features.schema import EventSchema, Task
from features.scoring import Floats, Values
from registry.files import artifacts
from registry.records import Check, CheckResult, ComparedSlice
from retrain_flows.config import Gate
from retrain_flows.data.dataset import Dataset
from retrain_flows.gate import calibration, evidence, latency, segments, slice_sums, slice_window
from retrain_flows.gate.weighed import Weighed, weigh

NO_PREDICTIONS = "the challenger gave no usable predictions (see signature)"


@dataclass(frozen=True, eq=False)
class GateInput:
    """A challenger, and the champion's answers, on rows that neither was trained on.

    Parameters
    ----------
    challenger
        The trained model.
    artifact
        Its model file as it would be stored, or the reason why it cannot be.
    answers
        The challenger's out-of-sample predictions for the rows of *evaluation*, (rows,): its final model may have been
        trained on these rows.
    champion
        The champion's predictions for them, (rows,).
    evaluation
        The labelled rows, in order of time.
    schema
        The schema of the model's events.
    alpha
        Error rate of the comparison of losses, over all looks at it.
    sd
        Standard deviation of the baseline's label: the unit of a regression's losses.
    before
        The slices of earlier looks at the series of the challenger.
    worse_since
        Index of the first of these looks that counts as evidence of being worse.
    since
        Time (ms) from which on slices are new: those before were part of earlier looks.
    history
        A value a slice of the past, (slices,), which shows how long slices remember one another.
    trust
        Types beyond skops' own that may be built when the model file is loaded.
    champion_model
        The champion's model, whose time is compared; None if there is no file of it.
    timer
        Seconds of a clock that never goes back.
    """

    challenger: Any
    artifact: bytes | errors.TrainerError
    answers: Values
    champion: Values
    evaluation: Dataset
    schema: EventSchema
    alpha: float = 0.05
    sd: float = 1.0
    before: evidence.Looks = ()
    worse_since: int = 0
    since: int = 0
    history: Floats | None = None
    trust: Sequence[str] = field(default=())
    champion_model: Any | None = None
    timer: Callable[[], float] = time.perf_counter


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """The checks of a challenger, and the new slices on which its losses were compared with the champion's.

    *weighed* is the comparison as the check of the loss weighed it; None where it had too few slices.
    """

    checks: tuple[Check, ...]
    slices: tuple[ComparedSlice, ...] = ()
    weighed: Weighed | None = None


def gate(trial: GateInput, policy: Gate) -> GateOutcome:
    """Run all checks: signature, reload, rows, loss, segments, calibration, latency.

    Parameters
    ----------
    trial
        The challenger and the rows.
    policy
        The section `retrain.gate` of the project file.

    Returns
    -------
    GateOutcome
        The checks, in this order; without usable answers or rows, the loss is on hold and what follows is left out.
    """
    signature, answers = _signature(trial)
    checks = [signature, _reload(trial, answers), _rows(trial, policy)]
    if answers is None or len(trial.evaluation) == 0:
        missing = "there are no evaluation rows" if len(trial.evaluation) == 0 else NO_PREDICTIONS
        return GateOutcome((*checks, _check("loss", CheckResult.HOLD, f"not measured: {missing}", "")))
    mine, theirs = _losses(trial, trial.answers), _losses(trial, trial.champion)
    slices = slice_sums.compared(mine, theirs, trial.evaluation.times, trial.schema.windows)
    slices = tuple(s for s in slices if s.start >= trial.since)
    losses = {"challenger": float(mine.mean()), "champion": float(theirs.mean())}
    pair = calibration.Pair(trial.evaluation, trial.answers, trial.champion, trial.sd, trial.history)
    weighed = _weighed(trial, slices, policy)
    compared = (
        _loss(trial, losses, slices, weighed, policy),
        segments.check(trial.evaluation, trial.schema, mine - theirs, policy),
        calibration.check(pair, trial.schema, policy),
        latency.check(_timed(trial), policy),
    )
    return GateOutcome((*checks, *compared), slices, weighed)


def _timed(trial: GateInput) -> latency.Timed:
    """Return the times a row of challenger and champion on the newest evaluation rows."""
    newest = trial.evaluation.frame[list(trial.schema.features)].tail(latency.ROWS)
    return latency.measure((trial.challenger, trial.champion_model), newest, trial.schema.task, trial.timer)


def undecided(checks: Sequence[Check]) -> bool:
    """Return whether only labels are missing: nothing fails, and rows or losses are on hold."""
    return not any(c.result is CheckResult.FAIL for c in checks) and any(
        c.result is CheckResult.HOLD and c.name in ("rows", "loss") for c in checks
    )


def passed(checks: Sequence[Check]) -> bool:
    """Return whether the gate opens: there are checks, and all of them passed."""
    return bool(checks) and all(c.result is CheckResult.PASS for c in checks)


def reasons(checks: Sequence[Check]) -> str:
    """Return in one line which checks did not pass, what they measured, and what they require.

    >>> reasons([Check(name="rows", result=CheckResult.HOLD, got="90 evaluation rows", want="at least 500")])
    'rows inconclusive: 90 evaluation rows; required: at least 500'
    """
    return "; ".join(_reason(c) for c in checks if c.result is not CheckResult.PASS)


def _reason(check: Check) -> str:
    """Return a check that did not pass in words; one that could not be made requires nothing."""
    if not check.want:
        return f"{check.name} {check.got}"
    result = "inconclusive" if check.result is CheckResult.HOLD else "failed"
    return f"{check.name} {result}: {check.got}; required: {check.want}"


def _signature(trial: GateInput) -> tuple[Check, Values | None]:
    """Predict all rows from exactly the schema's features; the answers are None if the challenger cannot be used."""
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
    """Load the model file as serving would, and compare: what was evaluated must be what will be served."""
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
    """HOLD with fewer evaluation rows than the policy asks for."""
    n = len(trial.evaluation)
    result = CheckResult.PASS if n >= policy.min_rows else CheckResult.HOLD
    return _check("rows", result, f"{n} evaluation rows", f"at least {policy.min_rows}", rows=n)


def _weighed(trial: GateInput, slices: Sequence[ComparedSlice], policy: Gate) -> Weighed | None:
    """Weigh the new slices with those of the looks before."""
    question = evidence.Question(trial.schema.windows, policy.margin, trial.history)
    return weigh((*trial.before, slices), question, worse_since=trial.worse_since)


def _loss(
    trial: GateInput,
    losses: Mapping[str, float],
    slices: Sequence[ComparedSlice],
    weighed: Weighed | None,
    policy: Gate,
) -> Check:
    """Compare mean losses by the evidence of all looks: PASS if better, FAIL if worse, HOLD if labels must decide."""
    lower = f"higher by less than {policy.margin:g}" if policy.margin else "lower"
    want = f"evidence of {1 / trial.alpha:.3g} that the challenger's mean loss is {lower}"
    got = f"mean loss {losses['challenger']:.4f} against {losses['champion']:.4f}"
    if weighed is None:
        got += f"; {len(slices)} new slices with labels; a comparison needs {evidence.MIN_SLICES}"
        return _check("loss", CheckResult.HOLD, got, want, **losses, alpha=trial.alpha)
    looked, total = weighed.window, weighed.evidence
    got += f", challenger minus champion {slice_window.in_words(looked)}; {total.in_words(trial.alpha)}"
    numbers = {**losses, "difference": looked.mean, "slices": float(looked.slices), "better": total.better}
    return _check("loss", evidence.decide(total, trial.alpha), got, want, **numbers, alpha=trial.alpha)


def _losses(trial: GateInput, answers: Values) -> Floats:
    return scoring.losses(trial.schema.task, answers, trial.evaluation.target, sd=trial.sd)


def _check(name: str, result: CheckResult, got: str, want: str, **numbers: float) -> Check:
    return Check(name=name, result=result, got=got, want=want, numbers=numbers)
