"""What a rehearsal suggests, in words: which policy finds what it should soon enough, and what would bring more."""

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
    """Return sentences on what was *found*, if changes are to be found *within* a time.

    *slices* is the length of the baseline. Suggested is, among the policies that find all changes that any of them
    finds in time, the one with the smallest window and then the strictest budget.
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
    wanted = set().union(*(_in_time(outcome, within) for outcome in outcomes))
    if not wanted:
        return
    most = max(len(_in_time(outcome, within)) for outcome in outcomes)
    able = [outcome for outcome in outcomes if len(_in_time(outcome, within)) == most]
    best = min(able, key=lambda o: (o.policy.rules.windows.size, o.policy.per(MONTH), o is not outcomes[0]))
    every = "every change that any policy finds" if most == len(wanted) else f"the most: {most} changes"
    rules = f"windows of {format_span(best.policy.rules.windows.size)} and {best.policy.budget}"
    yield f"Take `{best.policy.name}`, {rules}: it finds {every} within {format_span(within)}{_why(able, best)}."


def _why(able: Sequence[PolicyOutcome], best: PolicyOutcome) -> str:
    others = [f"`{outcome.policy.name}`" for outcome in able if outcome is not best]
    if not others:
        return ""
    return f"; of those that do ({_and(others)} too) it has the smallest windows, then the strictest budget"


def _late(outcomes: Sequence[PolicyOutcome], within: timedelta) -> Iterator[str]:
    in_time = set().union(*(_in_time(outcome, within) for outcome in outcomes))
    late = [shift for shift in outcomes[0].delays if shift not in in_time]
    if late:
        soonest = "; ".join(_soonest(outcomes, shift) for shift in late)
        yield f"Not found within {format_span(within)} by any: {soonest}."


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
                f"{outcome.policy.per(MONTH):.2f} are promised: this baseline's slices differ in ways that the promise "
                "does not know. A longer baseline, or longer slices, would do."
            )


def _without_guarantee(signals: Sequence[WatchedSignal], slices: int) -> Iterator[str]:
    by_why: dict[str, list[str]] = defaultdict(list)
    for one in signals:
        by_why[one.violation].append(one.variable)
    for why, names in by_why.items():
        yield f"{_and(names)} {'stands' if len(names) == 1 else 'stand'} outside the promise: {why}."
    stride = next((s for s in (1, *STRIDES) if slices // s < exchangeability.MIN_SLICES), None)
    if signals and stride:
        then = "be ranked at all" if stride == 1 else f"be merged by {stride}, the next number that is tried"
        longer = f"a baseline of {stride * exchangeability.MIN_SLICES} slices in place of {slices}"
        yield f"With {longer} they could {then}, which may bring them inside."


def _and(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else words[0]
