"""The project file: what a verdict may set in motion (`signals`, `retrain`, `audit`), and the gate behind it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from features.window import Span
from monitors.finding import Signal
from monitors.signals import Reaction, section


class SignalSection(BaseModel):
    """What an incident of each signal may trigger. A quality fault never retrains: it blocks retraining while open.

    *outside_promise* says whether drift that does not keep the false-alarm promise may retrain where its signal may.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outside_promise: Literal[Reaction.RETRAIN, Reaction.ALERT] = Reaction.ALERT

    def of(self, signal: Signal) -> Reaction:
        """Return what *signal* may set in motion."""
        return Reaction(getattr(self, signal.value))

    @property
    def ignored(self) -> frozenset[Signal]:
        """The signals that open no incident.

        >>> Signals(feature=Reaction.IGNORE).ignored == {Signal.FEATURE}
        True
        """
        return frozenset(signal for signal in Signal if self.of(signal) is Reaction.IGNORE)


if TYPE_CHECKING:
    Signals = SignalSection
else:
    Signals = section("Signals", SignalSection, __name__, lambda spec: (Literal[spec.reactions], spec.reaction))


class Gate(BaseModel):
    """What a challenger must show on later data before it may be promoted.

    The mean loss of challenger minus champion on the same rows must lie below *margin* (in units of the loss; 0 means
    better) with *confidence*, by a bootstrap over slices of time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin: float = Field(0.0, ge=0)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    min_rows: int = Field(500, ge=10, description="evaluation rows below which the gate holds")
    segment_margin: float = Field(0.05, ge=0, description="largest rise of the mean loss in any segment")


class Retrain(BaseModel):
    """How a challenger is made.

    *trainer* is an import path, from the project file's folder, ``module:function``. ``function()`` returns an unfitted
    scikit-learn estimator or pipeline (static), or an estimator with ``partial_fit`` or a River model (online).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trainer: str | None = Field(None, pattern=r"^[\w.]+:\w+$", description="makes the static challenger")
    online: str | None = Field(None, pattern=r"^[\w.]+:\w+$", description="makes the online challenger")
    mode: Literal["static", "online", "both"] = "static"
    window: Span = Field(timedelta(days=365), description="how far back training data reach")
    evaluation: Span = Field(timedelta(days=14), description="the newest matured data, kept from training for the gate")
    cool_down: Span = Field(timedelta(days=14), description="shortest time between two retrains")
    min_rows: int = Field(1000, ge=10, description="matured training rows below which a retrain waits")
    wait: Span = Field(timedelta(days=30), description="how long a retrain may wait for labels before it is given up")
    trust: tuple[str, ...] = Field((), description="types beyond skops' own that the loader may build")
    gate: Gate = Gate()

    @property
    def trainers(self) -> dict[str, str]:
        """The import paths that are to be used, by mode: ``static`` and ``online``.

        >>> Retrain(trainer="train:make", mode="both").trainers
        {'static': 'train:make'}
        """
        paths = {"static": self.trainer, "online": self.online}
        return {mode: path for mode, path in paths.items() if path and self.mode in (mode, "both")}


class Audit(BaseModel):
    """When the scheduled audit runs and how far back it replays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schedule: str = Field("0 6 * * 1", description="cron, UTC")
    period: Span = timedelta(days=30)
    key_env: str | None = Field(
        None,
        pattern=r"^[A-Z][A-Z0-9_]*$",
        description="variable with the key that signs the audit log; a file in `state` if absent",
    )
