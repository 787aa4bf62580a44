"""Statistics of slices that monitors of means and of distributions go by: a GLR and Cramér and von Mises'.

Both know the reference's slices only, like everybody, and are worked out as if they never alarmed. Slices (slices,
features, cells) hold counts of the values (features, cells); the first *reference* ones are the reference.

References
----------
Siegmund and Venkatraman (1995), "Using the generalized likelihood ratio statistic for sequential detection of a
change-point", Ann. Stat. 23.
Anderson (1962), "On the distribution of the two-sample Cramér-von Mises criterion", Ann. Math. Stat. 33.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from monitors.stats.bins import Counts

Floats = npt.NDArray[np.float64]
TOGETHER = 4
"""Slices that Cramér and von Mises' statistic is of."""


def glr(series: Floats, reference: int, *, both: bool = True) -> Floats:
    """Return the largest log likelihood ratio, over all starts of a change, of a moved mean after each later slice.

    Parameters
    ----------
    series
        Normal series (slices, series), whose mean and sd are those of the reference.
    reference
        How many slices that has. Its mean is known as surely as so many slices tell it.
    both
        Whether means move both ways; else upwards.

    Returns
    -------
    Floats
        (later slices, series).
    """
    known = series[:reference]
    z = (series[reference:] - known.mean(axis=0)) / np.maximum(known.std(axis=0, ddof=1), 1e-12)
    total = np.concatenate([np.zeros((1, z.shape[1])), np.cumsum(z, axis=0)])
    out = np.zeros_like(z)
    for t in range(1, len(total)):
        age = t - np.arange(t)[:, None]
        moved = total[t] - total[:t]
        moved = moved if both else np.maximum(moved, 0)
        out[t - 1] = (moved**2 / (2 * age * (1 + age / reference))).max(axis=0)
    return out


def moments(counts: Counts, values: Floats, reference: int) -> Floats:
    """Return each slice's mean and mean square deviation from the reference's mean, (slices, 2 features)."""
    grid = np.where(np.isfinite(values), values, 0.0)
    total, rows = counts[:reference].sum(axis=0), counts.sum(axis=-1)
    centre = (total * grid).sum(axis=-1) / total.sum(axis=-1)
    off = grid - centre[:, None]
    means, squares = (np.einsum("sfc,fc->sf", counts, of) / rows for of in (grid, off**2))
    return np.concatenate([means, squares], axis=1)


def cramer_von_mises(counts: Counts, reference: int, together: int = TOGETHER) -> Floats:
    """Return n times the mean square difference of the distribution functions of some newest slices and the reference.

    Of as many as *together*, with those of the reference before them: (later slices, features).
    """
    summed = np.cumsum(counts, axis=0)
    newest = summed[reference:] - summed[reference - together : -together]
    total = summed[reference - 1]
    share = total / total.sum(axis=-1, keepdims=True)
    n = newest.sum(axis=-1, keepdims=True)
    apart = np.cumsum(newest / n - share, axis=-1)
    return np.asarray(n[..., 0] * (share * apart**2).sum(axis=-1))
