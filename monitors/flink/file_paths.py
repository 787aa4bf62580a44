"""File paths as Flink writes them: ``file://`` and the path itself, in which nothing is percent-encoded.

Flink's `Path` takes text as it stands: given the ``p%201`` of a URL, it makes another folder of that name.
"""

from __future__ import annotations

from pathlib import Path

_SCHEME = "file:"


def to_flink(path: Path) -> str:
    """Return *path* for an option that Flink reads as a `Path`.

    >>> to_flink(Path("/srv/p 1/100 %"))
    'file:///srv/p 1/100 %'
    """
    return f"{_SCHEME}//{path.resolve()}"


def in_sql(path: Path) -> str:
    """Return *path* for an option of a table, between single quotes of SQL.

    >>> in_sql(Path("/srv/Ann's"))
    "file:///srv/Ann''s"
    """
    return to_flink(path).replace("'", "''")


def from_flink(location: str) -> Path:
    """Return the path of a *location* that Flink names; one that is on no disk of this machine stays as it is.

    >>> {from_flink(f"{start}/srv/p 1/100 %/chk-7") for start in ("file:", "file://")}
    {PosixPath('/srv/p 1/100 %/chk-7')}
    """
    if not location.startswith(_SCHEME):
        return Path(location)
    return Path("/" + location.removeprefix(_SCHEME).lstrip("/"))
