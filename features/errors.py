"""Every error that Leeway raises on purpose, in one tree, so that a caller can tell whose fault it is.

LeewayError
├── ProjectError          the project file, or what it points to, is wrong; names line, key and fix
├── DataError             events that cannot be used as they are
│   └── NotEnoughData     too few of them to do what was asked
├── BrokerError           Kafka or its schema registry cannot be reached, refuses, or has not what was asked for
│   └── BrokerAway        it does not answer now
├── EngineError           Flink or Java did not do what it should
│   └── EngineAway        the cluster does not answer now, or has lost the job that it had
├── TrainerError          the user's trainer raised or returned something unusable
├── RegistryError         the registry refuses
│   ├── RegistryAway      its database does not answer now, or is busy
│   ├── NotFound          no such model, version, incident...
│   ├── IllegalMove       the state machine forbids it
│   └── StaleChampion     somebody else promoted in between; read again and decide again
├── ArtifactError         a model file is missing or is not the file that was registered
│   └── UntrustedArtifact it holds types that the loader has not been told to trust
└── DeliveryError         an alert could not be delivered

Those that end in `Away` are Outages as well: the same may succeed later, with nothing mended here.
"""

from __future__ import annotations


class LeewayError(Exception):
    """Something Leeway refuses or cannot do, said in words a user can act on.

    *hint* is the way to mend it, printed on a line of its own.

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
    """Too few events to do what was asked."""


class BrokerError(LeewayError):
    """Kafka, or the schema registry beside it, cannot be reached, refuses, or does not have what was asked for."""


class Outage(LeewayError):
    """A server is away: whoever can wait may try the same again."""


class BrokerAway(BrokerError, Outage):
    """Kafka, or the schema registry beside it, does not answer now."""


class EngineError(LeewayError):
    """Flink or Java did not do what it should."""


class EngineAway(EngineError, Outage):
    """The cluster does not answer now, or has lost the job that it had."""


class TrainerError(LeewayError):
    """The user's trainer raised, or returned something unusable."""


class RegistryError(LeewayError):
    """The registry refuses."""


class RegistryAway(RegistryError, Outage):
    """The registry's database does not answer now, or is busy."""


class NotFound(RegistryError):
    """No such model, version or incident."""


class IllegalMove(RegistryError):
    """The state machine forbids this step."""


class StaleChampion(RegistryError):
    """Somebody else promoted in between; read again and decide again."""


class ArtifactError(LeewayError):
    """A model file is missing, or is not the file that was registered."""


class UntrustedArtifact(ArtifactError):
    """A model file holds types that the loader has not been told to trust."""


class DeliveryError(LeewayError):
    """An alert could not be delivered."""
