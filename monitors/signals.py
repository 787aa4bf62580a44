"""The signals that are monitored, in one table: the stage that judges each, its budget share, severity and reaction.

Whatever depends on which signal it is reads this table: the false-alarm budget, severities of incidents, what an
incident may set in motion, the order of pages. To add a signal, add its row here and compute its findings (see
`docs/how-to/add-a-signal.md`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from pydantic import BaseModel, create_model

from monitors.finding import Signal, Stage


class Severity(str, Enum):
    """How bad an incident is; the severity of an incident never falls while it lasts."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the mildest."""
        return list(Severity).index(self)

    @property
    def next(self) -> Severity:
        """The next severity up; of the worst, itself."""
        return list(Severity)[min(self.rank + 1, len(Severity) - 1)]


class Reaction(str, Enum):
    """What an incident may set in motion."""

    RETRAIN = "retrain"
    ALERT = "alert"
    IGNORE = "ignore"


class Needs(str, Enum):
    """What a baseline must hold for a signal to be monitored, and so to have a part of the budget."""

    NOTHING = "nothing"
    OUTCOMES = "outcomes"
    PROJECTION = "projection"
    ESTIMATE = "estimate"


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """One row of the table of signals.

    Parameters
    ----------
    signal
        Which one it is.
    stage
        The stage whose windows judge it. Faults are found in both; what a page shows of them is of the inputs.
    budget_share
        Its part of the false-alarm budget, between 0 and 1, where all signals are monitored.
    severity, reaction
        The defaults of ``incidents.severity`` and of ``signals`` in a project file.
    reactions
        The reactions that a project file may choose.
    needs
        What the baseline must hold for the signal to be monitored.
    of_loss
        Whether its effect is a relative rise of the loss, compared with ``monitor.min_loss_increase``; otherwise it is
        a distance between distributions, compared with ``monitor.min_effect``.
    """

    signal: Signal
    stage: Stage
    budget_share: float
    severity: Severity
    reaction: Reaction
    reactions: tuple[Reaction, ...] = tuple(Reaction)
    needs: Needs = Needs.NOTHING
    of_loss: bool = False


SIGNALS = (
    SignalSpec(Signal.QUALITY, Stage.INPUTS, 0.1, Severity.CRITICAL, Reaction.ALERT,
               reactions=(Reaction.ALERT, Reaction.IGNORE)),
    SignalSpec(Signal.PERFORMANCE, Stage.OUTCOMES, 0.25, Severity.CRITICAL, Reaction.RETRAIN, needs=Needs.OUTCOMES,
               of_loss=True),
    SignalSpec(Signal.ESTIMATE, Stage.INPUTS, 0.1, Severity.WARNING, Reaction.ALERT, needs=Needs.ESTIMATE,
               of_loss=True),
    SignalSpec(Signal.LABEL, Stage.OUTCOMES, 0.1, Severity.WARNING, Reaction.RETRAIN, needs=Needs.OUTCOMES),
    SignalSpec(Signal.PREDICTION, Stage.INPUTS, 0.15, Severity.WARNING, Reaction.ALERT),
    SignalSpec(Signal.FEATURE, Stage.INPUTS, 0.2, Severity.INFO, Reaction.ALERT),
    SignalSpec(Signal.MULTIVARIATE, Stage.INPUTS, 0.1, Severity.INFO, Reaction.ALERT, needs=Needs.PROJECTION),
)  # fmt: skip
"""All signals, in the order in which people should read them: what can be wrong with the data before what drifted,
what it costs before what may explain it. The largest shares are of what can start a retrain. A quality fault never
starts one, and its rows are trained on by none."""

SPECS: dict[Signal, SignalSpec] = {spec.signal: spec for spec in SIGNALS}
"""The row of each signal."""

_Section = TypeVar("_Section", bound=BaseModel)


def section(name: str, base: type[_Section], module: str, setting: Callable[[SignalSpec], tuple[Any, Any]]) -> Any:
    """Return a section of the project file with one key for each signal, named as the signal is.

    Parameters
    ----------
    name, module
        What the class is called, and the module that it can be imported from.
    base
        What it inherits: its other keys, and its methods.
    setting
        The type and the default of a signal's key.
    """
    fields: dict[str, Any] = {signal.value: setting(SPECS[signal]) for signal in Signal}
    return create_model(name, __base__=base, __module__=module, __doc__=base.__doc__, **fields)
