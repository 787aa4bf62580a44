"""Checks of event files before their rows: empty, unread and duplicate-column files; columns of each file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from csv import Error as CsvError
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.conventions import CsvFormat
from features.errors import DataError
from features.events import location
from features.files import csv_lines, file_chunks
from features.schema import Source
from features.values.untyped import Reject
from leeway.check.environment import Check
from leeway.infer import csv_dialect, log_sample

HEAD = 200
"""Rows of a JSON Lines file whose columns are read; other formats have a header or schema."""
_PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz")


def file_warnings(name: str, source: Source, wanted: Collection[str]) -> Iterator[Check]:
    """Yield a warning for files that are empty, not read, or have a column twice; nothing for a topic.

    Duplicates of *wanted* columns are left to the decoder, which rejects rows that have them.
    """
    if source.path is None:
        return
    folder = location.directory(source)
    all_files = file_chunks.list_files(folder)
    if empty := [path.name for path in all_files if not path.stat().st_size]:
        yield Check(name, "warning", f"{first_and_rest(empty)} {'are' if len(empty) > 1 else 'is'} empty")
    if passed := list(_passed_over(folder)):
        yield Check(name, "warning", f"{first_and_rest([path.name for path in passed])} {_not_read(passed)}")
    yield from _named_twice(name, all_files, source.csv, wanted)


def _passed_over(folder: Path) -> Iterator[Path]:
    """Yield the files of *folder* that are skipped because of their extension."""
    for path in sorted(folder.rglob("*") if folder.is_dir() else ()):
        parts = path.relative_to(folder).parts
        unfinished = path.suffix == ".tmp" or any(part[0] in "._" for part in parts)
        if path.suffix not in file_chunks.FORMATS and not unfinished and path.is_file():
            yield path


def _not_read(passed: list[Path]) -> str:
    are = "is skipped: its extension is not read" if len(passed) == 1 else "are skipped: their extensions are not read"
    endings = ", ".join(file_chunks.FORMATS)
    if any(path.suffix.lower() in _PACKED for path in passed):
        return f"{are} (only {endings} are); unpack compressed files"
    if any(path.suffix.lower() in file_chunks.FORMATS for path in passed):
        return f"{are} (only {endings} are, in lower case); rename it"
    return f"{are} (only {endings} are); rename files of events, and move other files out of the folder"


def _named_twice(name: str, all_files: Iterable[Path], csv: CsvFormat, wanted: Collection[str]) -> Iterator[Check]:
    twice: dict[str, list[str]] = {}
    for path in all_files:
        for column in _twice(path, csv):
            twice.setdefault(column, []).append(path.name)
    for column in twice.keys() - set(wanted):
        what = f"column {column!r} appears twice in {first_and_rest(twice[column])}"
        yield Check(
            name, "warning", f"{what}; the project file does not use it, so the file is read; rename or drop one"
        )


def _twice(path: Path, csv: CsvFormat) -> list[str]:
    """Return the column names that occur twice in the header, or in one of the first records."""
    try:
        is_json = file_chunks.FORMATS.get(path.suffix) == "jsonl"
        heads = list(_records(path)) if is_json else [columns(path, csv) or []]
    except OSError:  # the decoder tells of a file that cannot be read
        return []
    return sorted({name for head in heads for name, n in Counter(head).items() if n > 1})


def _records(path: Path) -> Iterator[list[str]]:
    """Yield the names in each of the first records of a JSON Lines file, duplicates included."""
    for line in islice(csv_dialect.head(path).split(b"\n"), HEAD):
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):
            continue
        if isinstance(pairs, _Pairs):
            yield [name for name, _ in pairs]


class _Pairs(list[tuple[str, object]]):
    """A JSON object as its (name, value) pairs, duplicate names included."""


def heads(paths: Iterable[Path], csv: CsvFormat, needed: str) -> dict[str, list[str]]:
    """Return the columns of each file that can be read; the decoder reports the others.

    A CSV file without the *needed* column is left out: it may have another dialect, which the decoder names.
    """
    named = {path: columns(path, csv) for path in paths}
    return {
        path.name: head
        for path, head in named.items()
        if head is not None and (needed in head or file_chunks.FORMATS[path.suffix] != "csv")
    }


def columns(path: Path, csv: CsvFormat) -> list[str] | None:
    """Return the columns of the file at *path*; None where it cannot be read or has none."""
    kind = file_chunks.FORMATS.get(path.suffix)
    try:
        if kind == "csv":
            with path.open("rb") as file:
                return csv_lines.column_names(csv_lines.read_header(file), csv)
        if kind == "parquet":
            return list(pq.read_schema(path).names)
        return log_sample.rows(path, HEAD).column_names or None
    except (DataError, OSError, ValueError, pa.ArrowException):
        return None


def written_otherwise(source: Source, rejects: Iterable[Reject]) -> str:
    """Return the CSV format that a file with *rejects* seems to have, if the project file has another."""
    path = next((Path(r.path) for r in rejects if source.path is not None and r.path.endswith(".csv")), None)
    if path is None:
        return ""
    try:
        guess = csv_dialect.csv_format(path)
    except (DataError, OSError, CsvError):
        return ""
    usual = CsvFormat().model_dump()
    differing = {key: value for key, value in guess.model_dump().items() if value != usual[key]}
    present = {key: value for key, value in source.csv.model_dump().items() if value != usual[key]}
    if differing.items() <= present.items():
        return ""
    parts = ", ".join(f"{key}: {_quoted(value)}" for key, value in {**present, **differing}.items())
    return f"{path.name} seems to be written with `csv: {{{parts}}}`"


def _quoted(value: str) -> str:
    return value if value.isalnum() else json.dumps(value)


def first_and_rest(names: list[str]) -> str:
    """Return the first name and how many more there are.

    >>> first_and_rest(["a"]), first_and_rest(["a", "b", "c"])
    ('a', 'a and 2 more')
    """
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def listed(values: Iterable[object], most: int = 4) -> str:
    """Return the first *most* of *values* for a sentence, each cut to 40 characters.

    >>> listed(["no", "yes"]), listed(range(6))
    ("'no' and 'yes'", "'0', '1', '2', '3' and 2 more")
    """
    texts = [repr(text if len(text) <= 40 else f"{text[:39]}…") for text in map(str, values)]
    if len(texts) <= most:
        return " and ".join(chain([", ".join(texts[:-1])] if texts[:-1] else [], texts[-1:]))
    return f"{', '.join(texts[:most])} and {len(texts) - most} more"
