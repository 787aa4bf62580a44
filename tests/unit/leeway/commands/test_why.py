"""`leeway why`: the explanation of an incident from the registry: newest window, onset, other drifted variables."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from features.errors import NotFound
from leeway import context
from monitors.finding import Signal
from registry import operations
from registry.database import tables
from registry.incidents import explain
from registry.records import Action, CheckResult
from tests.support import incident_world as world
from tests.support import response_world as response
from tests.support.command_line import document, invoke, printed
from tests.support.incident_world import DAY, START

PROJECT = """\
project: sites
models:
  late:
    task: binary
    events: {predictions: {path: events}}
    features: {x: numeric, y: numeric, site: categorical}
    segments: [site]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a project whose registry has a champion and a quiet day."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    with context.open(tmp_path) as opened:
        world.begin(opened.registry)
    return tmp_path


def drifting(folder: Path) -> None:
    """Let x drift from the second day to the fourth, and the loss on the fourth."""
    with context.open(folder) as opened:
        world.drift(opened.registry)


def text(folder: Path, number: str) -> str:
    """Return what the command prints."""
    return printed(folder, "why", number)


def test_a_drifted_variable_has_all_its_figures(folder: Path) -> None:
    """The newest window: effect, thresholds, movement, mix, segments, guarantee and budget share; and since when."""
    drifting(folder)
    newest, _, first = text(folder, "1").partition("First window")

    assert newest.startswith("Incident 1: feature drift in late v1\n")
    assert "Newest window, 2024-03-04 to 2024-03-05" in newest
    lines = [" ".join(line.split()) for line in newest.splitlines()]
    assert [
        "x in all traffic, importance rank 1 (75%)",
        "effect 0.343 [0.293, 0.393] js_distance_log2; minimum effect 0.1; single-window verdict: drift "
        "(threshold 0.100)",
        "movement up; [1, 2) 50.0% -> 80.0%, [0, 1) 50.0% -> 20.0%",
        "mix a shift within segments of site: 0.300 in all, 0.000 by mix, 0.300 within",
        "segments all traffic 0.343, site=A 0.343, site=B 0.343",
        "guarantee inside the guarantee: the evidence reached 460, and 450 was required",
        "budget share 2.0%",
        "since 2024-03-03",
        "newest verdict drift continues",
    ] == lines[lines.index("x in all traffic, importance rank 1 (75%)") :][:9]
    assert "loss performance all traffic 0.500 [0.450, 0.550] auc 0.700 -> 0.600 2024-03-05" in lines
    assert ", 2024-03-02 to 2024-03-03" in first
    assert "newest verdict" not in first


def test_an_incident_of_one_window_is_printed_once(folder: Path) -> None:
    """The first window is the newest, too."""
    drifting(folder)

    shown = text(folder, "2")
    assert "auc 0.700 -> 0.600" in shown
    assert "First window" not in shown


def test_what_has_no_bins_has_no_movement(folder: Path) -> None:
    """A fault of the feed moved nothing: no line says that no bin changed."""
    fault = world.finding("*", 1.0, signal=Signal.QUALITY, metric="unusable_share", reason="all records are unusable")
    with context.open(folder) as opened:
        world.store(
            opened.registry,
            [world.report(world.inputs(world.number(40, 160)), fault, day=2, baseline=world.KNOWN.digest)],
        )

    shown = text(folder, "1")
    assert "unusable_share" in shown
    assert "movement" not in shown


def test_the_decision_is_printed(folder: Path) -> None:
    """Until there is one, that a model that is only monitored waits for none."""
    drifting(folder)
    assert "it ends by itself after 3 steady windows in a row" in text(folder, "2")

    with context.open(folder) as opened:
        operations.record_decision(opened.registry, model="late", incident_id=2, action=Action.RETRAIN,
                              because=("worse",), actor="ann", now=START)  # fmt: skip
    assert "retrain: worse" in text(folder, "2")


def test_programs_get_the_same_as_json(folder: Path) -> None:
    """The incident, its decision and log, and the explanation of both windows."""
    drifting(folder)
    explanation = document(folder, "why", "1")

    assert ["decision", "first", "incident", "log", "newest", "response"] == sorted(explanation)
    (moved,) = (m for m in explanation["newest"]["drifted"] if m["finding"]["variable"] == "x")
    assert ("x", 0.75, 1, 0.1) == (
        moved["finding"]["variable"],
        moved["importance"],
        moved["importance_rank"],
        moved["min_effect"],
    )
    assert ("2024-03-03T00:00:00Z", 460.0) == (moved["onset"]["end"], moved["onset"]["pooled_evidence"])
    assert {"direction": "up", "is_spread": False, "parts": [
        {"label": "[1, 2)", "before": 0.5, "now": 0.8}, {"label": "[0, 1)", "before": 0.5, "now": 0.2}
    ]} == moved["bin_changes"]  # fmt: skip
    assert ["incident.opened"] == [line["action"] for line in explanation["log"]]


def test_an_unknown_incident_is_refused(folder: Path) -> None:
    """With its number, and the command that lists those there are."""
    with pytest.raises(NotFound) as caught:
        invoke(folder, "why", "7")

    assert ("there is no incident 7", "`leeway incidents --all` lists them") == (
        caught.value.message,
        caught.value.hint,
    )


def test_a_model_that_left_the_project_file_is_explained_without_its_policy(folder: Path) -> None:
    """The registry remembers it; only what the policy says is not known any more."""
    drifting(folder)
    (folder / "leeway.yaml").write_text(PROJECT.replace("late:", "early:"))

    assert "0.343 [0.293, 0.393] js_distance_log2; single-window verdict: drift" in text(folder, "1")


def test_a_drift_that_late_data_took_back_is_said_to_be_gone(folder: Path) -> None:
    """The incident's first window is steady now, and still its first window."""
    drifting(folder)
    with context.open(folder) as opened:
        world.late(opened.registry)
    shown = text(folder, "1")

    assert re.search(r"corrected by late data 1 time\s", shown)
    assert "Corrected by late data: this window has no drift any more." in shown.partition("First window")[2]


def test_an_incident_whose_windows_are_gone_cannot_be_explained(folder: Path) -> None:
    """Somebody cleared them out of the database: said in words, with the window that is missed."""
    drifting(folder)
    with context.open(folder) as opened, opened.registry.write() as c:
        c.execute(tables.window_reports.delete())

    with context.open(folder) as opened, pytest.raises(NotFound, match="no window of late v1 that ends at 2024-03-03"):
        explain.explain(opened.registry, 1)


def test_the_beginning_of_an_old_drift_is_looked_for_further_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First among a few windows, then among more; beyond those nobody knows."""
    drifting(folder)
    began = {}
    for few, more in ((1, 1), (1, 2), (1, 4), (4, 4)):
        monkeypatch.setattr(explain, "WINDOWS_BACK", few)
        monkeypatch.setattr(explain, "MORE_WINDOWS_BACK", more)
        with context.open(folder) as opened:
            (moved,) = explain.explain(opened.registry, 1).newest.of(Signal.FEATURE)
        began[few, more] = moved.onset.end if moved.onset else None

    third = START + 2 * DAY
    assert {(1, 1): None, (1, 2): None, (1, 4): third, (4, 4): third} == began


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Return a folder with a project whose registry is empty."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    return tmp_path


def lines(folder: Path, number: str) -> list[str]:
    """Return what the command prints, with single spaces."""
    return [" ".join(line.split()) for line in text(folder, number).splitlines()]


def test_a_held_retrain_is_printed_with_its_revisions_data_and_trial(empty: Path) -> None:
    """What was decided and why, on which rows, what was checked, and what is waited for."""
    with context.open(empty) as opened:
        response.held(opened.registry)
    shown = lines(empty, "1")

    assert "decision retrain (revision 2): x drifted in 3 windows; 1200 rows" in shown
    assert any(line.startswith("waits for labels: run 1 is held, v2 answers in shadow") for line in shown)
    assert "1 2024-03-05 leeway no action too few labels" in shown
    assert "2 2024-03-06 leeway retrain x drifted in 3 windows; 1200 rows" in shown
    assert {"Retrain, run 1: held, v2 in shadow", "cost 90.0 s"} <= set(shown)
    assert any(line.startswith("v2 trained on 2024-02-04 to 2024-03-05: 1200 rows (sha256 0123") for line in shown)
    assert "loss hold mean loss 0.4600 against 0.5000 evidence of 20" in shown
    assert "1 2024-03-05 10 500 -0.0400 -0.0600 to -0.0200 better 3.2 of 20 undecided" in shown


def test_a_promotion_is_printed_with_its_effect_and_how_to_undo_it(empty: Path) -> None:
    """At the incident that it was for; an incident that it merely ended names it, too."""
    with context.open(empty) as opened:
        response.watched(opened.registry, CheckResult.HOLD, CheckResult.PASS)
    own, other = lines(empty, "1"), lines(empty, "2")

    assert {"Promotion: v1 to v2", "Watch of v2 against v1"} <= set(own)
    assert "Replaced by another promotion: v1 to v2" in other
    for shown in (own, other):
        assert any(line.startswith("did it help loss 12 % lower than v1 would have had") for line in shown)
        undo = (
            'the promotion of v2: v1 and its baseline serve again leeway rollback --model late --to v1 --because "..."'
        )
        assert undo in shown


def test_programs_get_the_response_as_json(empty: Path) -> None:
    """Each revision, run, look, effect and command as data."""
    with context.open(empty) as opened:
        response.rolled_back(opened.registry)
    shown = document(empty, "why", "1")["response"]
    (retrain,) = shown["retrains"]

    assert [1, 2] == [d["revision"] for d in shown["decisions"]]
    assert (90.0, [1, 2]) == (retrain["seconds"], [k["number"] for k in retrain["looks"]])
    assert ("worse", "rollback") == (retrain["effect"]["state"], retrain["effect"]["followed_by"]["kind"])
    assert 'leeway rollback --model late --to v2 --because "..."' == shown["undo"][0]["command"]


def test_the_command_that_undoes_a_promotion_can_be_typed(empty: Path) -> None:
    """As it is shown, with a reason."""
    with context.open(empty) as opened:
        response.watched(opened.registry, CheckResult.HOLD)
    command = document(empty, "why", "1")["response"]["undo"][0]["command"]
    _, *words = shlex.split(command)
    assert "v1" == document(empty, *words)["to_version"]


def test_status_history_and_the_list_show_trials_and_effects(empty: Path) -> None:
    """A held run, what incidents wait for, and, after the promotion, whether it helped and what it cost."""
    with context.open(empty) as opened:
        response.held(opened.registry)
    (model,) = document(empty, "status")["models"]
    waits = {i["id"]: i["waits_for"] for i in document(empty, "incidents")}

    assert [1] == [record["run"]["id"] for record in model["held"]]
    assert "late: run 1 is held, v2 answers in shadow; look 1: difference of losses -0.0400" in printed(empty, "status")
    assert waits[1].startswith("labels: run 1 is held")
    assert "labels: run 1 is held" in printed(empty, "incidents")
    assert "seconds 90.0" in printed(empty, "history", "late")


def test_what_waits_for_approval_is_said_and_can_be_approved(empty: Path) -> None:
    """Status and the incident name both answers; `promote` then is that of the run, with who approved."""
    with context.open(empty) as opened:
        response.awaiting(opened.registry)
    answers = "`leeway promote v2 --model late --because"
    assert "run 1 (waits for approval)" in printed(empty, "status")
    assert "run 1 is held, v2 passed the gate; waits for approval: v2 in shadow" in printed(empty, "status")
    assert answers in printed(empty, "status")
    assert any(line.startswith("waits for approval of v2, which passed") for line in lines(empty, "1"))
    assert "Retrain, run 1: held, v2 waits for approval" in lines(empty, "1")

    made = document(empty, "promote", "v2", "--model", "late", "--because", "fine", "--actor", "ann")
    assert (1, "ann", "approved: fine") == (made["run_id"], made["actor"], made["reason"])


def test_what_waits_for_approval_can_be_refused(empty: Path) -> None:
    """Who and why is on record, and the run is over."""
    with context.open(empty) as opened:
        response.awaiting(opened.registry)
    done = document(empty, "refuse", "v2", "--model", "late", "--because", "not now", "--actor", "ann")
    assert ("rejected", "refused by ann: not now") == (done["state"], done["reason"])
    entry = next(e for e in document(empty, "history", "late") if e["action"] == "retrain.rejected")
    assert "ann" == entry["actor"]


def test_history_says_whether_a_promotion_helped(empty: Path) -> None:
    """Beside the line of the promotion, as text and as data; status has the newest one."""
    with context.open(empty) as opened:
        response.watched(opened.registry, CheckResult.PASS)
    entries = [e for e in document(empty, "history", "late") if e["action"] == "model.promoted"]

    assert ["not compared", "better"] == [e["effect"]["state"] for e in entries]
    assert [None, 90.0] == [e["seconds"] for e in entries]
    stages = "first drift to alarm 0s, alarm to decision 2d, training and gate 90.0 s, to promotion 10d; in all 12d"
    assert f"time by stage {stages}" in printed(empty, "history", "late")
    assert f"time by stage {stages}" in lines(empty, "1")
    assert (None, "2024-03-15T00:00:00Z") == (entries[0]["times"], entries[1]["times"]["promoted"])
    assert "did it help loss 12 % lower than v1 would have had" in printed(empty, "history", "late")
    assert "late: v2 since 2024-03-15: loss 12 % lower than v1 would have had" in printed(empty, "status")


def test_a_baseline_that_is_too_short_says_so(empty: Path) -> None:
    """In the status and at the incidents whose version it is, or whose retrain made it; as data, too."""
    with context.open(empty) as opened:
        response.watched(opened.registry, CheckResult.PASS)
    plan = "aseline of v2: 1 of the 20 slices that the false-alarm guarantee needs, so none yet; 0 of 19 more have come"
    assert f"late: b{plan}" in printed(empty, "status")
    assert f"B{plan}" in " ".join(printed(empty, "why", "1").split())
    assert ("v2", 19) == tuple(document(empty, "why", "1")["response"]["baseline"][k] for k in ("version", "missing"))


def test_it_says_who_has_seen_it_until_it_is_resolved(folder: Path) -> None:
    """Who acknowledged it, when and why; then who resolved it, and why."""
    drifting(folder)
    printed(folder, "incidents", "acknowledge", "1", "--because", "looking at it", "--actor", "ann")
    assert re.search(r"acknowledged +at 20.* by ann: looking at it", text(folder, "1"))
    assert "ann" == document(folder, "why", "1")["response"]["acknowledged"]["actor"]
    printed(folder, "incidents", "resolve", "1", "--because", "the feed is gone", "--actor", "bob")
    said = text(folder, "1")
    assert re.search(r"state +resolved: by bob: the feed is gone", said)
    assert "looking at it" not in said
