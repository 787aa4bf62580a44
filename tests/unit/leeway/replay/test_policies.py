"""Policy files of a replay: overrides of the project file, and mistakes with their line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from features.errors import ProjectError
from leeway.project.load import Model, Project
from leeway.replay import policies
from monitors.signals import Reaction

PROJECT = """\
project: p
models:
  late:
    task: binary
    events: {predictions: {path: events}}
    features: {temp: numeric}
    windows: {size: 7d, slide: 1d}
    monitor: {min_effect: 0.2, false_alarms: 1 per 90 days}
    incidents: {clear_after: 5, severity: {feature: critical}}
    signals: {label: alert}
"""


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Return the model of a project."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    return Project.load(tmp_path).model()


def read(model: Model, folder: Path, text: str) -> policies.Policy:
    """Return the policy of a file with *text*."""
    path = folder / "strict.yaml"
    path.write_text(text)
    return policies.read(path, model)


def refusal(model: Model, folder: Path, text: str) -> list[str]:
    """Return the lines of the refusal of a file with *text*."""
    with pytest.raises(ProjectError) as caught:
        read(model, folder, text)
    return [line.strip() for line in caught.value.message.splitlines()]


def test_what_a_file_does_not_say_is_the_projects(model: Model, tmp_path: Path) -> None:
    """Key by key, at any depth; the file gives the policy its name."""
    found = read(
        model, tmp_path, "monitor: {min_effect: 0.3}\nincidents: {severity: {label: info}}\nwindows: {size: 3d}"
    )
    own, rules = policies.project_policy(model).rules, found.rules

    assert "strict" == found.name
    assert own.monitor.model_copy(update={"min_effect": 0.3}) == rules.monitor
    assert (5, "critical", "info") == (
        rules.incidents.clear_after, rules.incidents.severity.feature.value, rules.incidents.severity.label.value,
    )  # fmt: skip
    assert (timedelta(days=3), timedelta(days=1)) == (rules.windows.size, rules.windows.slide)
    assert Reaction.ALERT is rules.signals.label


KEYS = "windows, monitor, incidents, signals"
NO_PART = f"is not a key of a policy; its keys are {KEYS}"
RATE = "'often' is not a rate of false alarms; write it like `1 per 90 days` or `2 per year`"
FROZEN = "is frozen with the baseline, so a replay cannot change it"
CUT_OFF = "while parsing a flow mapping expected ',' or '}', but got '<stream end>'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("monitor:\n  min_efect: 1", "2:3: monitor.min_efect: unknown key; did you mean `min_effect`?"),
        ("monitor: {min_rows: 0}", "1:11: monitor.min_rows: input should be greater than or equal to 1, not 0"),
        ("monitor:\n  false_alarms: often", f"2:3: monitor.false_alarms: {RATE}"),
        ("signal: {}", f"1:1: signal: {NO_PART}; did you mean `signals`?"),
        ("retrain: {}", f"1:1: retrain: {NO_PART}"),
        ("", f"1:1: a policy file must have one or more of the keys {KEYS}"),
        ("- monitor", f"1:1: a policy file must have one or more of the keys {KEYS}"),
        ("monitor: 3", "1:1: monitor: must hold keys of its own, not 3"),
        ("monitor: {bins: 5}", f"1:11: monitor.bins: {FROZEN}"),
        ("windows: {size: 36h}", "1:1: windows: size 1d12h must be a whole multiple of slide 1d"),
        ("monitor: {a: 1\n", f"2:1: {CUT_OFF}"),
        ("monitor: {min_rows: 5}\nmonitor: {top: 6}", "2:1: monitor: written twice; first on line 1"),
    ],
)
def test_a_mistake_is_told_with_its_line(model: Model, tmp_path: Path, text: str, expected: str) -> None:
    """Line, column, key and fix, as of the project file."""
    assert ["strict.yaml has 1 problem", f"strict.yaml:{expected}"] == refusal(model, tmp_path, text)


def test_every_mistake_is_told(model: Model, tmp_path: Path) -> None:
    """All at once, in the order of the file."""
    found = refusal(model, tmp_path, "monitor:\n  min_rows: 0\nincidents:\n  clear_after: 0\n")

    assert ["strict.yaml has 2 problems", "strict.yaml:2:3", "strict.yaml:4:3"] == [" ".join(found[0].split()), *(
        ":".join(line.split(":")[:3]) for line in found[1:]
    )]  # fmt: skip


def test_a_file_that_is_not_there_is_refused(model: Model, tmp_path: Path) -> None:
    """It names the file."""
    with pytest.raises(ProjectError, match=r"none\.yaml cannot be read"):
        policies.read(tmp_path / "none.yaml", model)


def test_the_default_is_half_and_twice_the_budget(model: Model) -> None:
    """Beside the project's own; nothing else differs."""
    found = policies.with_other_budgets(model)
    same = {policies.at_budget(p, found[0].budget, "x").rules.model_dump_json() for p in found}

    assert [("project", "1 per 90d"), ("half", "1 per 180d"), ("double", "2 per 90d")] == [
        (p.name, str(p.budget)) for p in found
    ]
    assert [1 / 3, 1 / 6, 2 / 3] == [pytest.approx(p.per(timedelta(days=30))) for p in found]
    assert 1 == len(same)


def test_windows_of_another_size_have_the_same_slices(model: Model) -> None:
    """And name the policy; part of a slice cannot be had."""
    found = policies.windows_of(policies.project_policy(model), "3d")

    assert ("3d windows", timedelta(days=1)) == (found.name, found.rules.windows.slide)
    with pytest.raises(ValueError, match="whole multiple"):
        policies.windows_of(policies.project_policy(model), "36h")
