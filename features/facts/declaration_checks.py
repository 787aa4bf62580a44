"""What is wrong with fact features beside the facts and the request features that they name: place and fix of each."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from features.facts.declaration import FactFeature, FactSource
from features.schema import FeatureKind
from features.window import format_span, to_ms

MAX_TILES = 2000
"""Most tiles in a window: reading a feature merges as many, at about half a microsecond each."""
Problem = tuple[str, str, str]
"""Name of the feature, key of its declaration, and what is wrong, with the fix."""


def problems(features: Mapping[str, object], sources: Mapping[str, FactSource]) -> list[Problem]:
    """Return what is wrong with the declarations of a model's fact features.

    Parameters
    ----------
    features
        All features of the model: the kinds of those that come with a request, and the declarations of the others.
    sources
        The facts of the project by name.
    """
    kinds = {name: kind for name, kind in features.items() if isinstance(kind, FeatureKind)}
    return [
        (name, key, message)
        for name, feature in features.items()
        if isinstance(feature, FactFeature)
        for key, message in _of_one(feature, kinds, sources)
    ]


def _of_one(
    feature: FactFeature, kinds: Mapping[str, FeatureKind], sources: Mapping[str, FactSource]
) -> Iterator[tuple[str, str]]:
    """Yield key and message of each problem of one feature."""
    for row_column, _ in feature.key:
        if row_column not in kinds:
            fix = _near(row_column, list(kinds)) or "; declare it, as categorical"
            yield "key", f"{row_column!r} is none of the features that come with the request, which a key must be{fix}"
        elif kinds[row_column] is not FeatureKind.CATEGORICAL:
            yield "key", f"{row_column!r} is numeric, and keys are compared as text: declare it categorical"
    if feature.source not in sources:
        listed = f"there are {', '.join(sources)}" if sources else "the project has no `facts` section yet"
        near = _near(feature.source, list(sources)) or f"; {listed}"
        yield "from", f"there are no facts {feature.source!r} under `facts`{near}"
        return
    window, tile = to_ms(feature.window), to_ms(sources[feature.source].tile)
    written = f"facts.{feature.source}.tile, {format_span(sources[feature.source].tile)}"
    if window % tile:
        yield "window", f"{format_span(feature.window)} is no whole number of tiles ({written}): change one of the two"
    elif window // tile > MAX_TILES:
        count = f"{format_span(feature.window)} has {window // tile:,} tiles ({written}), more than {MAX_TILES:,}"
        yield "window", f"{count}: choose longer tiles, or a shorter window"


def _near(word: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, names, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
