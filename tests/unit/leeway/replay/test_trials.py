"""Replay trials: false alarms without a change keep the budget, and larger changes are detected sooner."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from scipy import stats

from features.window import Windows
from leeway.replay import replayed_incidents, trials
from leeway.replay.policies import Policy, Rules
from leeway.replay.trials import DetectionDelay, FalseAlarmRate
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.signals import Reaction
from monitors.simulation import inject
from monitors.simulation.inject import ChangeKind, InjectedChange
from registry.config import IncidentPolicy
from retrain_flows.config import Signals
from tests.support import recorded_history as replayed

DAY = timedelta(days=1)
KNOWN = replayed.baseline(42, length=1)


def policy(budget: str = "1 per 90 days", *, incidents: dict[str, object] | None = None, **signals: Reaction) -> Policy:
    """Return a policy with a budget."""
    rules = Rules(
        windows=Windows(size=DAY, slide=DAY), monitor=MonitorPolicy.model_validate({"false_alarms": budget}),
        incidents=IncidentPolicy.model_validate(incidents or {}), signals=Signals.model_validate(signals),
    )  # fmt: skip
    return Policy(budget, rules)


def delays(
    kind: ChangeKind, size: float, policies: Sequence[Policy], *, known: Baseline = KNOWN, n: int = 3
) -> list[DetectionDelay]:
    """Return the delays of *n* trials in all traffic."""
    change = inject.change(InjectedChange(kind, size), known, "x")
    bench = trials.policy_comparison(known, policies, (kind.stage, ""))
    return trials.detection_delays(bench, policies, change, kind, [(1, i) for i in range(n)])


def test_the_interval_of_a_rate_covers_it_as_asked() -> None:
    """Garwood's: at its ends, so few or so many alarms have half of what is left over."""
    low, high = FalseAlarmRate(4, 100 * DAY).interval(100 * DAY)

    assert [0.975, 0.025] == [pytest.approx(stats.poisson.cdf(3, low)), pytest.approx(stats.poisson.cdf(4, high))]
    assert (1.2, 0.0) == (FalseAlarmRate(4, 100 * DAY).per(30 * DAY), FalseAlarmRate(0, DAY).interval(DAY)[0])


@pytest.mark.parametrize(
    ("found", "of", "median", "share"),
    [((1, 2, 9), 3, 2, 1.0), ((1, 2), 3, 2, 2 / 3), ((1,), 3, None, 1 / 3), ((1, 2), 4, None, 0.5), ((), 0, None, 0.0)],
)
def test_a_median_is_over_all_trials(found: tuple[int, ...], of: int, median: int | None, share: float) -> None:
    """What was not found took longer than all that was; where most were not found there is no median."""
    delay = DetectionDelay(tuple(d * DAY for d in found), of)

    assert (None if median is None else median * DAY, share) == (delay.median, delay.detected_share)


def test_worlds_without_a_change_raise_the_more_the_looser_the_budget() -> None:
    """Hardly anything by a strict budget, a lot by a hopeless one: of the same worlds, drawn from the seed."""
    some = (policy("1 per 9000 days"), policy("4 per 1 days"))
    bench = trials.policy_comparison(KNOWN, some, (Stage.INPUTS, ""))
    found, again = (trials.null_verdicts(bench, some, 5, 1) for _ in range(2))
    strict, loose = (
        replayed_incidents.replayed_incidents(said, IncidentPolicy(), model="m", version="v1") for said in found[0]
    )

    assert len(strict) < len(loose)
    assert found == again
    assert trials.NULL_WORLD_SLICES == len(found[0][0])


def test_a_larger_shift_is_found_no_later() -> None:
    """Half a sd in days, twice that as soon or sooner; within the budget's patience, in every trial."""
    (small,), (large,) = (delays(ChangeKind.COVARIATE, size, [policy()]) for size in (0.5, 1.0))

    assert (1.0, 1.0) == (small.detected_share, large.detected_share)
    assert DAY <= large.median <= small.median <= 14 * DAY  # type: ignore[operator]


def test_a_stricter_budget_is_slower() -> None:
    """On the same worlds, trial by trial."""
    loose, strict = delays(ChangeKind.COVARIATE, 0.5, [policy("1 per 5 days"), policy("1 per 2000 days")])

    assert loose.median < strict.median  # type: ignore[operator]


@pytest.mark.parametrize(
    ("kind", "size"), [(ChangeKind.MISSING, 0.3), (ChangeKind.UNITS, 1.0), (ChangeKind.STUCK, 1.0)]
)
def test_a_fault_is_found_on_its_first_day(kind: ChangeKind, size: float) -> None:
    """As a fault of quality; no evidence over time is needed."""
    (found,) = delays(kind, size, [policy()])

    assert (1.0, DAY) == (found.detected_share, found.median)


@pytest.mark.parametrize(("kind", "size"), [(ChangeKind.PRIOR, 0.2), (ChangeKind.CONCEPT, 0.5)])
def test_outcomes_are_known_when_labels_are(kind: ChangeKind, size: float) -> None:
    """A label delay that is longer by three days makes every delay longer by that, but for how ties are broken."""
    late = KNOWN.model_copy(update={"events": KNOWN.events.model_copy(update={"label_delay": 4 * DAY})})
    (soon,), (later,) = (delays(kind, size, [policy()], known=known, n=2) for known in (KNOWN, late))

    assert 1.0 == soon.detected_share
    for a, b in zip(soon.delays, later.delays, strict=True):
        assert abs(b - a - 3 * DAY) <= DAY
    assert 5 * DAY <= min(later.delays)


def test_an_ignored_signal_finds_nothing() -> None:
    """Nor does one that is not right to tell of it."""
    (found,) = delays(ChangeKind.COVARIATE, 1.0, [policy(feature=Reaction.IGNORE)], n=1)

    assert (0.0, None) == (found.detected_share, found.median)


def test_more_windows_to_open_an_incident_take_longer() -> None:
    """Two of two windows: a day more."""
    one, two = delays(
        ChangeKind.MISSING, 0.3, [policy(), policy(incidents={"open_after": {"windows": 2, "of": 2}})], n=1
    )

    assert one.median + DAY == two.median  # type: ignore[operator]


def test_a_trial_that_alarmed_before_the_change_does_not_count() -> None:
    """With a budget so loose that any day raises an alarm, nothing is learned from what follows."""
    hopeless = policy("90000 per 1 days")
    monitor = hopeless.rules.monitor.model_copy(update={"min_effect": 0.0})
    (found,) = delays(ChangeKind.COVARIATE, 1.0, [Policy("x", hopeless.rules.model_copy(update={"monitor": monitor}))])

    assert DetectionDelay((), 0) == found
