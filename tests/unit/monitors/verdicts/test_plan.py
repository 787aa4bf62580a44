"""The monitoring plan: the seed of ties depends on the counts that a panel reads, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from features.schema import ESTIMATED_LOSS, LATE, SCORE_GRID, Task
from monitors.baseline.baseline import Baseline, Slice
from monitors.finding import Signal, Stage
from monitors.report import Report
from monitors.sequential import monitor
from monitors.verdicts.plan import monitoring_plan
from tests.support import learned_baselines as learned
from tests.support.stationary_reports import POLICY, baseline, days, reports, shift

DAYS = days(np.random.default_rng(1), 42)
KNOWN = baseline(DAYS)


def told(known: Baseline) -> list[Report]:
    """Return the reports on two weeks in which x moves a little, judged by what *known* says."""
    raw = reports(KNOWN, days(np.random.default_rng(2), 14, change=shift("x", 0.2)))
    return list(monitor.judge_all(monitoring_plan(known, POLICY, Stage.INPUTS), raw))


def unlike(known: Baseline) -> Iterator[Baseline]:
    """Yield baselines that tell something else beside the same counts, or the same in another order."""
    yield known.model_copy(update={"version": "v2"})
    yield known.model_copy(update={"rows": known.rows + 1, "importance": dict.fromkeys(known.events.features, 0.5)})
    counted = tuple(Slice(start=s.start, counts={LATE: [0], **s.counts}) for s in known.inputs)
    yield known.model_copy(update={"inputs": counted})
    yield known.model_copy(update={"inputs": tuple(Slice(start=s.start, counts=dict(reversed(s.counts.items())))
                                                   for s in reversed(known.inputs))})  # fmt: skip
    turned = dict(reversed(known.events.features.items()))
    yield known.model_copy(update={"events": known.events.model_copy(update={"features": turned})})


@pytest.mark.parametrize("other", list(unlike(KNOWN)), ids=["version", "importance", "late", "order", "features"])
def test_what_a_baseline_tells_beside_its_counts_changes_no_finding(other: Baseline) -> None:
    """A version, equal importance, a variable that nobody reads, the order in which anything stands."""
    assert KNOWN != other or list(KNOWN.events.features) != list(other.events.features)
    assert told(KNOWN) == told(other)


def identities(known: Baseline, stage: Stage = Stage.INPUTS, segment: str = "") -> dict[Signal, str]:
    """Return what the ties of each signal follow from."""
    return {group.signal: group.panel.identity for group in monitoring_plan(known, POLICY, stage, segment).groups}


def test_one_more_row_in_the_reference_breaks_ties_otherwise() -> None:
    """Of the variable that it is counted in, and of no other."""
    first, *rest = KNOWN.inputs
    more = {**first.counts, "x": [n + (i == 0) for i, n in enumerate(first.counts["x"])]}
    other = KNOWN.model_copy(update={"inputs": (first.model_copy(update={"counts": more}), *rest)})
    before, after = identities(KNOWN), identities(other)

    assert [Signal.FEATURE] == [signal for signal in before if before[signal] != after[signal]]


def test_each_signal_and_segment_has_ties_of_its_own() -> None:
    """Though their counts may be the same: what is drawn for one says nothing of another."""
    same = tuple(s.model_copy(update={"segment": "site=a"}) for s in KNOWN.inputs)
    known = KNOWN.model_copy(update={"inputs": KNOWN.inputs + same})
    every = [*identities(known).values(), *identities(known, segment="site=a").values()]

    assert 4 == len(every) == len(set(every))


@pytest.mark.parametrize(("task", "reads"), [(Task.BINARY, SCORE_GRID), (Task.REGRESSION, ESTIMATED_LOSS)])
def test_the_estimates_ties_follow_from_what_it_is_made_of(task: Task, reads: str) -> None:
    """It has no counts of its own name: those of the variable that losses are estimated by are digested."""
    x, noise = np.random.default_rng(3).random((2, 2000))
    label = np.round(noise) if task is Task.BINARY else noise
    known = learned.baseline(learned.schema(task, "x", "y"), {"x": x, "y": noise, "prediction": x, "label": label})
    first, *rest = known.inputs
    more = [*first.counts[reads][:-1], first.counts[reads][-1] + 1]
    changed = first.model_copy(update={"counts": {**first.counts, reads: more}})
    before, after = (identities(b) for b in (known, known.model_copy(update={"inputs": (changed, *rest)})))

    assert [Signal.ESTIMATE] == [signal for signal in before if before[signal] != after[signal]]
