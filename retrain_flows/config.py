"""Project file sections `signals`, `retrain` (with its `gate`) and `audit`: the retraining policy of a model.

They are read and checked by pydantic; the names and defaults here are what a user writes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field

from features.window import Span
from monitors.finding import Signal
from monitors.signals import Reaction, section
from retrain_flows.cron import Cron


class SignalSection(BaseModel):
    """The section `signals`: what an incident of each signal may trigger (retrain, alert, or nothing).

    A quality fault never retrains: it blocks retraining while it is open.

    Parameters
    ----------
    outside_promise
        Whether drift outside the false-alarm guarantee may retrain where its signal may.
    outside_windows
        How many windows such drift must have lasted before it may. It is called drift only once each window of a whole
        window's length was over its threshold; the gate decides what serves in any case.
    without_loss
        What an incident does whose signal, of its past incidents, rarely came with a rise of the loss
        (:mod:`registry.views.loss_precedence`): ``act`` as any other, or ``wait`` for labels to show a rise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outside_promise: Literal[Reaction.RETRAIN, Reaction.ALERT] = Reaction.ALERT
    outside_windows: int = Field(1, ge=1, description="windows that drift outside the guarantee must last to retrain")
    without_loss: Literal["act", "wait"] = Field(
        "act", description="whether an incident waits for labels whose signal rarely came with a rise of the loss"
    )

    def of(self, signal: Signal) -> Reaction:
        """Return what an incident of a signal may trigger."""
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
    """The section `retrain.gate`: what a challenger must show on later data before it may be promoted.

    Parameters
    ----------
    margin
        Upper limit of the mean loss of challenger minus champion on the same rows, in units of the loss; 0 means that
        the challenger must be better.
    confidence
        One-sided confidence with which the difference must lie below the margin, by the paired test over slices of
        time (:mod:`retrain_flows.gate.paired_test`).
    min_rows
        Evaluation rows below which the gate does not decide.
    segment_margin
        Largest rise of the mean loss in any segment, in units of the loss.
    calibration_margin
        Largest rise of the calibration error: the expected calibration error of probabilities, or the absolute mean
        bias of a regression in standard deviations of the label.
    latency
        Largest time a row, in those of the champion. Below a millisecond a row no challenger is too slow.
    patience
        Slices with labels after which a challenger that is neither better nor worse is rejected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin: float = Field(0.0, ge=0)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    min_rows: int = Field(500, ge=10, description="evaluation rows below which the gate does not decide")
    segment_margin: float = Field(0.05, ge=0, description="largest rise of the mean loss in any segment")
    calibration_margin: float = Field(0.05, ge=0, description="largest rise of the calibration error (bias: in sd)")
    latency: float = Field(10.0, ge=1, description="largest time a row, in those of the champion, from 1 ms on")
    patience: int = Field(90, ge=5, description="slices after which an undecided challenger is rejected")


class Schedule(BaseModel):
    """The section `retrain.schedule`: retrains that need no incident. The gate decides what serves, as for all others.

    Parameters
    ----------
    interval
        A retrain is due when the last one, for whatever reason, is so long ago in event time.
    new_labels
        A retrain is due when so many labels have matured since the last one.
    cron
        A retrain is due when a moment of this cron expression, in UTC and event time, has come since the last one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval: Span | None = Field(None, description="retrain when the last retrain is so long ago")
    new_labels: int | None = Field(None, ge=1, description="retrain when so many labels have matured since the last")
    cron: Cron | None = Field(None, description="retrain at these moments of event time: a cron expression, in UTC")


class Watch(BaseModel):
    """The section `retrain.watch`: the comparison of a new champion with the version before it, after its promotion.

    Parameters
    ----------
    roll_back
        What happens if the version before is better: it is put back (act), or only recorded (alert).
    slices
        Slices with labels after which the comparison ends, whatever it shows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    roll_back: Literal["act", "alert"] = "act"
    slices: int = Field(60, ge=5, description="slices with labels after which the comparison ends")


class Limits(BaseModel):
    """The section `retrain.limits`: what one training may take before it is ended, as a failure that is recorded.

    Parameters
    ----------
    time
        Wall time.
    memory
        Resident memory of the trainer's process and of all that it starts, like ``4GB`` or ``512MiB``; if absent, four
        fifths of the machine's memory (of the container's, where that has less).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    time: Span = Field(timedelta(hours=1), gt=timedelta(0), description="longest time that one training may take")
    memory: ByteSize | None = Field(
        None, ge=1, description="most memory that one training may use; four fifths of the machine's if absent"
    )


class Retrain(BaseModel):
    """The section `retrain`: how challengers are trained, and when.

    Parameters
    ----------
    trainer, online
        Import paths, ``module:function``, from the project file's folder. The function takes no argument and returns an
        unfitted scikit-learn estimator or pipeline (`trainer`, the static challenger), or an estimator with
        ``partial_fit`` or a River model (`online`).
    mode
        Which challengers a retrain trains.
    window
        Length of the period, up to the newest matured label, from which rows are taken.
    weigh_old_rows
        Whether the longest training window weighs rows before a change point down.
    evaluation
        Length of its newest part, on which the gate compares and nothing is trained.
    cool_down
        Shortest time between two retrains, in event time.
    min_rows
        Matured training rows below which a retrain waits.
    wait
        How long a retrain may wait before it is given up, in event time.
    retry
        Shortest time until a retrain that failed is tried again, in event time.
    decide
        What a retrain needs: nothing (act); somebody who approves the promotion of what passed the gate (ask);
        or, where an incident calls for it, somebody who starts it (suggest).
    schedule
        Retrains that need no incident.
    watch
        The comparison with the version before, after a promotion.
    limits
        What one training may take.
    trust
        Types beyond skops' own that may be built when a model file is loaded.
    gate
        What a challenger must show.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trainer: str | None = Field(None, pattern=r"^[\w.]+:\w+$", description="returns the static challenger, unfitted")
    online: str | None = Field(None, pattern=r"^[\w.]+:\w+$", description="returns the online challenger, unfitted")
    mode: Literal["static", "online", "both"] = "static"
    window: Span = Field(timedelta(days=365), description="how far back training data reach")
    weigh_old_rows: bool = Field(False, description="weigh rows before a change point down, if the model can")
    evaluation: Span = Field(timedelta(days=14), description="the newest matured data, kept from training for the gate")
    cool_down: Span = Field(timedelta(days=14), description="shortest time between two retrains")
    min_rows: int = Field(1000, ge=10, description="matured training rows below which a retrain waits")
    wait: Span = Field(timedelta(days=30), description="how long a retrain may wait for labels before it is given up")
    retry: Span = Field(timedelta(days=1), description="shortest time until a failed retrain is tried again")
    decide: Literal["act", "ask", "suggest"] = Field(
        "act", description="act: retrain; ask: wait for approval to promote; suggest: wait for `leeway retrain`"
    )
    schedule: Schedule = Schedule()
    watch: Watch = Watch()
    limits: Limits = Limits()
    trust: tuple[str, ...] = Field((), description="types beyond skops' own that the loader may build")
    gate: Gate = Gate()

    @property
    def trainers(self) -> dict[str, str]:
        """The import paths of the trainers to use, by mode: ``static`` and ``online``.

        >>> Retrain(trainer="train:make", mode="both").trainers
        {'static': 'train:make'}
        """
        paths = {"static": self.trainer, "online": self.online}
        return {mode: path for mode, path in paths.items() if path and self.mode in (mode, "both")}


class Audit(BaseModel):
    """The section `audit`: when the scheduled audit runs, how far back it recounts, and the key of the audit log.

    Parameters
    ----------
    schedule
        Cron expression, in UTC.
    period
        How far back windows are counted again.
    key_env
        Environment variable with the signing key of the audit log; a file in the state folder if absent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schedule: Cron = Field("0 6 * * 1", description="cron, UTC")
    period: Span = timedelta(days=30)
    key_env: str | None = Field(
        None,
        pattern=r"^[A-Z][A-Z0-9_]*$",
        description="variable with the key that signs the audit log; a file in `state` if absent",
    )
