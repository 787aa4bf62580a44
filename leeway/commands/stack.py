"""`leeway up`, `down`, `logs` and `doctor`: run the local stack of engines and services, and diagnose it."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer

from leeway.commands.options import AsJson
from leeway.project import environment
from leeway.project.load import Project
from leeway.project.validation_errors import count
from leeway.stack import control, doctor, plan, processes, state
from leeway.terminal import show
from leeway.terminal.exit_codes import ExitCode


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command()(up)
    app.command()(down)
    app.command()(logs)
    app.command(name="doctor")(examine)


def up(
    ctx: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="Also start engines that the project does not use.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start the engines and services that the project needs on this machine, in the background, and supervise them.

    An engine (Kafka broker, Flink cluster, PostgreSQL) is started if the project file takes its address from an
    environment variable (env:NAME) that is not set. Prefect and Leeway's own services are always started. A second `up`
    changes nothing.
    """
    project = Project.load(ctx.obj)
    folder = environment.stack_folder(project.state)
    if state.is_running(folder):
        running = state.load(folder)
    else:
        control.clear(folder)  # the addresses of a killed stack do not count as set
        project = Project.load(ctx.obj)
        wanted = plan.plan_stack(project, everything)
        with show.working("Starting the stack"):
            running = control.start(wanted, everything, lambda _: None)
        if not as_json:
            _print_elsewhere(wanted)
    if running:
        _show(project, running, as_json)


def _print_elsewhere(wanted: plan.Plan) -> None:
    for engine, why in wanted.elsewhere.items():
        show.note(f"[dim]{show.text(engine)}: not started, {show.text(why)}[/]")


def _show(project: Project, stack_state: state.State, as_json: bool) -> None:
    """Print the state of every service, and where the pages and their password are."""
    if as_json:
        show.as_json(asdict(stack_state))
        return
    rows = [(s.name, s.condition, s.pid, s.restarts, s.since, processes.brief(s.why)) for s in stack_state.services]
    show.table(
        f"{project.name}: {stack_state.phase}", ("service", "condition", "pid", "restarts", "since", "why"), rows
    )
    at = project.stack.ports
    password = show.text(project.state / "dashboard-password")
    show.note(
        f"Pages: http://127.0.0.1:{at.dashboard:d}, password in {password} or LEEWAY_DASHBOARD_PASSWORD."
        " `leeway logs` and `leeway doctor` show details, `leeway down` stops the stack."
    )


def down(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Stop the stack of this project; its data are kept for the next `up`."""
    project = Project.load(ctx.obj)
    with show.working("Stopping the stack"):
        ran = control.stop(environment.stack_folder(project.state))
    if as_json:
        show.as_json({"ok": True, "ran": ran})
    else:
        show.note("The stack is stopped." if ran else "No stack is running.")


def logs(
    ctx: typer.Context,
    service: Annotated[str | None, typer.Argument(help="Only this service; by default all.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new lines until stopped with Ctrl-C.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Number of last lines per service.")] = 20,
) -> None:
    """Show the logs of the stack's services."""
    project = Project.load(ctx.obj)
    files = control.logs(environment.stack_folder(project.state), service)
    width = max(map(len, files), default=0)
    if not follow:
        for name, file in files.items():
            for line in processes.last_lines(file, lines):
                show.out.out(f"{name:{width}} | {line}")
        return
    with contextlib.suppress(KeyboardInterrupt):
        for name, line in control.follow(files, lines):
            show.out.out(f"{name:{width}} | {line}")


def examine(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check versions, Java, ports, disk, clock, connections and the registry's schema. Exit code 1 with errors."""
    project = Project.load(ctx.obj)
    checks = list(doctor.examine(project))
    tally = Counter(c.result for c in checks)
    if as_json:
        show.as_json({"ok": not tally["error"], "checks": [asdict(c) for c in checks]})
    else:
        show.table(project.name, ("check", "result", "finding"), [(c.name, c.result, c.message) for c in checks])
        warnings, errors = (count(tally[kind], kind) for kind in ("warning", "error"))
        show.note(f"\n{tally['ok']:,} ok, {show.text(warnings)}, {show.text(errors)}")
    if tally["error"]:
        raise typer.Exit(ExitCode.FINDINGS)
