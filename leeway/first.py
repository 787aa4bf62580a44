"""A model that Leeway did not train: its version is registered with a baseline from its own prediction log."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from features import codec
from features.errors import NotEnoughData, NotFound
from features.window import to_ms
from leeway import wiring
from leeway.context import Context
from leeway.project import Model
from monitors.baseline import Baseline
from registry import moves, publish, queries
from registry.records import Version


def register_baseline(
    opened: Context, model: Model, version: str | None, period: tuple[datetime, datetime], *, now: datetime
) -> Baseline:
    """Count *version*'s events of *period*, register it if it is new, and make it champion if there is none.

    Raises:
        NotEnoughData: no events in the period, or several versions and none named.
        IllegalMove: the version has a baseline; it never changes.
    """
    reg = opened.registry
    chosen = version or model.schema.version or _only_version(model, period)
    build = wiring.workspace(opened, model).build_baseline
    labels = model.events.labels
    made = build(
        model.schema, model.monitor, version=chosen, predictions=Path(model.events.predictions.path),
        labels=Path(labels.path) if labels else None, start=period[0], end=period[1],
    )  # fmt: skip
    moves.add_model(reg, model=model.name, task=model.schema.task.value, now=now)
    _add_version(opened, model, made, now)
    moves.store_baseline(reg, made, now=now)
    publish.publish_baseline(made, opened.dir / "baselines")
    if queries.champion(reg, model.name) is None:
        moves.promote(
            reg, model=model.name, version=chosen, expected_generation=0, kind="bootstrap", effective_at=period[1],
            actor="user", reason="first version with a baseline", now=now,
        )  # fmt: skip
    return made


def _only_version(model: Model, period: tuple[datetime, datetime]) -> str:
    table = codec.read_events(model.schema, "predictions", Path(model.events.predictions.path)).table
    start, end = map(to_ms, period)
    rows = zip(table["time"].to_pylist(), table["model_version"].to_pylist(), strict=True)
    found: list[str] = sorted({version for time, version in rows if start <= time < end})
    if len(found) != 1:
        known = ", ".join(found) or "none"
        msg = f"{len(found)} versions of {model.name} made predictions in the period: {known}"
        raise NotEnoughData(msg, hint="name one with --version, or choose another period")
    return found[0]


def _add_version(opened: Context, model: Model, made: Baseline, now: datetime) -> None:
    try:
        queries.version(opened.registry, model.name, made.version)
    except NotFound:
        moves.add_version(
            opened.registry,
            Version(model=model.name, version=made.version, mode="external", trained_from=made.start,
                    trained_until=made.end, rows=made.rows, created_at=now),
        )  # fmt: skip
