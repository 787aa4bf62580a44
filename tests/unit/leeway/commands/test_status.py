"""`leeway status`, `incidents` and `history`: the registry's content, and hints where it is empty."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from features.window import UTC
from leeway import context
from leeway.context import Context
from monitors.baseline.baseline import Baseline
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from monitors.stats.bins import NumericBins
from registry import operations, queries
from registry.incidents import ingest
from registry.records import Action, Version
from tests.support.command_line import SMALL_PROJECT, document, printed

NOW = datetime(2024, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def folder(small_project: Path) -> Path:
    """Return a folder with a project whose registry is empty."""
    return small_project


def begin(opened: Context) -> None:
    """Make `v1` the champion of `late`."""
    schema = opened.model().schema
    operations.add_model(opened.registry, model="late", task="binary", now=NOW)
    operations.add_version(opened.registry, Version(model="late", version="v1", mode="external", created_at=NOW))
    bins = {"temp": NumericBins(edges=(0.0, 1.0))}
    baseline = Baseline(events=schema, version="v1", start=NOW - 9 * DAY, end=NOW, rows=9, bins=bins, inputs=())
    operations.store_baseline(opened.registry, baseline, now=NOW)
    operations.promote(
        opened.registry, model="late", version="v1", expected_generation=0, effective_at=NOW,
        actor="ann", reason="first", now=NOW,
    )  # fmt: skip


def drift(opened: Context) -> None:
    """Store a window in which `temp` has drifted."""
    finding = Finding(
        signal=Signal.FEATURE,
        variable="temp",
        window_verdict=Verdict.DRIFT,
        metric="js",
        effect=0.5,
        n=50,
        baseline_n=9,
    )
    window = Report(
        model="late", version="v1", stage=Stage.INPUTS, window_start=NOW, window_end=NOW + DAY, baseline="0" * 64,
        rows=50, counts={"temp": [50]}, findings=(finding,),
    )  # fmt: skip
    ingest.ingest(opened.registry, [window], now=NOW + DAY)


def decide(opened: Context) -> None:
    """Decide about the open incident."""
    (incident,) = queries.undecided(opened.registry)
    operations.record_decision(
        opened.registry, model="late", incident_id=incident.id, action=Action.NOTHING, because=("a feature", "no loss"),
        actor="ann", now=NOW + DAY,
    )  # fmt: skip


def test_an_empty_registry_names_the_next_command(folder: Path) -> None:
    """Before anything has happened, each command says what to run."""
    assert "leeway baseline" in printed(folder, "status")
    assert printed(folder, "incidents").startswith("No open incident.")
    assert "leeway baseline" in printed(folder, "history", "late")
    assert ([], []) == (document(folder, "incidents"), document(folder, "history"))


def test_status_tells_where_a_model_stands(folder: Path) -> None:
    """Champion, newest verdict, open incidents and the next step, under keys that programs rely on."""
    with context.open(folder) as opened:
        begin(opened)
    assert "leeway monitor" in printed(folder, "status")

    with context.open(folder) as opened:
        drift(opened)
    window = {"window_end": "2024-03-02T00:00:00Z", "version": "v1", "verdict": "drift", "rows": 50}
    expected = {
        "model": "late", "task": "binary", "champion": "v1", "generation": 1, "since": "2024-03-01T00:00:00Z",
        "inputs": window, "outcomes": None, "open_incidents": 1, "undecided": 1, "running": None, "dead_letters": 0,
    }  # fmt: skip
    stands = document(folder, "status")
    (model,) = stands["models"]
    assert ("flights", expected) == (stands["project"], {key: model[key] for key in expected})
    assert ("info", ["feature"], [], {}) == (model["state"], model["judged"], model["set_aside"], model["refused"])
    assert "info: feature drift in temp (incident 1)" == model["said"][0]
    assert model["unjudged"]["performance"] == "no window with labels yet"
    assert model["newest_window_age"].endswith(" ago")
    assert "1 open, 1 undecided" in printed(folder, "status")


def test_incidents_are_listed_with_their_decision(folder: Path) -> None:
    """An incident shows what was decided and why; resolved ones are listed only when asked for."""
    with context.open(folder) as opened:
        begin(opened)
        drift(opened)
    assert "feature: temp" in printed(folder, "incidents")
    assert "info" in printed(folder, "incidents").splitlines()[2].split()

    with context.open(folder) as opened:
        decide(opened)
    (incident,) = document(folder, "incidents", "late")
    assert ("nothing", ["a feature", "no loss"]) == (incident["decision"]["action"], incident["decision"]["because"])
    assert "a feature; no loss" in printed(folder, "incidents")

    with context.open(folder) as opened:
        operations.resolve_incident(opened.registry, incident["id"], because="seen", actor="ann", now=NOW + 2 * DAY)
    assert [] == document(folder, "incidents")
    assert ["resolved"] == [i["state"] for i in document(folder, "incidents", "--all")]


@pytest.mark.parametrize(("section", "hint"), [
    ("    incidents: {clear_after: 2}\n", "it ends by itself after 2 steady windows in a row"),
    ("    retrain: {trainer: trainers:make}\n", "leeway react"),
])  # fmt: skip
def test_an_undecided_incident_says_what_it_waits_for(folder: Path, section: str, hint: str) -> None:
    """A model without a `retrain` section is only monitored: nobody need decide, and the incident ends by itself."""
    events = "{predictions: {path: events}, labels: {path: labels}}"
    (folder / "leeway.yaml").write_text(SMALL_PROJECT.replace("{predictions: {path: events}}", events) + section)
    with context.open(folder) as opened:
        begin(opened)
        drift(opened)
    for command in ("status", "incidents"):
        shown = " ".join(re.sub("[│┃|]", " ", printed(folder, command)).split())
        assert (hint in shown, "leeway react" in shown) == (True, hint == "leeway react"), command


def test_history_is_the_audit_log_in_order(folder: Path) -> None:
    """Everything done to a model is told in the order it happened, by whom and because of what."""
    with context.open(folder) as opened:
        begin(opened)
        drift(opened)
        decide(opened)

    actions = [entry["action"] for entry in document(folder, "history", "late")]
    assert ["model.added", "version.added", "baseline.stored", "model.promoted"] == actions[:4]
    assert "decision.made" == actions[-1]
    shown = printed(folder, "history")
    assert "because a feature; no loss" in shown
    assert "reports.stored" not in shown


def test_the_context_closes_and_makes_its_folder(folder: Path) -> None:
    """Opening a project makes its state folder and registry; the only model needs no name."""
    with context.open(folder) as opened:
        assert (folder / ".leeway", True) == (opened.dir, opened.dir.is_dir())
        assert opened.model("late") is opened.model()
        assert opened.artifacts.root == folder / ".leeway" / "artifacts"

    assert (folder / ".leeway" / "leeway.db").is_file()
