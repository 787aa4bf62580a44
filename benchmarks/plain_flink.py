"""JSON topics in plain Flink, for comparison: reading only, and counting with `UNNEST` in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.schema import FeatureKind

_KINDS = {FeatureKind.NUMERIC: "DOUBLE", FeatureKind.CATEGORICAL: "STRING"}


def scan(tables: Any, features: Mapping[str, FeatureKind], topic: str, bootstrap: str) -> Any:
    """Start the job that reads all columns of all events and drops them; return its ``TableResult``."""
    _events(tables, features, topic, bootstrap)
    columns = ", ".join(f"{name} {_KINDS[kind]}" for name, kind in features.items())
    tables.execute_sql(f"CREATE TEMPORARY TABLE dropped ({columns}) WITH ('connector' = 'blackhole')")
    return tables.execute_sql(f"INSERT INTO dropped SELECT {', '.join(features)} FROM events")


def unnest(tables: Any, features: Mapping[str, FeatureKind], topic: str, bootstrap: str) -> Any:
    """Start the job that counts each feature's bins a day, one row a feature and event; return its ``TableResult``."""
    _events(tables, features, topic, bootstrap)
    bins = (
        f"ROW('{name}', {f'CAST(FLOOR({name} * 4) AS INT)' if kind is FeatureKind.NUMERIC else f'ASCII({name})'})"
        for name, kind in features.items()
    )
    tables.execute_sql(
        "CREATE TEMPORARY VIEW binned AS SELECT at_time, u.feature, u.bin FROM events "
        f"CROSS JOIN UNNEST(ARRAY[{', '.join(bins)}]) AS u(feature, bin)"
    )
    tables.execute_sql(
        "CREATE TEMPORARY TABLE dropped (start_time TIMESTAMP(3), feature STRING, bin INT, n BIGINT) "
        "WITH ('connector' = 'blackhole')"
    )
    return tables.execute_sql(
        "INSERT INTO dropped SELECT window_start, feature, bin, COUNT(*) FROM "
        "TUMBLE(TABLE binned, DESCRIPTOR(at_time), INTERVAL '1' DAY) GROUP BY window_start, window_end, feature, bin"
    )


def _events(tables: Any, features: Mapping[str, FeatureKind], topic: str, bootstrap: str) -> None:
    columns = ", ".join(f"{name} {_KINDS[kind]}" for name, kind in features.items())
    tables.execute_sql(
        f"CREATE TEMPORARY TABLE events ({columns}, at_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, "
        f"WATERMARK FOR at_time AS at_time) WITH ('connector' = 'kafka', 'topic' = '{topic}', 'format' = 'json', "
        f"'properties.bootstrap.servers' = '{bootstrap}', 'scan.startup.mode' = 'earliest-offset', "
        "'scan.bounded.mode' = 'latest-offset')"
    )
