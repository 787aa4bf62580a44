"""Loads a registered model version for prediction, under the project's trust list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features import errors, scoring
from features.schema import EventSchema
from features.scoring import Values
from registry import queries
from registry.connection import Registry
from registry.files import artifacts


@dataclass(frozen=True)
class Served:
    """A loaded version of the model of *schema*; *artifact* is the digest of its file."""

    schema: EventSchema
    version: str
    artifact: str
    model: Any


def load(reg: Registry, schema: EventSchema, *, trusted: Sequence[str], version: str | None = None) -> Served:
    """Load the champion of the schema's model, or another *version* of it.

    Parameters
    ----------
    reg
        The registry.
    schema
        The event schema of the model.
    trusted
        Types that the file may contain beyond those that skops trusts (`retrain.trust`); their modules must be
        importable.
    version
        By default the champion.

    Raises
    ------
    NotFound
        There is no champion, or no such version.
    ArtifactError
        The version has no model file, or it is missing, altered or not trusted.
    """
    record = queries.version(reg, schema.model, version or _champion(reg, schema.model))
    if record.artifact is None:
        msg = f"{schema.model} {record.version} has no model file: Leeway only monitors it"
        raise errors.ArtifactError(msg, hint="`leeway retrain` makes versions that can be served")
    model = artifacts.load_model(reg.artifacts.get(record.artifact), trusted)
    return Served(schema, record.version, record.artifact, model)


def predict(served: Served, frame: pd.DataFrame) -> Values:
    """Return predictions for *frame*, one a row (see `features.scoring.score`).

    Raises
    ------
    DataError
        The frame lacks a feature of the schema.
    """
    absent = [name for name in served.schema.features if name not in frame.columns]
    if absent:
        msg = f"{served.schema.model} needs {', '.join(absent)}, which the rows do not have"
        raise errors.DataError(msg, hint=f"the model's features are {', '.join(served.schema.features)}")
    return scoring.score(served.model, frame[list(served.schema.features)], served.schema.task)


def _champion(reg: Registry, model: str) -> str:
    champion = queries.champion(reg, model)
    if champion is None:
        msg = f"{model} has no champion yet"
        raise errors.NotFound(msg, hint="`leeway retrain --first` trains one")
    return champion.version
