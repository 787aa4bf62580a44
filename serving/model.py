"""The champion, ready to answer: loaded from the file that was registered, under the project's trust list."""

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
    """A version that answers events of *schema*. *artifact* is the digest of the file that its model was built from."""

    schema: EventSchema
    version: str
    artifact: str
    model: Any


def load(reg: Registry, schema: EventSchema, *, trusted: Sequence[str], version: str | None = None) -> Served:
    """Return the champion of the schema's model, or another *version* of it.

    *trusted* are the types that its file may hold beyond skops' own (`retrain.trust`). Modules that the model was made
    of must be importable.

    Raises:
        NotFound: there is no champion, or no such version.
        ArtifactError: the version has no model file, or it is missing, altered or not trusted.
    """
    found = queries.version(reg, schema.model, version or _champion(reg, schema.model))
    if found.artifact is None:
        msg = f"{schema.model} {found.version} has no model file: Leeway only watches it"
        raise errors.ArtifactError(msg, hint="`leeway retrain` makes versions that can be served")
    model = artifacts.load_model(reg.artifacts.get(found.artifact), trusted)
    return Served(schema, found.version, found.artifact, model)


def predict(served: Served, frame: pd.DataFrame) -> Values:
    """Return the answers to *frame*, which has the schema's features among its columns (see `features.scoring.score`).

    Raises:
        DataError: a feature is not there.
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
