"""Precedence of addresses: the project file, then the shell, then the running stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import ProjectError
from leeway.project import environment


def ask(value: str, state: Path) -> str:
    """Return what *value* stands for."""
    return environment.resolve(value, state, what="the thing", example="here:1")


def test_an_address_is_itself(tmp_path: Path) -> None:
    """Nothing is looked up."""
    assert "host:1" == ask("host:1", tmp_path)


def test_the_shell_goes_before_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A running stack fills in what the shell does not have; the value may hold an equals sign."""
    monkeypatch.delenv("THING", raising=False)
    environment.stack_folder(tmp_path).mkdir()
    environment.env_file(tmp_path).write_text("THING=stack:1?a=b\nOTHER=x\n")

    assert "stack:1?a=b" == ask("env:THING", tmp_path)
    monkeypatch.setenv("THING", "shell:1")
    assert "shell:1" == ask("env:THING", tmp_path)


def test_what_is_set_nowhere_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With both ways to mend it."""
    monkeypatch.delenv("THING", raising=False)
    with pytest.raises(ProjectError, match="the thing from the environment variable THING, which is not set") as told:
        ask("env:THING", tmp_path)

    assert "leeway up" in told.value.hint
    assert "export THING=here:1" in told.value.hint
