"""The exceptions of Leeway, in one tree, so that a caller can tell whose fault an error is and whether to try again.

LeewayError
├── ProjectError          the project file, or what it points to, is wrong; names line, key and fix
├── DataError             events that cannot be used as they are
│   ├── NotEnoughData     too few events for the operation
│   ├── TableError        a table of events or facts cannot be read as the project file says
│   │   └── TableAway     its database does not answer now, or is busy
│   ├── LandingBusy       another process reads the same table, topic or view for long
│   └── NoIdColumn        no column of a log tells its rows apart
├── BrokerError           Kafka or its schema registry cannot be reached, refuses, or lacks what was requested
│   └── BrokerAway        it does not answer now
├── EngineError           Flink or Java failed
│   └── EngineAway        the cluster does not answer now, or has lost the job that it had
├── TrainerError          the user's trainer raised an exception or returned something unusable
│   ├── TrainerTimeout    it took longer than it may
│   └── TrainerOutOfMemory  it needed more memory than it may
├── RegistryError         the registry refuses
│   ├── RegistryAway      its database does not answer now, or is busy
│   ├── NotFound          no such model, version, incident...
│   ├── IllegalMove       the state machine forbids the step
│   └── StaleChampion     another process promoted in between; read again and decide again
├── ArtifactError         a model file is missing or is not the file that was registered
│   └── UntrustedArtifact it holds types that are not on the loader's trust list
├── TransformError        a transform of the project cannot be imported, raised, or returned something unusable
├── RequestError          a prediction request is wrong; names field, value and fix
├── Outage                the same call may succeed later, without any change here; all `...Away` and `LandingBusy` are
│   └── NotReady          a served model cannot answer now: none is loaded, or too many requests wait
└── DeliveryError         an alert could not be delivered
"""

from __future__ import annotations


class LeewayError(Exception):
    """The base of all errors that Leeway raises on purpose: a message for the user, and how to mend the cause.

    Parameters
    ----------
    message
        What went wrong, as a plain statement.
    hint
        What to do about it, printed on a line of its own; empty if nothing is known to help.

    Examples
    --------
    >>> print(LeewayError("the port is taken", hint="choose another with --port"))
    the port is taken
      hint: choose another with --port
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message, with the hint under it."""
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class ProjectError(LeewayError):
    """The project file, or what it points to, is wrong."""


class DataError(LeewayError):
    """Events that cannot be used as they are."""


class NotEnoughData(DataError):
    """Too few events for the operation."""


class Outage(LeewayError):
    """A server is away: the same call may succeed later."""


class TableError(DataError):
    """A table of events or facts cannot be read as the project file says."""


class TableAway(TableError, Outage):
    """The database of a table does not answer now, or is busy."""


class LandingBusy(DataError, Outage):
    """Another process has been reading the same table, topic or view for long."""


class NoIdColumn(DataError):
    """No column of a log tells its rows apart, as labels need to find their predictions."""


class BrokerError(LeewayError):
    """Kafka, or the schema registry beside it, cannot be reached, refuses, or does not have what was requested."""


class BrokerAway(BrokerError, Outage):
    """Kafka, or the schema registry beside it, does not answer now."""


class EngineError(LeewayError):
    """Flink or Java failed."""


class EngineAway(EngineError, Outage):
    """The cluster does not answer now, or has lost the job that it had."""


class TrainerError(LeewayError):
    """The user's trainer raised an exception, or returned something unusable."""


class TrainerTimeout(TrainerError):
    """The user's trainer took longer than `retrain.limits.time`."""


class TrainerOutOfMemory(TrainerError):
    """The user's trainer needed more memory than `retrain.limits.memory`, or than the machine has."""


class RegistryError(LeewayError):
    """The registry refuses."""


class RegistryAway(RegistryError, Outage):
    """The registry's database does not answer now, or is busy."""


class NotFound(RegistryError):
    """No such model, version or incident."""


class IllegalMove(RegistryError):
    """The state machine forbids this step."""


class StaleChampion(RegistryError):
    """Another process promoted in between; read again and decide again."""


class ArtifactError(LeewayError):
    """A model file is missing, or is not the file that was registered."""


class UntrustedArtifact(ArtifactError):
    """A model file holds types that are not on the loader's trust list."""


class DeliveryError(LeewayError):
    """An alert could not be delivered."""


class TransformError(LeewayError):
    """A transform of the project cannot be imported, raised an exception, or returned something unusable."""


class RequestError(LeewayError):
    """A prediction request is wrong: its body, a feature of a row, or the version that it names."""


class NotReady(Outage):
    """A served model cannot answer now: none is loaded, or too many requests wait."""


def reason(error: Exception) -> str:
    """Return what an exception says in a line: our own by its message, any other with its type.

    >>> reason(DataError("no such file", hint="name another")), reason(KeyError("x"))
    ('no such file', "KeyError: 'x'")
    """
    return error.message if isinstance(error, LeewayError) else f"{type(error).__name__}: {error}"
