"""Failure causes of a Flink job: the innermost error in a stack trace, with the hint if it is one of Leeway's."""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 500
_OURS: Final = re.compile(r"^features\.errors\.\w+: (?P<message>.+)(?:\n\s*hint: (?P<hint>.+))?", re.MULTILINE)
_JAVA: Final = ("Caused by:", "py4j", ": ")


def cause(trace: str) -> tuple[str, str]:
    r"""Return the innermost cause in a stack trace, in one line, and its hint; empty for no trace.

    Leeway's own errors are reported by their message, others by the last line that names a cause.

    >>> cause("Caused by: X: Traceback\n  File a\nfeatures.errors.DataError: v1 was altered\n  hint: remove it")
    ('v1 was altered', 'remove it')
    >>> cause("org.X: a\n\tat b\nCaused by: java.Y: c\n\tat d"), cause("")
    (('Caused by: java.Y: c', ''), ('', ''))
    """
    if ours := list(_OURS.finditer(trace)):
        return ours[-1]["message"][:_LONGEST], (ours[-1]["hint"] or "")[:_LONGEST]
    lines = trace.splitlines()
    named = [line for line in lines if line.startswith(_JAVA)]
    return (named[-1:] or lines[:1] or [""])[0][:_LONGEST], ""
