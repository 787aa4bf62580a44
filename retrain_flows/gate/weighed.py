"""A comparison as it was weighed: the window that describes all slices so far, and the evidence of all looks."""

from __future__ import annotations

from dataclasses import dataclass

from retrain_flows.gate import evidence
from retrain_flows.gate.evidence import Evidence, Looks, Question
from retrain_flows.gate.slice_window import Window


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a look measured (*window*), and what decides (*evidence*)."""

    window: Window
    evidence: Evidence


def weigh(looks: Looks, question: Question, *, worse_since: int = 0) -> Weighed | None:
    """Return a comparison as weighed; None where the newest look has no slices, or all have too few.

    Parameters
    ----------
    looks
        The slices of each look, the newest included.
    question
        What they are weighed by.
    worse_since
        Index of the first look that counts as evidence of being worse.
    """
    window = evidence.described(looks, question) if looks and looks[-1] else None
    if window is None:
        return None
    return Weighed(window, evidence.weigh(looks, question, worse_since=worse_since))
