"""The benchmark of losses that rise: a rise of many sd is found at once, and more evidence is kept than less."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import loss_memory


def test_a_large_rise_is_found_within_some_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 8 sd of a slice, by each part of the loss of evidence, in independent rows."""
    monkeypatch.setattr(loss_memory, "WORLDS", {"rows independent": (0.0, 0.0)})
    monkeypatch.setattr(loss_memory, "RISE", 8.0)
    monkeypatch.setattr(loss_memory, "WATCHED", 60)
    _, _, *rows = loss_memory.report(2).splitlines()
    found = [float(cell.split("; ")[1].split(",")[0]) for row in rows for cell in row.split(" | ")[3:]]
    assert {1.0} == set(found)
    assert 2 * len(loss_memory.PARTS) == len(found)


def test_streams_are_of_the_level_that_they_say() -> None:
    """The mean of a row's loss is 1 before the rise, and higher by 1.5 sd of a slice's mean after it."""
    made = loss_memory._stream("rows independent", 60, 0)
    before, after = (of[:, 0, 1].mean() / loss_memory.ROWS for of in (made.later, made.risen[loss_memory.QUIET :]))
    assert before == pytest.approx(1, abs=0.02)
    assert after == pytest.approx(1 + 1.5 * np.sqrt(2 / loss_memory.ROWS), abs=0.06)
