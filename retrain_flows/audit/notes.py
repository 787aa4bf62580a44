"""Findings and figures of one audit, collected check by check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from features import errors

MAX_NAMED = 10
"""How many items one finding names; the others are counted. The report is read by people."""
UNREADABLE = (errors.LeewayError, ValidationError)
"""What is raised where a row on record cannot be read as what it was written as."""


@dataclass
class Notes:
    """What an audit has found so far.

    Parameters
    ----------
    findings
        One sentence for each kind of difference, and for each check that could not be made.
    numbers
        How much was checked, and how much of it differs, by name.
    """

    findings: list[str] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)

    def several(self, noun: str, problem: str, items: Sequence[str]) -> None:
        """Add one finding for all *items*, named by a *noun* in the singular; none if there are no items.

        >>> notes = Notes()
        >>> notes.several("promotion", "without a gate", ["v2", "v3"])
        >>> notes.findings
        ['2 promotions without a gate: v2, v3']
        """
        if items:
            plural = "" if len(items) == 1 else "s"
            more = f" and {len(items) - MAX_NAMED} more" if len(items) > MAX_NAMED else ""
            self.findings.append(f"{len(items)} {noun}{plural} {problem}: {', '.join(items[:MAX_NAMED])}{more}")

    def run(self, subject: str, check: Callable[[], None]) -> None:
        """Run one check; if what is on record cannot be read, that is a finding about its *subject*."""
        try:
            check()
        except UNREADABLE as error:
            self.findings.append(f"the {subject} could not be checked: {message(error)}")


def message(error: Exception) -> str:
    """Return an error's message, of other errors than Leeway's the first line."""
    return error.message if isinstance(error, errors.LeewayError) else str(error).splitlines()[0]
