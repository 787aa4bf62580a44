"""Runs where NannyML is installed: prints its results for columns in JSON; imports nothing of this project."""

import json
import logging
import sys
import warnings
from typing import Any
from unittest.mock import MagicMock


def main() -> None:
    """Answer each question of stdin with the installed version and ``[value, threshold, alert]`` by method."""
    # Imported by NannyML for what is not asked here: training of models, and reports of usage to its makers.
    sys.modules.update(dict.fromkeys(["flaml", "segment", "segment.analytics"], MagicMock()))
    warnings.simplefilter("ignore")
    logging.disable()
    import nannyml

    json.dump([nannyml.__version__, [_answer(question) for question in json.load(sys.stdin)]], sys.stdout)


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    import pandas as pd
    from nannyml.chunk import DefaultChunker
    from nannyml.drift.univariate.calculator import DEFAULT_THRESHOLDS
    from nannyml.drift.univariate.methods import FeatureType, MethodFactory

    numeric = question["kind"] == "numeric"
    sides = [pd.Series(question[s], dtype=float if numeric else object, name="x") for s in ("reference", "current")]
    kind, extra = (FeatureType.CONTINUOUS, {"computation_params": {}}) if numeric else (FeatureType.CATEGORICAL, {})
    found = {}
    for name in question["methods"]:
        method = MethodFactory.create(name, kind, chunker=DefaultChunker(), threshold=DEFAULT_THRESHOLDS[name], **extra)
        value = method.fit(sides[0]).calculate(sides[1])
        found[name] = [float(value), method.upper_threshold_value, bool(method.alert(value))]
    return found


if __name__ == "__main__":
    main()
