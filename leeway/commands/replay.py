"""`leeway replay`: the rehearsal before a policy is enabled, as tables that a person can decide from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError

from features.window import UTC, parse_span
from leeway import context
from leeway.commands.options import AsJson
from leeway.context import Context
from leeway.project.load import Model
from leeway.replay import history, output, policies, run_replay
from leeway.replay.policies import Policy
from leeway.replay.run_replay import ReplayOrder
from leeway.terminal import show
from monitors.budget import FalseAlarms
from monitors.simulation.inject import FAULTS, ChangeKind

T = TypeVar("T")
ModelName = Annotated[str | None, typer.Option("--model", "-m", help="The model, where the project has several.")]
When = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC.")]
Files = Annotated[list[Path] | None, typer.Option("--policy", help="A YAML file with the model's keys to change.")]
Budgets = Annotated[list[str] | None, typer.Option("--budget", help="The project's policy at this one: 1 per 30 days.")]
Sizes = Annotated[list[str] | None, typer.Option("--window", help="The project's policy with windows of this size.")]
Shifts = Annotated[list[str] | None, typer.Option("--shift", help="A change and its sizes: covariate=0.25,1.")]
Feature = Annotated[str | None, typer.Option(help="Where covariate shifts and faults are put in.")]
Worlds = Annotated[
    int, typer.Option(min=1, help="How many worlds are drawn; each shift is tried three times as often.")
]

Processes = Annotated[int | None, typer.Option(min=1, help="How many work side by side; one a core, if absent.")]


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(replay)


def replay(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    model: ModelName = None,
    policy: Files = None,
    budget: Budgets = None,
    window: Sizes = None,
    start: When = None,
    end: When = None,
    recount: Annotated[bool, typer.Option(help="Count the events again, in a Flink batch job.")] = False,
    shift: Shifts = None,
    feature: Feature = None,
    within: Annotated[str, typer.Option(help="How soon a change is to be found.")] = "14d",
    seed: Annotated[int, typer.Option(help="Everything that is drawn follows from it.")] = 1,
    repetitions: Worlds = 4,
    processes: Processes = None,
    everything: Annotated[bool, typer.Option("--all", help="The incidents of each policy, not of the first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Rehearse policies on recorded history, before one is enabled. Nothing is stored, sent or trained.

    The project file's policy stands first, beside those of --policy (keys of `monitor`, `incidents`, `signals` and
    `windows` in place of the project's), --budget and --window, or else beside half and twice its budget. Each is shown
    with the false alarms to expect, the incidents that it would have opened, and how soon it finds changes of known
    size: `covariate` (sd of a feature), `prior` (share of labels), `concept` (rise of the loss), `missing`, `units` and
    `stuck` (share of rows), or `fault` for these three.
    """
    sizes_by_kind, within_span = _shifts(shift or ()), _read(parse_span, within, "--within")
    with context.open(ctx.obj) as opened, show.working("Reading the recorded windows") as say:
        chosen = opened.model(model)
        compared_policies = _policies(chosen, policy or (), budget or (), window or ())
        baseline = history.champion_baseline(opened, chosen)
        feature = run_replay.shifted_feature(baseline, compared_policies[0], feature)
        order = ReplayOrder(
            compared_policies,
            run_replay.shifts(baseline, sizes_by_kind),
            feature,
            within_span,
            seed,
            repetitions,
            processes or os.cpu_count() or 1,
        )
        past = _past(opened, chosen, (start, end), recount=recount)
        outcomes = run_replay.replay_all(past, baseline, chosen, order, lambda text: say(f"Rehearsing {text}"))
    result = output.ReplayResult(chosen.name, baseline, order, tuple(past), tuple(outcomes))
    if as_json:
        show.as_json(output.as_json(result))
    else:
        output.show_tables(result, everything=everything)


def _past(opened: Context, model: Model, period: Sequence[datetime | None], *, recount: bool) -> list[history.Stretch]:
    begin, until = (at.replace(tzinfo=UTC) if at else None for at in period)
    return (history.recounted if recount else history.recorded)(opened, model, begin, until)


def _policies(model: Model, files: Iterable[Path], budgets: Iterable[str], sizes: Iterable[str]) -> tuple[Policy, ...]:
    own = policies.project_policy(model)
    others = [policies.read(path, model) for path in files]
    others += [policies.at_budget(own, _read(FalseAlarms.model_validate, text, "--budget")) for text in budgets]
    others += [_read(partial(policies.windows_of, own), text, "--window") for text in sizes]
    all_policies = (own, *others) if others else tuple(policies.with_other_budgets(model))
    names = [policy.name for policy in all_policies]
    if twice := next((name for name in names if names.count(name) > 1), None):
        msg = f"two policies are called {twice}; give them files of other names"
        raise typer.BadParameter(msg, param_hint="--policy")
    return all_policies


def _shifts(texts: Iterable[str]) -> dict[ChangeKind, list[float]]:
    sizes_by_kind: dict[ChangeKind, list[float]] = {}
    for text in texts:
        name, _, sizes = text.partition("=")
        kinds = FAULTS if name == "fault" else tuple(k for k in ChangeKind if k.value == name)
        if not kinds:
            msg = f"{name!r} is no change; there are {', '.join(k.value for k in ChangeKind)}, and fault"
            raise typer.BadParameter(msg, param_hint="--shift")
        for kind in kinds:
            sizes_by_kind.setdefault(kind, []).extend(_size(kind, size) for size in sizes.split(","))
    return sizes_by_kind


def _size(kind: ChangeKind, text: str) -> float:
    size = float(_read(float, text, "--shift"))
    if size > 0 and (size <= 1 or kind in (ChangeKind.COVARIATE, ChangeKind.CONCEPT)):
        return size
    unit = "a share" if kind in (*FAULTS, ChangeKind.PRIOR) else "a size"
    msg = f"a {kind.value} shift of {text} cannot be; {unit} is meant"
    raise typer.BadParameter(msg, param_hint="--shift")


def _read(parse: Callable[[str], T], text: str, option: str) -> T:
    try:
        return parse(text)
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"].removeprefix("Value error, "), param_hint=option) from None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
