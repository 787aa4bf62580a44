"""Late labels: whether those that come after the label delay, and are left out, are like those that come in time.

Where they differ, what a model is trained and measured on is a biased part: a cancelled order is known sooner than one
that is kept, a defaulted loan sooner than one that is repaid.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

LEVEL = 0.001
"""Chance of a difference in labels that do not differ."""
MIN_LABELS = 30
"""Labels, late and in time, below which nothing is said."""


def difference(labels: pd.Series, late: npt.NDArray[np.bool_]) -> str:
    """Return how late labels differ from those in time, as a clause; "" where they do not, or are too few to say.

    Parameters
    ----------
    labels
        Numbers (regression) or classes, (labels,); missing ones are left out.
    late
        Which of them come too late, (labels,).

    Examples
    --------
    >>> classes = pd.Series(["1"] * 60 + ["0"] * 40 + ["1"] * 10 + ["0"] * 50)
    >>> difference(classes, np.arange(160) >= 100)
    'they are others: label 1 in 17% of them, in 60% of those in time'
    """
    there = labels.notna().to_numpy()
    labels, late = labels[there], late[there]
    if min(late.sum(), (~late).sum()) < MIN_LABELS:
        return ""
    return _of_numbers(labels, late) if pd.api.types.is_numeric_dtype(labels) else _of_classes(labels, late)


def _of_numbers(labels: pd.Series, late: npt.NDArray[np.bool_]) -> str:
    """Return the clause for numbers, by a Kolmogorov-Smirnov test."""
    from scipy import stats  # slow

    in_time, after = labels[~late].to_numpy(), labels[late].to_numpy()
    if stats.ks_2samp(in_time, after).pvalue >= LEVEL:
        return ""
    return f"they are others: mean {after.mean():.4g}, of those in time {in_time.mean():.4g}"


def _of_classes(labels: pd.Series, late: npt.NDArray[np.bool_]) -> str:
    """Return the clause for classes, by a chi-squared test; it names the class whose share differs most."""
    from scipy import stats  # slow

    table = pd.crosstab(labels.to_numpy(), late)
    if len(table) < 2 or stats.chi2_contingency(table).pvalue >= LEVEL:
        return ""
    in_time, after = (table.to_numpy() / table.to_numpy().sum(axis=0)).T
    by = np.abs(after - in_time)
    at = int(np.flatnonzero(np.isclose(by, by.max()))[-1])  # of two classes the one that counts as 1
    return f"they are others: label {table.index[at]} in {after[at]:.0%} of them, in {in_time[at]:.0%} of those in time"
