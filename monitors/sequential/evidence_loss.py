"""Evidence that a panel's variables lose from slice to slice: for memory that is there and that no test of theirs sees.

Evidence against exchangeable slices also grows, slowly, where slices remember a little: what is taken away each slice
pays for that.
"""

from __future__ import annotations

import math

import numpy as np

from monitors.sequential.exchangeability import Exchangeability
from monitors.sequential.whitening import Whitener
from monitors.stats.distance import Distances

NO_SLOW_MEMORY = 0.07
"""Slow memory (:attr:`.exchangeability.Exchangeability.slow_memory`) that costs no evidence: as little as the test
leaves open for twenty variables of 60 slices. More is not worth mentioning beside what whitening leaves anyway."""
EVIDENCE_LOSS = 0.8
"""Nats of evidence that are taken away each slice, for each unit of slow memory above that, times the root of the
number of variables: it is the largest of them that raises an alarm. A level that wanders unseen feeds evidence a little
in every slice; a change that matters brings more than it loses. One variable of 60 slices keeps .75 to .95 of its
evidence from slice to slice, twenty nearly all of it. More would cost changes of a tenth of the loss, which are found
late as it is (docs/decisions/0017 and 0025)."""
MEMORY_LOSS = 3.0
"""The same for each unit of ``phi**2 / sqrt(slices)``: the part of the variance that whitening takes away, times how
surely it is known. Phi is the larger AR(1) coefficient of middle and spread, and at least the panel's median, as
variables with too small an estimate are those that alarm. With phi at .6 and 60 slices .87 are kept, without memory
nearly all (docs/decisions/0025)."""
SURE_SLICES = 60
"""Slices from which on that is enough. Of fewer, so many times more is lost as they are fewer: with phi at .6 and 20
slices, twenty features alarmed 1.5 to 1.8 times as often as guaranteed at one in 500, 200 features 5 to 6 times
(docs/statistics/calibration.md)."""


def retention(whitener: Whitener, slices: int, examined: Exchangeability) -> Distances:
    """Return the part of its evidence that each variable keeps from slice to slice, (variables,), 0 to 1.

    Parameters
    ----------
    whitener
        The panel's, with the memory of each variable.
    slices
        Number of reference slices.
    examined
        What the tests on the reference have shown.
    """
    slow = max(examined.slow_memory - NO_SLOW_MEMORY, 0.0) * math.sqrt(examined.violations.count(""))
    phi = whitener.phi[:, :2].max(axis=-1)
    phi = np.maximum(phi, np.median(phi))
    unsure = max(SURE_SLICES / slices, 1.0) / math.sqrt(slices)
    return np.asarray(np.exp(-EVIDENCE_LOSS * slow - MEMORY_LOSS * phi**2 * unsure))
