"""`leeway backtest`: what the loop would have done on a labelled history, beside other ways to retrain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from features.schema import Task
from leeway.backtest import history, output, run_backtest, settings
from leeway.commands.options import AsJson, Column, IdColumn, Positive, When, utc
from leeway.infer.roles import ColumnWishes
from leeway.project.load import Model, Project
from leeway.terminal import show

Log = Annotated[
    Path | None,
    typer.Argument(
        help="A labelled log (a file or folder), with settings as `leeway init` writes; else the project's."
    ),
]
Policies = Annotated[
    list[Path] | None,
    typer.Option("--policy", help="A YAML file with the keys in which a policy differs from the project's."),
]


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(backtest)


def backtest(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    log: Log = None,
    model: Annotated[str | None, typer.Option(help="The model of the project; needed where there are several.")] = None,
    policy: Policies = None,
    first_until: When = None,
    label: Column = None,
    id_: IdColumn = None,
    time: Column = None,
    label_time: Column = None,
    positive: Positive = None,
    task: Annotated[
        Task | None, typer.Option(help="What a model of LOG predicts; by default as its labels suggest.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a page with the loss over time to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replay the whole loop on a labelled history in event time: what would it have done, and would it have helped?

    Monitors, decisions, training, gate, promotions and rollbacks are the real ones, in a registry that is thrown away.
    --first-until is where the first training period ends, by default where the baseline does. Beside the loop: no refit
    at all, as many refits evenly spaced and at random, a refit at every window, and no model. Columns of LOG are
    inferred, as in `leeway init`, where they are not named; rows without an id are numbered.
    """
    if log is not None:
        columns = {"label": label, "id": id_, "time": time, "label_time": label_time}
        with settings.drafted(log, ColumnWishes.of(columns, task, positive)) as project:
            _run(project, project.model(), policy or [], first_until, plot, as_json=as_json)
        return
    project = Project.load(ctx.obj)
    _run(project, project.model(model), policy or [], first_until, plot, as_json=as_json)


def _run(
    project: Project, chosen: Model, policies: list[Path], first_until: When, plot: Path | None, *, as_json: bool
) -> None:
    """Run the backtest and print it."""
    models = settings.with_policies(chosen, policies)
    events = history.read(chosen, utc(first_until))
    lines = show.ProgressLines()
    done = run_backtest.run(events, models, project.folder, lines.print)
    if plot is not None:
        output.write_plot(done, plot)
    if as_json:
        show.as_json(output.document(done))
        return
    output.print_tables(done)
    if plot is not None:
        show.note(show.text(f"The loss over time is in {plot}."))
