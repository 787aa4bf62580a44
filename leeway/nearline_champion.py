"""The version that nearline jobs of a model answer with: the file that their workers read."""

from __future__ import annotations

import json
from pathlib import Path

from features.security.file_names import file_name
from leeway.context import Context
from leeway.project.load import Model


def path(opened: Context, model: Model) -> Path:
    """Return the file (:mod:`serving.nearline.champion_file`)."""
    return opened.dir.resolve() / "nearline" / file_name(model.name) / "champion.json"


def version(opened: Context, model: Model) -> str | None:
    """Return the version in it; None where requests have not been answered yet."""
    try:
        return str(json.loads(path(opened, model).read_bytes())["version"])
    except FileNotFoundError:
        return None


def text(answering: str | None, champion: str | None) -> str:
    """Return what answers requests, in words.

    >>> text("v1", "v2")
    'nearline answers with v1, as it has not loaded the champion v2'
    """
    if answering is None:
        return "no request has been answered nearline; `leeway nearline` does so"
    behind = "" if answering == champion else f", as it has not loaded the champion {champion}"
    return f"nearline answers with {answering}{behind}"
