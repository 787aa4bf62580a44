"""Clock jumps of days, forward and back: counting and deciding use event time, and nothing waits.

No test may set the clock of the machine that it shares. Where Leeway takes the time as an argument (what is put on
record, alerts, checks), it is given one that jumps; what it asks the machine for (the supervisor, the monitor's waits)
is a clock that cannot be set, which is shown by setting the other one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pytest

from leeway.stack import keeper, processes
from monitors.finding import Verdict
from monitors.signals import Severity
from registry import outbox, queries
from registry.incidents import ingest
from registry.records import RunState
from retrain_flows import reconcile
from tests.support import audit_chain
from tests.support import trained_model as world

pytestmark = pytest.mark.faults

Now = Callable[[], datetime]
HOUR = timedelta(hours=1)
JUMPS = (timedelta(0), 3 * world.DAY, -2 * HOUR, -40 * world.DAY, 7 * HOUR)
RECORDED = {"made_at", "started_at", "finished_at", "resolved_at", "created_at"}

PROJECT = """\
project: p
models:
  m: {task: binary, events: {predictions: {path: p}}, features: {x: numeric}, windows: {size: 1d}}
"""


def steady() -> Now:
    """Return a clock that goes on by a second each time somebody looks."""
    seconds = count()
    return lambda: world.NOW + timedelta(seconds=next(seconds))


def jumping() -> Now:
    """Return a clock that is set forward or back each time somebody looks."""
    seconds, jumps = count(), cycle(JUMPS)
    return lambda: world.NOW + timedelta(seconds=next(seconds)) + next(jumps)


def lived(folder: Path, now: Now) -> dict[str, list[dict[str, Any]]]:
    """Take in the reports of a world whose rule turns, reacting to each; return all that is known in the end."""
    folder.mkdir()
    events = world.write_events(folder)
    with world.open_registry(folder) as registry:
        ws = world.workspace(folder, registry, events)
        world.with_champion(ws)
        for day in range(40, 60):
            verdict = Verdict.DRIFT if day >= 54 else Verdict.STEADY
            ingest.ingest(registry, [world.report(world.START + day * world.DAY, verdict=verdict)], now=now())
            reconcile.reconcile(ws, now=now())
        assert [] == audit_chain.verify(registry)
        found = {
            "reports": queries.windows(registry, "m"),
            "incidents": queries.incidents(registry, "m"),
            "decisions": [d for d in queries.decisions(registry, "m") if d.incident_id],
            "runs": queries.runs(registry, "m"),
            "promotions": queries.promotions(registry, "m"),
        }
        return {name: [row.model_dump(exclude=RECORDED) for row in rows] for name, rows in found.items()}


def test_reports_incidents_and_decisions_are_those_of_a_steady_clock(tmp_path: Path) -> None:
    """Only the times on record differ; the audit log has no gap, and the decision is made and carried out once."""
    expected, found = lived(tmp_path / "steady", steady()), lived(tmp_path / "jumping", jumping())

    assert expected == found
    assert (20, 1, 1) == (len(found["reports"]), len(found["incidents"]), len(found["decisions"]))
    assert [RunState.PROMOTED] == [run["state"] for run in found["runs"]]


@pytest.mark.parametrize("ahead", [HOUR, 400 * world.DAY])
def test_an_alert_does_not_wait_for_a_clock_that_was_ahead(tmp_path: Path, ahead: timedelta) -> None:
    """An attempt that failed while it was is put off until then; an alert is sent within its day all the same."""
    events, lease = world.write_events(tmp_path), timedelta(minutes=1)
    with world.open_registry(tmp_path) as registry:
        ws = world.workspace(tmp_path, registry, events)
        world.with_champion(ws)
        world.drift(ws)
        wrong = world.NOW + ahead
        outbox.fan_out(registry, {"pager": ("incident.opened",)}, least={"pager": Severity.WARNING}, now=wrong)
        ((delivery, _),) = outbox.claim(registry, now=wrong, limit=9, lease=lease)
        outbox.mark(registry, delivery, state="pending", next_attempt_at=wrong + HOUR, now=wrong)

        assert 1 == len(
            outbox.claim(registry, now=world.NOW + (2 * HOUR if ahead == HOUR else lease), limit=9, lease=lease)
        )


def test_a_service_is_not_restarted_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor counts seconds of a clock that nobody can set; when something happened is told by the other."""
    service = processes.Service("s", [sys.executable, "-c", "import time; time.sleep(600)"], tmp_path / "s.log")
    monkeypatch.setattr(keeper, "HEALTH_SECONDS", 0.1)
    kept = keeper.Keeper(service, lambda: None)
    kept.start()
    assert kept.tried.wait(30)
    real = time.time
    for jump in JUMPS:
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump.total_seconds())
        time.sleep(1)
    before = kept.status
    kept.end()
    kept.join()

    assert ("up", 0) == (before.condition, before.restarts)


def test_doctor_tells_of_a_clock_that_was_set_back_and_of_its_being_right_again(tmp_path: Path) -> None:
    """What was written an hour from now is the trace that it leaves."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    (trace := tmp_path / ".leeway" / "trace").parent.mkdir()
    trace.touch()
    os.utime(trace, (time.time() + 3600,) * 2)
    result, told = _clock(tmp_path)
    assert "error" == result
    assert "s behind the newest file here: set it" in told
    os.utime(trace)
    assert "ok" == _clock(tmp_path)[0]


def _clock(folder: Path) -> tuple[str, str]:
    command = [sys.executable, "-m", "leeway", "doctor", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    (found,) = [c for c in json.loads(done.stdout)["checks"] if c["name"] == "clock"]
    return found["result"], found["message"]
