"""Challengers: what a retrain makes of the project's trainers."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from retrain_flows.training import challengers


class CameBackError(Exception):
    """What a training has made has arrived here."""


def test_a_model_of_the_projects_own_class_comes_back_from_its_process(tmp_path: Path) -> None:
    """Its module is beside the project file, and nothing need have been loaded from there before."""
    (tmp_path / "class_of_the_project.py").write_text("")

    def run_training(_: object, order: object) -> ModuleType:
        importlib.import_module("class_of_the_project")  # as reading the result does
        raise CameBackError

    trainers = SimpleNamespace(trainers={"static": "class_of_the_project:make"}, window=None, weigh_old_rows=False)
    schema = SimpleNamespace(label_delay=None, windows=None)
    ws = SimpleNamespace(trainers=trainers, project_dir=tmp_path, schema=schema, run_training=run_training)
    names = ("rows", "until", "change", "validated_from", "evaluated_from", "sd")
    data = SimpleNamespace(version=SimpleNamespace(metrics={}), **dict.fromkeys(names))
    try:
        with pytest.raises(CameBackError):
            challengers.train(cast(Any, ws), "static", cast(Any, data))
    finally:
        sys.path[:] = [folder for folder in sys.path if folder != str(tmp_path)]
