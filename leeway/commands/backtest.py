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
        help="A labelled log (a file or folder), with the settings of `leeway init`; by default the project's events."
    ),
]
Policies = Annotated[
    list[Path] | None,
    typer.Option("--policy", help="A YAML file with the keys that differ from the project's policy."),
]


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(backtest)


def backtest(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    log: Log = None,
    model: Annotated[str | None, typer.Option(help="The model; needed if the project has several.")] = None,
    policy: Policies = None,
    first_until: When = None,
    label: Column = None,
    id_: IdColumn = None,
    time: Column = None,
    label_time: Column = None,
    prediction: Column = None,
    version: Column = None,
    positive: Positive = None,
    task: Annotated[
        Task | None, typer.Option(help="What the model of LOG predicts; by default inferred from the labels.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write an HTML page with the loss over time to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replay the whole loop on a labelled history in event time: what would it have done, and would it have helped?

    Monitors, decisions, training, gate, promotions and rollbacks run as in production, in a temporary registry. They
    are compared with no refit, with as many refits evenly spaced and at random, with a refit at every window, and with
    no model. --first-until is the end of the first training period, by default the end of the baseline. Columns of LOG
    that you do not name are inferred as in `leeway init`; rows without an id are numbered. Predictions and versions of
    LOG are not used: name their columns with --prediction and --version if they would be taken for features.
    """
    if log is not None:
        columns = {"label": label, "id": id_, "time": time, "label_time": label_time,
                   "prediction": prediction, "version": version}  # fmt: skip
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
