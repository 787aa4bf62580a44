"""A loaded version behind its predictors: the model itself, and a fast equal for few rows where one was proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from features.schema import EventSchema
from monitors.stats.bins import Bins
from registry import queries
from registry.connection import Registry
from serving import model
from serving.model import Served
from serving.predictors import fast, parity
from serving.predictors.columns import Columns, Predictor, Reference
from serving.predictors.encoders import Untranslatable

FEW_ROWS = 64
"""Most rows that a fast predictor answers: on more, scikit-learn's own loops over rows are faster."""


@dataclass(frozen=True, eq=False)
class Proved:
    """A version that was loaded and answered rows of its baseline.

    Parameters
    ----------
    served
        The version, its digest and the model.
    reference
        The model itself.
    fast
        A faster equal of it; None where there is none.
    why_not_fast
        Why there is none; empty where there is one.
    nullable
        Features that the model answers without.
    """

    served: Served
    reference: Predictor
    fast: Predictor | None
    why_not_fast: str
    nullable: frozenset[str]

    @property
    def schema(self) -> EventSchema:
        """The model's events."""
        return self.served.schema

    @property
    def name(self) -> str:
        """What answers requests of few rows: numpy, treelite, or the model's own library."""
        return (self.fast or self.reference).name

    def predictor(self, rows: int) -> Predictor:
        """Return the predictor for so many rows."""
        return self.fast if self.fast is not None and rows <= FEW_ROWS else self.reference


def load(reg: Registry, schema: EventSchema, *, trusted: Sequence[str], version: str | None = None) -> Proved:
    """Load the champion, or another *version*, and let it answer rows of its baseline.

    A version that has no baseline yet answers rows of the champion's.

    Raises
    ------
    NotFound, ArtifactError
        As :func:`serving.model.load`, or the model does not answer rows of its own baseline.
    """
    served = model.load(reg, schema, trusted=trusted, version=version)
    baseline = queries.baseline_of(reg, schema.model, served.version)
    if baseline is None and (champion := queries.champion(reg, schema.model)):
        baseline = queries.baseline_of(reg, schema.model, champion.version)
    return prove(served, baseline.bins if baseline else {})


def prove(served: Served, bins: Mapping[str, Bins]) -> Proved:
    """Return a version with its predictors, each of which has answered rows of the baseline.

    Parameters
    ----------
    served
        The loaded version.
    bins
        The frozen bins of its baseline, from which the rows are drawn.

    Raises
    ------
    ArtifactError
        The model does not answer rows of its own baseline.
    """
    reference = Reference(served.model, served.schema)
    rows = parity.plain_rows(served.schema, bins)
    nullable = parity.takes_missing(reference, rows)
    quick, why = _translated(served, reference, rows, nullable)
    return Proved(served, reference, quick, why, nullable)


def _translated(
    served: Served, reference: Predictor, rows: Columns, nullable: frozenset[str]
) -> tuple[Predictor | None, str]:
    """Return a fast equal of the model, or None and why there is none."""
    try:
        quick = fast.translate(served.model, served.schema)
    except Untranslatable as error:
        return None, f"not translated: {error}"
    except Exception as error:  # attributes of a release or a subclass that is not foreseen; the model itself answers
        return None, f"not translated: {type(error).__name__}: {error}"
    unequal = parity.difference(quick, reference, rows, nullable)
    return (quick, "") if unequal is None else (None, f"not equal to the model: {unequal}")
