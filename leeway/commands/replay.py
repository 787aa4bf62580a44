"""`leeway replay`: compare policies on recorded history, null worlds and injected changes before one is enabled."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError

from features.window import parse_span
from leeway import context
from leeway.commands.options import AsJson, ModelName, When, utc
from leeway.context import Context
from leeway.project.load import Model
from leeway.replay import history, output, policies, run_replay
from leeway.replay.policies import Policy
from leeway.replay.run_replay import ReplayOrder
from leeway.terminal import show
from monitors.budget import FalseAlarms
from monitors.simulation.inject import FAULTS, ChangeKind

T = TypeVar("T")
Files = Annotated[
    list[Path] | None,
    typer.Option("--policy", help="A YAML file with the keys that differ from the project's policy."),
]
Budgets = Annotated[
    list[str] | None, typer.Option("--budget", help="The project's policy with this false-alarm budget: 1 per 30 days.")
]
Sizes = Annotated[list[str] | None, typer.Option("--window", help="The project's policy with windows of this size.")]
Shifts = Annotated[list[str] | None, typer.Option("--shift", help="A kind of change and its sizes: covariate=0.25,1.")]
Feature = Annotated[str | None, typer.Option(help="The feature in which covariate shifts and faults are injected.")]
Worlds = Annotated[int, typer.Option(min=1, help="Number of null worlds; each change is tried three times as often.")]

Processes = Annotated[int | None, typer.Option(min=1, help="Number of worker processes; by default one per core.")]


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
    within: Annotated[str, typer.Option(help="How soon a change should be detected.")] = "14d",
    seed: Annotated[int, typer.Option(help="Seed of all random draws.")] = 1,
    repetitions: Worlds = 4,
    processes: Processes = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Print the incidents of every policy, not only of the first.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Replay recorded history under one or several policies, before you enable one. Nothing is stored, sent or trained.

    The project file's policy is compared with those of --policy (files with keys of `monitor`, `incidents`, `signals`
    and `windows` that replace the project's), --budget and --window; without these options, with half and twice its
    budget. For each policy, the output shows the expected false alarms, the incidents that it would have opened, and
    how soon it detects changes of known size: `covariate` (sd of a feature), `prior` (share of labels), `concept` (rise
    of the loss), `missing`, `units` and `stuck` (share of rows), or `fault` for these three.
    """
    sizes_by_kind, soon = _shifts(shift or ()), _read(parse_span, within, "--within")
    with context.open(ctx.obj) as opened, show.working("Reading the recorded windows") as say:
        chosen = opened.model(model)
        compared_policies = _policies(chosen, policy or (), budget or (), window or ())
        baseline = history.champion_baseline(opened, chosen)
        feature = run_replay.shifted_feature(baseline, compared_policies[0], feature)
        order = ReplayOrder(
            compared_policies,
            run_replay.shifts(baseline, sizes_by_kind),
            feature,
            soon,
            seed,
            repetitions,
            processes or os.cpu_count() or 1,
        )
        past = _past(opened, chosen, (start, end), recount=recount)
        outcomes = run_replay.replay_all(past, baseline, chosen, order, lambda text: say(f"Replaying {text}"))
    result = output.ReplayResult(chosen.name, baseline, order, tuple(past), tuple(outcomes))
    if as_json:
        show.as_json(output.as_json(result))
    else:
        output.show_tables(result, everything=everything)


def _past(opened: Context, model: Model, period: Sequence[datetime | None], *, recount: bool) -> list[history.Stretch]:
    begin, until = map(utc, period)
    return (history.recounted if recount else history.recorded)(opened, model, begin, until)


def _policies(model: Model, files: Iterable[Path], budgets: Iterable[str], sizes: Iterable[str]) -> tuple[Policy, ...]:
    """Return the policies to compare, the project's first. Raises BadParameter for a bad value or a repeated name."""
    own = policies.project_policy(model)
    others = [policies.read(path, model) for path in files]
    others += [policies.at_budget(own, _read(FalseAlarms.model_validate, text, "--budget")) for text in budgets]
    others += [_read(partial(policies.windows_of, own), text, "--window") for text in sizes]
    all_policies = (own, *others) if others else tuple(policies.with_other_budgets(model))
    names = [policy.name for policy in all_policies]
    if twice := next((name for name in names if names.count(name) > 1), None):
        msg = f"two policies are called {twice}; rename the file of one"
        raise typer.BadParameter(msg, param_hint="--policy")
    return all_policies


def _shifts(texts: Iterable[str]) -> dict[ChangeKind, list[float]]:
    """Return the sizes to inject for each kind of change; ``fault`` stands for all faults."""
    sizes_by_kind: dict[ChangeKind, list[float]] = {}
    for text in texts:
        name, _, sizes = text.partition("=")
        kinds = FAULTS if name == "fault" else tuple(k for k in ChangeKind if k.value == name)
        if not kinds:
            msg = f"{name!r} is not a kind of change; the kinds are {', '.join(k.value for k in ChangeKind)}, and fault"
            raise typer.BadParameter(msg, param_hint="--shift")
        for kind in kinds:
            sizes_by_kind.setdefault(kind, []).extend(_size(kind, size) for size in sizes.split(","))
    return sizes_by_kind


def _size(kind: ChangeKind, text: str) -> float:
    size = float(_read(float, text, "--shift"))
    if size > 0 and (size <= 1 or kind in (ChangeKind.COVARIATE, ChangeKind.CONCEPT)):
        return size
    bounds = "above 0, at most 1" if kind in (*FAULTS, ChangeKind.PRIOR) else "above 0"
    msg = f"the size of a {kind.value} change must be {bounds}, not {text}"
    raise typer.BadParameter(msg, param_hint="--shift")


def _read(parse: Callable[[str], T], text: str, option: str) -> T:
    try:
        return parse(text)
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"].removeprefix("Value error, "), param_hint=option) from None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
