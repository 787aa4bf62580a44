"""Point-in-time correct datasets: no label from later, no other rows, no duplicates."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.events import decode
from features.schema import EventSchema, FeatureKind, Task
from features.window import from_ms
from retrain_flows.data.dataset import Dataset, read
from retrain_flows.data.event_log import EventsInMemory

DELAY, START, END, AS_OF = 10, 20, 60, 65


@dataclass(frozen=True)
class Made:
    """A prediction event."""

    id: str
    time: int
    x: float | None = None
    version: str = "v1"


@dataclass(frozen=True)
class Known:
    """A label event."""

    id: str
    time: int
    label: str


def schema(task: Task = Task.BINARY) -> EventSchema:
    """Return events of one number, whose labels have ten milliseconds' time."""
    return EventSchema(
        model="m", task=task, features={"x": FeatureKind.NUMERIC}, label_delay=timedelta(milliseconds=DELAY)
    )


def dataset(made: list[Made], known: list[Known], *, as_of: int = AS_OF) -> Dataset:
    """Build the rows of [START, END) as known at *as_of*."""
    predictions = decode.empty(schema(), "predictions").schema.empty_table()
    columns = {"id": [m.id for m in made], "time": [m.time for m in made], "x": [m.x for m in made],
               "model_version": [m.version for m in made], "prediction": [0.5] * len(made)}  # fmt: skip
    labels = {"id": [k.id for k in known], "time": [k.time for k in known], "label": [float(k.label) for k in known]}
    log = EventsInMemory(
        pa.table({f.name: pa.array(columns[f.name], f.type) for f in predictions.schema}),
        pa.table({f.name: pa.array(labels[f.name], f.type) for f in decode.empty(schema(), "labels").schema}),
    )
    return read(log, schema(), as_of=from_ms(as_of), start=from_ms(START), end=from_ms(END)).rows


def pairs(data: Dataset) -> list[tuple[str, float]]:
    """Return (id, label) of each row."""
    return list(zip(data.ids.tolist(), data.target.tolist(), strict=True))


_ids = st.sampled_from("abcdef")
_times = st.integers(0, 90)
_made = st.lists(st.builds(Made, _ids, _times, st.none() | st.floats(-9, 9)), max_size=20)
_known = st.lists(st.builds(Known, _ids, _times, st.sampled_from(["0", "1"])), max_size=20)


@settings(deadline=None)  # a busy machine is no failure
@given(_made, _known)
def test_only_what_was_matured_and_known_is_there(made: list[Made], known: list[Known]) -> None:
    """Checked against a plain reading of the rules.

    START ....... predictions ....... END
                |<- label_delay ->| as_of: later labels are not known, later predictions not matured
    """
    expected = []
    for name in {m.id for m in made}:
        inside = [m.time for m in made if m.id == name and START <= m.time < END and m.time + DELAY <= AS_OF]
        time = min(inside, default=END)
        labels = [(k.time, k.label) for k in known if k.id == name and time <= k.time <= time + DELAY]
        if inside and labels:
            expected.append((time, name, float(max(labels)[1])))
    data = dataset(made, known)
    assert sorted(expected) == list(zip(data.times.tolist(), data.ids.tolist(), data.target.tolist(), strict=True))


@settings(deadline=None)  # a busy machine is no failure
@given(_made, _known, st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(made: list[Made], known: list[Known], rng: random.Random) -> None:
    """The same events in another order, some of them twice, are the same training data, to the digest."""
    shuffled_made, shuffled_known = made + made[: len(made) // 2], known + known[: len(known) // 2]
    rng.shuffle(shuffled_made)
    rng.shuffle(shuffled_known)
    assert dataset(made, known).digest == dataset(shuffled_made, shuffled_known).digest


@settings(deadline=None)  # a busy machine is no failure
@given(_made, _known, _times)
def test_knowledge_only_grows(made: list[Made], known: list[Known], as_of: int) -> None:
    """What was known at a moment does not depend on events from later: the past can be built again."""
    until = [k for k in known if k.time <= as_of]
    assert dataset(made, known, as_of=as_of).digest == dataset(made, until, as_of=as_of).digest


@settings(deadline=None)  # a busy machine is no failure
@given(_made, _known, _times)
def test_a_split_loses_and_repeats_nothing(made: list[Made], known: list[Known], at: int) -> None:
    """Every row is before the cut or not, and together they are the whole again."""
    data = dataset(made, known)
    before, after = data.split(from_ms(at))
    assert all(t < at for t in before.times)
    assert all(t >= at for t in after.times)
    assert data.digest == before.followed_by(after).digest


def test_the_newest_label_wins() -> None:
    """A correction that comes within the label delay replaces the label before it; one that comes later does not."""
    made, known = [Made("a", 30)], [Known("a", 31, "0"), Known("a", 30 + DELAY, "1")]
    assert [("a", 1.0)] == pairs(dataset(made, known))
    assert [("a", 0.0)] == pairs(dataset(made, [*known[:1], Known("a", 31 + DELAY, "1")]))


def test_a_quick_label_does_not_make_a_row_mature() -> None:
    """Before its time is over its label may still change, and rows with quick labels are not like the others."""
    made, known = [Made("a", 56)], [Known("a", 57, "1")]
    assert [] == pairs(dataset(made, known, as_of=56 + DELAY - 1))
    assert [("a", 1.0)] == pairs(dataset(made, known, as_of=56 + DELAY))


def test_repetitions_that_differ_are_settled_the_same_way_in_any_order() -> None:
    """Two predictions of one id and time, two labels of one time: which one counts is not left to chance."""
    made, known = [Made("a", 30, 1.0), Made("a", 30, 2.0)], [Known("a", 31, "0"), Known("a", 31, "1")]
    assert dataset(made, known).digest == dataset(made[::-1], known[::-1]).digest


def test_the_earliest_prediction_of_an_id_counts() -> None:
    """Of repeated predictions in the period the first one counts, as in the monitors' join."""
    data = dataset([Made("a", 40, 2.0), Made("b", 40, 4.0), Made("b", 35, 3.0)],
                   [Known("a", 30, "1"), Known("b", 41, "1")])  # fmt: skip
    assert (["b"], [3.0]) == (data.ids.tolist(), data.frame["x"].tolist())


def test_a_label_that_is_no_value_of_the_task_is_left_out_and_counted() -> None:
    """Nothing is lost without a number that says so."""
    made = [Made("a", 30), Made("b", 30), Made("c", 30)]
    data = dataset(made, [Known("a", 31, "2"), Known("b", 31, "nan"), Known("c", 31, "1")])
    assert ([("c", 1.0)], 2) == (pairs(data), data.unusable)


def test_missing_numbers_are_nan_and_stay_rows() -> None:
    """What to do about them is the model's business."""
    data = dataset([Made("a", 30, None)], [Known("a", 31, "1")])
    assert data.frame["x"].isna().tolist() == [True]


@pytest.mark.parametrize("change", [Made("a", 30, 2.0), Made("a", 31, 1.0)])
def test_the_digest_tells_different_data_apart(change: Made) -> None:
    """A feature's value or a time is enough."""
    known = [Known("a", 35, "1")]
    assert dataset([Made("a", 30, 1.0)], known).digest != dataset([change], known).digest


def test_an_infinite_number_is_a_missing_one() -> None:
    """No model learns from it: libraries refuse it, and 1e308 is one to the decoder."""
    data = dataset([Made("a", 30, float("inf")), Made("b", 31, 1.0), Made("c", 32, float("-inf"))],
                   [Known(i, 40, "1") for i in "abc"])  # fmt: skip

    assert [True, False, True] == data.frame["x"].isna().tolist()
