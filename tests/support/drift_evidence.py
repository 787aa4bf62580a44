"""Evidence of an incident: a drift finding and its window, with defaults for what a test does not set."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from features.window import UTC
from monitors.finding import DriftEvidence, Finding, SequentialVerdict, Signal, Stage, Verdict

END = datetime(2024, 1, 2, tzinfo=UTC)
WINDOW: dict[str, Any] = {
    "segment": "", "stage": Stage.INPUTS, "window_start": END - timedelta(days=1), "window_end": END, "report": "",
}  # fmt: skip


def evidence(variable: str, *, guaranteed: bool | None = None, note: str = "", **changed: Any) -> DriftEvidence:
    """Return evidence on *variable*; *changed* are fields of the finding or of its window.

    It has a sequential verdict unless *guaranteed* is None.
    """
    where = {name: changed.pop(name, usual) for name, usual in WINDOW.items()}
    values = {"signal": Signal.FEATURE, "metric": "js_distance_log2", "effect": 0.3, "threshold": 0.2, "n": 100,
              "baseline_n": 1000, **changed}  # fmt: skip
    over_time = guaranteed is not None or note
    sequential = SequentialVerdict(verdict=Verdict.DRIFT, guaranteed=guaranteed is not False, note=note)
    finding = Finding(variable=variable, window_verdict=Verdict.DRIFT, sequential=sequential if over_time else None,
                      **values)  # fmt: skip
    return DriftEvidence(finding=finding, **where)
