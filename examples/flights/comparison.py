"""Whether the carrier's delays make the model better: the same trainer with and without them, on the weeks after."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import trainers
from sklearn.metrics import roc_auc_score

from leeway import assembly
from leeway.context import Context
from leeway.project.load import Model
from retrain_flows.data import dataset
from retrain_flows.data.event_log import StoredEvents

FEATURE = "carrier_delay_3h"
DRAWS, SEED = 2000, 0


def sentence(opened: Context, model: Model, history: tuple[datetime, datetime], weeks: pd.DataFrame) -> str:
    """Return what the feature does to the loss, with a 95 % interval of a bootstrap over days."""
    start, end = history
    log = StoredEvents(model.schema, model.events, assembly.workspace(opened, model).sets, unanswered=True,
                       facts=model.facts)  # fmt: skip
    rows = dataset.read(log, model.schema, as_of=end + model.schema.label_delay, start=start, end=end).rows
    labelled = weeks[weeks["label"].notna()]
    truth, names = labelled["label"].to_numpy(), list(model.schema.features)
    answers = [_fitted(rows, chosen).predict_proba(labelled[chosen])[:, 1]
               for chosen in (names, [name for name in names if name != FEATURE])]  # fmt: skip
    with_it, without = (_losses(truth, answer) for answer in answers)
    low, high = _interval(with_it - without, labelled["time"].dt.date.to_numpy())
    auc = [roc_auc_score(truth, answer) for answer in answers]
    verdict = "gets better" if high < 0 else "gets worse" if low > 0 else "gets neither better nor worse for certain"
    return (
        f"By {FEATURE} the model {verdict}: in the {len(weeks['time'].dt.date.unique())} days after its training the "
        f"log loss is {with_it.mean():.4f} with it and {without.mean():.4f} without (difference "
        f"{(with_it - without).mean():+.4f}, 95 % interval over days {low:+.4f} to {high:+.4f}), AUC {auc[0]:.3f} and "
        f"{auc[1]:.3f}"
    )


def _fitted(rows: dataset.Dataset, features: list[str]) -> Any:
    return trainers.boosted().fit(rows.frame[features], rows.target)


def _losses(truth: np.ndarray, answer: np.ndarray) -> np.ndarray:
    return -np.log(np.where(truth == 1, answer, 1 - answer))


def _interval(differences: np.ndarray, days: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean, from days drawn with replacement: flights of a day are alike."""
    by_day = pd.DataFrame({"day": days, "d": differences}).groupby("day")["d"].agg(["sum", "count"]).to_numpy()
    drawn = np.random.default_rng(SEED).integers(0, len(by_day), (DRAWS, len(by_day)))
    means = by_day[drawn, 0].sum(axis=1) / by_day[drawn, 1].sum(axis=1)
    return tuple(np.quantile(means, (0.025, 0.975)).tolist())  # type: ignore[return-value]
