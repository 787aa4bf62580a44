"""`leeway retrain`, `react`, `promote`, `refuse`, `rollback`, `audit`, `flows serve`: by hand and by schedule."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from features.errors import ProjectError
from features.window import UTC
from leeway import assembly, context, external_champion
from leeway.commands import audits
from leeway.commands.actor import USER, Actor
from leeway.commands.options import AsJson, Because, ModelName, When, span
from leeway.context import Context
from leeway.flows import run_once, serve_flows
from leeway.landed import landing
from leeway.project.load import Model
from leeway.terminal import show
from leeway.terminal.exit_codes import ExitCode
from registry import operations, queries
from registry.records import Promotion, RetrainRun, RunState
from retrain_flows import approval, first_version
from retrain_flows import reconcile as reactions
from retrain_flows.orchestration import manual_decision
from retrain_flows.orchestration.model_jobs import in_years
from retrain_flows.training import retrain_data

AsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        help="Use only data known at this event time, in UTC; by default the end of the newest reported window.",
    ),
]

scheduled = typer.Typer(name="flows", no_args_is_help=True, help="Run retrains and audits automatically, with Prefect.")


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    for command in (retrain, react, promote, refuse, rollback):
        app.command()(command)
    app.add_typer(audits.group(audit), name="audit")
    app.add_typer(scheduled)


def retrain(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    model: ModelName = None,
    first: Annotated[bool, typer.Option("--first", help="Train the first version; it needs no gate.")] = False,
    start: When = None,
    end: When = None,
    as_of: AsOf = None,
    because: Because = "by hand",
    actor: Actor = USER,
    as_json: AsJson = False,
) -> None:
    """Train a challenger now and promote it if it passes the gate. Exit code 1 if it does not, 3 if the run fails.

    With --first, train the first version on events from --start to --end (default: `baseline` in the project file).
    """
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        if first:
            _print_promotion(_bootstrap(opened, chosen, _event_time(start), _event_time(end), actor), as_json=as_json)
            return
        run = _retrain(opened, chosen, _event_time(as_of), because, actor)
    if as_json:
        show.as_json({"ok": run.state is RunState.PROMOTED, **run.model_dump(mode="json")})
    else:
        show.note(show.text(f"Run {run.id} of {run.model}: {run.state.value}. {run.reason}"))
    if run.state is not RunState.PROMOTED:
        raise typer.Exit(ExitCode.FAILURE if run.state is RunState.FAILED else ExitCode.FINDINGS)


def _bootstrap(opened: Context, model: Model, start: datetime | None, end: datetime | None, actor: str) -> Promotion:
    """Train and promote the first version on [start, end), by default the baseline period of the project file."""
    baseline = model.baseline
    begin = start or (baseline.start if baseline else None)
    until = end or (baseline.end if baseline else None)
    if begin is None or until is None:
        msg = f"no period is set to train {model.name} on"
        raise ProjectError(msg, hint=f"set models.{model.name}.baseline in the project file, or use --start and --end")
    what = f"Training {model.name} on {begin:%Y-%m-%d} to {until:%Y-%m-%d}, then counting its baseline"
    with show.working(show.text(what)):
        landing.land(model.landed, datetime.now(UTC))
        ws = assembly.workspace(opened, model)
        return first_version.train_and_promote(ws, start=begin, end=until, actor=actor, now=datetime.now(UTC))


def _retrain(opened: Context, model: Model, as_of: datetime | None, because: str, actor: str) -> RetrainRun:
    """Record the decision, and carry it out."""
    ws = assembly.workspace(opened, model)
    decision = manual_decision.record(ws, reason=because, actor=actor, now=datetime.now(UTC))
    with show.working(f"Retraining {show.text(model.name)}"):
        return run_once.retrain(opened, model, decision.id, as_of)


def react(ctx: typer.Context, model: ModelName = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Decide about incidents; carry out retrains, trials and comparisons after promotions. Safe to repeat."""
    with context.open(ctx.obj) as opened:
        names = [opened.model(model).name] if model else list(opened.project.models)
        done: dict[str, list[dict[str, str]]] = {name: [] for name in names}
        for name in names:
            if not reactions.looks_on(opened.registry, name, opened.model(name).retrain):
                if not as_json:
                    show.note(f"{show.text(name)}: no incident to decide, nothing to carry out")
                continue
            with show.working(f"Reconciling {show.text(name)}"):
                outcomes = run_once.react(opened, opened.model(name), _event_time(as_of))
            done[name] = [{"subject": o.subject, "result": o.result} for o in outcomes]
            if not as_json:
                show.table(name, ("subject", "result"), [(o.subject, o.result) for o in outcomes])
    if as_json:
        show.as_json({"ok": True, "models": done})


def promote(
    ctx: typer.Context,
    version: str,
    because: Because,
    model: ModelName = None,
    actor: Actor = USER,
    as_json: AsJson = False,
) -> None:
    """Approve VERSION if it waits for approval; otherwise promote it by hand, without the gate."""
    with context.open(ctx.obj) as opened:
        chosen, now = opened.model(model), datetime.now(UTC)
        waiting = [r for r in approval.awaiting(opened.registry, chosen.name) if r.challenger == version]
        since = None if waiting else external_champion.service_start(opened, chosen, version)
        at = since or _newest_event_time(opened, chosen, now)
        if waiting:
            done = approval.approve(
                opened.registry, waiting[-1], actor=actor, reason=because, effective_at=at, now=now
            )  # fmt: skip
        else:
            champion = queries.champion(opened.registry, chosen.name)
            done = operations.promote(
                opened.registry, model=chosen.name, version=version,
                expected_generation=champion.generation if champion else 0,
                effective_at=at, actor=actor, reason=because, now=now,
            )  # fmt: skip
        if since is not None:
            external_champion.judge_stored(opened, chosen, version, since, now=now)
        assembly.baselines(opened, chosen)
    _print_promotion(done, as_json=as_json)


def refuse(
    ctx: typer.Context,
    version: str,
    because: Because,
    model: ModelName = None,
    actor: Actor = USER,
    as_json: AsJson = False,
) -> None:
    """Refuse VERSION, a candidate that waits for approval or is on trial. Its incident stays open."""
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model).name
        run = approval.refuse(
            opened.registry, chosen, version, actor=actor, reason=because, now=datetime.now(UTC)
        )  # fmt: skip
    if as_json:
        show.as_json({"ok": True, **run.model_dump(mode="json")})
    else:
        show.note(show.text(f"Run {run.id} of {run.model}: {run.state.value}. {run.reason}"))


def rollback(
    ctx: typer.Context,
    because: Because,
    to: Annotated[str | None, typer.Option(help="The version; by default the previous champion.")] = None,
    model: ModelName = None,
    actor: Actor = USER,
    as_json: AsJson = False,
) -> None:
    """Make the previous champion, or the version of --to, champion again, with its baseline."""
    with context.open(ctx.obj) as opened:
        chosen, now = opened.model(model), datetime.now(UTC)
        champion = retrain_data.champion_of(opened.registry, chosen.name)
        done = operations.rollback(
            opened.registry, model=chosen.name, expected_generation=champion.generation, to_version=to, actor=actor,
            reason=because, effective_at=_newest_event_time(opened, chosen, now), now=now,
        )  # fmt: skip
        assembly.baselines(opened, chosen)
    _print_promotion(done, as_json=as_json)


def audit(
    ctx: typer.Context, model: ModelName = None, start: When = None, end: When = None, as_json: AsJson = False
) -> None:
    """Recount a period in batch and compare it with the record; check files, all rows and the audit log.

    Exit code 1 with findings. By default the period ends with the newest window and is `audit.period` long. `verify`
    checks only rows and log, and changes nothing.
    """
    if ctx.invoked_subcommand:
        return
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        retrain_data.champion_of(opened.registry, chosen.name)  # without one there is nothing to audit
        with show.working(f"Auditing {show.text(chosen.name)}: recounting its windows"):
            result = run_once.audit(opened, chosen, _event_time(start), _event_time(end))
        if as_json:
            show.as_json({"ok": result.passed, **result.model_dump(mode="json")})
            raise typer.Exit(ExitCode.FINE if result.passed else ExitCode.FINDINGS)
        show.table(f"Audit of {chosen.name}", ("checked", "number"), result.numbers.items())
        show.note(f"Report: {show.text(opened.dir / result.report)}")
    for finding in result.findings:
        show.note(f"[red]finding:[/] {show.text(finding)}")
    if not result.passed:
        raise typer.Exit(ExitCode.FINDINGS)


@scheduled.command()
def serve(
    ctx: typer.Context,
    interval: Annotated[str, typer.Option("--every", help="Interval between two runs of `leeway react`.")] = "1m",
) -> None:
    """Run `leeway react` every minute and `leeway audit` by schedule, until stopped with Ctrl-C.

    Uses the Prefect server of PREFECT_API_URL, or starts one on this machine that stops with the command.
    """
    with context.open(ctx.obj) as opened:
        project = opened.project
    serve_flows.serve(project, span(interval), lambda text: show.note(show.cell(text)))


def _newest_event_time(opened: Context, model: Model, now: datetime) -> datetime:
    return reactions.clock(assembly.workspace(opened, model)) or now


def _event_time(when: datetime | None) -> datetime | None:
    """Return the time of an option in UTC. Raises BadParameter if no event can have it."""
    try:
        return None if when is None else in_years(when.replace(tzinfo=UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _print_promotion(done: Promotion, *, as_json: bool) -> None:
    if as_json:
        show.as_json({"ok": True, **done.model_dump(mode="json")})
        return
    before = f" after {done.from_version}" if done.from_version else ""
    show.note(show.text(f"{done.model}: {done.to_version} is champion{before} ({done.kind}). {done.reason}"))
