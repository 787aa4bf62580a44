"""Finds the event files and label files of a log: in a file or folder, and beside it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from features.errors import DataError
from features.files import file_chunks
from leeway.infer import log_sample

MOST_OPENED = 40
"""Most files of a folder that are opened to read their columns: half of them the first, half the last."""


def events(source: Path) -> Path:
    """Return where the events of *source* are: itself, or its folder called predictions or history.

    Raises DataError if it does not exist.
    """
    if source.is_dir() and not any(file.parent == source for file in file_chunks.list_files(source)):
        for name in ("predictions", "history"):
            if files(source / name):
                return source / name
    if not source.exists():
        msg = f"{source} does not exist"
        raise DataError(msg, hint="--from names a file or a folder of events")
    return source


def labels_beside(log: Path) -> Path | None:
    """Return the folder or file called labels beside the events; None if there is none."""
    folder = log.parent.parent / "labels"  # beside the folder that the file is in
    for place in (*sorted(log.parent.glob("labels*")), *([folder] if log.is_file() and folder.is_dir() else [])):
        if (
            place.resolve() != log.resolve()
            and (place.is_dir() or place.suffix in file_chunks.FORMATS)
            and files(place)
        ):
            return place
    return None


def files(place: Path) -> list[Path]:
    """Return the event files of *place* that are not empty; none if it does not exist."""
    if not place.exists():
        return []
    return [file for file in file_chunks.list_files(place) if file.stat().st_size]


def folder(log: Path, needed: Collection[str], columns: Collection[str], project_folder: Path) -> Path:
    """Return the folder of a log that is a file, where later files are expected, if all in it are of its kind.

    The project's own folder, *home*, is none: Leeway's files will be there.
    """
    if log.is_dir() and (project_folder.is_relative_to(log) and len(files(log)) == 1):
        return files(log)[0]
    if log.is_dir() or project_folder.is_relative_to(log.parent) or lacking(log.parent, needed, columns):
        return log
    return log.parent


def lacking(place: Path, needed: Collection[str], columns: Collection[str]) -> dict[str, str]:
    """Return those *needed* and other *columns* that some file of *place* does not have, each with the file's name.

    A JSON Lines file may omit other columns where they are null. A file that cannot be read lacks all columns.
    """
    all_files, file_without = files(place), dict[str, str]()
    opened_files = (
        all_files
        if len(all_files) <= MOST_OPENED
        else [*all_files[: MOST_OPENED // 2], *all_files[-MOST_OPENED // 2 :]]
    )
    for file in opened_files:
        try:
            head = set(log_sample.rows(file, 200).column_names)
        except DataError:
            head = set()
        optional = set(columns) if file_chunks.FORMATS[file.suffix] == "jsonl" else set()
        absent = {*needed, *columns} - head - optional
        file_without |= {column: file.name for column in absent if column not in file_without}
    return file_without
