"""Trial series: looks of one cause and kind of candidate against one champion, and the evidence that they carry on."""

from __future__ import annotations

import pytest

from features.window import to_ms
from registry import operations, queries
from registry.records import Champion, CheckResult, ComparedSlice, Comparison
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import trial_series
from retrain_flows.training.trial_series import TrialSeries
from tests.support import registry_values as values
from tests.support import trained_model as world


def look(ws: Workspace, number: int, result: CheckResult = CheckResult.HOLD, **changes: object) -> Comparison:
    """Record a look of the series `incident 1, static` against the champion."""
    if "v2" not in {v.version for v in queries.versions(ws.registry, "m")}:
        values.version(ws.registry, "v2")
        values.decide(ws.registry, None)
        decision = queries.decisions(ws.registry, "m")[-1]
        operations.start_run(ws.registry, decision_id=decision.id, as_of=world.AS_OF, flow_run=None, now=world.NOW)
    run = queries.runs(ws.registry, "m")[-1]
    made = values.look(result, run_id=run.id, number=number)
    return operations.record_look(ws.registry, made.model_copy(update=changes))


def champion(ws: Workspace) -> Champion:
    """Return the champion."""
    found = queries.champion(ws.registry, "m")
    assert found is not None
    return found


def series(ws: Workspace, cause: str = "incident 1", kind: str = "static", share: float = 0.75) -> TrialSeries:
    """Return a series against the champion."""
    return trial_series.find(ws, champion(ws), cause, kind, share)


def test_a_new_series_has_its_share_of_the_error_rate_and_no_evidence(ws: Workspace) -> None:
    """All of its slices are new."""
    new = series(ws)
    assert ("incident 1, static", (), 0, 0, ()) == (new.name, new.looks, new.until, new.count, new.counting)
    assert 0.75 * (1 - ws.trainers.gate.confidence) == pytest.approx(new.alpha)


def test_a_series_goes_on_where_its_last_look_ended(ws: Workspace) -> None:
    """With the slices of all looks."""
    first, last = look(ws, 1), look(ws, 2)
    found = series(ws)
    assert (2, to_ms(last.until), (first, last), 0) == (found.count, found.until, found.counting, found.worse_since)


def test_evidence_of_being_worse_starts_anew_after_it_has_decided(ws: Workspace) -> None:
    """The next candidate is another model; that it is better is still one question."""
    look(ws, 1, CheckResult.FAIL)
    later = look(ws, 2)
    assert later == series(ws).counting[series(ws).worse_since]


@pytest.mark.parametrize(
    ("cause", "kind"), [("incident 2", "static"), ("incident 1", "online"), ("schedule", "static")]
)
def test_each_cause_and_kind_has_a_series_of_its_own(ws: Workspace, cause: str, kind: str) -> None:
    """And so an error rate of its own."""
    look(ws, 1)
    assert () == series(ws, cause, kind).looks


def test_a_new_champion_begins_all_series_anew(ws: Workspace) -> None:
    """Looks at another reference, and those of before it was champion again, are no evidence against it."""
    look(ws, 1)
    look(ws, 2, reference="v2")
    assert [1] == [one.look for one in series(ws).looks]
    again = champion(ws).model_copy(update={"since": look(ws, 3).until})
    assert () == trial_series.find(ws, again, "incident 1", "static", 1.0).looks


def test_a_watch_is_no_trial(ws: Workspace) -> None:
    """What followed a promotion says nothing of a candidate."""
    look(ws, 1)
    (promotion,) = queries.promotions(ws.registry, "m")
    watch = values.look(promotion_id=promotion.id).model_copy(update={"series": "incident 1, static"})
    operations.record_look(ws.registry, watch)
    assert 1 == len(series(ws).looks)


def test_a_look_that_was_made_twice_counts_once() -> None:
    """A killed run and its repetition made the same look, of two candidates; the later one's evidence holds."""
    first, again = (values.look(CheckResult.HOLD, run_id=1, candidate=name) for name in ("v2", "v3"))
    assert (again,) == TrialSeries("incident 1, static", 0.05, (first, again)).counting


def test_evidence_begins_anew_after_a_candidate_turned_out_better() -> None:
    """Whether the version before fits again is a new question, with the whole stake; being worse counts from then."""
    better, after = values.look(CheckResult.PASS, promotion_id=1), values.look(promotion_id=1, number=2)
    held = after.model_copy(update={"result": CheckResult.HOLD})

    assert () == TrialSeries("watch", 0.05, (better,)).counting
    assert (held,) == TrialSeries("watch", 0.05, (better, held)).counting


def test_a_series_is_named_by_its_cause() -> None:
    """A held run's later looks go on with the series of its first."""
    assert "incident 1" == trial_series.cause(values.look(run_id=1))


def test_the_rise_of_the_loss_is_since_a_candidates_first_look() -> None:
    """Of seven slices up to then and up to now, over rows; 0 where there is nothing to compare, or no loss then."""
    losses = ((9.0, *[1.0] * 7), (1.0, 4.0), (2.0, 2.0, 2.0, 2.0, 1.0))
    looks = [
        values.look(number=k).model_copy(
            update={"slices": tuple(ComparedSlice(start=s, rows=10, difference=0.0, loss=x) for s, x in enumerate(own))}
        )
        for k, own in enumerate(losses)
    ]
    assert 1.0 == trial_series.loss_rise(looks)
    assert 0.0 == trial_series.loss_rise(looks[:1]) == trial_series.loss_rise([])
    nothing = looks[0].model_copy(update={"slices": ()})
    assert 0.0 == trial_series.loss_rise([nothing, looks[1]])
