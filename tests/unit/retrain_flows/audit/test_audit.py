"""The audit: passes only what was compared and found equal; each difference is a finding."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from features import errors
from features.schema import Events, Source
from monitors.baseline import published
from monitors.finding import Stage, Verdict
from monitors.report import Report
from registry import operations, outbox, queries
from registry.database import tables
from registry.files import published_baselines
from registry.incidents import ingest
from registry.records import Action, AuditResult
from retrain_flows import reconcile, renewal, retrain
from retrain_flows.audit import registry_checks
from retrain_flows.audit.audit import audit
from retrain_flows.audit.notes import Notes
from retrain_flows.audit.registry_checks import MAX_LOG_FINDINGS
from retrain_flows.data.workspace import Workspace
from tests.support import trained_model as world
from tests.support.short_baselines import ShortBaseline
from tests.unit.retrain_flows.conftest import Make

END = world.START + 59 * world.DAY


def window(day: int, n: int = 7, **changes: Any) -> Report:
    """Return a steady window that ends on *day*, with *n* in its only cell."""
    made = world.report(world.START + day * world.DAY, verdict=Verdict.STEADY)
    return made.model_copy(update={"counts": {"label": [n]}, **changes})


def run(ws: Workspace, again: Sequence[Report], *, days: int = 30) -> AuditResult:
    """Audit the last *days* days; *again* is what the replay says."""
    return audit(ws, start=END - days * world.DAY, end=END, replay=lambda start, end: again, now=world.NOW)


@pytest.fixture(scope="module")
def answered(template: Path, events: Events, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of predictions that the champion answers, so that there is no skew."""
    folder = tmp_path_factory.mktemp("answered") / "served"
    with world.open_registry(template) as registry:
        world.served(world.workspace(template, registry, events), folder)
    return folder


@pytest.fixture
def ws(ws: Workspace, answered: Path, tmp_path: Path) -> Workspace:
    """Return the workspace with predictions of its own that the champion answers."""
    shutil.copytree(answered, tmp_path / "served")
    return replace(ws, events=ws.events.model_copy(update={"predictions": Source(path=str(tmp_path / "served"))}))


@pytest.fixture
def stored(ws: Workspace) -> list[Report]:
    """Return reports of four windows that are on record."""
    reports = [window(day) for day in (56, 57, 58, 59)]
    ingest.ingest(ws.registry, reports, now=world.NOW)
    return reports


def test_an_audit_passes_when_all_is_counted_alike(ws: Workspace, stored: list[Report]) -> None:
    """It says how much was compared, and is on record with its report."""
    result = run(ws, stored)
    assert (True, (), 4, 4) == (
        result.passed,
        result.findings,
        result.numbers["windows"],
        result.numbers["windows_equal"],
    )
    assert [result] == queries.audits(ws.registry, "m")


def test_the_report_is_there_for_people_and_for_programs(ws: Workspace, stored: list[Report]) -> None:
    """Both under the date of the audit."""
    result = run(ws, stored[:3])
    path = ws.state / result.report
    data = json.loads(path.with_suffix(".json").read_text())
    assert "m-2026-01-01T000000.md" == path.name
    assert "# Audit of m: not passed, 1 finding" in path.read_text()
    assert (False, list(result.findings)) == (data["passed"], data["findings"])


def test_a_window_with_other_counts_is_a_finding(ws: Workspace, stored: list[Report]) -> None:
    """It is named by version, stage and start."""
    result = run(ws, [*stored[:3], window(59, n=8)])
    assert ("1 window with other counts when counted again (late events?): v1 outcomes 2013-02-22 00:00",) == (
        result.findings
    )


def test_predictions_that_came_too_late_are_not_compared(ws: Workspace, stored: list[Report]) -> None:
    """A batch has none: neither their number nor a window for nothing but them is a difference; what they lack is.

    Windows that were stored before they were counted are compared with those that count them.
    """
    rows = {"late": [3], "prediction": [7]}
    inputs = (
        window(58, stage=Stage.INPUTS, counts=rows),
        window(59, stage=Stage.INPUTS, counts={**rows, "prediction": [0]}),
    )
    ingest.ingest(ws.registry, inputs, now=world.NOW)
    again = [r.model_copy(update={"counts": {**r.counts, "late": [0]}}) for r in (*stored, inputs[0])]
    lacking = again[-1].model_copy(update={"counts": {"late": [0], "prediction": [10]}})

    passed, differs = run(ws, again), run(ws, [*again[:-1], lacking])
    assert ((), 6, 6) == (passed.findings, passed.numbers["windows"], passed.numbers["windows_equal"])
    assert (
        "1 window with other counts when counted again (late events?): v1 inputs 2013-02-21 00:00",
    ) == differs.findings


def test_a_window_that_only_one_side_has_is_a_finding(ws: Workspace, stored: list[Report]) -> None:
    """Both ways round; but a window that the monitors have not come to yet is none."""
    result = run(ws, [*stored[1:], window(55), window(60)])
    assert (
        "1 window on record but not in the events: v1 outcomes 2013-02-19 00:00",
        "1 window in the events but not on record: v1 outcomes 2013-02-18 00:00",
    ) == result.findings


def test_a_stage_is_compared_as_far_as_it_has_come(ws: Workspace, stored: list[Report]) -> None:
    """Outcomes lag behind inputs by the label delay."""
    inputs = [window(59, stage=Stage.INPUTS)]
    assert run(ws, stored + inputs).passed


def test_many_windows_are_counted_and_ten_are_named(ws: Workspace) -> None:
    """The sentence stays readable."""
    reports = [window(day) for day in range(30, 60)]
    ingest.ingest(ws.registry, reports, now=world.NOW)
    (finding,) = run(ws, [r.model_copy(update={"counts": {"label": [8]}}) for r in reports]).findings
    assert "24 windows with other counts" in finding
    assert finding.endswith(" and 14 more")


def test_nothing_to_compare_is_a_finding(ws: Workspace) -> None:
    """An empty period is not a clean one."""
    (finding,) = run(ws, []).findings
    assert "no window of 2013-01-30 to 2013-03-01 is on record" in finding


def test_a_replay_that_fails_is_a_finding(ws: Workspace, stored: list[Report]) -> None:
    """Events that are gone cannot be counted again."""

    def fails(start: datetime, end: datetime) -> Sequence[Report]:
        raise errors.DataError("events/ is not there")

    result = audit(ws, start=END - 30 * world.DAY, end=END, replay=fails, now=world.NOW)
    assert ("the windows could not be checked: events/ is not there",) == result.findings


def test_an_altered_model_file_is_a_finding(ws: Workspace, stored: list[Report]) -> None:
    """So is one that is gone."""
    artifact = queries.version(ws.registry, "m", "v1").artifact
    ws.registry.artifacts.path(artifact or "").write_bytes(b"something else")
    assert ("1 model file missing or altered: v1",) == run(ws, stored).findings


def test_an_altered_baseline_is_a_finding(ws: Workspace, stored: list[Report]) -> None:
    """It is what every verdict was measured against."""
    with ws.registry.write() as c:
        c.execute(sa.update(tables.baselines).values(content="{}"))
    assert "its sha256 differs" in run(ws, stored).findings[0]


def test_an_incident_that_waits_too_long_is_a_finding(ws: Workspace) -> None:
    """Not one that is still within its wait, nor one of a model that is only monitored: nobody need decide there."""
    reports = [world.report(END)]
    ingest.ingest(ws.registry, reports, now=world.NOW)
    assert run(ws, reports).passed
    assert run(replace(ws, retrain=None), reports).passed
    assert ws.retrain is not None
    result = run(replace(ws, retrain=ws.retrain.model_copy(update={"wait": timedelta(0)})), reports)
    assert (
        "1 incident without a decision, though the longest wait is over: 1 (performance, no reason on record)",
    ) == (result.findings)


def test_a_decision_to_retrain_without_a_run_is_a_finding(ws: Workspace, stored: list[Report]) -> None:
    """The reconciler would have carried it out; so it does not run."""
    operations.record_decision(ws.registry, model="m", incident_id=None, action=Action.RETRAIN, because=["by hand"],
                          actor="ann", now=world.NOW)  # fmt: skip
    assert ("1 decision to retrain without a finished run: 2",) == run(ws, stored).findings


def test_a_promotion_that_went_through_its_gate_is_none(ws: Workspace) -> None:
    """Nor is the first version's."""
    world.drift(ws)
    reconcile.reconcile(ws, now=world.NOW, as_of=world.AS_OF, execute=retrain.run)
    result = audit(ws, start=world.START, end=world.AS_OF, replay=lambda *_: [world.report(END)], now=world.NOW)
    assert ((), 2) == (result.findings, result.numbers["promotions"])


@pytest.mark.parametrize(("modes", "asks"), [
    (("static", "static"), True), (("static", "external"), True), (("external", "static"), True),
    (("external", "external"), False),
])  # fmt: skip
def test_a_promotion_by_hand_is_a_finding(
    ws: Workspace, stored: list[Report], modes: tuple[str, str], *, asks: bool
) -> None:
    """It may be right; somebody should look at it. Not where Leeway trained neither version: others deploy them."""
    with ws.registry.write(world.NOW) as c:
        c.execute(sa.update(tables.versions).values(mode=modes[0]))
    baseline = queries.baseline_of(ws.registry, "m", "v1")
    assert baseline is not None
    version = queries.version(ws.registry, "m", "v1")
    fields = {"version": "v2", "baseline": None, "state": "candidate", "mode": modes[1]}
    operations.add_version(ws.registry, type(version).model_validate({**version.model_dump(), **fields}))
    operations.store_baseline(ws.registry, baseline.model_copy(update={"version": "v2"}), now=world.NOW)
    operations.promote(ws.registry, model="m", version="v2", expected_generation=1, effective_at=END, actor="ann",
                  reason="I know better", now=world.NOW)  # fmt: skip
    found = [finding for finding in run(ws, stored).findings if "gate" in finding]
    assert (["1 promotion without a gate: v2 (by ann: I know better)"] if asks else []) == found


def test_an_alert_that_never_arrived_is_a_finding(ws: Workspace, stored: list[Report]) -> None:
    """The receiver does not know what it was to be told."""
    outbox.fan_out(ws.registry, {"ops": ["model.promoted"]}, now=world.NOW)
    ((delivery, _),) = outbox.claim(ws.registry, now=world.NOW, limit=10, lease=world.DAY)
    outbox.mark(ws.registry, delivery, state="dead", status_code=410, error="gone", next_attempt_at=None,
                now=world.NOW)  # fmt: skip
    assert ("1 alert never delivered: model.promoted to ops",) == run(ws, stored).findings


def test_an_altered_line_of_the_log_is_a_finding(ws: Workspace, stored: list[Report]) -> None:
    """The chain of hashes shows where."""
    with ws.registry.write() as c:
        c.execute(sa.update(tables.audit_log).where(tables.audit_log.c.seq == 2).values(actor="nobody"))
    assert not run(ws, stored).passed


def test_answers_that_the_model_would_not_give_are_a_finding(make: Make) -> None:
    """Training-serving skew: the features are the same, and the answers are not those of the registered model."""
    result = run(make(), ())

    assert (1200, 1200) == (result.numbers["answers"], result.numbers["answers_different"])
    assert any("training-serving skew): v1 (1200 of 1200 answers differ)" in f for f in result.findings)


def past_the_program(ws: Workspace, statement: sa.sql.dml.UpdateBase) -> None:
    """Write to the registry's database as somebody would who has no program for it."""
    engine = sa.create_engine(ws.registry.url)
    with engine.begin() as c:
        c.execute(statement)
    engine.dispose()


EDITS = {
    "champions m": sa.update(tables.champions).values(generation=9),
    "promotions 1": sa.update(tables.promotions).values(reason="better"),
    "versions m v1": sa.update(tables.versions).values(rows=9),
    "window_reports 1": sa.update(tables.window_reports).where(tables.window_reports.c.id == 1).values(created_at=END),
    "messages": sa.update(tables.messages).values(fanned_out_at=END),
}


@pytest.mark.parametrize("row", EDITS)
def test_an_edited_row_of_state_is_a_finding(ws: Workspace, stored: list[Report], row: str) -> None:
    """Of any table and any time, in the audited period or not."""

    def named() -> bool:
        found = run(ws, (), days=2).findings
        return any(f.startswith(row) and "is not what line" in f for f in found)

    assert not named()
    past_the_program(ws, EDITS[row])
    assert named()


def test_what_cannot_be_read_is_a_finding(ws: Workspace, stored: list[Report]) -> None:
    """A state that there is not, a report that is none: the audit goes on, and says what it could not check."""
    past_the_program(ws, sa.update(tables.versions).values(state="king"))
    past_the_program(ws, sa.update(tables.window_reports).values(report={}))
    found = "\n".join(run(ws, stored).findings)
    assert "the windows could not be checked" in found
    assert "versions m v1 is not what line" in found


def test_an_audit_that_cannot_be_recorded_still_tells(ws: Workspace, stored: list[Report]) -> None:
    """Without the end of the log nothing can be written; the findings are there, and in the report."""
    past_the_program(ws, sa.delete(tables.audit_head))
    result = run(ws, stored)
    assert (0, False) == (result.id, result.passed)
    assert any("(audit_head) is gone" in f for f in result.findings)
    assert "the audit could not be recorded" in (ws.state / result.report).read_text()


def test_many_findings_about_rows_are_counted(ws: Workspace) -> None:
    """Alerts carry the findings, so there are not thousands of them; `leeway audit verify` names all."""
    reports = [window(day, stage=stage) for day in range(20, 60) for stage in Stage]
    ingest.ingest(ws.registry, reports, now=world.NOW)
    past_the_program(ws, sa.update(tables.window_reports).values(created_at=END))
    found = run(ws, reports, days=50).findings
    assert (
        f"and {len(reports) - MAX_LOG_FINDINGS} more findings about rows and log: `leeway audit verify` lists them all"
        == found[-1]
    )


def test_an_edited_file_is_a_finding(ws: Workspace, stored: list[Report]) -> None:
    """The baseline that jobs read, and the report of an earlier audit; one that was thrown away is none."""
    baseline = queries.baseline_of(ws.registry, "m", "v1")
    assert baseline is not None
    published = published_baselines.publish_baseline(baseline, ws.state / "baselines")
    earlier = ws.state / run(ws, stored).report
    assert run(ws, stored).passed
    published.write_text(published.read_text() + " ")
    earlier.write_text("# Audit of m: passed")
    edited = audit(ws, start=END - 30 * world.DAY, end=END, replay=lambda *_: stored, now=world.NOW + world.DAY)
    assert (
        "1 published baseline different from the one on record: v1",
        f"1 audit report altered after it was written: audits/{earlier.name}",
    ) == edited.findings
    earlier.unlink()
    assert 1 == len(run(ws, stored).findings)


def files(model: ShortBaseline) -> list[str]:
    """Return the findings about a model's files."""
    notes = Notes()
    registry_checks.check_files(model.workspace, notes)
    return notes.findings


@pytest.fixture
def short(tmp_path: Path) -> Iterator[ShortBaseline]:
    """Yield a model whose baseline can be renewed."""
    with world.open_registry(tmp_path) as registry:
        model = ShortBaseline(registry, tmp_path)
        model.serve(14)
        yield model


def test_each_revision_of_a_renewed_baseline_is_compared(short: ShortBaseline) -> None:
    """A renewal alters no file, so it is no finding; the revision that it published can be edited as the first can."""
    renewal.follow_plan(short.workspace, now=short.now)
    assert [] == files(short)
    folder = short.state / "baselines" / "m"
    published.baseline_path(folder, "v1", 2).write_text("{}")
    assert ["1 published baseline different from the one on record: v1 (revision 2)"] == files(short)
    published.baseline_path(folder, "v1").write_text("{}")
    assert ["2 published baselines different from the one on record: v1, v1 (revision 2)"] == files(short)


def test_the_baseline_of_a_version_whose_name_is_no_file_name_is_compared(short: ShortBaseline) -> None:
    """Its file is named by a hash."""
    short.register(short.baseline.model_copy(update={"version": "2024-Q1"}), 1)
    assert [] == files(short)
    published.baseline_path(short.state / "baselines" / "m", "2024-Q1").write_text("{}")
    assert ["1 published baseline different from the one on record: 2024-Q1"] == files(short)
