"""Features of facts in the project file: read into declarations, or refused with line and fix."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from features.errors import ProjectError
from features.facts.partials import Aggregate
from features.schema import FeatureKind
from leeway.project.load import Model, Project

FACTS = "facts: {landings: {path: landings, tile: 5m, known_time: reported}}"
GOOD = "{type: numeric, from: landings, key: carrier, mean: arr_delay, window: 3h}"
FILE = """\
project: flights
{facts}
models:
  late:
    task: binary
    events: {{predictions: {{path: events}}}}
    features:
      carrier: categorical
      temp: numeric
      delay: {feature}
"""


def load(folder: Path, feature: str, facts: str = FACTS) -> Model:
    """Return the model with a feature so declared."""
    (folder / "leeway.yaml").write_text(FILE.format(facts=facts, feature=feature))
    return Project.load(folder).model()


def problems(folder: Path, feature: str, facts: str = FACTS) -> list[str]:
    """Return the lines of the refusal, without the file's name."""
    with pytest.raises(ProjectError) as caught:
        load(folder, feature, facts)
    return [line.strip().removeprefix("leeway.yaml:") for line in caught.value.message.splitlines()[1:]]


def test_a_declared_feature_is_one_of_the_models(tmp_path: Path) -> None:
    """Everything that counts or scores events takes its kind; the declaration has an absolute path."""
    model = load(tmp_path, GOOD)
    feature, source = model.facts.features["delay"], model.facts.sources["landings"]

    assert FeatureKind.NUMERIC is model.schema.features["delay"]
    assert (Aggregate.MEAN, "arr_delay", (("carrier", "carrier"),)) == (feature.aggregate, feature.column, feature.key)
    assert (str(tmp_path / "landings"), timedelta(minutes=1)) == (source.path, source.delay)
    assert model.facts == type(model.facts).model_validate_json(model.facts.model_dump_json(by_alias=True))


def test_a_key_may_have_another_name_in_the_facts(tmp_path: Path) -> None:
    """Several keys too."""
    model = load(tmp_path, GOOD.replace("key: carrier", "key: {carrier: airline}"))

    assert (("carrier", "airline"),) == model.facts.features["delay"].key


@pytest.mark.parametrize(("before", "after", "place", "words"), [
    ("landings", "landing", "from", "no facts 'landing' under `facts`; did you mean `landings`?"),
    ("key: carrier", "key: carier", "key", "'carier' is none of the features that come with the request"),
    ("key: carrier", "key: temp", "key", "'temp' is numeric, and keys are compared as text: declare it categorical"),
    ("key: carrier", "key: []", "key", "names no columns: write one, like carrier, a list of them, or {dest: airport}"),
    ("key: carrier", "key: delay", "key", "'delay' is none of the features that come with the request"),
    ("window: 3h", "window: 3h2m", "window", "3h2m is no whole number of tiles (facts.landings.tile, 5m)"),
    ("window: 3h", "window: 30d", "window", "30d has 8,640 tiles (facts.landings.tile, 5m), more than 2,000"),
    ("window: 3h", "window: soon", "window", "'soon' is not a length of time; write it like"),
    ("window: 3h", "window: 0s", "", "window 0s must be longer than nothing"),
    ("mean: arr_delay, ", "", "", "no aggregate: write one of count, sum, mean"),
    ("mean: arr_delay", "mean: a, sum: b", "", "`sum` and `mean` stand side by side: write one of"),
    ("mean: arr_delay", "men: a", "men", "unknown key; did you mean `mean`?"),
    ("type: numeric", "type: categorical", "", "`mean` gives a number: set `type: numeric`, or use `last`"),
    ("type: numeric", "type: number", "type", "'number' is not one of numeric, categorical"),
    ("type: numeric, ", "", "type", "is required but absent"),
    ("3h}", "3h, empty: none}", "", "`empty` is 'none', and the feature is numeric: write a finite number"),
    ("3h}", "3h, empty: .inf}", "", "write a finite number"),
    ("mean: arr_delay, window: 3h}", "count: arr_delay, window: 3h, empty: 1}", "", "`empty` has no use with `count`"),
    ("{type: numeric, from: landings, key: carrier, mean: arr_delay, window: 3h}", "nmeric", "",
     "'nmeric' is not one of numeric, categorical; did you mean `numeric`?"),
])  # fmt: skip
def test_a_wrong_feature_is_refused_with_place_and_fix(
    tmp_path: Path, before: str, after: str, place: str, words: str
) -> None:
    """At its key, or at the feature where it is about two of its keys."""
    lines = problems(tmp_path, GOOD.replace(before, after))

    assert [True] == [words in line for line in lines if words in line]
    (line,) = (line for line in lines if words in line)
    assert line.startswith("10:")
    assert f": models.late.features.delay{'.' if place else ''}{place}: " in line


@pytest.mark.parametrize(("facts", "words"), [
    ("facts: {landings: {tile: 5m}}", "2:9: facts.landings: facts are in a directory, a topic, a table or a"),
    ("facts: {landings: {path: a, tile: 0s}}", "facts.landings.tile: a tile must be longer than nothing"),
    ("facts: {landings: {path: a, pth: b}}", "facts.landings.pth: unknown key; did you mean `path`?"),
    ("", "features.delay.from: there are no facts 'landings' under `facts`; the project has no `facts` section yet"),
])  # fmt: skip
def test_wrong_facts_are_refused_with_place_and_fix(tmp_path: Path, facts: str, words: str) -> None:
    """As the other sections are."""
    assert any(words in line for line in problems(tmp_path, GOOD, facts))


SOURCE = "landings: {path: a, id: flight, time: landed}"
VIEW = "late: {id: flight, time: landed, sql: {from: landings, columns: {delay: numeric}, query: SELECT 1}}"


def test_a_view_lands_in_a_folder_of_its_own(tmp_path: Path) -> None:
    """Which follows from the query and from where the facts are, not from how often is looked."""
    feature = GOOD.replace("landings", "late")

    def folder(view: str, source: str = SOURCE) -> str:
        model = load(tmp_path, feature, f"facts: {{{source}, {view}}}")
        (lands,) = model.landed
        assert str(lands.folder) == model.facts.sources["late"].path
        return lands.folder.name

    first = folder(VIEW)
    assert first.startswith("facts.late-")
    assert first == folder(VIEW.replace("SELECT 1", "SELECT 1, poll: 1m"))
    others = {folder(VIEW.replace("SELECT 1", "SELECT 2")), folder(VIEW, SOURCE.replace("path: a", "path: b")),
              folder(VIEW.replace("delay: numeric", "delay: categorical"))}  # fmt: skip
    assert 4 == len({first, *others})


def test_what_a_view_reads_lands_before_it(tmp_path: Path) -> None:
    """A topic of facts that no feature names is read as well."""
    facts = f"facts: {{{VIEW}, landings: {{topic: t, id: flight, time: landed}}}}"
    assert ["facts landings", "facts late"] == [
        own.name for own in load(tmp_path, GOOD.replace("landings", "late"), facts).landed
    ]


@pytest.mark.parametrize(("source", "view", "words"), [
    (SOURCE, VIEW.replace("from: landings", "from: landing"), "there are no facts 'landing' to make a view"),
    (SOURCE, VIEW.replace("from: landings", "from: late"), "'late' is a view, too: write both into one"),
    (SOURCE, VIEW.replace("id: flight, ", ""), "facts.late.sql: landings have an id, so a record may correct one"),
    (SOURCE, VIEW.replace("delay: numeric", "landed: numeric"), "`landed` is there already, as an id or a time"),
    (SOURCE, VIEW.replace("query: SELECT 1", "query: ' '"), "facts.late.sql.query: "),
    (SOURCE, VIEW.replace("delay:", "'a b':"), "facts.late.sql.columns"),
    (SOURCE, VIEW.replace("id: flight, ", "id: flight, path: b, "), "set one of `path`, `topic`, `table` and `sql`"),
])  # fmt: skip
def test_a_wrong_view_is_refused_with_place_and_fix(tmp_path: Path, source: str, view: str, words: str) -> None:
    """Before Flink is asked about the query."""
    lines = problems(tmp_path, GOOD.replace("from: landings", "from: late"), f"facts: {{{source}, {view}}}")
    assert any(words in line for line in lines), lines
