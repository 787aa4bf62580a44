"""`leeway up`, `down`, `logs` and `doctor`: the local stack, and Leeway's services on it."""

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
    everything: Annotated[bool, typer.Option("--all", help="Start engines too that the project does not use.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start what the project needs on this machine, in the background, and see that it keeps running.

    Each address that the project file leaves to the environment (env:NAME) and that is not set there is started here:
    a Kafka broker, a Flink cluster, PostgreSQL; always Prefect and Leeway's own services. A second `up`
    changes nothing.
    """
    project = Project.load(ctx.obj)
    folder = environment.stack_folder(project.state)
    if state.is_running(folder):
        running = state.load(folder)
    else:
        control.clear(folder)  # the addresses of a stack that was killed are no answer to what is to be started
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
        f"Pages: http://127.0.0.1:{at.dashboard:d}, with the password in {password} or of LEEWAY_DASHBOARD_PASSWORD;"
        " `leeway logs` and `leeway doctor` say more, `leeway down` stops."
    )


def down(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Stop the stack of this project; its data stay for the next `up`."""
    project = Project.load(ctx.obj)
    with show.working("Stopping the stack"):
        ran = control.stop(environment.stack_folder(project.state))
    if as_json:
        show.as_json({"ok": True, "ran": ran})
    else:
        show.note("The stack is stopped." if ran else "No stack is running.")


def logs(
    ctx: typer.Context,
    service: Annotated[str | None, typer.Argument(help="Only this one; all of them, if absent.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until stopped with Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="The last that many of each.")] = 20,
) -> None:
    """Show what the services of the stack have written."""
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
    """Look at versions, Java, ports, disk, clock, connections and the registry's schema. Exit code 1 if one is bad."""
    project = Project.load(ctx.obj)
    checks = list(doctor.examine(project))
    tally = Counter(c.result for c in checks)
    if as_json:
        show.as_json({"ok": not tally["error"], "checks": [asdict(c) for c in checks]})
    else:
        show.table(project.name, ("what", "result", "found"), [(c.name, c.result, c.message) for c in checks])
        warnings, errors = (count(tally[kind], kind) for kind in ("warning", "error"))
        show.note(f"\n{tally['ok']:,} ok, {show.text(warnings)}, {show.text(errors)}")
    if tally["error"]:
        raise typer.Exit(ExitCode.FINDINGS)
