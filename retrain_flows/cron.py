"""Cron expressions of the project file, in UTC: five fields, checked when the file is read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator

FIELDS = 5
"""Minute, hour, day of the month, month, day of the week. Implementations disagree about where seconds stand."""
_ANY_TIME = datetime(2000, 1, 1)


def parse_cron(expression: str) -> str:
    """Return a cron expression unchanged.

    Raises
    ------
    ValueError
        It is not one, or no moment fits it.

    Examples
    --------
    >>> parse_cron("0 6 * * 1")
    '0 6 * * 1'
    """
    if len(expression.split()) != FIELDS:
        raise ValueError(_message(expression, f"{len(expression.split())} fields, not {FIELDS}"))
    try:
        next(CronSim(expression, _ANY_TIME))
    except CronSimError as error:
        raise ValueError(_message(expression, str(error).lower())) from error
    except StopIteration as error:
        raise ValueError(_message(expression, "no moment fits it")) from error
    return expression


def _message(expression: str, why: str) -> str:
    fields = "minute, hour, day of the month, month and day of the week, in UTC"
    return f"{expression!r} is not a cron expression ({why}); write {fields}, like 0 6 * * 1"


def first_after(expression: str, moment: datetime) -> datetime:
    """Return the first moment of a cron expression that is later than *moment*, which is in UTC.

    Examples
    --------
    >>> from features.window import UTC
    >>> first_after("0 6 * * 1", datetime(2026, 1, 5, 6, tzinfo=UTC)).isoformat()
    '2026-01-12T06:00:00+00:00'
    """
    return next(CronSim(expression, moment))


Cron = Annotated[str, AfterValidator(parse_cron)]
"""A cron expression of a project file."""
