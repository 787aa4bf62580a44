"""Safe file names for names that others choose: a name in an event is never used as a path."""

from __future__ import annotations

import hashlib
import re
from typing import Final

_PLAIN: Final = re.compile(r"(?!sha256-)[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


def file_name(name: str) -> str:
    """Return the name of a file about *name*: the name itself where it is plain, else its sha256.

    Different names give different file names, also on file systems that ignore case, and none leads elsewhere: no
    separator, no ``..``, at most 71 characters.

    >>> file_name("v3"), file_name("2024.1-rc_2"), file_name("../x")[:14], len(file_name("V3"))
    ('v3', '2024.1-rc_2', 'sha256-d6b96a9', 71)
    """
    if _PLAIN.fullmatch(name) and not name.endswith("."):
        return name
    return f"sha256-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()}"
