"""Transforms in the project file: read into declarations, or refused with line and fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import ProjectError
from features.schema import FeatureKind
from leeway.project.load import Project

FILE = """\
project: flights
models:
  late:
    task: binary
    events: {predictions: {path: events}}
    features:
      origin: categorical
      dest: categorical
      route: {type: categorical, transform: "own:route", inputs: [origin, dest]}
"""


def test_a_declared_transform_is_a_feature(tmp_path: Path) -> None:
    """Its kind is the schema's; the function is looked for beside the project file."""
    (tmp_path / "leeway.yaml").write_text(FILE)
    model = Project.load(tmp_path).model()
    (call,) = model.facts.transforms.calls()

    assert FeatureKind.CATEGORICAL is model.schema.features["route"]
    assert ("own:route", (("origin", "origin"), ("dest", "dest"))) == (call.function, call.inputs)
    assert str(tmp_path) == model.facts.transforms.folder
    assert model.facts == type(model.facts).model_validate_json(model.facts.model_dump_json(by_alias=True))


@pytest.mark.parametrize(("before", "after", "words"), [
    ("own:route", "own.route", "9:34: models.late.features.route.transform: 'own.route' must look like"),
    ("[origin, dest]", "[orign, dest]", "'orign' is none of the features"),
    ("[origin, dest]", "[route]", "'route' is made by a transform too"),
    ("[origin, dest]", "3", "names no features"),
    ("type: categorical, transform", "transform", "type"),
])  # fmt: skip
def test_what_is_wrong_is_refused_with_its_line(tmp_path: Path, before: str, after: str, words: str) -> None:
    """At line 9, under the feature's key."""
    (tmp_path / "leeway.yaml").write_text(FILE.replace(before, after))
    with pytest.raises(ProjectError) as caught:
        Project.load(tmp_path)

    assert words in caught.value.message
    assert "leeway.yaml:9:" in caught.value.message
