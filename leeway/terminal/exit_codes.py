"""Exit codes of commands: their meanings, and the code of each error class."""

from __future__ import annotations

from enum import IntEnum

from features.errors import LeewayError, NotFound, ProjectError


class ExitCode(IntEnum):
    """The exit codes; *meaning* is the sentence in the help and the docs.

    >>> ExitCode.FINDINGS, int(ExitCode.DEFECT)
    (<ExitCode.FINDINGS: 1>, 70)
    """

    meaning: str

    def __new__(cls, value: int, meaning: str = "") -> ExitCode:
        """Return the member of *value* with its sentence."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    FINE = 0, "done, and nothing is wrong"
    FINDINGS = (
        1,
        "done, and there is something to look at: a failed check, records that could not be read, a finding \
of the audit, a challenger that the gate refused",
    )
    USAGE = 2, "not begun: an option, a name or the project file is wrong"
    FAILURE = 3, "could not be done: events that cannot be used, an engine, a database, a broker, a receiver"
    DEFECT = 70, "something that Leeway did not expect; the traceback is in a file that the message names"
    INTERRUPTED = 130, "stopped with Ctrl-C"


def code_of(error: LeewayError) -> ExitCode:
    """Return the exit code of a command that raised *error*: USAGE for wrong names and project files, else FAILURE.

    >>> code_of(NotFound("there is no model 'x'")), code_of(LeewayError("the disk is full"))
    (<ExitCode.USAGE: 2>, <ExitCode.FAILURE: 3>)
    """
    return ExitCode.USAGE if isinstance(error, ProjectError | NotFound) else ExitCode.FAILURE


def listed() -> str:
    """Return the codes as a list in Markdown, for the help."""
    return "\n\n".join(f"* {code.value}: {code.meaning}" for code in ExitCode)
