"""`leeway replay` on a small registry: output for people and programs, and refusals."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from features.errors import LeewayError
from leeway import context
from leeway.context import Context
from leeway.replay import parallel, trials
from monitors.finding import Stage
from registry import operations
from registry.incidents import ingest
from registry.records import Version
from tests.support import recorded_history as replayed
from tests.support.command_line import document, invoke, printed
from tests.support.registry_values import everything

PROJECT = """\
project: p
models:
  m:
    task: binary
    events: {predictions: {path: events}, labels: {path: labels}}
    features: {x: numeric, site: categorical}
    segments: [site]
    windows: {size: 2d, slide: 1d}
"""
KNOWN = replayed.baseline(35)
QUICK = ("--repetitions", "1", "--processes", "1")
NOW = KNOWN.end + timedelta(days=99)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worlds of four weeks will do here."""
    monkeypatch.setattr(trials, "NULL_WORLD_SLICES", 28)


def begin(opened: Context) -> None:
    """Make `v1` the champion, with its baseline."""
    operations.add_model(opened.registry, model="m", task="binary", now=NOW)
    operations.add_version(opened.registry, Version(model="m", version="v1", mode="external", created_at=NOW))
    operations.store_baseline(opened.registry, KNOWN, now=NOW)
    operations.promote(
        opened.registry,
        model="m",
        version="v1",
        expected_generation=0,
        effective_at=NOW,
        actor="ann",
        reason="first",
        now=NOW,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a project whose registry holds 30 days; x is moved by a sd from the tenth on."""
    made = tmp_path_factory.mktemp("project")
    (made / "leeway.yaml").write_text(PROJECT)
    ins, outs = replayed.later(KNOWN, 30, since=10)
    with context.open(made) as opened:
        begin(opened)
        reports = [*replayed.reports(KNOWN, ins), *replayed.reports(KNOWN, outs, Stage.OUTCOMES)]
        ingest.ingest(opened.registry, reports, now=NOW)
    return made


def text(folder: Path, *words: str, width: int = 200) -> str:
    """Return what `leeway replay` prints."""
    return printed(folder, "replay", *QUICK, *words, width=width)


def told(folder: Path, *words: str) -> Any:
    """Return what it prints as JSON."""
    return document(folder, "replay", *QUICK, *words)


def refused(folder: Path, *words: str) -> str:
    """Return the message of a refusal."""
    with pytest.raises(LeewayError) as caught:
        invoke(folder, "replay", *words)
    return str(caught.value)


@pytest.mark.slow
def test_policies_stand_side_by_side(folder: Path) -> None:
    """The project's first: its false alarms beside the promise, its incidents, its delays, and a suggestion."""
    shown = text(folder, "--shift", "covariate=1", "--shift", "missing=0.4", "--feature", "x")
    lines = [line.split() for line in shown.splitlines()]

    assert ["project", "half", "double"] == [
        words[0] for words in lines if words[:1] in (["project"], ["half"], ["double"])
    ]
    assert "Incidents that `project` would have opened" in shown
    assert "feature" in shown
    assert "change (of x)" in shown
    assert any(words[:3] == ["covariate,", "1", "sd"] and "100%" in words for words in lines)
    assert "Recommended: `" in shown


def test_the_shift_of_the_past_is_found(folder: Path) -> None:
    """x moved on the tenth day: one incident of the feature, still open, and the decision the policy would take."""
    own, strict = told(folder, "--budget", "1 per 300 days", "--shift", "covariate=1")["policies"]
    (incident,) = [i for i in own["incidents"] if i["opened"]["signal"] == "feature"]
    opened = incident["opened"]
    day = (replayed.datetime.fromisoformat(opened["opened_at"]) - KNOWN.end).days

    assert ("project", "1 per 300d") == (own["name"], strict["name"])
    assert 10 < day < 20
    assert {"x"} == {e["finding"]["variable"] for e in opened["evidence"]}
    assert (None, "alert") == (incident["closed_at"], incident["decision"])
    assert "1 per 300d" == strict["rules"]["monitor"]["false_alarms"]


@pytest.mark.slow
def test_json_holds_what_the_tables_do(folder: Path) -> None:
    """Under keys that programs rely on."""
    found = told(folder, "--shift", "prior=0.2,0.3", "--feature", "site", "--seed", "7")
    own = found["policies"][0]

    assert {"model", "history", "feature", "seed", "repetitions", "policies", "advice"} == set(found)
    assert ("m", "site", 7, 1) == (found["model"], found["feature"], found["seed"], found["repetitions"])
    assert ["v1"] == found["history"]["versions"]
    assert (1 / 3, 28) == (pytest.approx(own["promised_per_30_days"]), own["false_alarms"]["days"])
    assert [("prior", 0.2, 3), ("prior", 0.3, 3)] == [(d["kind"], d["size"], d["trials"]) for d in own["delays"]]
    assert 5 == own["variables"]


@pytest.mark.slow
def test_a_seed_says_it_all(folder: Path) -> None:
    """Twice the same; and by two processes what one finds."""
    words = ("--shift", "covariate=0.5", "--budget", "1 per 30 days")

    assert told(folder, *words) == told(folder, *words) == told(folder, *words, "--processes", "2")
    assert told(folder, *words)["policies"] != told(folder, *words, "--seed", "2")["policies"]


def test_nothing_is_written(folder: Path) -> None:
    """The registry is as it was."""
    with context.open(folder) as opened:
        before = everything(opened.registry)
    text(folder, "--shift", "stuck=1")
    with context.open(folder) as opened:
        assert before == everything(opened.registry)


@pytest.mark.slow
def test_a_policy_file_stands_beside_the_projects(folder: Path, tmp_path: Path) -> None:
    """By its name; with --all its incidents are listed too, and its windows are cut from the same slices."""
    path = tmp_path / "deaf.yaml"
    path.write_text("signals: {feature: ignore}\nwindows: {size: 4d}\n")
    own, deaf = told(folder, "--policy", str(path), "--shift", "covariate=1")["policies"]
    shown = text(folder, "--policy", str(path), "--all", "--shift", "covariate=1")

    assert ("deaf", "4d", "2d") == (deaf["name"], deaf["rules"]["windows"]["size"], own["rules"]["windows"]["size"])
    assert "feature" not in {i["opened"]["signal"] for i in deaf["incidents"]}
    assert [0.0, 1.0] == [policy["delays"][0]["found"] for policy in (deaf, own)]
    assert "`deaf` would have opened no incident" in shown


def test_the_period_is_asked_for(folder: Path) -> None:
    """Only windows of these days are judged."""
    start, end = (KNOWN.end + timedelta(days=n) for n in (2, 8))
    words = ("--start", f"{start:%Y-%m-%d}", "--end", f"{end:%Y-%m-%d}", "--shift", "units=1")
    found = told(folder, *words)

    assert [f"{start:%Y-%m-%d}", f"{end:%Y-%m-%d}"] == [found["history"][k][:10] for k in ("from", "until")]
    assert [] == [i for i in found["policies"][0]["incidents"] if i["opened"]["signal"] == "feature"]


def test_what_is_missing_is_said_with_the_next_step(tmp_path: Path, folder: Path) -> None:
    """No baseline, no windows, no windows then, a policy file with a mistake, a feature that is none."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    assert "run `leeway baseline`" in refused(tmp_path)
    with context.open(tmp_path) as opened:
        begin(opened)
    assert "run `leeway monitor --once` first" in refused(tmp_path)
    assert "after 2030-01-01 00:00" in refused(folder, "--start", "2030-01-01")

    (tmp_path / "odd.yaml").write_text("monitor:\n  min_efect: 1\n")
    assert "odd.yaml:2:3: monitor.min_efect: unknown key" in refused(folder, "--policy", str(tmp_path / "odd.yaml"))
    assert "did you mean `site`?" in refused(folder, "--feature", "sites")
    assert "the loss cannot rise by 9900%" in refused(folder, "--shift", "concept=99")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--shift", "weather=1"), "'weather' is not a kind of change; the kinds are covariate, prior"),
        (("--shift", "prior=2"), "the size of a prior change must be above 0, at most 1, not 2"),
        (("--shift", "covariate=-1"), "the size of a covariate change must be above 0, not -1"),
        (("--shift", "covariate"), "could not convert string to float"),
        (("--budget", "rarely"), "'rarely' is not a rate of false alarms"),
        (("--within", "soon"), "'soon' is not a length of time"),
        (("--window", "36h"), "must be a whole multiple of slide"),
        (("--budget", "1 per 9 days", "--budget", "1 per 9 days"), "two policies are called 1 per 9d"),
    ],
)
def test_an_option_that_cannot_be_is_refused(folder: Path, words: Iterable[str], expected: str) -> None:
    """With what could be, before anything is counted."""
    done = invoke(folder, "replay", *words, code=None, width=300)

    assert 2 == done.exit_code
    assert expected in " ".join(done.stderr.replace("│", "").split())


@pytest.mark.slow
def test_a_fault_is_all_three(folder: Path) -> None:
    """`fault=` stands for missing values, another unit and a stuck sensor."""
    kinds = [d["kind"] for d in told(folder, "--shift", "fault=0.5")["policies"][0]["delays"]]

    assert ["missing", "units", "stuck"] == kinds


def test_parts_are_told_as_they_are_done() -> None:
    """In order, one by one."""
    said: list[str] = []
    empty = parallel.ReplayTask((Stage.INPUTS, "none"), (), (), KNOWN, (), "x", 1, 0)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(parallel, "run_task", lambda task: task)
        assert [empty, empty] == parallel.run_tasks([empty, empty], 1, said.append)

    assert ["1 of 2 tasks done", "2 of 2 tasks done"] == said
