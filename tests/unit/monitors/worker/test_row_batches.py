"""Row batches: rows pass unchanged through the label join and Flink's state, without one read for each row."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from monitors.job_spec import BUCKETS
from monitors.profiles import label_join
from monitors.worker import keyed_state, row_batches

SLIDE = 100
LABELS = st.lists(
    st.tuples(st.text(max_size=5), st.integers(0, 10**13), st.one_of(st.floats(allow_nan=False), st.just(0.1))),
    max_size=60,
)


def packed(rows: list[tuple[str, int, float]]) -> list[row_batches.RowBatch]:
    """Return labels as sheets."""
    ids, times, labels = (list(c) for c in zip(*rows, strict=True)) if rows else ([], [], [])
    columns = {"id": np.array(ids, object), "time": np.array(times, np.int64), "label": np.array(labels, float)}
    return list(row_batches.pack("labels", SLIDE, columns))


@given(LABELS)
def test_rows_come_back_as_they_were(rows: list[tuple[str, int, float]]) -> None:
    """To the last bit, whatever is in an id, each in the sheet of its slice."""
    found = []
    for _, role, start, text in packed(rows):
        back = row_batches.unpack("labels", [text])
        assert ("labels", True) == (role, bool(((back["time"] - start) < SLIDE).all()))
        found += list(back.itertuples(index=False, name=None))

    assert sorted(rows) == sorted(found)


@given(LABELS, LABELS)
def test_one_id_has_one_bucket(rows: list[tuple[str, int, float]], others: list[tuple[str, int, float]]) -> None:
    """Whichever rows it comes with, or a label would look for its prediction in vain."""
    bucket: dict[str, int] = {}
    for number, _, _, text in [*packed(rows), *packed(others)]:
        for name in row_batches.unpack("labels", [text])["id"]:
            assert number == bucket.setdefault(name, number)
            assert 0 <= number < BUCKETS


def test_what_is_kept_is_read_in_order_and_forgotten_whole() -> None:
    """Small sheets are kept together, a full text is not rewritten, and nothing stays behind."""
    state = keyed_state.MemoryState()
    kept = row_batches.WaitingBatches(state)
    for i in range(1000):
        kept.add("labels", 0, f'{{"i": {i}}}' + " " * 1000)
    kept.add("labels", SLIDE, "other")
    kept.add("predictions", 0, "role")
    texts = kept.read("labels", [0, SLIDE])

    assert list(range(1000)) == [int(line.split(":")[1][:4].strip(" }")) for t in texts[:-1] for line in t.split("\n")]
    assert "other" == texts[-1]
    assert 3 <= len(texts) < 10
    assert max(map(len, state.values())) < row_batches.MAX_TEXT
    assert [0, SLIDE] == kept.waiting("labels")
    kept.forget("labels", [0])
    kept.forget("labels", [0])
    assert [] == kept.read("labels", [0])
    assert ["role"] == kept.read("predictions", [0])
    assert [SLIDE] == kept.waiting("labels")
    kept.forget("labels", [SLIDE])
    assert ([], [0]) == (kept.waiting("labels"), kept.waiting("predictions"))
    kept.forget("predictions", [0])
    assert {} == state


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9), st.integers(0, 3)), max_size=12),
    st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 15), st.integers(0, 1)), max_size=12),
    st.integers(0, 8),
    st.randoms(use_true_random=False),
)
def test_matching_is_what_a_loop_over_the_rows_finds(
    made: list[tuple[str, int, int]], known: list[tuple[str, int, int]], delay: int, random: object
) -> None:
    """An id's first prediction and the newest label it had in time, whatever the order of rows."""
    expected: dict[str, tuple[int, int, object, object]] = {}
    for name in {m[0] for m in made}:
        _, time, answer = min(m for m in made if m[0] == name)
        near = [(t, y) for i, t, y in known if i == name and time <= t <= time + delay]
        expected[name] = (time, answer, *(max(near) if near else (None, None)))
    random.shuffle(made)  # type: ignore[attr-defined]
    random.shuffle(known)  # type: ignore[attr-defined]
    found = label_join.match(
        pd.DataFrame(made, columns=["id", "time", "answer"]),
        pd.DataFrame(known, columns=["id", "time", "label"]),
        delay,
    )
    told = found.astype(object).where(found.notna(), None)

    assert expected == {r.id: (r.time, r.answer, r.known, r.label) for r in told.itertuples()}
    assert len(found) == len(expected)
