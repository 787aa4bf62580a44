"""Sample weights of training rows: how much each counts, and whether a model can use that.

After a change the rows before it may still teach something. A window takes them whole or not at all; with weights they
stay, and do not outvote the few rows since. Keeping a part of them, drawn at random, would be cheaper, and models of it
are worse (docs/backtest.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from features.scoring import Floats

NAME = "sample_weight"
"""The parameter of ``fit`` that scikit-learn's estimators, and those written for it, take weights by."""


def parameter(model: Any) -> str | None:
    """Return the parameter by which ``fit`` of an unfitted model takes weights; None where it takes none.

    That of a Pipeline is its last step's; one within a Pipeline is looked into, too.
    """
    from sklearn import get_config  # slow
    from sklearn.pipeline import Pipeline  # slow
    from sklearn.utils.validation import has_fit_parameter  # slow

    if isinstance(model, Pipeline):
        step, last = model.steps[-1]
        name = None if get_config()["enable_metadata_routing"] else parameter(last)
        return name and f"{step}__{name}"
    try:
        return NAME if has_fit_parameter(model, NAME) else None
    except (TypeError, ValueError):  # it has no signature to look at
        return None


def shared(times: npt.NDArray[np.int64], change: int) -> Floats | None:
    """Return weights, (rows,), by which all rows before a change count as much together as all rows since.

    Their mean is 1, so that regularisation, which is set for rows that count 1, means what it meant.

    Parameters
    ----------
    times
        When each prediction was made, (rows,), in milliseconds.
    change
        The change point, in milliseconds.

    Returns
    -------
    array or None
        None where all rows count alike: there are none since the change yet, or no fewer than before it.

    Examples
    --------
    >>> shared(np.array([0, 1, 2, 3, 4]), 4).tolist()
    [0.625, 0.625, 0.625, 0.625, 2.5]
    """
    old = times < change
    before, since = int(old.sum()), int((~old).sum())
    if since == 0 or since >= before:
        return None
    return np.where(old, len(times) / 2 / before, len(times) / 2 / since)
