"""Adopts a model that Leeway did not train: registers its version with a baseline from its prediction log."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from features.errors import NotEnoughData, NotFound
from features.events import decode
from features.events.decode import TIME, VERSION
from features.window import from_ms, to_ms
from leeway import assembly, external_champion, version_service
from leeway.context import Context
from leeway.landed import landing
from leeway.project.load import Model
from monitors.baseline.baseline import Baseline
from registry import operations, queries
from registry.files import published_baselines
from registry.records import EXTERNAL, Version
from retrain_flows.training import surrogate_importance


def register_baseline(
    opened: Context, model: Model, version: str | None, period: tuple[datetime, datetime], *, now: datetime
) -> Baseline:
    """Freeze the baseline of *version* from its events of *period*, and make it champion if there is none.

    It becomes champion, too, if in the log it took the place of a champion that Leeway did not train.
    Feature importance is measured on a surrogate of the predictions, as the model itself is not available.

    Parameters
    ----------
    opened
        The open project.
    model
        The model of the project.
    version
        The version in the events; by default the only one.
    period
        Start and end (exclusive) of the baseline in event time.
    now
        The time that is recorded.

    Raises
    ------
    NotEnoughData
        There are no events in the period, or several versions and *version* is None.
    IllegalMove
        The version has a baseline already, which cannot change.
    """
    reg = opened.registry
    landing.land(model.landed, now)
    log = decode.read_events(model.schema, "predictions", model.events.predictions).table
    predictions = _inside(log, period)
    chosen = version or model.schema.version or _only_version(model, predictions)
    _require_any(model, chosen, log, predictions)
    importance = surrogate_importance.measure(model.schema, predictions.filter(pc.equal(predictions[VERSION], chosen)))
    build = assembly.workspace(opened, model).build_baseline
    baseline = build(
        model.schema, model.monitor, version=chosen, predictions=model.events.predictions,
        labels=model.events.labels, start=period[0], end=period[1],
        importance=importance,
    )  # fmt: skip
    operations.add_model(reg, model=model.name, task=model.schema.task.value, now=now)
    _add_version(opened, model, baseline, now)
    operations.store_baseline(reg, baseline, now=now)
    published_baselines.publish_baseline(baseline, opened.dir / "baselines")
    if queries.champion(reg, model.name) is None:
        operations.promote(
            reg, model=model.name, version=chosen, expected_generation=0, effective_at=period[1],
            actor="user", reason="first version with a baseline", now=now,
        )  # fmt: skip
    external_champion.follow_log(opened, model, chosen, log, now=now)
    return baseline


def _inside(table: pa.Table, period: tuple[datetime, datetime]) -> pa.Table:
    start, end = map(to_ms, period)
    return table.filter(pc.and_(pc.greater_equal(table[TIME], start), pc.less(table[TIME], end)))


def _only_version(model: Model, predictions: pa.Table) -> str:
    """Return the only version of *predictions*; raise NotEnoughData, with a command for each, if they are several."""
    versions: list[str] = sorted(predictions[VERSION].unique().to_pylist())
    if len(versions) != 1:
        names = ", ".join(versions) or "none"
        msg = f"{len(versions)} versions of {model.name} made predictions in the period: {names}"
        found = version_service.of_versions(predictions)
        commands = [version_service.baseline_command(model.name, one, model.schema.windows) for one in found]
        raise NotEnoughData(
            msg, hint="; ".join(f"`{one}`" for one in commands[:3]) or "choose a period with predictions"
        )
    return versions[0]


def _require_any(model: Model, version: str, log: pa.Table, inside: pa.Table) -> None:
    """Raise NotEnoughData, with the command that works, where *version* made predictions, but none in the period."""
    if version in inside[VERSION].unique().to_pylist():
        return
    if own := [one for one in version_service.of_versions(log) if one.version == version]:
        first, last = (f"{from_ms(at):%Y-%m-%d %H:%M}" for at in (own[0].first, own[0].last))
        msg = f"{model.name} {version} made no prediction in the period, but from {first} to {last} UTC"
        command = version_service.baseline_command(model.name, own[0], model.schema.windows)
        raise NotEnoughData(msg, hint=f"`{command}`")


def _add_version(opened: Context, model: Model, baseline: Baseline, now: datetime) -> None:
    try:
        queries.version(opened.registry, model.name, baseline.version)
    except NotFound:
        operations.add_version(
            opened.registry,
            Version(model=model.name, version=baseline.version, mode=EXTERNAL, trained_from=baseline.start,
                    trained_until=baseline.end, rows=baseline.rows, created_at=now),
        )  # fmt: skip
