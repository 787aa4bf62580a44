"""The summary of a retrain run, its table of checks, and the Evidently report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from features import errors
from features.events.decode import Decoded
from features.schema import EventSchema, Role, Source
from monitors.training_set import buckets, store
from registry import operations, queries
from registry.records import Action, RetrainRun
from retrain_flows import reconcile, retrain
from retrain_flows.data.workspace import Workspace
from retrain_flows.orchestration import evidently_report, run_summary, server
from retrain_flows.orchestration.evidently_report import Sides
from retrain_flows.retrain import RetrainRequest
from tests.support import trained_model as world
from tests.unit.retrain_flows.conftest import Make


@pytest.fixture
def by_hand(ws: Workspace) -> RetrainRun:
    """Return a promoted run that nobody's incident asked for."""
    decision = operations.record_decision(ws.registry, model="m", incident_id=None, action=Action.RETRAIN,
                                     because=["a | b"], actor="ann", now=world.NOW)  # fmt: skip
    return retrain.run(ws, RetrainRequest(decision, world.AS_OF, world.NOW))


def test_the_story_tells_decision_reasons_and_every_check(ws: Workspace, by_hand: RetrainRun) -> None:
    """As Markdown, with each check in a row of its own."""
    told = run_summary.markdown(ws, by_hand, Path("html/page.html"))
    assert "# m: retrain promoted" in told
    assert (
        "**Decision 2** without an incident (by ann), on data as of 2013-03-02 00:00 UTC. Reasons:\n\n- a | b" in told
    )
    assert "## v2" in told
    assert "| segments | pass | 0 of 2 segments fail" in told
    assert "`page.html`" in told


def test_a_bar_in_a_check_does_not_break_the_table(make: Make) -> None:
    """Nor does a line break."""
    ws = make(
        trainer=f"{world.HERE}:useless", mode="both", gate=world.RETRAIN.gate.model_copy(update={"min_rows": 999})
    )
    world.drift(ws)
    reconcile.reconcile(ws, now=world.NOW, as_of=world.AS_OF)
    (run,) = queries.runs(ws.registry, "m")
    rows = [line for line in run_summary.markdown(ws, run, "no page").splitlines() if line.startswith("| ")]
    assert {5} == {line.replace("\\|", "").count("|") for line in rows}
    assert 2 * 8 + 2 == len(rows)


def test_the_table_has_a_row_a_check(ws: Workspace, by_hand: RetrainRun) -> None:
    """With what it measured and what it requires."""
    rows = run_summary.table(queries.checks(ws.registry, by_hand.id))
    names = ["data", "signature", "reload", "rows", "loss", "segments", "calibration", "latency"]
    assert names == [row["check"] for row in rows]
    assert {"version", "check", "result", "measured", "required"} == set(rows[0])


def test_an_incident_is_compared_by_its_newest_window(ws: Workspace) -> None:
    """Against the version that drifted, also after another one has taken over."""
    world.drift(ws, day=55)
    reconcile.reconcile(ws, now=world.NOW, as_of=world.AS_OF)
    (run,) = queries.runs(ws.registry, "m")
    end = world.START + 55 * world.DAY
    assert Sides("v1", end - 7 * world.DAY, end) == evidently_report.sides(ws, run)


def test_a_retrain_by_hand_is_compared_by_its_last_window(ws: Workspace, by_hand: RetrainRun) -> None:
    """Against the version that it replaced."""
    assert Sides("v1", world.AS_OF - 7 * world.DAY, world.AS_OF) == evidently_report.sides(ws, by_hand)


@pytest.mark.slow
def test_a_window_without_events_has_no_page(ws: Workspace) -> None:
    """The error says which side is empty."""
    decision = operations.record_decision(
        ws.registry, model="m", incident_id=None, action=Action.RETRAIN, because=["x"], actor="ann", now=world.NOW
    )
    run = operations.start_run(ws.registry, decision_id=decision.id, as_of=world.AS_OF + 90 * world.DAY, flow_run=None,
                          now=world.NOW)  # fmt: skip
    with pytest.raises(errors.NotEnoughData, match="800 rows of the baseline, 0 of the window"):
        evidently_report.write(ws, run)


def test_a_page_reads_no_part_of_the_log_that_lies_elsewhere_in_time(
    ws: Workspace, by_hand: RetrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of six files with ten days each only that of the last week, and no other version's rows."""
    files, read = tmp_path / "as_parquet", list[str]()
    files.mkdir()
    for one in sorted(Path(ws.events.predictions.path or "").iterdir()):
        rows = pd.read_json(one, lines=True, dtype={"id": str}, convert_dates=["time"])
        rows.loc[rows.index[-1], "model_version"] = "v9"
        rows.to_parquet(files / f"{one.stem}.parquet")
    stored = ws.events.model_copy(update={"predictions": Source(path=str(files))})
    frames = list[pd.DataFrame]()

    def read_part(schema: EventSchema, role: Role, reference: str) -> Decoded:
        """Remember the part."""
        read.append(Path(json.loads(reference)["path"]).stem)
        return buckets.read_part(schema, role, reference)

    monkeypatch.setattr(store, "read_part", read_part)
    monkeypatch.setattr(evidently_report, "_page", lambda *sides: frames.extend(sides[:2]))
    evidently_report.write(replace(ws, events=stored), by_hand)
    assert ["005"] == read
    assert [20 * world.PER_DAY, 7 * world.PER_DAY - 1] == [len(frame) for frame in frames]


def test_a_prefect_server_that_is_named_is_asked_for_and_none_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it does not answer, that is told; no other takes its place."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(errors.EngineAway, match="does not answer"), server.running(tmp_path):
        pass
    assert [] == list(tmp_path.iterdir())
