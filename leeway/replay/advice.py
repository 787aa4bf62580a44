"""The recommendation of a replay, in sentences: a policy, undetected changes, missing guarantees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta

from features.window import format_span
from leeway.replay.parallel import WatchedSignal
from leeway.replay.run_replay import PolicyOutcome
from monitors.sequential import exchangeability
from monitors.simulation.inject import InjectedChange
from monitors.verdicts.plan import STRIDES

MONTH = timedelta(days=30)


def advice(outcomes: Sequence[PolicyOutcome], within: timedelta, *, slices: int) -> list[str]:
    """Return the recommendation as sentences.

    Recommended is, among the policies that detect in time all changes that any of them does, the one with the smallest
    windows and then the strictest budget.

    Parameters
    ----------
    outcomes
        One for each policy, the project's first.
    within
        How soon a change should be detected.
    slices
        The number of slices of the baseline.
    """
    return [
        *_choice(outcomes, within),
        *_late(outcomes, within),
        *_over_budget(outcomes),
        *_without_guarantee(outcomes[0].without_guarantee, slices),
    ]


def _in_time(outcome: PolicyOutcome, within: timedelta) -> set[InjectedChange]:
    return {shift for shift, delay in outcome.delays.items() if delay.median is not None and delay.median <= within}


def _choice(outcomes: Sequence[PolicyOutcome], within: timedelta) -> Iterator[str]:
    """Yield which policy detects most in time; among equals, that of the smallest windows and strictest budget."""
    wanted = set().union(*(_in_time(outcome, within) for outcome in outcomes))
    if not wanted:
        return
    most = max(len(_in_time(outcome, within)) for outcome in outcomes)
    able = [outcome for outcome in outcomes if len(_in_time(outcome, within)) == most]
    best = min(able, key=lambda o: (o.policy.rules.windows.size, o.policy.per(MONTH), o is not outcomes[0]))
    every = "every change that any policy detects" if most == len(wanted) else f"the most changes ({most})"
    rules = f"windows of {format_span(best.policy.rules.windows.size)} and {best.policy.budget}"
    detected = f"It detects {every} within {format_span(within)}{_why(able, best)}."
    yield f"Recommended: `{best.policy.name}`, {rules}. {detected}"


def _why(able: Sequence[PolicyOutcome], best: PolicyOutcome) -> str:
    others = [f"`{outcome.policy.name}`" for outcome in able if outcome is not best]
    if not others:
        return ""
    verb = "does" if len(others) == 1 else "do"
    return f", as {_and(others)} {verb}; it has the smallest windows, then the strictest budget"


def _late(outcomes: Sequence[PolicyOutcome], within: timedelta) -> Iterator[str]:
    in_time = set().union(*(_in_time(outcome, within) for outcome in outcomes))
    late = [shift for shift in outcomes[0].delays if shift not in in_time]
    if late:
        changes = "; ".join(_soonest(outcomes, shift) for shift in late)
        yield f"Not detected within {format_span(within)} by any policy: {changes}."


def _soonest(outcomes: Sequence[PolicyOutcome], shift: InjectedChange) -> str:
    best = min(outcomes, key=lambda o: o.delays[shift].median or timedelta.max)
    delay = best.delays[shift].median
    return f"{shift} (`{best.policy.name}` takes {format_span(delay)})" if delay else str(shift)


def _over_budget(outcomes: Sequence[PolicyOutcome]) -> Iterator[str]:
    for outcome in outcomes:
        low, _ = outcome.rate.interval(MONTH)
        if low > outcome.policy.per(MONTH):
            yield (
                f"`{outcome.policy.name}` raised {outcome.rate.per(MONTH):.2f} false alarms a month where "
                f"{outcome.policy.per(MONTH):.2f} are guaranteed: the baseline's slices violate the assumptions of the "
                "guarantee. Use a longer baseline, or longer slices."
            )


def _without_guarantee(signals: Sequence[WatchedSignal], slices: int) -> Iterator[str]:
    """Yield the variables outside the guarantee, why, and the length of baseline that may change that."""
    by_why: dict[str, list[str]] = defaultdict(list)
    for one in signals:
        by_why[one.violation].append(one.variable)
    for why, names in by_why.items():
        yield f"{_and(names)} {'is' if len(names) == 1 else 'are'} outside the guarantee: {why}."
    stride = next((s for s in (1, *STRIDES) if slices // s < exchangeability.MIN_SLICES), None)
    if signals and stride:
        then = "be ranked" if stride == 1 else f"be ranked {stride} merged into one"
        longer = f"a baseline of {stride * exchangeability.MIN_SLICES} slices in place of {slices}"
        yield f"With {longer} their slices could {then}, which may bring them into the guarantee."


def _and(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else words[0]
