"""`leeway promote`, `rollback` and `score`; what runs on Prefect is under `tests/integration`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from features import errors
from leeway import context
from leeway.commands import retrain, score
from registry import operations, queries
from tests.support import trained_model as world

PROJECT = f"""\
project: world
models:
  m:
    task: binary
    events: {{predictions: {{path: predictions}}, labels: {{path: labels}}}}
    features: {{x: numeric, c: categorical}}
    segments: [c]
    retrain: {{trainer: "{world.HERE}:static"}}
"""


@pytest.fixture
def folder(tmp_path: Path, template: Path) -> Path:
    """Return a project's folder whose registry holds the world's champion, and a candidate v2 with a baseline."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    shutil.copytree(template / "artifacts", tmp_path / ".leeway" / "artifacts")
    shutil.copy(template / "leeway.db", tmp_path / ".leeway" / "leeway.db")
    with context.open(tmp_path) as opened:
        reg = opened.registry
        first, baseline = queries.version(reg, "m", "v1"), queries.baseline_of(reg, "m", "v1")
        assert baseline is not None
        fields = {**first.model_dump(), "version": "v2", "baseline": None, "state": "candidate"}
        operations.add_version(reg, type(first).model_validate(fields))
        operations.store_baseline(reg, baseline.model_copy(update={"version": "v2"}), now=world.NOW)
    return tmp_path


def call(folder: Path, *words: str, code: int = 0) -> Result:
    """Run a command in *folder*."""
    app = typer.Typer()

    @app.callback()
    def root(ctx: typer.Context) -> None:
        ctx.obj = folder

    retrain.register(app)
    score.register(app)
    done = CliRunner().invoke(app, list(words), catch_exceptions=False, env={"COLUMNS": "200"})
    assert code == done.exit_code, done.output
    return done


def test_promote_and_rollback_are_on_record_with_who_and_why(folder: Path) -> None:
    """The champion goes there and back; its baselines are published for the monitors."""
    said = call(folder, "promote", "v2", "--because", "I know better", "--actor", "ann").stdout
    back = call(folder, "rollback", "--because", "I did not", "--actor", "ann").stdout
    with context.open(folder) as opened:
        made = [(p.to_version, p.kind, p.actor, p.reason) for p in queries.promotions(opened.registry, "m")]
    assert "m: v2 is champion after v1 (promote). I know better" in said
    assert "m: v1 is champion after v2 (rollback). I did not" in back
    assert [("v2", "promote", "ann", "I know better"), ("v1", "rollback", "ann", "I did not")] == made[1:]
    assert (folder / ".leeway" / "baselines" / "m" / "v2.json").is_file()


def test_by_hand_needs_a_reason(folder: Path) -> None:
    """Without one nothing is done."""
    assert "Missing option" in call(folder, "promote", "v2", code=2).output


def test_what_may_not_be_promoted_is_refused(folder: Path) -> None:
    """The registry's rules hold for people too."""
    with pytest.raises(errors.NotFound, match="no version v9"):
        call(folder, "promote", "v9", "--because", "x")
    with pytest.raises(errors.IllegalMove, match="v1 is"):
        call(folder, "promote", "v1", "--because", "x")


def test_with_nothing_to_do_react_starts_no_prefect(folder: Path) -> None:
    """It says so at once."""
    assert "m: no incident to decide, nothing to carry out" in call(folder, "react").stdout


def test_score_answers_a_file_and_tells_what_it_could_not_read(folder: Path) -> None:
    """Exit code 1 if there is any such record, though the others are answered."""
    (folder / "in.jsonl").write_text('{"id": "a", "time": "2013-03-01", "x": 1, "c": "a"}\nnot json\n')
    out = folder / "out.jsonl"
    done = call(folder, "score", str(folder / "in.jsonl"), str(out), code=1)
    assert "1 events scored by m v1" in done.stdout
    assert "not JSON" in done.stdout
    assert ("a", "v1") == tuple(json.loads(out.read_text())[k] for k in ("id", "model_version"))


def test_a_first_version_needs_a_period(folder: Path) -> None:
    """From the project file or from the command line."""
    with pytest.raises(errors.ProjectError, match="no period is set to train m on"):
        call(folder, "retrain", "--first")


def test_every_command_explains_itself(folder: Path) -> None:
    """`--help` works for each, which also shows that their options can be parsed."""
    for words in (["retrain"], ["react"], ["promote"], ["rollback"], ["audit"], ["flows", "serve"], ["score"]):
        assert "Usage" in call(folder, *words, "--help").stdout


def test_promotions_scores_and_an_idle_reconciler_as_json(folder: Path) -> None:
    """Each prints one document and nothing else, with `ok`."""
    (folder / "in.jsonl").write_text('{"id": "a", "time": "2013-03-01", "x": 1, "c": "a"}\nnot json\n')
    made = call(folder, "promote", "v2", "--because", "x", "--json")
    back = call(folder, "rollback", "--because", "x", "--json")
    idle = call(folder, "react", "--json")
    scored = call(folder, "score", str(folder / "in.jsonl"), str(folder / "out.jsonl"), "--json", code=1)

    told = [json.loads(done.stdout) for done in (made, back, idle, scored)]
    assert [True, True, True, False] == [one["ok"] for one in told]
    assert ["v2", "v1"] == [one["to_version"] for one in told[:2]]
    assert ({"m": []}, 1, 2) == (told[2]["models"], told[3]["rows"], told[3]["rejects"][0]["line"])


def test_score_writes_over_nothing(folder: Path) -> None:
    """A file that is there stays as it is, until --force says otherwise; --start and --end choose a period."""
    lines = [f'{{"id": "{day}", "time": "2013-03-0{day}", "x": 1, "c": "a"}}\n' for day in range(1, 6)]
    (folder / "in.jsonl").write_text("".join(lines))
    out = folder / "out.jsonl"
    out.write_text("mine")
    words = ["score", str(folder / "in.jsonl"), str(out), "--start", "2013-03-02", "--end", "2013-03-04"]

    with pytest.raises(errors.DataError, match="exists already"):
        call(folder, *words)
    assert "mine" == out.read_text()
    call(folder, *words, "--force")
    assert ["2", "3"] == [json.loads(line)["id"] for line in out.read_text().splitlines()]
    assert ["in.jsonl", "leeway.yaml", "out.jsonl"] == sorted(p.name for p in folder.iterdir() if p.name[0] != ".")
