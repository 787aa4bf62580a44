"""The project file: read into models, or refused with each problem's line and fix."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from features.errors import NotFound, ProjectError
from features.schema import EventSchema, FeatureKind, Task
from features.window import UTC, Windows
from leeway.project import yaml_positions
from leeway.project.load import Project
from monitors.signals import Reaction, Severity
from registry.config import IncidentPolicy

SMALL = """\
project: flights
models:
  late:
    task: binary
    events:
      predictions: {path: events/predictions}
      labels: {path: /data/labels}
    features: {temp: numeric, origin: categorical}
"""


def load(folder: Path, text: str) -> Project:
    """Return the project that *text* describes, read from a file in *folder*."""
    path = folder / "leeway.yaml"
    path.write_text(text, encoding="utf-8")
    return Project.load(path)


def problems(folder: Path, text: str) -> list[str]:
    """Return the lines of the refusal of *text*, without the file's name."""
    with pytest.raises(ProjectError) as caught:
        load(folder, text)
    return [line.strip().removeprefix("leeway.yaml:") for line in caught.value.message.splitlines()[1:]]


def test_a_small_file_is_enough(tmp_path: Path) -> None:
    """What is left out has a default, and paths are absolute, from the file's own folder."""
    project = load(tmp_path, SMALL)

    assert (tmp_path, "flights", tmp_path / ".leeway") == (project.folder, project.name, project.state)
    assert f"sqlite:///{tmp_path}/.leeway/leeway.db" == project.database_url()
    model = project.model()
    assert str(tmp_path / "events/predictions") == model.events.predictions.path
    assert "/data/labels" == (model.events.labels and model.events.labels.path)
    assert (None, None, Reaction.ALERT) == (model.retrain, model.baseline, model.signals.feature)


def test_the_schema_is_composed_from_the_section(tmp_path: Path) -> None:
    """Columns, version, features, segments, delay and windows of the file reach the jobs as one EventSchema."""
    text = SMALL.replace("      labels", "      version: v7\n      columns: {id: key}\n      labels") + (
        "    segments: [origin]\n    label_delay: 1d12h\n    windows: {size: 6h, slide: 2h, watermark_delay: 90s}\n"
    )
    schema = load(tmp_path, text).model("late").schema

    expected = EventSchema(
        model="late",
        task=Task.BINARY,
        columns={"id": "key"},
        version="v7",
        features={"temp": FeatureKind.NUMERIC, "origin": FeatureKind.CATEGORICAL},
        segments=("origin",),
        label_delay=timedelta(hours=36),
        windows=Windows(size="6h", slide="2h", watermark_delay="90s"),
    )
    assert expected == schema


def test_defaults_are_the_event_schemas_own(tmp_path: Path) -> None:
    """A key that is left out means what leaving it out of an EventSchema means: the two never drift apart."""
    schema = load(tmp_path, SMALL).model().schema

    assert EventSchema(model="late", task=Task.BINARY, features=schema.features) == schema


def test_incidents_are_set_for_each_model(tmp_path: Path) -> None:
    """What is left out has its default; a rule that can never be met is refused at its line, with one that can."""
    text = SMALL + "    incidents: {open_after: {windows: 2, of: 3}, cool_down: 7d, severity: {feature: warning}}\n"
    found = load(tmp_path, text).model().incidents
    assert (2, 3, 3, timedelta(days=7)) == (
        found.open_after.windows, found.open_after.of, found.clear_after, found.cool_down,
    )  # fmt: skip
    assert (Severity.WARNING, Severity.CRITICAL) == (found.severity.feature, found.severity.quality)
    assert IncidentPolicy() == load(tmp_path, SMALL).model().incidents

    (problem,) = problems(tmp_path, text.replace(", of: 3", ""))
    assert problem.endswith(
        "models.late.incidents.open_after: 2 of 1 windows can never drift; write it like {windows: 2, of: 3}"
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2013-01-01", datetime(2013, 1, 1, tzinfo=UTC)),
        ("2013-01-01T06:30", datetime(2013, 1, 1, 6, 30, tzinfo=UTC)),
        ("'2013-01-01 06:30'", datetime(2013, 1, 1, 6, 30, tzinfo=UTC)),
        ("2013-01-01T06:30:00+02:00", datetime(2013, 1, 1, 4, 30, tzinfo=UTC)),
        ("2013-01-01T06:30:00Z", datetime(2013, 1, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_dates_are_utc_unless_they_say_otherwise(tmp_path: Path, written: str, meant: datetime) -> None:
    """Dates and times may be written as people do; all of them come out aware and in UTC."""
    model = load(tmp_path, SMALL + f"    baseline: {{start: {written}, end: 2013-03-01}}\n").model()

    assert model.baseline is not None
    assert (meant, UTC) == (model.baseline.start, model.baseline.start.tzinfo)


def test_the_folder_stands_for_its_file(tmp_path: Path) -> None:
    """`--project FOLDER` finds FOLDER/leeway.yaml, and a byte order mark is no part of the text."""
    load(tmp_path, "\ufeff" + SMALL)

    assert tmp_path / "leeway.yaml" == Project.load(tmp_path).path


def test_anchors_let_models_share(tmp_path: Path) -> None:
    """A section written once with an anchor serves several models; a mistake in it is placed where it is written."""
    text = SMALL.replace("  late:", "  late: &late") + "  later: {<<: *late, label_delay: 2d}\n"
    assert ["late", "later"] == list(load(tmp_path, text).models)

    wrong = problems(tmp_path, text.replace("temp: numeric", "temp: number"))
    assert 2 == len(wrong)
    assert wrong[0].startswith("8:16: models.late.features.temp: 'number' is not one of numeric, categorical")


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """One run names every mistake with line, column, key, what is wrong and what was meant."""
    text = """\
project: my flights
modles: {}
models:
  late:
    task: binry
    size: 7d
    windws: {}
    label_delay: 24 hours
    segments: origin
    features: {temp: numerc, temp: numeric}
    events:
      predictions: events
    baseline: {start: 2013-13-01, end: 2013}
    retrain: {trainer: trainers.static}
    monitor:
alerts: {endpoints: [{name: ops, url: example.org, secret_env: KEY}]}
"""
    expected = [
        "1:1: project: 'my flights' must look like late-flights: letters, digits, - and _",
        "2:1: modles: unknown key; did you mean `models`?",
        "5:5: models.late.task: 'binry' is not one of binary, regression, multiclass; did you mean `binary`?",
        "6:5: models.late.size: unknown key here; it belongs under `windows`",
        "7:5: models.late.windws: unknown key; did you mean `windows`?",
        "8:5: models.late.label_delay: '24 hours' is not a length of time; write it like 30s, 15m, 6h, 7d or 1d12h",
        "9:5: models.late.segments: must be a list, like [origin]",
        "10:16: models.late.features.temp: 'numerc' is not one of numeric, categorical; did you mean `numeric`?",
        "10:30: models.late.features.temp: written twice; first on line 10",
        "12:7: models.late.events.predictions: must hold keys of its own, not 'events'",
        "13:16: models.late.baseline.start: input should be a valid datetime or date, month value is outside expected "
        "range of 1-12, not '2013-13-01'",
        "13:35: models.late.baseline.end: 2013 is not a date; write it like 2013-01-31 or 2013-01-31T06:00Z",
        "14:15: models.late.retrain.trainer: 'trainers.static' must look like trainers:static, a module and a function "
        "in it",
        "15:5: models.late.monitor: is empty; it must hold keys of its own",
        "16:34: alerts.endpoints.0.url: 'example.org' must look like https://example.org/hook",
    ]

    assert expected == problems(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: the file is empty"),
        ("# only a comment\n", "1:1: the file is empty"),
        ("- a\n", "1:1: must hold keys of its own, not ['a']"),
        ("project: a\nmodels:\n\tlate: {}\n", "3:1: a tab; YAML is indented with spaces only"),
        ("project: a: b\n", "1:11: a second `:`; quote a value that contains `: `, or correct the line above"),
        ("project: a\x07", "1:1: is not YAML: unacceptable character #x0007: special characters are not allowed"),
        ("x: !!python/object/apply:os.getcwd []\n", "1:4: could not determine a constructor for the tag"),
    ],
)
def test_a_file_that_is_no_project(tmp_path: Path, text: str, expected: str) -> None:
    """Text that is not YAML, or is YAML of another shape, is refused with its place; no tag of it is run."""
    (told,) = problems(tmp_path, text)

    assert told.startswith(expected)


def test_an_absent_file_says_how_to_make_one(tmp_path: Path) -> None:
    """Without a project file, the next command is named."""
    with pytest.raises(ProjectError, match="there is no project file") as caught:
        Project.load(tmp_path / "leeway.yaml")

    assert "leeway init" in caught.value.hint


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 give a refusal, not a traceback."""
    (tmp_path / "leeway.yaml").write_bytes("project: caf\xe9".encode("latin-1"))

    with pytest.raises(ProjectError, match="cannot be read"):
        Project.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("    segments: [temp]\n", "3:3: models.late: segment 'temp' must be one of the categorical features"),
        ("    segments: [carrier]\n", "3:3: models.late: segment 'carrier' must be one of the categorical features"),
        ("    windows: {size: 7d, slide: 2d}\n", "9:5: models.late.windows: size 7d must be a whole multiple"),
        (
            "    baseline: {start: 2013-02-01, end: 2013-01-01}\n",
            "9:5: models.late.baseline: end 2013-01-01 00:00 must",
        ),
        ("  late two:\n", "9:3: models.late two: a name is made of letters, digits, - and _"),
    ],
)
def test_keys_that_disagree(tmp_path: Path, change: str, expected: str) -> None:
    """Keys that are right by themselves but not together are refused where they stand."""
    assert problems(tmp_path, SMALL + change)[0].startswith(expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("      labels: {path: /data/labels}\n", "", "`retrain` needs labels"),
        ("      labels", "      version: v1\n      labels", "`retrain` makes new versions, so events need theirs"),
        ("mode: static", "mode: online", "retrain.mode online needs `retrain.online: module:function`"),
        ("mode: static", "mode: both", "retrain.mode both needs `retrain.online: module:function`"),
        (", trainer: 'trainers:make'", "", "retrain.mode static needs `retrain.trainer: module:function`"),
    ],
)
def test_retraining_has_needs(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """A model that cannot be retrained is refused when the file is read, not at the first incident."""
    text = SMALL + "    retrain: {mode: static, trainer: 'trainers:make'}\n"
    load(tmp_path, text)

    (told,) = problems(tmp_path, text.replace(old, new))
    assert told.startswith(f"3:3: models.late: {expected}")


def test_the_database_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`env:NAME` is read when the URL is needed, and an unset variable is named."""
    project = load(tmp_path, SMALL + "database: env:FLIGHTS_DB\n")
    monkeypatch.delenv("FLIGHTS_DB", raising=False)
    with pytest.raises(ProjectError, match="FLIGHTS_DB, which is not set"):
        project.database_url()

    monkeypatch.setenv("FLIGHTS_DB", "postgresql://db/flights")
    assert "postgresql://db/flights" == project.database_url()


def test_no_password_stands_in_the_file(tmp_path: Path) -> None:
    """A URL with a password is refused, and what is no URL too."""
    assert "holds a password" in problems(tmp_path, SMALL + "database: postgresql://me:secret@db/x\n")[0]
    assert "neither a URL" in problems(tmp_path, SMALL + "database: leeway.db\n")[0]


@pytest.mark.parametrize(
    ("written", "meant"), [("sqlite:///x/y.db", "sqlite:///{}/x/y.db"), ("sqlite:////abs/y.db", "sqlite:////abs/y.db")]
)
def test_a_database_file_is_beside_the_project(tmp_path: Path, written: str, meant: str) -> None:
    """A relative SQLite path counts from the project file, not from where the command runs."""
    assert meant.format(tmp_path) == load(tmp_path, SMALL + f"database: {written}\n").database_url()


def test_a_model_is_found_by_name(tmp_path: Path) -> None:
    """The only model needs no name; an unknown or missing name lists what there is."""
    two = load(tmp_path, SMALL + SMALL[SMALL.index("  late:") :].replace("late", "price"))

    assert "price" == two.model("price").name
    with pytest.raises(NotFound, match="several models: late, price"):
        two.model()
    with pytest.raises(NotFound) as caught:
        two.model("pric")
    assert "its models are late, price; did you mean `price`?" == caught.value.hint


def test_a_project_cannot_be_changed(tmp_path: Path) -> None:
    """What was read stays as it was read."""
    with pytest.raises(ValidationError, match="frozen"):
        load(tmp_path, SMALL).model().signals.feature = Reaction.IGNORE  # type: ignore[misc]


_PIECES = ["a", "b", ": ", "- ", "\n", "  ", "\t", "{", "}", "[", "]", ",", "'", '"', "&x", "*x", "<<", "!", "|", "#",
           "%", "@", "1", "1.5", "2013-01-01", "null", "---", "!!int", "\x00", "é"]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=14).map("".join) | st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the reader raise: it gives data, or one problem that says why not."""
    document = yaml_positions.parse(text)

    assert document.data is None or not any(p.key == () for p in document.problems)


_TREES = st.recursive(
    st.integers(0, 9), lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, min_size=1), max_leaves=12
)


@given(_TREES.filter(lambda tree: isinstance(tree, dict)))
def test_every_key_has_its_place(tree: dict[str, object]) -> None:
    """Of every key the recorded line and column hold exactly that key."""
    text = "".join(_written(tree, 0))
    lines = text.splitlines()

    for key, (line, column) in yaml_positions.parse(text).places.items():
        assert f"{key[-1]}:" == lines[line - 1][column - 1 : column + 1]
    assert len(lines) == len(yaml_positions.parse(text).places)


def _written(tree: dict[str, object], depth: int) -> list[str]:
    out = []
    for key, value in tree.items():
        nested = isinstance(value, dict)
        out.append("  " * depth + (f"{key}:\n" if nested else f"{key}: {value}\n"))
        out += _written(value, depth + 1) if isinstance(value, dict) else []
    return out


IN_TOPICS = SMALL.replace("{path: events/predictions}", "{topic: late.predictions, format: arrow}").replace(
    "{path: /data/labels}", "{topic: late.labels, format: avro, avro_schema: late.avsc, bootstrap: other:1}"
)


def test_events_may_be_in_topics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic's source knows its brokers: its own, those of `kafka`, or those of the running stack."""
    monkeypatch.delenv("LEEWAY_KAFKA", raising=False)
    events = load(tmp_path, IN_TOPICS + "kafka: {bootstrap: 'a:9092, b:9092'}\n").model().events

    assert ("late.predictions", "arrow", "a:9092, b:9092") == (
        events.predictions.topic, events.predictions.format, events.predictions.bootstrap
    )  # fmt: skip
    assert events.labels is not None
    assert (str(tmp_path / "late.avsc"), "other:1") == (events.labels.avro_schema, events.labels.bootstrap)
    assert "env:LEEWAY_KAFKA" == load(tmp_path, IN_TOPICS).kafka
    (tmp_path / ".leeway" / "stack").mkdir(parents=True)
    (tmp_path / ".leeway" / "stack" / "env").write_text("LEEWAY_KAFKA=127.0.0.1:5\n")
    assert "127.0.0.1:5" == load(tmp_path, IN_TOPICS).model().events.predictions.bootstrap


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SMALL + "kafka: {bootstrap: here}\n", "kafka.bootstrap: 'here' is neither host:port"),
        (SMALL.replace("{path: events/", "{topic: a, path: "), "late.events.predictions: events are in a directory"),
        (SMALL.replace("{path: /data/labels}", "{}"), "set one of `path`, `topic` and `table`"),
    ],
)
def test_a_topic_that_cannot_be_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The line, the key and the fix are named."""
    assert any(message in problem for problem in problems(tmp_path, text))
