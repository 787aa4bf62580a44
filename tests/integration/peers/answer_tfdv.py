"""Runs where TFDV's wheels are, without TensorFlow and Beam: prints results of its compiled core for columns in JSON.

The package itself cannot be imported without them, so its two extension modules and one plain module are loaded from
their files. What would be Beam's part, filling in the statistics, is a few lines here.
"""

import importlib.metadata
import importlib.util
import json
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def _load(name: str, pattern: str) -> ModuleType:
    (path,) = Path(importlib.util.find_spec("tensorflow_metadata").submodule_search_locations[0]).parent.glob(pattern)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Answer each question of stdin with the installed version and the measurement by comparator."""
    answers = [_answer(question) for question in json.load(sys.stdin)]
    json.dump([importlib.metadata.version("tensorflow-data-validation"), answers], sys.stdout)


def _answer(question: dict[str, Any]) -> dict[str, float]:
    make = _numbers if question["kind"] == "numeric" else _categories
    then, now = (make(question[side]) for side in ("reference", "current"))
    return {comparator: _measure(then, now, comparator) for comparator in question["methods"]}


def _measure(then: Any, now: Any, comparator: str) -> float:
    import pyarrow  # noqa: F401 - whose libraries the extension needs
    from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

    core = _load("tensorflow_data_validation_extension", "tensorflow_data_validation/pywrap/*.so").validation
    schema = schema_pb2.Schema()
    feature = schema.feature.add(name="x", type=(now.features[0].type == 2 and schema_pb2.BYTES) or schema_pb2.FLOAT)
    getattr(feature.drift_comparator, comparator).threshold = 0.0
    texts = [message.SerializeToString() for message in (now, schema, then)]
    found = core.ValidateFeatureStatistics(texts[0], texts[1], b"", texts[2], b"", b"", b"", b"", False)
    anomalies = anomalies_pb2.Anomalies()
    anomalies.ParseFromString(found)
    (measured,) = [m.value for info in anomalies.drift_skew_info for m in info.drift_measurements]
    return measured


def _statistics(rows: int, kind: int) -> Any:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    made = statistics_pb2.DatasetFeatureStatistics(num_examples=rows)
    feature = made.features.add(type=kind)
    feature.path.step.append("x")
    stats = feature.string_stats if kind == 2 else feature.num_stats
    common = stats.common_stats
    common.num_non_missing = common.tot_num_values = rows
    common.min_num_values = common.max_num_values = 1
    return made, stats


def _categories(values: list[str]) -> Any:
    made, stats = _statistics(len(values), 2)
    for label in sorted(set(values)):
        stats.rank_histogram.buckets.add(label=label, sample_count=values.count(label))
    return made


def _numbers(values: list[float]) -> Any:
    import numpy as np
    import pyarrow as pa

    sketches = _load("tfx_bsl_extension", "tfx_bsl/cc/*.so").sketches
    utilities = _load("quantiles_util", "tensorflow_data_validation/utils/quantiles_util.py")
    numbers = np.array([v for v in values if not math.isnan(v)])
    finite = numbers[np.isfinite(numbers)]
    sketch = sketches.QuantilesSketch(0.01, 1 << 32, 1)  # StatsOptions' default error, and the pipeline's own size
    sketch.AddValues(pa.array(numbers))
    quantiles, counts = (
        side.flatten().to_numpy(zero_copy_only=False) for side in sketch.GetQuantilesAndCumulativeWeights(1000)
    )
    made, stats = _statistics(len(values), 1)
    histogram = stats.histograms.add()
    histogram.CopyFrom(
        utilities.generate_equi_width_histogram(
            quantiles, counts, finite.min(), finite.max(), 10, np.isposinf(numbers).sum()
        )
    )
    histogram.num_nan = len(values) - len(numbers)
    return made


if __name__ == "__main__":
    main()
