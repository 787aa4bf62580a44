"""Which algorithms of scikit-learn and River can do what through Leeway's trainers: each is run, and the page written.

    python -m benchmarks.algorithms [--write]

What an algorithm can do is what it did here on small data, behind the functions that retrains and the learner use; a
test compares the page with a new run.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.algorithm_cases import CASES, Case
from features import scoring
from features.schema import Task
from features.scoring import Values
from features.window import UTC, to_ms
from registry.files import artifacts
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import online, static
from retrain_flows.training.static import Trainer

PAGE = Path(__file__).parents[1] / "docs" / "algorithms.md"
ROWS = 400
_START = datetime(2024, 1, 1, tzinfo=UTC)
_HEAD = """# Which algorithms can do what

`python -m benchmarks.algorithms --write` makes this page: each algorithm was run on small data through the functions by
which Leeway trains, and `tests/unit/benchmarks/test_algorithms.py` runs them again. Any estimator of scikit-learn or
River, or of your own with the same methods, can be used: a trainer is a function that returns one
([how to](how-to/add-a-trainer.md)).

| column | means |
|---|---|
| fit | on all rows at once: `retrain.trainer` |
| learn | batch by batch, in order of time: `retrain.online`, and [the learner in the stream](online-learning.md) |
| predict | a probability of label 1 (binary), a number (regression) or a class for each row |
| file | stored without pickle, it answers the same after loading (numbers to nine digits); untrusted types go to \
`retrain.trust` |
| goes on | loaded from its file, it learns on and answers as one that was never stored (warm start) |

What cannot be stored cannot be promoted, and cannot be a learner in the stream. *No* in *predict* with *yes* in *learn*
is a classifier without probabilities, for a binary model.

A step before the last one of a pipeline is run with a logistic regression after it, since it predicts nothing itself.
One without `partial_fit` can be used in an online pipeline, too: it is fitted on the first batch, and stays so; that
is *first batch* below. `warm_start=True` of scikit-learn has no effect, since each fit begins with a new model of the
trainer; to go on from a model, let it learn.
"""
_COLUMNS = "| algorithm | task | fit | learn | predict | file | goes on |"
_RULE = "|---|---|---|---|---|---|---|"
_BREAK = "\n"
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an algorithm can do, each in a word: yes, no, or what else there is to say."""

    fit: str = "no"
    learn: str = "no"
    predict: str = "no"
    stored: str = "no"
    goes_on: str = "no"

    def cells(self) -> tuple[str, ...]:
        """Return the words in the order of the table."""
        return self.fit, self.learn, self.predict, self.stored, self.goes_on


def rows_of(task: Task, rows: int = ROWS, seed: int = 1) -> Dataset:
    """Return labelled rows, one a minute: two positive numbers, a category, and a label that follows all."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"a": rng.gamma(2.0, size=rows), "b": rng.random(rows), "c": rng.choice(["u", "v", "w"], rows)}
    )
    frame["c"] = frame["c"].astype(object)
    signal = frame["a"] - 2 * frame["b"] + (frame["c"] == "u") + rng.normal(0, 0.3, rows)
    numbers = signal.to_numpy(np.float64)
    target: Any = numbers
    if task is Task.BINARY:
        target = (numbers > np.median(numbers)).astype(np.float64)
    if task is Task.MULTICLASS:
        target = np.array(["low", "mid", "high"], object)[np.digitize(numbers, np.quantile(numbers, (0.33, 0.66)))]
    return Dataset(
        task=task, as_of=_START + timedelta(days=1), frame=frame, target=target, logged=scoring.unanswered(task, rows),
        versions=np.array(["v1"] * rows, object), times=to_ms(_START) + 60_000 * np.arange(rows),
        ids=np.array([f"r{i}" for i in range(rows)], object),
    )  # fmt: skip


def measure(case: Case) -> Abilities:
    """Run an algorithm through the trainer's functions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few rows: solvers say that they have not converged
        return _measured(case, rows_of(case.task))


def _measured(case: Case, rows: Dataset) -> Abilities:
    made, fitted = Abilities(), _try(lambda: static.fit_static(Trainer(case.name, case.fit), rows))
    if fitted is not None:
        made = replace(made, fit="yes")
    learned = _try(lambda: learnt(case, case.learn(), rows))
    if learned is not None:
        made = replace(made, learn=case.note or "yes")
    model = learned if learned is not None else fitted
    answers = None if model is None else _try(lambda: scoring.score(model, rows.frame, rows.task))
    if answers is None or not scoring.is_answered(answers).all():
        return made
    made = replace(made, predict=case.answers)
    data = _try(lambda: artifacts.dump_model(model))
    if data is None:
        return made
    again = scoring.score(_loaded(data), rows.frame, rows.task)
    made = replace(made, stored="yes" if alike(answers, again) else "no")
    return replace(made, goes_on=_goes_on(case, rows)) if learned is not None else replace(made, goes_on="")


def alike(left: Values, right: Values) -> bool:
    """Return whether answers are the same: classes exactly, numbers to nine digits.

    A loaded matrix may lie in memory in another order, and how sums are rounded follows the order and the processor.

    >>> alike(np.array([0.1]), np.array([0.1 + 1e-16])), alike(np.array([0.1]), np.array([0.1001]))
    (True, False)
    """
    if left.dtype == object or right.dtype == object:
        return bool(np.array_equal(left, right))
    return bool(np.allclose(left, right, rtol=_ROUNDING, atol=0.0))


def learnt(case: Case, model: Any, rows: Dataset, *, stored: bool = False) -> Any:
    """Return a model that has learned two batches of rows, stored in between or not."""
    half, first = len(rows) // 2, online.classes(rows.task, rows.target)
    online.learner_of(case.name, model, first).learn(rows.rows(slice(half)))
    model = _loaded(artifacts.dump_model(model)) if stored else model
    online.learner_of(case.name, model, None).learn(rows.rows(slice(half, None)))
    return model


def _goes_on(case: Case, rows: Dataset) -> str:
    def answers(*, stored: bool) -> Values:
        return scoring.score(learnt(case, case.learn(), rows, stored=stored), rows.frame, rows.task)

    broken = _try(lambda: answers(stored=True))
    return "yes" if broken is not None and alike(answers(stored=False), broken) else "no"


def _loaded(data: bytes) -> Any:
    import skops.io

    return artifacts.load_model(data, skops.io.get_untrusted_types(data=data))


def _try(attempt: Callable[[], Any]) -> Any | None:
    """Return what a call gives; None where it raises, which is what is to be known."""
    try:
        return attempt()
    except Exception:
        return None


def page(cases: Sequence[Case] = CASES) -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_tables(cases)])


def _tables(cases: Sequence[Case]) -> Iterator[str]:
    """Yield the lines of a table for each family, in the order of the cases."""
    family = ""
    for case in cases:
        if case.family != family:
            family = case.family
            yield from (f"{'' if case is cases[0] else _BREAK}## {family}\n", _COLUMNS, _RULE)
        yield f"| `{case.name}` | {case.task.value} | {' | '.join(measure(case).cells())} |".replace("|  |", "| |")


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    text = page() + "\n"
    if parser.parse_args().write:
        PAGE.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
