"""Recorded windows: findings of columns of many kinds stay what they were when each variable was computed by itself."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import judged_windows

RECORDED = Path(__file__).with_name("recorded_windows.json.gz")
"""Steady, drifting and broken windows of three segments, judged one variable at a time. To
record them anew is to say that findings have changed."""


def test_findings_are_the_recorded_ones() -> None:
    """All numbers to the sixth decimal, all texts and verdicts, by the window alone and over time."""
    recorded = json.loads(gzip.decompress(RECORDED.read_bytes()))
    for expected, report in zip(recorded, judged_windows.reports(), strict=True):
        findings = [finding.model_dump(mode="json") for finding in report.findings]
        place = f"{report.segment} {report.window_end}"
        assert _texts(expected["findings"]) == _texts(findings), place
        assert _numbers(expected["findings"]) == pytest.approx(_numbers(findings), abs=1.5e-6), place


def _texts(value: Any) -> Any:
    """Return *value* with each broken number replaced, so that the rest can be compared."""
    if isinstance(value, dict):
        return {key: _texts(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_texts(one) for one in value]
    return "a number" if isinstance(value, float) else value


def _numbers(value: Any) -> list[float]:
    """Return the broken numbers in *value*, in order of keys."""
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in _numbers(value[key])]
    if isinstance(value, list):
        return [number for one in value for number in _numbers(one)]
    return [value] if isinstance(value, float) else []
