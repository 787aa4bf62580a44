"""`leeway compat`: drift metrics of Evidently, NannyML or TFDV on a period, column by column, on the same rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import typer

from features.errors import DataError, NotEnoughData, ProjectError
from features.events import decode
from features.schema import FeatureKind
from features.window import UTC, from_ms, to_ms
from leeway import context
from leeway.commands.options import AsJson, ModelName, RequiredTime
from leeway.context import Context
from leeway.project.load import Model
from leeway.terminal import show
from monitors.compat.column import Comparison
from monitors.compat.compare import System, compare, methods, title
from registry import queries
from retrain_flows.data import baseline_rows

Method = Annotated[
    str | None,
    typer.Option(help="A method, as the system names it. Columns that it does not fit use the system's default."),
]
Threshold = Annotated[float | None, typer.Option(help="Overrides the system's default; TFDV has no default.")]


@dataclass(frozen=True, slots=True)
class _RowSet:
    """Rows in the order of their times, and a *description* of them."""

    rows: pa.Table
    description: str


@dataclass(frozen=True, slots=True)
class _ColumnResult:
    """One column's comparison, or the *failure* in its place."""

    column: str
    comparison: Comparison | None
    failure: str = ""


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(compat)


def compat(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    system: Annotated[System, typer.Option("--as", help="The system to imitate.")],
    start: RequiredTime,
    end: RequiredTime,
    model: ModelName = None,
    method: Method = None,
    threshold: Threshold = None,
    as_json: AsJson = False,
) -> None:
    """Show the drift metrics that Evidently, NannyML or TFDV would report for the predictions of a period.

    Features and predictions from --start to --end are compared with those of the champion's baseline. If there is no
    champion, the period of `baseline` in the project file is used. Formulas, bins, treatment of missing values and
    thresholds are those of the other system. Leeway's own verdicts are in `leeway status`.
    """
    if method is not None and method not in methods(system):
        msg = f"{title(system)} has no method {method!r}; it has {', '.join(methods(system))}"
        raise typer.BadParameter(msg, param_hint="--method")
    with context.open(ctx.obj) as opened, show.working(f"Reading the events of {show.text(opened.model(model).name)}"):
        chosen = opened.model(model)
        current, reference = (
            _period(chosen, start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)),
            _reference(opened, chosen),
        )
    lines = [
        _compared_column(system, name, kind, reference.rows, current.rows, method=method, threshold=threshold)
        for name, kind in chosen.schema.variables.items()
    ]
    (_print_json if as_json else _print)(system, chosen, reference, current, lines)


def _period(model: Model, start: datetime, end: datetime, version: str | None = None) -> _RowSet:
    """Return the predictions of [start, end), of one version or of all. NotEnoughData if there are none."""
    table = decode.read_events(model.schema, "predictions", model.events.predictions).table
    time = table[decode.TIME]
    inside = pc.and_(pc.greater_equal(time, to_ms(start)), pc.less(time, to_ms(end)))
    rows = table.filter(inside if version is None else pc.and_(inside, pc.equal(table[decode.VERSION], version)))
    by = f" by {version}" if version else ""
    what = f"predictions{by} of {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
    if rows.num_rows == 0:
        msg = f"there is no prediction of {model.name}{by} from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
        raise NotEnoughData(msg, hint=_extent(table))
    return _row_set(rows, what)


def _extent(table: pa.Table) -> str:
    if table.num_rows == 0:
        return "there are no prediction events yet"
    first, last = (from_ms(f(table[decode.TIME]).as_py()) for f in (pc.min, pc.max))
    return f"events run from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"


def _row_set(rows: pa.Table, what: str) -> _RowSet:
    return _RowSet(rows.sort_by([(decode.TIME, "ascending"), (decode.ID, "ascending")]), what)


def _reference(opened: Context, model: Model) -> _RowSet:
    """Return the rows of the champion's baseline, or of the project file's period if there is no champion yet."""
    champion = queries.champion(opened.registry, model.name)
    if champion is None:
        if model.baseline is None:
            msg = f"{model.name} has neither a champion nor a baseline period to compare with"
            raise ProjectError(msg, hint=f"set models.{model.name}.baseline: {{start: ..., end: ...}}")
        return _period(model, model.baseline.start, model.baseline.end)
    at = baseline_rows.place(opened.dir, model.name, champion.version).predictions
    if at.is_dir():
        rows = decode.read_events(model.schema, "predictions", at).table
        return _row_set(rows, f"rows that {champion.version} was trained with")
    baseline = queries.baseline_of(opened.registry, model.name, champion.version)
    if baseline is None:
        msg = f"{champion.version} of {model.name} has no baseline to compare with"
        raise NotEnoughData(msg, hint="run `leeway baseline`")
    return _period(model, baseline.start, baseline.end, champion.version)


def _compared_column(
    system: System, column: str, kind: FeatureKind, reference: pa.Table, current: pa.Table, **options: Any
) -> _ColumnResult:
    if options["method"] not in methods(system, kind):
        options["method"] = None
    try:
        return _ColumnResult(column, compare(system, kind, reference[column], current[column], **options))
    except DataError as error:
        return _ColumnResult(column, None, error.message)


def _print(system: System, model: Model, reference: _RowSet, current: _RowSet, lines: list[_ColumnResult]) -> None:
    """Print the comparison as a table, with what was compared and how many columns drift by its thresholds."""
    columns = ("column", "method", "value", "threshold", "verdict")
    show.table(f"{title(system)} on {model.name}", columns, [_cells(line) for line in lines])
    sides = (f"{side.rows.num_rows:,} {side.description}" for side in (current, reference))
    show.note(show.text(f"Compared {' with '.join(sides)}."))
    for line in lines:
        if line.comparison is None:
            show.note(f"No metric for {show.text(line.column)}: {show.text(line.failure)}.")
    verdicts = [line.comparison.drifted for line in lines if line.comparison and line.comparison.drifted is not None]
    if verdicts:
        show.note(f"{sum(verdicts):,} of {len(verdicts)} columns drift by its thresholds.")
        show.note("[bold]leeway status[/] shows Leeway's own verdicts.")
    else:
        show.note(f"{show.text(title(system))} has no default threshold; --threshold sets one.")


def _cells(line: _ColumnResult) -> tuple[object, ...]:
    comparison = line.comparison
    if comparison is None:
        return line.column, None, None, None, None
    verdict = None if comparison.drifted is None else "drift" if comparison.drifted else "no drift"
    limit = None if comparison.threshold is None else f"{comparison.threshold:.6g}"
    # A verdict by a p-value that is not the value itself shows it.
    if comparison.p_value is not None:
        limit = f"p = {comparison.p_value:.3g}"
    return line.column, comparison.method, f"{comparison.value:.6g}", limit, verdict


def _print_json(system: System, model: Model, reference: _RowSet, current: _RowSet, lines: list[_ColumnResult]) -> None:
    """Print the comparison as one JSON document."""
    show.as_json(
        {
            "model": model.name,
            "as": title(system),
            "reference": {"rows": reference.rows.num_rows, "what": reference.description},
            "current": {"rows": current.rows.num_rows, "what": current.description},
            "columns": {
                line.column: asdict(line.comparison)
                if line.comparison
                else {"system": system.value, "why": line.failure}
                for line in lines
            },
        }
    )
