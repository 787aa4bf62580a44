"""Sentences of a run for Prefect's log and states: rows, losses, the outcome with its reasons, and what comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Sized
from typing import Any, Final

from features.window import format_span
from registry.baseline_plan import BaselinePlan
from registry.records import Check, CheckResult, RetrainRun, RunState
from retrain_flows.config import Retrain

UNDECIDED: Final = "Held"
"""Name of the state of a run where the gate had too few data to decide."""
_STATE_NAMES: Final = {RunState.REJECTED: "Refused"}


def state_name(run: RetrainRun, checks: Sequence[Check]) -> str:
    """Return the name of the final state of a run: Promoted, Refused, or Held where no candidate failed a check."""
    if run.state is RunState.REJECTED and _only_held(checks):
        return UNDECIDED
    return _STATE_NAMES.get(run.state, run.state.value.capitalize())


def outcome(run: RetrainRun, checks: Sequence[Check]) -> str:
    """Return the outcome of a run with its reasons, as the message of its final state."""
    name = state_name(run, checks)
    which = f" {run.challenger}" if run.challenger and run.state in (RunState.PROMOTED, RunState.HELD) else ""
    return f"{name}{which}: {run.reason}"


def next_step(
    run: RetrainRun, checks: Sequence[Check], retrain: Retrain | None, baseline: BaselinePlan | None = None
) -> str:
    """Return what comes after a run, for a reader of its log.

    Parameters
    ----------
    run, checks
        The run and the checks of its gate.
    retrain
        How the model is retrained.
    baseline
        The plan of the champion's baseline; one that is too short is said of the version that was promoted.
    """
    if run.state is RunState.PROMOTED:
        own = baseline is not None and baseline.version == run.challenger and baseline.is_short
        plan = f" {baseline.sentence}" if baseline is not None and own else ""
        named = run.challenger or "the new version"
        return f"Next: {named} answers from now on, and is compared with its own baseline.{plan}"
    if run.awaits_approval:
        return (
            f"Next: the champion stays until somebody answers: `leeway promote {run.challenger} --because ...` "
            f"approves it, `leeway refuse {run.challenger} --because ...` refuses it."
        )
    if run.state is RunState.HELD:
        return (
            f"Next: the champion stays; {run.challenger} is on trial in shadow, and each later reconcile compares them "
            "on the labels that have come."
        )
    if run.state is RunState.FAILED:
        again = f"it is tried again {format_span(retrain.retry)} after this one" if retrain else "it is tried again"
        return f"Next: the champion stays; mend the cause; {again}."
    pause = f"; the next retrain may start {format_span(retrain.cool_down)} after this one" if retrain else ""
    more = "; a later retrain will have more labelled rows to decide on" if state_name(run, checks) == UNDECIDED else ""
    return f"Next: the champion stays{pause}{more}."


def step_result(result: Any) -> str:
    """Return what a step has made, as far as it can be put in words; "" if it cannot.

    Steps return different records; this reads what they have in common: rows, losses, checks, outcomes.
    """
    if isinstance(result, RetrainRun):
        return f"run {result.id}: {result.state.value}. {result.reason}"
    return ", ".join(_parts(result))


def _parts(result: Any) -> Iterator[str]:
    """Yield rows, losses and checks of a step's result."""
    for name in ("rows", "evaluation"):
        rows = getattr(result, name, None)
        if isinstance(rows, Sized) and not isinstance(rows, str):
            yield f"{len(rows):,} {'training' if name == 'rows' else name} rows"
    if barred := getattr(result, "barred", 0):
        yield f"{barred:,} rows under a data fault left out"
    if rejected := getattr(result, "rejected", 0):
        yield f"{rejected:,} records could not be read"
    checks = [check for check in getattr(result, "checks", ()) if isinstance(check, Check)]
    if checks:
        counted = Counter(check.result.value for check in checks)
        yield "checks: " + ", ".join(f"{n} {name}" for name, n in counted.items())
        yield from (f"{c.name}: {c.got}" for c in checks if c.name == "loss" or c.result is not CheckResult.PASS)


def _only_held(checks: Sequence[Check]) -> bool:
    """Return whether some version passed every check that could be decided, and at least one could not."""
    results: dict[str, set[CheckResult]] = {}
    for check in checks:
        results.setdefault(check.version, set()).add(check.result)
    return any(CheckResult.HOLD in of and CheckResult.FAIL not in of for of in results.values())
