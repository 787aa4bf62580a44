"""`leeway check` on transforms: functions that are there and take the log's rows, and those that are or do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leeway.check import transforms
from leeway.project.load import Project
from tests.unit.leeway.project.test_transforms import FILE


def checks(folder: Path, module: str, body: str) -> list[tuple[str, str]]:
    """Return result and message of each check of a project whose module has a function."""
    (folder / f"{module}.py").write_text(body)
    (folder / "leeway.yaml").write_text(FILE.replace("own:route", f"{module}:route"))
    return [(one.result, one.message) for one in transforms.transforms(Project.load(folder).model())]


def write_log(folder: Path) -> None:
    """Write two predictions."""
    (folder / "events").mkdir()
    row = {"model_version": "v1", "prediction": 0.5, "dest": "b"}
    rows = [{**row, "id": f"{n}", "time": f"2024-01-0{n}", "origin": f"{n}"} for n in (1, 2)]
    (folder / "events" / "1.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_a_function_is_called_with_rows_of_the_log(tmp_path: Path) -> None:
    """Without a log it is imported."""
    body = "def route(origin, dest):\n    return origin + dest\n"

    assert [("ok", "imported; there are no events yet to call it with")] == checks(tmp_path, "check_good", body)
    write_log(tmp_path)
    assert [("ok", "called with 2 rows of the log, together and one by one")] == checks(tmp_path, "check_good", body)


@pytest.mark.parametrize(("module", "body", "words"), [
    ("check_raises", "def route(origin, dest):\n    return 1 / 0\n", "raised ZeroDivisionError"),
    ("check_sorts", "def route(origin, dest):\n    return sorted(origin, reverse=True)\n", "for the same row alone"),
    ("check_other", "def rout(origin, dest):\n    return origin\n", "has no function route"),
])  # fmt: skip
def test_what_is_wrong_is_an_error(tmp_path: Path, module: str, body: str, words: str) -> None:
    """With the function, and what it did."""
    write_log(tmp_path)
    ((result, message),) = checks(tmp_path, module, body)

    assert ("error", True) == (result, words in message), message
