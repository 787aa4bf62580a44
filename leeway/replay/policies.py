"""Policies to compare: the project file's own, and others that override some of its keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from features.errors import ProjectError
from features.window import Windows, format_span
from leeway.project import validation_errors, yaml_positions
from leeway.project.load import Model
from leeway.project.section import Section
from monitors.budget import FalseAlarms
from monitors.config import MonitorPolicy
from registry.config import IncidentPolicy
from retrain_flows.config import Signals

S = TypeVar("S", bound=Section)


class Rules(Section):
    """The keys of a model's section that make its policy, which a policy file may override."""

    windows: Windows
    monitor: MonitorPolicy
    incidents: IncidentPolicy
    signals: Signals


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy with its name."""

    name: str
    rules: Rules

    @property
    def budget(self) -> FalseAlarms:
        """The false-alarm budget."""
        return self.rules.monitor.false_alarms

    def per(self, span: timedelta) -> float:
        """Return the false alarms that the budget allows in *span*."""
        return self.budget.count * (span / self.budget.span)


def project_policy(model: Model) -> Policy:
    """Return the policy of the project file, called `project`."""
    return Policy("project", Rules(windows=model.schema.windows, monitor=model.monitor, incidents=model.incidents,
                                   signals=model.signals))  # fmt: skip


def with_other_budgets(model: Model) -> list[Policy]:
    """Return the project file's policy, and copies with half and twice its budget."""
    mine = project_policy(model)
    half = FalseAlarms(count=mine.budget.count, span=2 * mine.budget.span)
    twice = FalseAlarms(count=2 * mine.budget.count, span=mine.budget.span)
    return [mine, at_budget(mine, half, "half"), at_budget(mine, twice, "double")]


def at_budget(policy: Policy, budget: FalseAlarms, name: str = "") -> Policy:
    """Return *policy* with another budget; its name is the budget unless one is given."""
    monitor = policy.rules.monitor.model_copy(update={"false_alarms": budget})
    return Policy(name or str(budget), policy.rules.model_copy(update={"monitor": monitor}))


def windows_of(policy: Policy, size: str) -> Policy:
    """Return *policy* with windows of *size*, like ``3d``; ValueError if that is not a multiple of its slide."""
    old = policy.rules.windows
    windows = Windows.model_validate({"size": size, "slide": old.slide, "watermark_delay": old.watermark_delay})
    return Policy(f"{format_span(windows.size)} windows", policy.rules.model_copy(update={"windows": windows}))


def read(path: Path, model: Model) -> Policy:
    """Return the policy of the file at *path*; keys that it lacks are those of the project file.

    Raises
    ------
    ProjectError
        The file has problems; each is listed with line, column, key and fix.
    """
    rules, document = overridden(path, project_policy(model).rules, model)
    if problems := list(_frozen_keys(document, rules, model)):
        raise _refusal(path, problems)
    return Policy(path.stem, rules)


def overridden(path: Path, base: S, model: Model) -> tuple[S, yaml_positions.Document]:
    """Return *base* with the keys of the file at *path* in place of its own, and the file's document.

    Parameters
    ----------
    path
        The policy file.
    base
        The sections of the model that the file may override.
    model
        The model, whose name explanations of problems have.

    Raises
    ------
    ProjectError
        The file has problems; each is listed with line, column, key and fix.
    """
    try:
        document = yaml_positions.parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}"
        raise ProjectError(msg, hint="a policy file is a readable text file in UTF-8") from error
    problems = list(document.problems) or list(_unknown_keys(document, type(base)))
    if not problems:
        try:
            return type(base).model_validate(merged(base.model_dump(mode="json"), document.data)), document
        except ValidationError as error:
            problems = _explained(error, document, model)
    raise _refusal(path, problems)


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return *base* with *changes* merged in, key by key, at any depth.

    >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
    {'a': {'b': 1, 'c': 3}}
    """
    out = dict(base)
    for key, value in changes.items():
        below = base.get(key)
        out[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return out


def _unknown_keys(document: yaml_positions.Document, sections: type[Section]) -> Iterable[yaml_positions.Problem]:
    keys = ", ".join(sections.model_fields)
    if not isinstance(document.data, dict):
        yield document.problem((), f"a policy file must have one or more of the keys {keys}")
        return
    for key in document.data:
        if key not in sections.model_fields:
            close = validation_errors.did_you_mean(key, list(sections.model_fields))
            yield document.problem((str(key),), f"is not a key of a policy; its keys are {keys}{close}")


def _frozen_keys(document: yaml_positions.Document, rules: Rules, model: Model) -> Iterable[yaml_positions.Problem]:
    """Yield a problem for every key that takes effect only with a new baseline."""
    for key in ("bins", "top"):
        if getattr(rules.monitor, key) != getattr(model.monitor, key):
            yield document.problem(("monitor", key), "is frozen with the baseline, so a replay cannot change it")


def _explained(error: ValidationError, document: yaml_positions.Document, model: Model) -> list[yaml_positions.Problem]:
    """Return validation errors with this file's positions and the project file's explanations."""
    above: yaml_positions.Key = ("models", model.name)
    places = {(*above, *key): place for key, place in document.places.items()}
    found = validation_errors.explain(error.errors(), yaml_positions.Document(document.data, places), under=above)
    return [replace(problem, key=problem.key[len(above) :]) for problem in found]


def _refusal(path: Path, problems: Sequence[yaml_positions.Problem]) -> ProjectError:
    ordered = sorted(problems, key=lambda p: (p.line, p.column))
    lines = "\n".join(f"  {path.name}:{problem}" for problem in ordered)
    msg = f"{path.name} has {validation_errors.count(len(ordered), 'problem')}\n{lines}"
    return ProjectError(msg, hint="`leeway schema` describes every key, under models.<name>")
