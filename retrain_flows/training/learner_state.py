"""State of a learner in the stream, as bytes: what it knows after a part, its model as a skops file among it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class LearnerState:
    """What a learner knows after a part.

    Parameters
    ----------
    model
        Its model, as a skops file; empty before the first part that was learned from.
    learned
        How many samples the model has learned from.
    waiting
        Names of parts that were tested, and are not learned from yet; in order of time.
    position
        The newest part.
    losses, weights
        Faded sums of the losses of tested samples, and of their weights.
    tested
        How many samples were tested.
    snapshot, snapshot_end
        The digest of the newest snapshot, and the end (ms) of its newest slice.
    """

    model: bytes = b""
    learned: int = 0
    waiting: tuple[str, ...] = ()
    position: str = ""
    losses: float = 0.0
    weights: float = 0.0
    tested: int = 0
    snapshot: str = ""
    snapshot_end: int = 0

    @property
    def loss(self) -> float | None:
        """The prequential loss; None before any sample was tested."""
        return self.losses / self.weights if self.weights else None

    def encode(self) -> bytes:
        """Return the state as bytes: a line of JSON, and the model."""
        about = {**asdict(self), "model": ""}
        return json.dumps(about, sort_keys=True).encode() + b"\n" + self.model

    @staticmethod
    def decode(data: bytes) -> LearnerState:
        """Return the state that :meth:`encode` wrote."""
        about, _, model = data.partition(b"\n")
        own = json.loads(about)
        return LearnerState(**{**own, "model": model, "waiting": tuple(own["waiting"])})
